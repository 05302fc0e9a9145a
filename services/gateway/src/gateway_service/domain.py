"""Merging OpenAPI documents; pure."""

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]
_REF = "#/components/schemas/"
_OWN_PATHS = ("/health", "/ready", "/status", "/metrics")


def merge_documents(own: Document, others: Mapping[str, Document]) -> Document:
    """One document of all public paths.

    A schema whose name two services use for different things gets the second service's name in front.
    Health paths are left out but the gateway's: at the door they are its own.
    """
    merged = {**own, "paths": {}, "components": {**own.get("components", {}), "schemas": dict(_schemas(own))}}
    for service in sorted(others):
        _add(merged, service, others[service])
    merged["paths"] |= own["paths"]  # last: a reader comes for the services
    return merged


def _add(merged: Document, service: str, document: Document) -> None:
    schemas: Document = merged["components"]["schemas"]
    clashing = {name for name, schema in _schemas(document).items() if schemas.get(name, schema) != schema}
    names = {name: f"{service.title()}{name}" if name in clashing else name for name in _schemas(document)}
    for name, schema in _schemas(document).items():
        schemas[names[name]] = _renamed(schema, names)
    for path, operations in document.get("paths", {}).items():
        if not path.startswith(_OWN_PATHS):
            merged["paths"][path] = _prefixed(_renamed(operations, names), service)


def _schemas(document: Document) -> Document:
    found: Document = document.get("components", {}).get("schemas", {})
    return found


def _prefixed(operations: Document, service: str) -> Document:
    """Operation ids are unique in a document: put the service in front."""
    return {
        method: {**operation, "operationId": f"{service}_{operation['operationId']}"}
        if isinstance(operation, dict) and "operationId" in operation
        else operation
        for method, operation in operations.items()
    }


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: _reference(value, names) if key == "$ref" else _renamed(value, names) for key, value in node.items()
        }
    if isinstance(node, list):
        return [_renamed(item, names) for item in node]
    return node


def _reference(value: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(value, str) or not value.startswith(_REF):
        return value
    name = value.removeprefix(_REF)
    return _REF + names.get(name, name)
