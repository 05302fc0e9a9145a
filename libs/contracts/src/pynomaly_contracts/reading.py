"""How a sender says that a file is to be read; what is not said is found out."""

from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from pynomaly_contracts.base import ColumnName, Description, Request, ResourceName
from pynomaly_contracts.datasets import DecimalMark, Delimiter, FileFormat

_DELIMITER_WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "\\t": "\t"}
Word = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]


class ReadingWanted(Request):
    """Options of the text formats and of Excel."""

    format: FileFormat | None = Field(default=None, description="Default: by the file's first bytes and its type.")
    delimiter: Delimiter | None = Field(default=None, description="Also: comma, semicolon, tab, pipe.")
    decimal: DecimalMark | None = Field(default=None, description="The mark before decimals.")
    header: bool | None = Field(default=None, description="Whether the first line names the columns.")
    encoding: Word | None = Field(default=None, max_length=32, examples=["cp1252"])
    null_words: list[Word] | None = Field(
        default=None, max_length=32, description="Separated by commas: what stands for a missing value, in any case."
    )
    sheet: Word | None = Field(default=None, max_length=64, description="Of an Excel file; default: the first.")

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        return None if value == "" else value  # an HTML form sends its empty fields too

    @field_validator("delimiter", mode="before")
    @classmethod
    def _by_word(cls, value: object) -> object:
        return _DELIMITER_WORDS.get(value.lower(), value) if isinstance(value, str) else value

    @field_validator("null_words", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return [word.strip().lower() for word in value.split(",")] if isinstance(value, str) else value


class UploadFields(ReadingWanted):
    """What comes beside the file."""

    name: ResourceName
    description: Description | None = None
    target_column: ColumnName | None = None
