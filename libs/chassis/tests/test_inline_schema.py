"""Schemas without definitions beside them."""

from typing import Any

from pydantic import BaseModel, Field
from pynomaly_chassis.inline_schema import inline_schema


class Part(BaseModel):
    """What others have."""

    size: int
    reference: str = Field(default="", alias="$ref")


class Whole(BaseModel):
    """Has parts, one of them described further."""

    parts: list[Part]
    first: Part = Field(description="The first one.")


def _references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [found for each in part for found in _references(each)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
    return own + [found for each in part.values() for found in _references(each)]


def test_each_definition_stands_where_it_was_referred_to() -> None:
    schema = inline_schema(Whole)
    assert "$defs" not in schema
    assert _references(schema) == []
    part = schema["properties"]["parts"]["items"]
    assert part["properties"]["size"] == {"title": "Size", "type": "integer"}
    assert schema["properties"]["first"] == {**part, "description": "The first one."}


def test_a_property_that_is_called_like_a_reference_stays() -> None:
    assert inline_schema(Part)["properties"]["$ref"]["type"] == "string"
