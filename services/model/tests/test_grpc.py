"""The Open Inference Protocol over gRPC, on real sockets."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from model_service.open_inference.grpc_repository import MESSAGES
from model_service.open_inference.grpc_server import GrpcServer
from open_inference.grpc import protocol, service
from prometheus_client import CollectorRegistry

FP64_ROWS = [1.0, 2.0, 3.0, 0.0, 0.0, 1.0]
Tensor = protocol.ModelInferRequest.InferInputTensor
Contents = protocol.InferTensorContents
Code = grpc.StatusCode


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def server(app, make_settings, registry: CollectorRegistry) -> AsyncIterator[GrpcServer]:
    """The service's gRPC on any free port."""
    settings = make_settings(grpc_port=0, max_request_size_mb=1, shutdown_grace_s=5)
    made = GrpcServer(settings, registry, app.state.infer, app.state.catalogue)
    async with made.running():
        yield made


@pytest.fixture
async def channel(server: GrpcServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return service.GRPCInferenceServiceStub(channel)


@pytest.fixture
def repository(channel: grpc.aio.Channel) -> Any:
    """Calls a method of the model repository extension."""

    async def called(method: str, **asked: Any) -> Any:
        call = channel.unary_unary(
            f"/inference.GRPCInferenceService/{method}",
            request_serializer=MESSAGES[f"{method}Request"].SerializeToString,
            response_deserializer=MESSAGES[f"{method}Response"].FromString,
        )
        return await call(MESSAGES[f"{method}Request"](**asked))

    return called


def typed(name: str, datatype: str, shape: list[int], **contents: Any) -> Any:
    return Tensor(name=name, datatype=datatype, shape=shape, contents=Contents(**contents))


def raw(name: str, datatype: str, shape: list[int]) -> Any:
    return Tensor(name=name, datatype=datatype, shape=shape)


def request_for(name: str, *inputs: Any, raw_contents: tuple[bytes, ...] = (), **more: Any) -> Any:
    return protocol.ModelInferRequest(model_name=name, inputs=inputs, raw_input_contents=raw_contents, **more)


def typed_rows(name: str, **more: Any) -> Any:
    return request_for(name, typed("rows", "FP64", [2, 3], fp64_contents=FP64_ROWS), **more)


async def refusal_of(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), refused.value.details() or ""


async def test_the_server_tells_of_itself(stub) -> None:
    assert (await stub.ServerLive(protocol.ServerLiveRequest())).live
    assert (await stub.ServerReady(protocol.ServerReadyRequest())).ready
    about = await stub.ServerMetadata(protocol.ServerMetadataRequest())
    assert (about.name, list(about.extensions)) == ("pynomaly", ["binary_tensor_data", "model_repository"])


async def test_a_model_tells_of_itself(stub, register, name) -> None:
    await register()
    about = await stub.ModelMetadata(protocol.ModelMetadataRequest(name=name))
    assert (about.name, list(about.versions), about.platform) == (name, ["1"], "onnx_onnxv1")
    assert [(item.name, item.datatype, list(item.shape)) for item in about.inputs] == [
        ("age", "FP64", [-1]),
        ("tsh", "FP64", [-1]),
        ("t3", "FP64", [-1]),
    ]
    assert [item.name for item in about.outputs] == ["raw_score", "prediction", "is_anomaly", "confidence"]
    assert (await stub.ModelReady(protocol.ModelReadyRequest(name=name, version="1"))).ready


async def test_typed_contents_are_answered_typed(stub, register, name) -> None:
    await register()
    answer = await stub.ModelInfer(typed_rows(name, id="7"))
    assert (answer.model_name, answer.model_version, answer.id) == (name, "1", "7")
    assert answer.parameters["threshold"].double_param == 1.0
    found = {output.name: output for output in answer.outputs}
    assert list(found["raw_score"].contents.fp64_contents) == [6.0, 1.0]
    assert (list(found["is_anomaly"].contents.bool_contents), found["is_anomaly"].datatype) == ([True, False], "BOOL")
    assert (list(found), list(found["raw_score"].shape)) == (["raw_score", "prediction", "is_anomaly"], [2])
    assert not answer.raw_output_contents


async def test_raw_contents_are_answered_raw(stub, register, name) -> None:
    await register()
    content = np.array(FP64_ROWS).tobytes()
    outputs = [{"name": "raw_score"}, {"name": "confidence"}]
    answer = await stub.ModelInfer(
        request_for(name, raw("rows", "FP64", [2, 3]), raw_contents=(content,), outputs=outputs)
    )
    assert [output.name for output in answer.outputs] == ["raw_score", "confidence"]
    assert np.frombuffer(answer.raw_output_contents[0]).tolist() == [6.0, 1.0]
    assert not answer.outputs[0].HasField("contents")


async def test_columns_of_every_kind_are_taken(stub, register, name, mixed) -> None:
    await register(**mixed)
    typed_answer = await stub.ModelInfer(
        request_for(
            name,
            typed("age", "INT16", [1], int_contents=[7]),
            typed("city", "BYTES", [1], bytes_contents=[b"Oslo"]),
            typed("smokes", "BOOL", [1, 1], bool_contents=[True]),
            typed("born", "UINT32", [1], uint_contents=[86_400]),
            typed("seen", "FP32", [1], fp32_contents=[0.0]),
        )
    )
    columns = [("age", "INT64"), ("city", "BYTES"), ("smokes", "BOOL"), ("born", "UINT64"), ("seen", "FP64")]
    raw_answer = await stub.ModelInfer(
        request_for(
            name,
            *(raw(column, datatype, [1]) for column, datatype in columns),
            raw_contents=(struct.pack("<q", 7), b"\4\0\0\0Oslo", b"\1", struct.pack("<Q", 86_400), bytes(8)),
        )
    )
    assert list(typed_answer.outputs[0].contents.fp64_contents) == list(
        np.frombuffer(raw_answer.raw_output_contents[0])
    )


async def test_a_version_and_the_confidence_are_asked_for(stub, register, name) -> None:
    await register(1.0)
    await register(2.0)
    wanted = {"confidence": protocol.InferParameter(bool_param=True)}
    answer = await stub.ModelInfer(typed_rows(name, model_version="1", parameters=wanted))
    assert (answer.model_version, answer.outputs[3].name) == ("1", "confidence")


@pytest.mark.parametrize(
    ("inputs", "raw_contents", "why"),
    [
        ([], (), "no inputs"),
        ([typed("rows", "FP64", [2, 3], fp64_contents=[1.0])], (), "1 were sent"),
        ([typed("rows", "FP64", [2, 3], fp32_contents=FP64_ROWS)], (), "sent in fp64_contents"),
        ([typed("rows", "FP16", [1, 3], fp32_contents=[1, 2, 3])], (), "send FP32 or FP64"),
        ([typed("rows", "INT8", [1, 3], int_contents=[1, 2, 300])], (), "does not fit into INT8"),
        ([typed("rows", "FP64", [-1, 3], fp64_contents=FP64_ROWS)], (), "negative"),
        ([typed("rows", "FP64", [1, 3], fp64_contents=[1, 2, float("nan")])], (), "a value is missing"),
        ([raw("rows", "FP64", [2, 3])], (bytes(47),), "takes 48 bytes, and 47"),
        ([raw("rows", "FP64", [2, 3])], (bytes(24), bytes(24)), "1 inputs and 2"),
        ([typed("rows", "FP64", [1, 3], fp64_contents=[1, 2, 3])], (bytes(24),), "beside raw_input_contents"),
        ([raw("rows", "BYTES", [1, 3])], (b"\xff\xff\xff\xff",), "none of the model's columns"),
        ([raw("age", "FP64", [1])], (bytes(8),), "missing"),
    ],
)
async def test_an_argument_that_lies_is_refused(
    *, stub, register, name, inputs: list[Any], raw_contents: tuple[bytes, ...], why: str
) -> None:
    await register()
    code, details = await refusal_of(stub.ModelInfer(request_for(name, *inputs, raw_contents=raw_contents)))
    assert code == Code.INVALID_ARGUMENT
    assert why in details


async def test_each_refusal_has_its_status(stub, register, name, channel) -> None:
    await register()
    assert await refusal_of(stub.ModelInfer(typed_rows("nobody"))) == (Code.NOT_FOUND, "there is no model 'nobody'")
    assert (await refusal_of(stub.ModelReady(protocol.ModelReadyRequest(name="nobody"))))[0] == Code.NOT_FOUND
    for method in ("ModelInfer", "ModelReady", "RepositoryIndex"):
        nonsense = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
        assert (await refusal_of(nonsense(b"\xff\xff")))[0] == Code.INVALID_ARGUMENT
    large = request_for(name, raw("rows", "FP64", [1, 3]), raw_contents=(bytes(1_100_000),))
    assert (await refusal_of(stub.ModelInfer(large)))[0] == Code.RESOURCE_EXHAUSTED
    claims = request_for(name, typed("rows", "FP64", [2**62, 3], fp64_contents=FP64_ROWS))
    assert (await refusal_of(stub.ModelInfer(claims)))[0] == Code.RESOURCE_EXHAUSTED
    late = stub.ModelInfer(typed_rows(name), metadata=(("x-request-deadline-ms", "0"),))
    assert (await refusal_of(late))[0] == Code.DEADLINE_EXCEEDED
    bad = stub.ModelInfer(typed_rows(name), metadata=(("x-request-deadline-ms", "soon"),))
    assert (await refusal_of(bad))[0] == Code.INVALID_ARGUMENT


async def test_a_crowd_is_refused_and_served_again_when_it_has_gone(stub, register, name, server) -> None:
    await register()
    queue = server.queue
    places = [queue.take() for _ in range(256)]
    queue.service_s = 100_000.0
    code, _ = await refusal_of(stub.ModelInfer(typed_rows(name)))
    assert code == Code.RESOURCE_EXHAUSTED
    assert (await stub.ServerLive(protocol.ServerLiveRequest())).live
    for place in places:
        if place is not None:
            place.leave()
    assert (await stub.ModelInfer(typed_rows(name))).model_name == name


async def test_messages_that_wait_for_their_turn_take_memory_already(make_app, make_settings) -> None:
    app = make_app(scoring_body_bytes=1_000_000)
    settings = make_settings(max_concurrent_requests=1, shutdown_grace_s=0)
    held: Any = Held(app.state.infer)
    server = GrpcServer(settings, CollectorRegistry(), held, app.state.catalogue)
    large = request_for("any", raw("rows", "FP64", [1, 3]), raw_contents=(bytes(600_000),))
    async with server.running(), grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = service.GRPCInferenceServiceStub(channel)
        first = stub.ModelInfer(large)
        await held.began.wait()
        assert (await refusal_of(stub.ModelInfer(large)))[0] == Code.RESOURCE_EXHAUSTED
        held.may_end.set()
        assert (await first).id == "done"
        assert (await stub.ModelInfer(large)).id == "done"


class Held:
    """An inference that ends when it may."""

    def __init__(self, infer: Any) -> None:
        self.counted, self.intake = infer.counted, infer.intake
        self.began, self.may_end = asyncio.Event(), asyncio.Event()

    async def __call__(self, *_: Any) -> bytes:
        self.began.set()
        await self.may_end.wait()
        message: bytes = protocol.ModelInferResponse(id="done").SerializeToString()
        return message


async def test_a_server_that_closes_finishes_what_is_in_flight(app, make_settings) -> None:
    held: Any = Held(app.state.infer)
    server = GrpcServer(make_settings(shutdown_grace_s=20), CollectorRegistry(), held, app.state.catalogue)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(server.running())
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{server.port}"))
        watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=""))
        assert (await watched.read()).status == health_pb2.HealthCheckResponse.SERVING
        in_flight = service.GRPCInferenceServiceStub(channel).ModelInfer(typed_rows("any"))
        await held.began.wait()
        closing = asyncio.create_task(server.close())
        assert (await watched.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watched.cancel()
        held.may_end.set()
        assert (await in_flight).id == "done"
        await closing


class Endless:
    """An inference that ends only by being cancelled."""

    def __init__(self, infer: Any) -> None:
        self.counted, self.intake, self.n_cancelled = infer.counted, infer.intake, 0

    async def __call__(self, *_: Any) -> bytes:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.n_cancelled += 1
            raise
        raise AssertionError("nobody sets it")


async def test_work_is_cancelled_at_its_callers_deadline(app, make_settings) -> None:
    endless: Any = Endless(app.state.infer)
    server = GrpcServer(make_settings(), CollectorRegistry(), endless, app.state.catalogue)
    async with server.running(), grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = service.GRPCInferenceServiceStub(channel)
        by_header = stub.ModelInfer(typed_rows("any"), metadata=(("x-request-deadline-ms", "50"),))
        assert await refusal_of(by_header) == (
            Code.DEADLINE_EXCEEDED,
            "not done within the 0.050 s that the caller gave",
        )
        assert (await refusal_of(stub.ModelInfer(typed_rows("any"), timeout=2)))[0] == Code.DEADLINE_EXCEEDED
    assert endless.n_cancelled == 2


async def test_an_id_and_who_answered_come_with_the_answer(stub, register, name) -> None:
    await register()
    call = stub.ModelInfer(typed_rows(name), metadata=(("x-request-id", "abc"),))
    await call
    trailing = dict(await call.trailing_metadata())
    assert (trailing["x-request-id"], trailing["x-pynomaly-version"]) == ("abc", "model/0.1.0")


async def test_the_repository_is_indexed_loaded_and_unloaded(repository, register, name) -> None:
    await register()

    async def states() -> list[tuple[str, str]]:
        index = await repository("RepositoryIndex")
        return [(item.version, item.state) for item in index.models if item.name == name]

    await repository("RepositoryModelUnload", model_name=name)
    assert await states() == [("1", "UNAVAILABLE")]
    loaded = await repository("RepositoryModelLoad", repository_name=name)  # as KServe's clients send it
    assert (loaded.model_name, loaded.isLoaded) == (name, True)
    assert await states() == [("1", "READY")]
    assert (await refusal_of(repository("RepositoryModelLoad", model_name="nobody")))[0] == Code.NOT_FOUND
    given = repository("RepositoryModelLoad", model_name=name, parameters=[b""])
    assert (await refusal_of(given))[0] == Code.INVALID_ARGUMENT
    await repository("RepositoryModelUnload", model_name=name)
    assert await states() == [("1", "UNAVAILABLE")]


async def test_its_health_is_told_by_the_usual_service(channel, stub) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for asked in ("", "inference.GRPCInferenceService"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=asked))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert (await refusal_of(health.Check(health_pb2.HealthCheckRequest(service="other"))))[0] == Code.NOT_FOUND


async def test_who_watches_its_health_hears_at_once_and_takes_nobodys_place(app, make_settings, register, name) -> None:
    settings = make_settings(max_concurrent_requests=1, shutdown_grace_s=0)
    server = GrpcServer(settings, CollectorRegistry(), app.state.infer, app.state.catalogue)
    await register()
    asked = health_pb2.HealthCheckRequest(service="inference.GRPCInferenceService")
    async with server.running(), grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        watches = [health_pb2_grpc.HealthStub(channel).Watch(asked) for _ in range(3)]
        for watch in watches:
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        answer = await service.GRPCInferenceServiceStub(channel).ModelInfer(typed_rows(name))
    assert answer.model_name == name


async def test_a_long_refusal_is_cut_to_what_clients_take(stub, register, name) -> None:
    await register(features=tuple("ø" * 100 + str(number) for number in range(20)))
    code, details = await refusal_of(stub.ModelInfer(request_for(name, typed("age", "FP64", [1], fp64_contents=[1]))))
    assert (code, details[:12]) == (Code.INVALID_ARGUMENT, "body: input ")
    assert len(details.encode()) <= 1500


async def test_calls_are_counted_by_method_and_status(stub, register, name, registry) -> None:
    await register()
    await stub.ModelInfer(typed_rows(name))
    await refusal_of(stub.ModelInfer(typed_rows("nobody")))
    for code in ("OK", "NOT_FOUND"):
        labels = {"grpc_method": "ModelInfer", "grpc_code": code}
        assert registry.get_sample_value("grpc_server_handled_total", labels) == 1
    assert registry.get_sample_value("grpc_server_handling_seconds_count", {"grpc_method": "ModelInfer"}) == 2


async def test_a_port_that_is_taken_is_an_error(server, make_settings, app) -> None:
    settings = make_settings(grpc_port=server.port)
    second = GrpcServer(settings, CollectorRegistry(), app.state.infer, app.state.catalogue)
    with pytest.raises(RuntimeError, match="Failed to bind"):
        async with second.running():
            pass
