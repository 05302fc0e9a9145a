"""Bodies that lie, over every protocol of the service as a process: each is refused in its protocol's form, and the
process goes on serving in the memory that it had.
"""

import json
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import psutil
import pytest
from pynomaly_suite.service_process import ServiceProcess

N_AT_LEAST = 300
RSS_GROWTH = 1.05
MODEL = "hostile"
INFER, PREDICT, BATCH = f"/v2/models/{MODEL}/infer", "/api/v1/predict", "/api/v1/predict/batch"
JSON = {"content-type": "application/json"}
LENGTH = "inference-header-content-length"
HUGE = (2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**400)
DEEP = 100_000
ROWS: dict[str, Any] = {"name": "rows", "datatype": "FP64", "shape": [2, 3], "data": [1, 2, 3, 4, 5, 6]}
# Values that a strict reader takes for no number.
NO_NUMBERS = ("NaN", "-Infinity", "1e400", "9" * 5000, '"1"', "true", "[1]", "{}", "0x10", "01", "1.", "+1")


class Hostile(NamedTuple):
    """A body, and where it is sent."""

    path: str
    body: bytes
    headers: dict[str, str] = JSON


def infer(value: Any, path: str = INFER) -> Hostile:
    """A value as JSON; whole numbers may have any length."""
    return Hostile(path, value.encode() if isinstance(value, str) else json.dumps(value).encode())


def one_input(**changed: Any) -> Hostile:
    return infer({"inputs": [{name: value for name, value in {**ROWS, **changed}.items() if value is not ...}]})


def text_of_input(name: str, value: str) -> Hostile:
    """An input whose one member is what no JSON library writes."""
    members = {key: json.dumps(item) for key, item in ROWS.items()} | {name: value}
    return infer('{"inputs": [{' + ", ".join(f'"{key}": {item}' for key, item in members.items()) + "}]}")


def with_binary(header: dict[str, Any], binary: bytes, length: str | None = None) -> Hostile:
    document = json.dumps(header).encode()
    headers = {"content-type": "application/octet-stream", LENGTH: length or str(len(document))}
    return Hostile(INFER, document + binary, headers)


def binary_input(size: Any, datatype: str = "FP64", shape: tuple[int, ...] = (2, 3), **more: Any) -> dict[str, Any]:
    given = {"name": "rows", "datatype": datatype, "shape": list(shape), "parameters": {"binary_data_size": size}}
    return given | more


def shapes_that_lie() -> Iterator[Hostile]:
    for shape in ([], [6], [3, 2], [2, 2], [2, 4], [1, 3], [3, 3], [0, 3], [2, 0], [0], [2, 3, 1], [1] * DEEP):
        yield one_input(shape=shape)
    for huge in HUGE:
        for shape in ([huge], [huge, 3], [2, huge], [huge, huge], [-huge, 3], [2, -huge]):
            yield one_input(shape=shape)
    for shape in (None, {}, "2,3", 6, [2.0, 3], ["2", 3], [None, 3], [[2, 3]], [True, 3], [2, 3.5], ...):
        yield one_input(shape=shape)
    for claim in ("-0.0", "1e0", "2E400", "9" * 5000):
        yield text_of_input("shape", f"[{claim}, 3]")


def datatypes_that_lie() -> Iterator[Hostile]:
    for datatype in ("FP16", "BF16", "fp64", "FLOAT64", "", "BYTES", "BOOL", "TENSOR", None, 64, [], {}, ...):
        yield one_input(datatype=datatype)
    for datatype in ("INT8", "INT64", "UINT64", "BOOL", "FP32", "BYTES"):
        yield one_input(datatype=datatype, data=[1.5, 2, 3, 4, 5, 1e39])
        yield one_input(datatype=datatype, data=[2**128, -(2**128), 3, 4, 5, 6])
        yield one_input(datatype=datatype, data=["a", None, True, [], {}, 6])


def values_that_lie() -> Iterator[Hostile]:
    for value in NO_NUMBERS:
        yield text_of_input("data", f"[1, 2, 3, 4, 5, {value}]")
        yield text_of_input("data", f"[[1, 2, 3], [4, 5, {value}]]")
    for data in (None, {}, 1, "123456", [], [[]], [[1, 2, 3]], [[1, 2, 3], [4, 5]], [[[1, 2, 3], [4, 5, 6]]], ...):
        yield one_input(data=data)
    yield one_input(data=[1, 2, 3, 4, 5, None])
    yield one_input(data=[1.7e308] * 6)
    yield text_of_input("data", "[" * DEEP)
    yield text_of_input("data", "[" * DEEP + "]" * DEEP)
    yield text_of_input("data", '{"a":' * DEEP + "1" + "}" * DEEP)


def requests_that_lie() -> Iterator[Hostile]:
    for body in ("", " ", "null", "[]", "7", '"inputs"', "{}", "{", "}", "nul", "\ufeff{}", "{}{}", "\x00"):
        yield infer(body)
    for inputs in (None, {}, "rows", [], [None], [7], [[]], [{}], [ROWS, ROWS], [ROWS] * 1000):
        yield infer({"inputs": inputs})
    for member in ("id", "outputs", "parameters"):
        for value in (7, "", [7], {"name": "raw_score"}, [{}], True):
            if (member, value) not in (("id", ""), ("parameters", {"name": "raw_score"})):
                yield infer({"inputs": [ROWS], member: value})
    for name in ("", "nothing", "RAW_SCORE", "\x00", "x" * 100_000):
        yield infer({"inputs": [ROWS], "outputs": [{"name": name}]})
    yield infer({"inputs": [ROWS], "outputs": [{"name": "raw_score"}] * 2})
    yield infer({"inputs": [ROWS], "parameters": {"confidence": "yes"}})
    yield infer({"inputs": [ROWS], "parameters": {"binary_data_output": 1}})
    yield one_input(parameters={"shared_memory_region": "x"})
    yield infer({"inputs": [{**ROWS, "name": name, "shape": [2], "data": [1, 2]} for name in ("age", "tsh")]})
    yield infer({"inputs": [{**ROWS, "name": name, "shape": [2], "data": [1, 2]} for name in ("age", "tsh", "t4")]})


def keys_given_twice() -> Iterator[Hostile]:
    whole = json.dumps({"inputs": [ROWS], "id": "a", "parameters": {"b": 1}})
    for member in ('"id": "a"', '"b": 1', '"name": "rows"', '"datatype": "FP64"', '"shape": [2, 3]'):
        yield infer(whole.replace(member, f"{member}, {member}"))
    yield infer(whole.replace('{"inputs"', '{"inputs": [], "inputs"'))
    for path in (PREDICT, BATCH):
        yield infer(f'{{"data": [1, 2, 3], "data": [1, 2, 3], "model_id": "{MODEL}"}}', path)
    yield infer(f'{{"data": {{"age": 1, "tsh": 2, "t3": 3, "age": 1}}, "model_id": "{MODEL}"}}', PREDICT)


def binaries_that_lie() -> Iterator[Hostile]:
    matrix = struct.pack("<6d", *range(6))
    for size in (-1, 0, 1, 40, 47, 49, 56, *HUGE, 48.0, "48", None, True, [48]):
        yield with_binary({"inputs": [binary_input(size)]}, matrix)
    for cut in (0, 1, 8, 47):
        yield with_binary({"inputs": [binary_input(48)]}, matrix[:cut])
    for length in ("0", "1", "5", "-1", "+9", "9999", str(2**63), "9" * 400, "x", "1e3", "0x10", "1_2", "1,2"):
        yield with_binary({"inputs": [binary_input(48)]}, matrix, length)
    yield with_binary({"inputs": [ROWS]}, matrix)
    yield with_binary({"inputs": [binary_input(48, data=[1])]}, matrix)
    yield with_binary({"inputs": [binary_input(24), binary_input(24)]}, matrix)
    yield with_binary({"inputs": [binary_input(6, "BOOL")]}, b"\2" * 6)
    for bad in (float("nan"), float("inf"), -float("inf"), 1.7e308):
        yield with_binary({"inputs": [binary_input(48)]}, struct.pack("<6d", *[bad] * 6))
    for shape in ((2**62, 3), (2**32, 2**32), (3, 3), (1, 3)):
        yield with_binary({"inputs": [binary_input(48, shape=shape)]}, matrix)
    for texts in (b"", b"\0", b"\1\0\0\0", b"\xff\xff\xff\xffa", b"\0\0\0\0" * 5, b"\0\0\0\0" * 7, b"\1\0\0\0\xff" * 6):
        yield with_binary({"inputs": [binary_input(len(texts), "BYTES")]}, texts)


def rows_that_lie() -> Iterator[Hostile]:
    for value in NO_NUMBERS:
        yield infer(f'{{"data": [1, 2, {value}], "model_id": "{MODEL}"}}', PREDICT)
        yield infer(f'{{"data": [[1, 2, {value}]], "model_id": "{MODEL}"}}', BATCH)
    for data in (None, 7, "x", [], {}, [1], [1] * 4, [[1, 2, 3]], {"age": 1}, [1.7e308] * 3, [None] * 3):
        yield infer({"data": data, "model_id": MODEL}, PREDICT)
    for data in (None, 7, "x", [], {}, [7], [[]], [[1]], [[1, 2, 3], [1]], [{"age": 1}], [[None] * 3] * 1000):
        yield infer({"data": data, "model_id": MODEL}, BATCH)
    for path in (PREDICT, BATCH):
        for body in ("", "{", "[]", "null", '{"data":' + "[" * DEEP, '{"data":' + '{"a":' * DEEP, "\x00"):
            yield infer(body, path)


def cuts() -> Iterator[Hostile]:
    """What arrives of a right body that broke off."""
    whole = json.dumps({"inputs": [ROWS], "id": "a:b"}).encode()
    for length in range(1, len(whole), 4):
        yield Hostile(INFER, whole[:length])
    rows = json.dumps({"data": [[1, 2, 3]], "model_id": MODEL}).encode()
    for length in range(1, len(rows), 8):
        yield Hostile(BATCH, rows[:length])


CORPUS: tuple[Callable[[], Iterator[Hostile]], ...] = (
    shapes_that_lie,
    datatypes_that_lie,
    values_that_lie,
    requests_that_lie,
    keys_given_twice,
    binaries_that_lie,
    rows_that_lie,
    cuts,
)


def noise() -> Iterator[Hostile]:
    """Right bodies with wrong bytes; a few stay right."""
    chosen = random.Random(1)
    for path, whole in (
        (INFER, json.dumps({"inputs": [ROWS]}).encode()),
        (PREDICT, json.dumps({"data": [1, 2, 3], "model_id": MODEL}).encode()),
    ):
        for _ in range(60):
            body = bytearray(whole)
            for _ in range(chosen.randint(1, 3)):
                body[chosen.randrange(len(body))] = chosen.randrange(256)
            yield Hostile(path, bytes(body))


def is_refused(answer: httpx.Response, sent: Hostile) -> bool:
    """Whether it is, in the form of its protocol."""
    if not 400 <= answer.status_code < 500:
        return False
    said = answer.json()
    return list(said) == ["error"] if sent.path.startswith("/v2") else bool(said["status"] == answer.status_code)


@pytest.fixture
def serving(make_settings, make_artefact, start_service) -> tuple[ServiceProcess, httpx.Client]:
    """The service as a process, with a model of three columns."""
    settings = make_settings()
    process: ServiceProcess = start_service(
        "model",
        {
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "STORAGE_PATH": str(settings.storage_path),
            "TRUSTED_KEYS_PATH": str(settings.trusted_keys_path),
            "MODEL_RESOLVE_TIMEOUT_S": str(settings.model_resolve_timeout_s),
            "MAX_QUEUE_WAIT_S": str(settings.max_queue_wait_s),
        },
    )
    client = httpx.Client(base_url=process.url, timeout=60)
    registered = client.post(
        f"/api/v1/models/{MODEL}/versions", content=make_artefact(), headers={"content-type": "application/zip"}
    )
    assert registered.status_code == 201
    return process, client


def test_hostile_bodies_are_refused_and_leave_the_service_as_it_was(serving) -> None:
    process, client = serving
    bodies = [sent for part in CORPUS for sent in part()]
    assert len(bodies) >= N_AT_LEAST

    def send(sent: Hostile) -> httpx.Response:
        return client.post(sent.path, content=sent.body, headers=sent.headers)

    def send_all() -> None:
        answers = [(send(sent), sent) for sent in bodies]
        taken = [
            (sent, answer.status_code, answer.text[:200]) for answer, sent in answers if not is_refused(answer, sent)
        ]
        assert taken == []
        assert max(send(sent).status_code for sent in noise()) < 500

    for _ in range(50):
        right = client.post(INFER, json={"inputs": [ROWS]})
        assert right.json()["outputs"][0]["data"] == [6, 15]
    memory = psutil.Process(process.pid).memory_info
    warm_bytes = memory().rss
    send_all()
    send_all()
    assert memory().rss <= warm_bytes * RSS_GROWTH
    assert client.post(INFER, json={"inputs": [ROWS]}).json()["outputs"][0]["data"] == [6, 15]
