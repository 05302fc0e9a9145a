"""JSON schemas for a place in the OpenAPI document where no definitions stand beside them."""

from typing import Any

from pydantic import BaseModel

_PREFIX = "#/$defs/"


def inline_schema(kind: type[BaseModel]) -> dict[str, Any]:
    """The schema of a payload that does not contain itself, with each definition where it is referred to."""
    schema = kind.model_json_schema()
    definitions = schema.pop("$defs", {})
    resolved: dict[str, Any] = _resolved(schema, definitions)
    return resolved


def _resolved(part: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_resolved(each, definitions) for each in part]
    if not isinstance(part, dict):
        return part
    beside = {name: _resolved(each, definitions) for name, each in part.items() if name != "$ref"}
    if not isinstance(part.get("$ref"), str):  # it may also be a property of that name
        return beside | {name: _resolved(each, definitions) for name, each in part.items() if name == "$ref"}
    return {**_resolved(definitions[part["$ref"].removeprefix(_PREFIX)], definitions), **beside}
