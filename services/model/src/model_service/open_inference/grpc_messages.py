"""The protocol's messages over gRPC, to requests and from answers."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from google.protobuf.message import DecodeError
from open_inference.grpc import protocol
from pynomaly_chassis.problems import MalformedBody

from model_service.open_inference.infer import Inference
from model_service.open_inference.requests import InferRequest, Parameters, WantedOutput, refuse_unoffered
from model_service.open_inference.tensors import (
    BOOL,
    BYTES,
    FP32,
    FP64,
    INT64,
    Array,
    Tensor,
    TensorInvalid,
    from_binary,
    from_list,
    to_binary,
)

# The list of typed contents that each datatype is sent in.
_FIELDS: Final = {
    BOOL: "bool_contents",
    BYTES: "bytes_contents",
    FP32: "fp32_contents",
    FP64: "fp64_contents",
    INT64: "int64_contents",
    "UINT64": "uint64_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
}


def read(message: bytes) -> InferRequest:
    """The request in a ModelInferRequest, its tensors unread. Raises MalformedBody, Invalid, TensorInvalid."""
    try:
        given = protocol.ModelInferRequest.FromString(message)
    except DecodeError as error:
        raise MalformedBody(f"the message is no ModelInferRequest: {error}") from error
    raw = list(given.raw_input_contents)
    wanted = [_wanted(output, binary=bool(raw)) for output in given.outputs]
    return InferRequest(
        given.model_name,
        given.model_version or None,
        given.id or None,
        _plain(given.parameters),
        _raw_tensors(given.inputs, raw) if raw else [_typed_tensor(item) for item in given.inputs],
        wanted or None,
        bool(raw),
    )


def render(inference: Inference) -> bytes:
    """A ModelInferResponse: raw contents for a request with raw ones, typed for one with typed ones."""
    answer = protocol.ModelInferResponse(
        model_name=inference.model.name,
        model_version=inference.model.number,
        id=inference.id or "",
        parameters={"threshold": protocol.InferParameter(double_param=inference.model.threshold)},
    )
    for output in inference.outputs:
        tensor = answer.outputs.add(name=output.name, datatype=output.datatype, shape=[len(output.array)])
        if output.binary:
            answer.raw_output_contents.append(bytes(to_binary(output.array)))
        else:
            getattr(tensor.contents, _FIELDS[output.datatype]).extend(output.array.tolist())
    message: bytes = answer.SerializeToString()
    return message


def model_metadata(about: dict[str, Any]) -> Any:
    """A ModelMetadataResponse, of what REST says."""
    tensor = protocol.ModelMetadataResponse.TensorMetadata
    tensors = {side: [tensor(**item) for item in about[side]] for side in ("inputs", "outputs")}
    return protocol.ModelMetadataResponse(**{**about, **tensors})


def _raw_tensors(inputs: Sequence[Any], raw: list[bytes]) -> list[Tensor]:
    if len(raw) != len(inputs):
        raise TensorInvalid(f"{len(inputs)} inputs and {len(raw)} raw_input_contents were sent")
    tensors = []
    for item, content in zip(inputs, raw, strict=True):
        if item.HasField("contents"):
            raise TensorInvalid(f"input {item.name[:128]!r} has contents beside raw_input_contents")
        tensors.append(_tensor(item, partial(from_binary, memoryview(content))))
    return tensors


def _typed_tensor(item: Any) -> Tensor:
    return _tensor(item, partial(_typed, item.contents))


def _typed(contents: Any, datatype: str, shape: tuple[int, ...]) -> Array:
    wanted = _FIELDS[datatype]
    for descriptor, _ in contents.ListFields():
        if descriptor.name != wanted:
            raise TensorInvalid(f"{datatype} is sent in {wanted}, not in {descriptor.name}")
    return from_list(list(getattr(contents, wanted)), datatype, shape)


def _tensor(item: Any, content: Any) -> Tensor:
    refuse_unoffered(item.parameters, f"input {item.name[:128]!r}")
    return Tensor.checked(item.name, item.datatype, list(item.shape), content)


def _wanted(output: Any, *, binary: bool) -> WantedOutput:
    refuse_unoffered(output.parameters, f"output {output.name[:128]!r}")
    return WantedOutput(output.name, binary)


def _plain(parameters: Any) -> Parameters:
    """Each parameter's one value."""
    found = {}
    for name, value in parameters.items():
        kind = value.WhichOneof("parameter_choice")
        found[name] = None if kind is None else getattr(value, kind)
    return found
