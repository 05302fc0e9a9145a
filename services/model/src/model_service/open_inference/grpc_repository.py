"""The messages of the model repository extension, which the protocol's own stubs leave out.

Triton's requests name the repository first, 1, then the model, 2; KServe's name the model alone, 1. KServe's answers
name the model and say that it was done; Triton's are empty, and its clients pass over more. So both are understood.
"""

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_STRING, _BOOL = FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_BOOL
_BYTES = FieldDescriptorProto.TYPE_BYTES
_PACKAGE = "inference"
_ASKED = {"repository_name": _STRING, "model_name": _STRING, "parameters": _BYTES}  # not read; none are taken
_MESSAGES: Mapping[str, Mapping[str, Any]] = {
    "ModelIndex": dict.fromkeys(("name", "version", "state", "reason"), _STRING),
    "RepositoryIndexRequest": {"repository_name": _STRING, "ready": _BOOL},
    "RepositoryIndexResponse": {"models": f".{_PACKAGE}.ModelIndex"},
    "RepositoryModelLoadRequest": _ASKED,
    "RepositoryModelLoadResponse": {"model_name": _STRING, "isLoaded": _BOOL},
    "RepositoryModelUnloadRequest": _ASKED,
    "RepositoryModelUnloadResponse": {"model_name": _STRING, "isUnloaded": _BOOL},
}
_REPEATED = ("models", "parameters")


def _field(number: int, name: str, kind: Any) -> FieldDescriptorProto:
    label = FieldDescriptorProto.LABEL_REPEATED if name in _REPEATED else FieldDescriptorProto.LABEL_OPTIONAL
    if isinstance(kind, str):
        message = FieldDescriptorProto.TYPE_MESSAGE
        return FieldDescriptorProto(name=name, number=number, label=label, type=message, type_name=kind)
    return FieldDescriptorProto(name=name, number=number, label=label, type=kind)


def _message(name: str, fields: Mapping[str, Any]) -> DescriptorProto:
    return DescriptorProto(name=name, field=[_field(n, *item) for n, item in enumerate(fields.items(), 1)])


def _classes() -> Mapping[str, Any]:
    """In a pool of their own: others' stubs of these names may be in the process."""
    pool = DescriptorPool()
    messages = [_message(name, fields) for name, fields in _MESSAGES.items()]
    pool.Add(
        FileDescriptorProto(name="model_repository.proto", package=_PACKAGE, syntax="proto3", message_type=messages)
    )
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES}


MESSAGES: Final = _classes()
