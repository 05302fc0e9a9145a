"""The protocol's methods over gRPC."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from open_inference.grpc import protocol
from pynomaly_chassis.identity import Caller

from model_service.open_inference.catalogue import Catalogue, Target
from model_service.open_inference.grpc_calls import Calls
from model_service.open_inference.grpc_messages import model_metadata, read, render
from model_service.open_inference.grpc_repository import MESSAGES
from model_service.open_inference.infer import Infer

SERVICE = "inference.GRPCInferenceService"
Method = Callable[[Any, Any], Awaitable[Any]]


@dataclass(frozen=True)
class InferenceService:
    """The methods of the protocol, each with its message and its context."""

    calls: Calls
    infer: Infer
    catalogue: Catalogue

    async def server_live(self, _: Any, context: Any) -> Any:
        async def work(_: Caller) -> Any:
            return protocol.ServerLiveResponse(live=True)

        return await self.calls.answer("ServerLive", context, work, queued=False)

    async def server_ready(self, _: Any, context: Any) -> Any:
        async def work(_: Caller) -> Any:
            return protocol.ServerReadyResponse(ready=await self.catalogue.is_ready())

        return await self.calls.answer("ServerReady", context, work, queued=False)

    async def server_metadata(self, _: Any, context: Any) -> Any:
        async def work(_: Caller) -> Any:
            return protocol.ServerMetadataResponse(**self.catalogue.server())

        return await self.calls.answer("ServerMetadata", context, work, queued=False)

    async def model_ready(self, request: Any, context: Any) -> Any:
        async def work(caller: Caller) -> Any:
            return protocol.ModelReadyResponse(ready=await self.catalogue.is_model_ready(_target(caller, request)))

        return await self.calls.answer("ModelReady", context, work)

    async def model_metadata(self, request: Any, context: Any) -> Any:
        async def work(caller: Caller) -> Any:
            return model_metadata(await self.catalogue.model(_target(caller, request)))

        return await self.calls.answer("ModelMetadata", context, work)

    async def model_infer(self, message: bytes, context: Any) -> Any:
        """Bytes to bytes: what is large is read and written on a thread."""

        async def work(caller: Caller) -> bytes:
            with self.infer.counted():
                return await self.infer(caller.tenant_id, len(message), partial(read, message), render)

        def enter() -> None:
            with self.infer.counted():
                place.take(len(message))

        with self.infer.intake.place() as place:
            return await self.calls.answer("ModelInfer", context, work, enter=enter)

    async def repository_index(self, request: Any, context: Any) -> Any:
        async def work(caller: Caller) -> Any:
            found = await self.catalogue.index(caller.tenant_id, ready_only=request.ready)
            return MESSAGES["RepositoryIndexResponse"](models=[entry._asdict() for entry in found])

        return await self.calls.answer("RepositoryIndex", context, work)

    async def repository_load(self, request: Any, context: Any) -> Any:
        async def work(caller: Caller) -> Any:
            name = _named(request)
            await self.catalogue.load(caller.tenant_id, name, with_parameters=bool(request.parameters))
            return MESSAGES["RepositoryModelLoadResponse"](model_name=name, isLoaded=True)

        return await self.calls.answer("RepositoryModelLoad", context, work)

    async def repository_unload(self, request: Any, context: Any) -> Any:
        async def work(caller: Caller) -> Any:
            name = _named(request)
            await self.catalogue.unload(caller.tenant_id, name)
            return MESSAGES["RepositoryModelUnloadResponse"](model_name=name, isUnloaded=True)

        return await self.calls.answer("RepositoryModelUnload", context, work)

    def handlers(self) -> Any:
        """What a server is given."""
        plain = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ServerMetadata": self.server_metadata,
            "ModelReady": self.model_ready,
            "ModelMetadata": self.model_metadata,
        }
        repository = {
            "RepositoryIndex": self.repository_index,
            "RepositoryModelLoad": self.repository_load,
            "RepositoryModelUnload": self.repository_unload,
        }
        methods = {name: _handler(method, getattr(protocol, f"{name}Request")) for name, method in plain.items()}
        methods |= {name: _handler(method, MESSAGES[f"{name}Request"]) for name, method in repository.items()}
        methods["ModelInfer"] = grpc.unary_unary_rpc_method_handler(self.model_infer)
        return grpc.method_handlers_generic_handler(SERVICE, methods)


def _handler(method: Method, request: Any) -> Any:
    """The request is read here: what grpc cannot read, it calls its own fault."""

    async def handle(message: bytes, context: Any) -> Any:
        try:
            asked = request.FromString(message)
        except DecodeError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"the message is no {request.__name__}: {error}")
        return await method(asked, context)

    return grpc.unary_unary_rpc_method_handler(handle, response_serializer=_serialized)


def _serialized(message: Any) -> bytes:
    content: bytes = message.SerializeToString()
    return content


def _target(caller: Caller, request: Any) -> Target:
    return Target(caller.tenant_id, request.name, request.version or None)


def _named(request: Any) -> str:
    """The model, which KServe's clients send where Triton's send the repository."""
    name: str = request.model_name or request.repository_name
    return name
