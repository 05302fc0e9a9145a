"""Problem details, RFC 9457."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def carried(text: str) -> str:
    """The text as UTF-8 can carry it: JSON may spell half a surrogate pair, which becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


Text = Annotated[str, BeforeValidator(carried)]


class FieldProblem(BaseModel):
    """One thing that is wrong with one field."""

    model_config = ConfigDict(frozen=True)

    field: Text = Field(description="Path of the field, e.g. 'body.contamination' or 'query.limit'.")
    message: Text = Field(description="What is wrong and what would be right.")
    value: Any = Field(default=None, description="The value that was sent, shortened when long.")


class Problem(BaseModel):
    """The body of every error. `type` is stable; further members belong to the type."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = Field(examples=["/problems/validation"])
    title: str
    status: int
    detail: str
    instance: str | None = Field(default=None, description="The request's id.")
    errors: list[FieldProblem] = []
