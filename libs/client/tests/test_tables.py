"""Tables in and out: what users hold becomes a file, and rows become what they like."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pynomaly import Client, Rows, errors

UPLOAD = "/api/v1/datasets/upload"
ROWS = "/api/v1/datasets/thyroid/rows"
DICTS = [{"a": 1.5, "b": 'x,"y"'}, {"a": None, "b": "ä"}]


def parts(asked) -> dict[str, bytes]:
    """The multipart body's fields."""
    boundary = re.search(r"boundary=(\S+)", asked.headers["content-type"]).group(1).encode()
    found = {}
    for part in asked.body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
        found[re.search(rb'name="([^"]+)"', head).group(1).decode()] = content
    return found


def uploaded(peer, bodies, says, table: Any, **fields: Any) -> dict[str, bytes]:
    peer.says("POST", UPLOAD, says(bodies["dataset"](), 201))
    with Client(peer.url) as client:
        client.datasets.upload(table, **fields)
    return parts(peer.asked[-1])


def test_a_path_travels_byte_by_byte_under_its_own_name(peer, bodies, says, tmp_path: Path) -> None:
    content = "\ufeffa;b\r\n1;2\r\n".encode()
    path = tmp_path / "Q3 sales (final).csv"
    path.write_bytes(content)
    sent = uploaded(peer, bodies, says, path, target_column="b", description="of the third quarter")
    assert sent == {
        "file": content.strip(b"\r\n"),
        "name": b"Q3-sales-final",
        "target_column": b"b",
        "description": b"of the third quarter",
    }


class Watched(io.FileIO):
    """A file that remembers the most it was asked for at once."""

    largest = 0

    def read(self, size: int = -1, /) -> bytes:
        piece = super().read(size)
        self.largest = max(self.largest, len(piece))
        return piece


def test_a_file_is_streamed_from_disk_and_never_held_whole(peer, bodies, says, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(b"a\n" * 4 * 1024 * 1024)
    peer.says("POST", UPLOAD, says(bodies["dataset"](), 201))
    with Client(peer.url) as client, Watched(path) as stream:
        client.datasets.upload(stream)
        assert stream.largest <= 64 * 1024
    assert len(parts(peer.asked[0])["file"]) == path.stat().st_size - 1


def test_an_upload_that_failed_is_sent_again_from_its_first_byte(peer, bodies, says, refuses, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n")
    peer.says("POST", UPLOAD, refuses(503), says(bodies["dataset"](), 201))
    with Client(peer.url) as client:
        client.datasets.upload(path)
    assert [parts(asked)["file"] for asked in peer.asked] == [b"a\n1", b"a\n1"]


@pytest.mark.parametrize("opened", [lambda content: content, io.BytesIO], ids=["bytes", "binary file"])
def test_bytes_and_binary_files_travel_as_they_are(peer, bodies, says, opened) -> None:
    assert uploaded(peer, bodies, says, opened(b"a,b\n1,2"), name="n")["file"] == b"a,b\n1,2"


@pytest.mark.parametrize(
    "frame",
    [DICTS, pl.DataFrame(DICTS), pd.DataFrame(DICTS)],
    ids=["dicts", "polars", "pandas"],
)
def test_dicts_and_frames_become_the_same_csv(peer, bodies, says, frame) -> None:
    text = uploaded(peer, bodies, says, frame, name="n")["file"].decode()
    assert list(csv.reader(io.StringIO(text))) == [["a", "b"], ["1.5", 'x,"y"'], ["", "ä"]]


def test_an_array_keeps_every_digit_and_gets_its_names(peer, bodies, says) -> None:
    array = np.array([[0.1 + 0.2, np.nan], [1e-300, -7.0]])
    assert uploaded(peer, bodies, says, array, name="n", columns=["x", "y"])["file"].decode().splitlines() == [
        "x,y",
        "0.30000000000000004,",
        "1e-300,-7.0",
    ]
    assert uploaded(peer, bodies, says, array, name="n")["file"].startswith(b"f1,f2\n")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("nowhere.csv", "nowhere.csv"),
        (io.StringIO("a\n1\n"), "mode 'rb'"),
        ([], "there is no row"),
        ([{"a": 1}, 7], "row 1 is a int"),
        (np.zeros(3), r"shape \(3,\)"),
        (42, "cannot upload a int"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(peer, table: Any, message: str) -> None:
    with Client(peer.url) as client, pytest.raises(errors.InvalidInput, match=message):
        client.datasets.upload(table)
    assert peer.asked == []


def test_rows_are_asked_for_by_column_and_format(peer, says) -> None:
    peer.says("GET", ROWS, says(b'{"a": 1.5, "b": null}\n{"a": 2, "b": 3}\n'))
    with Client(peer.url) as client:
        rows = client.datasets.rows("thyroid", ["a", "b"], limit=2, offset=1)
    assert list(rows) == [{"a": 1.5, "b": None}, {"a": 2, "b": 3}]
    assert peer.asked[0].query == {"columns": ["a", "b"], "limit": ["2"], "offset": ["1"]}
    assert peer.asked[0].headers["accept"].startswith("application/x-ndjson")


def wire(form: str, frame: pl.DataFrame) -> bytes:
    into = io.BytesIO()
    {"ndjson": frame.write_ndjson, "csv": frame.write_csv, "arrow": frame.write_ipc_stream}[form](into)
    return into.getvalue()


@pytest.mark.parametrize("form", ["ndjson", "csv", "arrow"])
def test_rows_come_back_as_numpy_polars_and_pandas(form) -> None:
    frame = pl.DataFrame({"a": [0.1, None, 3.5], "b": [1.0, 2.0, 1e-300]})
    rows = Rows(wire(form, frame), form)
    assert len(rows) == 3
    assert rows.to_polars().equals(frame)
    assert rows.to_dicts() == frame.to_dicts()
    np.testing.assert_array_equal(rows.to_numpy(), frame.to_numpy())
    np.testing.assert_array_equal(rows.to_pandas().to_numpy(dtype=float), frame.to_numpy())


def test_text_is_no_number_for_numpy_and_the_message_says_so() -> None:
    with pytest.raises(errors.InvalidInput, match="'x'"):
        Rows(b'{"a": "x"}\n').to_numpy()


def test_a_download_that_fails_leaves_the_old_file_and_nothing_else(peer, refuses, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("old")
    peer.says("GET", ROWS, refuses(500))
    with Client(peer.url) as client, pytest.raises(errors.ApiError):
        client.datasets.download("thyroid", path)
    assert [each.name for each in tmp_path.iterdir()] == ["rows.csv"]
    assert path.read_text() == "old"


def test_a_download_is_the_rows_bytes(peer, says, tmp_path: Path) -> None:
    peer.says("GET", ROWS, says(b"a\n1\n"))
    with Client(peer.url) as client:
        assert client.datasets.download("thyroid", tmp_path / "rows.csv").read_bytes() == b"a\n1\n"
