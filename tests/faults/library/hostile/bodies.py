"""Questions to the services that are no files: JSON, paths, queries and headers that lie."""

import json
from collections.abc import Iterator
from typing import Any

from hostile.case import Case, of_json
from hostile.files import DATASETS, NAMES

DETECTORS, JOBS, DETECT = "/api/v1/detectors", "/api/v1/jobs", "/api/v1/detect/batch"
DEEP = 10_000
BROKEN = {
    "nothing": "",
    "a word": "nul",
    "a number": "7",
    "a list": "[]",
    "null": "null",
    "half": '{"name": "x"',
    "10,000 deep": '{"a":' * DEEP + "1" + "}" * DEEP,
    "lists 10,000 deep": "[" * DEEP + "]" * DEEP,
    "a key twice": '{"name": "x", "name": "y", "algorithm": "HBOS"}',
    "NaN": '{"name": "x", "algorithm": "HBOS", "contamination": NaN}',
    "1e999": '{"name": "x", "algorithm": "HBOS", "contamination": 1e999}',
    "a lone surrogate": r'{"name": "\ud800", "algorithm": "HBOS"}',
    "a byte-order mark": "\ufeff{}",
    "two documents": "{}{}",
    "a key that is unknown": '{"name": "x", "algorithm": "HBOS", "evil": 1}',
    "a prototype": '{"name": "x", "algorithm": "HBOS", "__proto__": {}}',
}
REFERENCES = (
    "..",
    "%2e%2e",
    "..%2f..%2fetc",
    "%00",
    "a%0d%0ab",
    "%ff",
    "a" * 300,
    "%F0%9F%98%80",
    "*",
    "'--",
    "{}",
    "nothere",
)


def broken() -> Iterator[Case]:
    """Bodies that are no JSON, or not of the object that is asked for."""
    for what, body in BROKEN.items():
        for path in (DETECTORS, f"{DETECTORS}/x/train", DETECT, f"{DATASETS}/x/split"):
            yield of_json(f"{path} with {what}", path, body)
        for path in (f"{DETECTORS}/x", f"{DATASETS}/x"):
            yield of_json(f"PATCH {path} with {what}", path, body, method="PATCH")


def detectors() -> Iterator[Case]:
    """Detectors that cannot be."""
    sound: dict[str, Any] = {"name": "hostile", "algorithm": "HBOS"}
    for what, name in NAMES.items():
        yield of_json(f"detector's name of {what}", DETECTORS, sound | {"name": name}, says="name")
    changes: dict[str, list[Any]] = {
        "algorithm": ["", "nothing", "os.system", "x" * 65, None, 7, [], {"a": 1}, "../../x", "hbos\x00"],
        "contamination": [0, -1, 0.6, 1e308, "x", None, True, [], 10**400],
        "seed": [-1, 2**32, 1.5, "x", None, 10**30],
        "parameters": [
            {"n_bins": -1},
            {"n_bins": 10**30},
            {"evil": 1},
            {"n_bins": "x"},
            {"n_bins": [1] * 1000},
            [],
            None,
            "x",
            {"": 1},
            {"a" * 1000: 1},
        ],
        "feature_columns": [["a"] * 10_001, [""], ["a\x00"], ["a" * 257], [7], "a", {}],
        "description": ["x" * 2001, "\x00", 7, []],
        "preprocessing": [
            {"missing": "evil"},
            {"max_categories": -1},
            {"columns": {"a": {"missing": 7}}},
            {"columns": []},
            "x",
            7,
        ],
        "threshold": [{"method": "evil"}, {"method": "target", "value": 2}, [], 7],
    }
    for name, values in changes.items():
        for number, value in enumerate(values):
            yield of_json(f"detector's {name}, {number}", DETECTORS, sound | {name: value}, says=name)


def references() -> Iterator[Case]:
    """Paths to what is not there and cannot be."""
    for reference in REFERENCES:
        for root in (DATASETS, DETECTORS, JOBS, "/api/v1/models"):
            yield Case(f"GET {root}/{reference[:20]}", f"{root}/{reference}", method="GET")
        yield Case(f"DELETE a data set {reference[:20]}", f"{DATASETS}/{reference}", method="DELETE")
        yield Case(f"rows of {reference[:20]}", f"{DATASETS}/{reference}/rows", method="GET")


def queries() -> Iterator[Case]:
    """Of lists, rows and samples."""
    wrong = (
        "limit=0",
        "limit=-1",
        "limit=1e9",
        "limit=99999999999999999999",
        "limit=x",
        "cursor=evil",
        "cursor=%00",
        "cursor=" + "a" * 5000,
    )
    for query in wrong:
        for path in (DATASETS, DETECTORS, JOBS, "/api/v1/models"):
            yield Case(f"GET {path}?{query[:30]}", f"{path}?{query}", method="GET")
    of_rows = (
        "limit=0",
        "offset=-1",
        "offset=1e3",
        "columns=nothere",
        "columns=c0&columns=c0",
        "filter=c0",
        "filter=nothere=1",
        "filter=c0%3E%3D",
        "filter=c0%3Ex",
        "version=x",
        "version=99",
        "version=" + "9" * 21,
        "columns=%00",
        "filter=%00",
        "&".join(["filter=c0%3E1"] * 33),
    )
    for query in of_rows:
        yield Case(f"rows?{query[:40]}", f"{DATASETS}/sound/rows?{query}", method="GET")
    for query in ("n=0", "n=1001", "n=x", "seed=-1", "seed=4294967296"):
        yield Case(f"sample?{query}", f"{DATASETS}/sound/sample?{query}", method="GET")
    for accept in ("image/png", "text/csv;q=0", "application/pdf"):
        yield Case(f"rows as {accept}", f"{DATASETS}/sound/rows", method="GET", headers={"accept": accept})
    yield Case(
        "a range beyond the end", f"{DATASETS}/sound/rows", method="GET", headers={"range": "bytes=99999999999-"}
    )


def headers() -> Iterator[Case]:
    """Of requests that are sound but for them."""
    body = json.dumps({"name": "x y", "algorithm": "HBOS"}).encode()
    kind = {"content-type": "application/json"}
    wrong = {
        "an empty key": {"idempotency-key": ""},
        "a key of 256 characters": {"idempotency-key": "k" * 256},
        "a key with a space": {"idempotency-key": "a b"},
        "a type that is none": {"content-type": "evil"},
        "a type of XML": {"content-type": "application/xml"},
        "an encoding that is none": {"content-encoding": "evil"},
        "a charset that is none": {"content-type": "application/json; charset=evil"},
    }
    for name, told in wrong.items():
        yield Case(f"detector with {name}", DETECTORS, body, headers=kind | told)
    for encoding in ("br", "deflate", "gzip, gzip", "gzip"):
        yield Case(
            f"file with content-encoding {encoding}",
            f"{DATASETS}?name=h",
            b"{",
            headers={"content-type": "application/x-ndjson", "content-encoding": encoding},
        )


def versions() -> Iterator[Case]:
    """Of a data set that is there, and of trainings on what is not."""
    for version in ("x", "-1", "0", "1.5", "9" * 30, "\u0663", "", "\x00"):
        yield of_json(
            f"training on version {version[:10]!r}",
            f"{DETECTORS}/sound/train",
            {"dataset_id": "sound", "dataset_version": version},
        )
    for reference in ("", "x" * 129, "\x00", "../x", "\u0430", None, 7):
        yield of_json(f"training on {reference!r:.20}", f"{DETECTORS}/sound/train", {"dataset_id": reference})
        yield of_json(f"scoring of {reference!r:.20}", DETECT, {"dataset_id": reference, "model_id": "x"})
        yield of_json(f"scoring with {reference!r:.20}", DETECT, {"dataset_id": "sound", "model_id": reference})
    fractions: tuple[Any, ...] = (
        {},
        {"a": 1},
        {"a": 0.5},
        {"a": 0.5, "b": 0.6},
        {"a": -1, "b": 2},
        {"a": "x", "b": 0.5},
        {"..": 0.5, "b": 0.5},
        {"a/b": 0.5, "b": 0.5},
        [],
        None,
    )
    for number, value in enumerate(fractions):
        yield of_json(f"split by {number}", f"{DATASETS}/sound/split", {"fractions": value})
    for mode in ("evil", "", "APPEND"):
        yield Case(
            f"version by {mode!r}",
            f"{DATASETS}/sound/versions?mode={mode}",
            b"c0\n1\n",
            headers={"content-type": "text/csv"},
            taken=mode == "",
        )
    yield Case(
        "version with other columns",
        f"{DATASETS}/sound/versions?mode=append",
        b"zzz\n1\n",
        headers={"content-type": "text/csv"},
    )


def all_bodies() -> list[Case]:
    """Every case that is no file."""
    makers = (broken, detectors, references, queries, headers, versions)
    return [case for maker in makers for case in maker()]
