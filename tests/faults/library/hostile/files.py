"""Files that lie, are cut, or are of no use: sent to the dataset service, as a body or in a form."""

import gzip
import io
import random
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hostile.archives import MAIN, SHEET, STRINGS, lying, sheet, workbook
from hostile.case import Case

DATASETS, UPLOAD = "/api/v1/datasets", "/api/v1/datasets/upload"
CSV, OCTETS = "text/csv", "application/octet-stream"
N_CUTS, N_FLIPS, DEEP, MIB = 10, 25, 10_000, 2**20
EXPANDED_LIMIT_BYTES = 32 * MIB
"""MAX_EXPANDED_SIZE of the service that the bombs are sent to."""


def sent(
    name: str, content: bytes, says: str = "", *, kind: str = OCTETS, query: str = "", taken: bool = False
) -> Case:
    """A file as the body."""
    path = f"{DATASETS}?name=hostile-{zlib.crc32(name.encode())}{query}"
    return Case(f"file: {name}", path, content, headers={"content-type": kind}, says=says, taken=taken)


@cache
def table() -> Any:
    rows = range(500)
    columns = {"a": list(rows), "b": [0.5 * row for row in rows], "c": [f"text {row}" for row in rows]}
    return pa.table(columns)


@cache
def parquet() -> bytes:
    pq.write_table(table(), file := io.BytesIO(), row_group_size=100)
    return file.getvalue()


@cache
def arrow_file() -> bytes:
    with pa.ipc.new_file(file := io.BytesIO(), table().schema) as writer:
        writer.write_table(table())
    return file.getvalue()


@cache
def arrow_stream() -> bytes:
    with pa.ipc.new_stream(file := io.BytesIO(), table().schema) as writer:
        writer.write_table(table())
    return file.getvalue()


@cache
def excel() -> bytes:
    pl.from_arrow(table()).write_excel(file := io.BytesIO())  # type: ignore[union-attr] # a table is a frame
    return file.getvalue()


def zstd(content: bytes) -> bytes:
    with pa.output_stream(file := pa.BufferOutputStream(), compression="zstd") as packed:
        packed.write(content)
    return bytes(file.getvalue())


def binaries() -> dict[str, bytes]:
    """Of each binary format a whole file."""
    lines = ("a,b\n" + "1,2\n" * 2000).encode()
    whole = {"Parquet": parquet(), "Arrow file": arrow_file(), "Arrow stream": arrow_stream(), "Excel": excel()}
    return whole | {"gzip": gzip.compress(lines), "zstd": zstd(lines)}


def cut() -> Iterator[Case]:
    """Files that end too soon."""
    for kind, whole in binaries().items():
        for part in range(1, N_CUTS):
            yield sent(f"{kind} cut at {part}/{N_CUTS}", whole[: len(whole) * part // N_CUTS])


def flipped() -> Iterator[Case]:
    """Files in whose last part, where footers are, bits are flipped; some change a value alone."""
    for kind, whole in binaries().items():
        drawn = random.Random(kind)
        for number in range(N_FLIPS):
            changed = bytearray(whole)
            start = len(whole) // 2 if number % 2 else 0
            for _ in range(3):
                changed[drawn.randrange(start, len(whole))] ^= 1 << drawn.randrange(8)
            yield sent(f"{kind} with flipped bits, {number}", bytes(changed), taken=True)


def footers() -> Iterator[Case]:
    """Footers that claim what is not there."""
    body = parquet()[:-8]
    for claim in (0, 1, 2**31 - 1, 2**31, 2**32 - 1, len(body) * 2):
        yield sent(
            f"Parquet whose footer claims {claim} bytes", body + claim.to_bytes(4, "little") + b"PAR1", "Parquet"
        )
    yield sent(
        "Parquet whose footer is of 0xff",
        parquet()[:4] + b"\xff" * 200 + (100).to_bytes(4, "little") + b"PAR1",
        "Parquet",
    )
    yield sent(
        "Parquet whose pages are zeros",
        parquet()[:4] + bytes(len(parquet()) // 2) + parquet()[len(parquet()) // 2 + 4 :],
        taken=True,
    )
    yield sent("Parquet, encrypted", b"PARE" + parquet()[4:-4] + b"PARE", says="")
    body = arrow_file()[:-10]
    for claim in (0, 1, -1, 2**31 - 1, -(2**31)):
        packed = claim.to_bytes(4, "little", signed=True)
        yield sent(f"Arrow file whose footer claims {claim} bytes", body + packed + b"ARROW1", "Arrow")
    for claim in (0, 7, 2**31 - 1, -1):
        packed = claim.to_bytes(4, "little", signed=True)
        yield sent(f"Arrow stream whose message claims {claim} bytes", arrow_stream()[:4] + packed + arrow_stream()[8:])
    for magic in (
        b"ARROW1",
        b"PAR1",
        b"PAR1PAR1",
        b"PK\x03\x04",
        b"\x1f\x8b",
        b"\x28\xb5\x2f\xfd",
        b"\xff\xff\xff\xff",
    ):
        yield sent(f"nothing but {magic!r}", magic)
        yield sent(f"{magic!r} and zeros", magic + bytes(5000))


def types() -> Iterator[Case]:
    """Columns that no table has."""
    columns: dict[str, Any] = {
        "lists": pa.array([[1], [2]]),
        "structs": pa.array([{"x": 1}, {"x": 2}]),
        "bytes": pa.array([b"\xff", b"\x00"]),
        "durations": pa.array([1, 2], pa.duration("s")),
        "times": pa.array([1, 2], pa.time32("s")),
        "maps": pa.array([[("a", 1)], [("b", 2)]], pa.map_(pa.string(), pa.int64())),
        "intervals": pa.array([(1, 2, 3), (1, 2, 3)], pa.month_day_nano_interval()),
    }
    for name, column in columns.items():
        with pa.ipc.new_stream(file := io.BytesIO(), pa.schema([("a", column.type)])) as writer:
            writer.write_table(pa.table({"a": column}))
        yield sent(f"Arrow with {name}", file.getvalue())
    for name, wrong in {"no columns": {}, "no rows": {"a": pa.array([], pa.int64())}}.items():
        pq.write_table(pa.table(wrong), file := io.BytesIO())
        yield sent(f"Parquet with {name}", file.getvalue())
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    unnamed = pa.Table.from_arrays([pa.array([1])], names=[""])
    nul = pa.Table.from_arrays([pa.array([1])], names=["a\x00b"])
    for name, each in {"a name twice": twice, "an empty name": unnamed, "NUL in a name": nul}.items():
        pq.write_table(each, file := io.BytesIO())
        yield sent(f"Parquet with {name}", file.getvalue())
    pq.write_table(pa.table({"a": pa.array([2**64 - 1], pa.uint64())}), file := io.BytesIO())
    yield sent("Parquet with a number over 2^63", file.getvalue())


@cache
def _bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    pieces = [packer.compress(b"1,2\n" * (MIB // 4)) for _ in range(EXPANDED_LIMIT_BYTES // MIB + 8)]
    return b"".join([*pieces, packer.flush()])


_LAUGHS = (
    '<!DOCTYPE sst [<!ENTITY a "'
    + "a" * 1000
    + '">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]>"
)


def bombs() -> Iterator[Case]:
    """Small files that become large."""
    yield sent("gzip bomb", _bomb(), "expands")
    yield sent("gzip bomb in a gzip", gzip.compress(_bomb()))
    yield sent(
        "gzip of many members", gzip.compress(b"1,2\n" * (MIB // 4)) * (EXPANDED_LIMIT_BYTES // MIB + 8), "expands"
    )
    yield sent("zstd bomb", zstd(bytes(EXPANDED_LIMIT_BYTES + 8 * MIB)), "expands")
    yield from workbooks_of_lies()
    yield from broken_workbooks()


def workbooks_of_lies() -> Iterator[Case]:
    """Workbooks that are not as large as they say, or larger."""
    huge = STRINGS.replace("<t>a</t>", f"<t>{'a' * 50 * MIB}</t>").encode()
    yield sent("workbook whose texts claim less than they are", lying("xl/sharedStrings.xml", huge, 500), "workbook")
    rows = sheet("<row><c><v>1</v></c></row>" * 200_000).encode()
    yield sent("workbook whose sheet claims less than it is", lying(SHEET, rows, len(sheet("")) + 52), "workbook")
    yield sent(
        "workbook with a cell at its far end",
        workbook('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
        "workbook",
    )
    yield sent(
        "workbook with a cell beyond every end",
        workbook('<row r="9999999999"><c r="ZZZZZZZZ9999999999"><v>1</v></c></row>'),
        "workbook",
    )
    yield sent(
        "workbook that says XFD1048576 of itself",
        workbook(
            parts={
                SHEET: sheet('<row r="2"><c r="A2"><v>1</v></c></row>').replace(
                    "<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>'
                )
            }
        ),
        taken=True,
    )


def broken_workbooks() -> Iterator[Case]:
    """Workbooks whose parts are missing, misplaced or no XML."""
    text = f'{_LAUGHS}<sst xmlns="{MAIN}"><si><t>&j;</t></si></sst>'
    yield sent(
        "workbook with a billion laughs",
        workbook('<row r="2"><c r="A2" t="s"><v>0</v></c></row>', {"xl/sharedStrings.xml": text}),
        taken=True,
    )
    yield sent("workbook with a part outside", workbook(parts={"../../../../tmp/evil.xml": "x"}), taken=True)
    yield sent("workbook with an absolute part", workbook(parts={"/etc/evil": "x"}), taken=True)
    yield sent("workbook without a sheet", workbook(parts={"xl/workbook.xml": "<workbook/>"}), "workbook")
    yield sent("workbook that is no XML", workbook(parts={SHEET: b"\x00\xff" * 100}), "workbook")
    yield sent(
        "workbook with a text that it has not",
        workbook('<row r="2"><c r="A2" t="s"><v>999999</v></c></row>'),
        taken=True,
    )
    yield sent("workbook that is nested 10,000 deep", workbook(parts={SHEET: "<a>" * DEEP}), "no rows")


_CSV = {
    "nothing": b"",
    "NUL": b"\x00",
    "NUL in a cell": b"a,b\n1,\x002\n",
    "a header of NUL": b"a\x00,b\n1,2\n",
    "only quotes": b'"' * 9999,
    "an open quote": b'a,b\n"1,2\n' + b"3,4\n" * 5000,
    "a byte of no encoding": b"a,b\n\xff\xfe\xfd,1\n",
    "half a UTF-16": "a,b\n1,2\n".encode("utf-16")[:-1],
    "a lone surrogate": b"a,b\n\xed\xa0\x80,1\n",
    "an overlong slash": b"a,b\n\xc0\xaf,1\n",
    "rows of other lengths": b"a,b\n1\n1,2,3\n",
    "a name twice": b"a,a\n1,2\n",
    "a name that looks alike but for case and none": b"a,\n1,2\n",
    "a header alone": b"a,b\n",
    "CR alone": b"a,b\r1,2\r",
    "a name of 300 characters": b"a" * 300 + b",b\n1,2\n",
}
_JSON = {
    "10,000 deep": b"[" * DEEP + b"]" * DEEP,
    "objects 10,000 deep": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a cell 10,000 deep": b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "a key twice": b'{"a":1,"a":2}',
    "a key twice, spelled otherwise": rb'{"a":1,"\u0061":2}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "1e999": b'{"a":1e999}',
    "a comment": b'{"a":1} // x',
    "a trailing comma": b'{"a":1,}',
    "a lone surrogate": rb'{"a":"\ud800"}',
    "a NUL in a name": rb'{"a\u0000":1}',
    "an empty name": b'{"":1}',
    "a cell of objects": b'{"a":{}}',
    "numbers, then text": b'{"a":1}\n{"a":"x"}',
    "an array of arrays": b"[[1]]",
    "a number": b"1",
    "null": b"null",
    "an open string": b'{"a":"',
    "a number of 100,000 digits": b'{"a":' + b"9" * 100_000 + b"}",
    "single quotes": b"{'a':1}",
    "no rows": b"[]",
}


def texts() -> Iterator[Case]:
    """CSV and JSON."""
    names = ",".join(f"c{number}" for number in range(10_001))
    yield sent("10,001 columns", f"{names}\n{','.join(['1'] * 10_001)}\n".encode(), "10001", kind=CSV)
    keys = ",".join(f'"c{number}":1' for number in range(10_001))
    yield sent("10,001 keys", f"{{{keys}}}\n".encode(), "columns")
    yield sent("a new key in every row", b"".join(b'{"c%d":1}\n' % number for number in range(12_000)), "columns")
    for name, content in _CSV.items():
        yield sent(f"CSV: {name}", content, kind=CSV)
    for name, content in _JSON.items():
        yield sent(f"NDJSON: {name}", content, kind="application/x-ndjson", taken=name.startswith("a number of"))
        yield sent(
            f"JSON: {name}",
            content if content.startswith(b"[") else b"[" + content + b"]",
            kind="application/json",
            taken=name.startswith("a number of"),
        )


NAMES = {
    "empty": "",
    "a dot": ".",
    "two dots": "..",
    "a path": "../../etc/passwd",
    "a path of Windows": "..\\..\\x",
    "a slash": "a/b",
    "an absolute path": "/etc/passwd",
    "an encoded slash": "a%2fb",
    "a NUL": "a\x00b",
    "a line": "a\nb",
    "CR and LF": "a\r\nSet-Cookie: x=1",
    "a tab": "a\tb",
    "a space": "a b",
    "a Cyrillic a": "\u0430bc",
    "a full-width a": "\uff41bc",
    "a space of no width": "a\u200bb",
    "text from right to left": "a\u202eb",
    "a combining accent": "a\u0301",
    "a smile": "\U0001f600",
    "a lone surrogate's bytes": "a\ufffdb",
    "129 characters": "a" * 129,
    "100,000 characters": "a" * 10_000,
    "a UUID": "0197a000-0000-7000-8000-000000000000",
    "a UUID in braces": "{0197a000-0000-7000-8000-000000000000}",
    "a word that is taken": "latest",
    "a word that is taken, in capitals": "LATEST",
    "another word that is taken": "upload",
    "a beginning dash": "-rf",
    "a beginning dot": ".ssh",
    "SQL": "a'; DROP TABLE datasets; --",
    "a template": "{{7*7}}",
    "a script": "<script>alert(1)</script>",
}


def names() -> Iterator[Case]:
    """Names of data sets."""
    for name, value in NAMES.items():
        path = f"{DATASETS}?name={quote(value, safe='')}"
        yield Case(f"name of {name}", path, b"a,b\n1,2\n", headers={"content-type": CSV}, says="name")


def forms() -> Iterator[Case]:
    """Multipart bodies."""
    head = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nformed\r\n'
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\na,b\n1,2\n\r\n'
    end = b"--b--\r\n"
    kind = "multipart/form-data; boundary=b"
    bodies = {
        "no end": head + part % b"x.csv",
        "no file": head + end,
        "no name": part % b"x.csv" + end,
        "two files": head + part % b"x" + part % b"y" + end,
        "two names": head + head + part % b"x" + end,
        "a field that is none": head + head.replace(b'name="name"', b'name="evil"') + part % b"x" + end,
        "a header without an end": b"--b\r\nContent-Disposition: " + b"a" * 100_000,
        "10,000 parts": head * 10_000 + end,
        "nothing": b"",
        "only an end": end,
        "another boundary": head.replace(b"--b", b"--c") + end,
        "a field of a megabyte": head.replace(b"formed", b"a" * MIB) + part % b"x" + end,
        "a name that is not UTF-8": head.replace(b"formed", b"\xff\xfe") + part % b"x" + end,
        "a part without a name": b"--b\r\n\r\nx\r\n" + end,
    }
    for name, body in bodies.items():
        yield Case(f"form with {name}", UPLOAD, body, headers={"content-type": kind})
    for name, told in {
        "no boundary": "multipart/form-data",
        "an empty boundary": "multipart/form-data; boundary=",
        "a boundary of 10,000 characters": f"multipart/form-data; boundary={'b' * 10_000}",
        "another type": "application/x-www-form-urlencoded",
        "a type of nothing": "",
        "a type of junk": ";;;=,",
    }.items():
        yield Case(f"form with {name}", UPLOAD, head + part % b"x" + end, headers={"content-type": told})


def all_files() -> list[Case]:
    """Every case for the dataset service's uploads."""
    makers = (cut, flipped, footers, types, bombs, texts, names, forms)
    return [case for maker in makers for case in maker()]
