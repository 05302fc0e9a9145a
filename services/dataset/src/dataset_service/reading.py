"""How a sender says that a file is to be read: what uploads and imports share, and what versions have of their own."""

from pydantic import Field
from pynomaly_contracts.datasets import VersionMode
from pynomaly_contracts.reading import ReadingWanted, UploadFields

__all__ = ["ReadingWanted", "UploadFields", "VersionFields"]


class VersionFields(ReadingWanted):
    """What comes beside the file of a new version."""

    mode: VersionMode = Field(default="append", description="append: after the rows that there are; replace: instead.")
