"""pynomaly detect: the journey on the user's own file, against a scripted suite."""

import json
import os
import signal
import threading
from pathlib import Path

import polars as pl
import pytest
from pynomaly.cli.app import run

TRAIN, EVALUATE, SCORE = (f"01890000-0000-7000-8000-00000000000{n}" for n in (2, 3, 4))
DATASET, DETECTOR, MODEL, SCORED = (f"01890000-0000-7000-8000-0000000000{n}" for n in (11, 12, 13, 14))
# As a spreadsheet exports it: byte-order mark, semicolons, CRLF, a quoted line break, a code with leading zeros.
CONTENT = '\ufeffcode;note;x;is_anomaly\r\n007;"two\r\n""lines""; one cell";1.50;0\r\n008;ä;2e1;1\r\n010;;-3;0'.encode()
COLUMNS = [("code", "string"), ("note", "string"), ("x", "number"), ("is_anomaly", "integer")]
SCORES = b"raw_score,prediction,pynomaly_is_anomaly\n0.1,0.25,false\n0.30000000000000004,1.0,true\n-0.5,0.0,false\n"
NAMES = {"raw_score": "raw_score", "prediction": "prediction", "is_anomaly": "pynomaly_is_anomaly"}
HEALTH = {
    "status": "healthy",
    "timestamp": "2026-01-01T00:00:00Z",
    "version": "0.1.0",
    "uptime_seconds": 1.0,
    "active_connections": 0,
    "memory_usage_mb": 1.0,
    "checks": {"database": "ok", "filesystem": "ok"},
}
METRICS = {
    "model_id": MODEL,
    "model_version": "1",
    "roc_auc": 0.987,
    "intervals": {"roc_auc": [0.9412, 0.9994]},
    "average_precision": 0.5,
    "precision_at_n": 0.5,
    "f1": 0.5,
    "threshold": 0.2,
    "confusion": {"true_positives": 1, "false_positives": 0, "true_negatives": 2, "false_negatives": 0},
    "n_rows": 3,
    "n_anomalies": 1,
}
SCORED_RESULT = {
    "dataset_id": SCORED,
    "model_id": MODEL,
    "model_version": "1",
    "n_rows": 3,
    "n_anomalies": 1,
    "score_columns": NAMES,
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "export.csv"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def suite(peer, bodies, says, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYNOMALY_URL", peer.url)
    monkeypatch.setenv("COLUMNS", "200")

    def stored(asked):
        target = "is_anomaly" if b'name="target_column"' in asked.body else None
        features = ["x"] if target else ["x", "is_anomaly"]
        columns = [{"name": name, "type": kind} for name, kind in COLUMNS]
        body = bodies["dataset"](id=DATASET, columns=columns, target_column=target, feature_columns=features)
        return says(body, 201)

    trained = bodies["train"](model_id=MODEL, feature_columns=["x"], ignored_columns=["code", "note", "is_anomaly"])
    columns = [
        {"name": name, "type": kind, "n_missing": 0, "n_distinct": 2, "is_constant": False, "min": 0, "max": 1}
        for name, kind in COLUMNS
    ]
    quality = {"dataset_id": DATASET, "n_rows": 3, "n_duplicate_rows": 0, "n_missing": 0, "columns": columns}
    peer.says("GET", "/health", says(HEALTH))
    peer.says("POST", "/api/v1/datasets/upload", stored)
    peer.says("GET", f"/api/v1/datasets/{DATASET}/quality", says({**quality, "warnings": []}))
    peer.says("POST", "/api/v1/detectors", says(bodies["detector"](id=DETECTOR), 201))
    for path, job in ((f"{DETECTOR}/train", TRAIN), (f"{DETECTOR}/evaluate", EVALUATE)):
        peer.says("POST", f"/api/v1/detectors/{path}", says({"job_id": job}, 202))
    peer.says("POST", "/api/v1/detect/batch", says({"job_id": SCORE}, 202))
    for job, kind, result in (
        (TRAIN, "train", trained),
        (EVALUATE, "evaluate", METRICS),
        (SCORE, "detect_batch", SCORED_RESULT),
    ):
        peer.says("GET", f"/api/v1/jobs/{job}", says(bodies["job"](id=job, kind=kind, result=result)))
    peer.says("GET", f"/api/v1/datasets/{SCORED}/rows", says(SCORES))
    for made in (f"datasets/{DATASET}", f"datasets/{SCORED}", f"detectors/{DETECTOR}", f"models/{MODEL}"):
        peer.says("DELETE", f"/api/v1/{made}", says(status=204))
    return peer


def deleted(suite) -> set[str]:
    return {path.rsplit("/", 1)[1] for path in suite.paths() if path.startswith("DELETE")}


def test_the_csv_keeps_every_byte_of_the_file_and_gains_three_columns(suite, file: Path) -> None:
    output = file.with_name("scored.csv")
    assert run(["detect", str(file), "--output", str(output)]) == 0
    expected = (
        "\ufeffcode;note;x;is_anomaly;raw_score;prediction;pynomaly_is_anomaly\r\n"
        '007;"two\r\n""lines""; one cell";1.50;0;0.1;0.25;false\r\n'
        "008;ä;2e1;1;0.30000000000000004;1.0;true\r\n"
        "010;;-3;0;-0.5;0.0;false"
    )
    assert output.read_bytes().decode() == expected
    assert {each.name for each in file.parent.iterdir()} == {"export.csv", "scored.csv"}


def test_ndjson_keeps_numbers_as_they_were_written_and_codes_as_text(suite, file: Path) -> None:
    output = file.with_name("scored.jsonl")
    assert run(["detect", str(file), "--output", str(output)]) == 0
    first, second, third = output.read_text(encoding="utf-8").splitlines()
    assert '"code": "007"' in first
    assert '"x": 1.50, ' in first
    assert '"x": 2e1, ' in second
    assert json.loads(third)["note"] is None
    assert json.loads(second)["pynomaly_is_anomaly"] is True


def test_parquet_holds_the_typed_columns_of_the_suite(suite, says, file: Path) -> None:
    frame = pl.DataFrame({"code": ["007"], "raw_score": [0.1]})
    arrow = frame.write_ipc_stream(None).getvalue()
    csv = says(SCORES)
    suite.says(
        "GET",
        f"/api/v1/datasets/{SCORED}/rows",
        lambda asked: says(arrow) if "arrow" in asked.headers["accept"] else csv,
    )
    output = file.with_name("scored.parquet")
    assert run(["detect", str(file), "--output", str(output)]) == 0
    assert pl.read_parquet(output).equals(frame)


def test_a_parquet_file_is_as_good_as_a_csv_file(suite, tmp_path: Path) -> None:
    frame = pl.DataFrame({"code": ["007", "008", None], "note": ["ä", "b", "c"], "x": [0.1, 2.0, 3.0], "is_anomaly": 0})
    frame.write_parquet(tmp_path / "export.parquet")
    assert run(["detect", str(tmp_path / "export.parquet"), "--output", str(tmp_path / "scored.csv")]) == 0
    header, first, *_ = (tmp_path / "scored.csv").read_text(encoding="utf-8").splitlines()
    assert header == "code,note,x,is_anomaly,raw_score,prediction,pynomaly_is_anomaly"
    assert first == "007,ä,0.1,0,0.1,0.25,false"


def test_a_parquet_file_with_nested_columns_is_refused_before_anything_is_sent(suite, tmp_path: Path, capsys) -> None:
    pl.DataFrame({"x": [[1, 2]]}).write_parquet(tmp_path / "nested.parquet")
    assert run(["detect", str(tmp_path / "nested.parquet")]) == 2
    assert "is no flat Parquet table" in capsys.readouterr().err
    assert suite.paths() == ["GET /health"]


@pytest.mark.parametrize("options", [["--target", ""], ["--columns", ","], ["--output", "."], ["--output", "no/x.csv"]])
def test_an_option_that_says_nothing_is_refused_by_its_name(suite, file: Path, capsys, options: list[str]) -> None:
    assert run(["detect", str(file), *options]) == 2
    assert f"{options[0]}: " in capsys.readouterr().err
    assert suite.asked == []


def test_a_folder_is_called_a_folder(suite, tmp_path: Path, capsys) -> None:
    assert run(["detect", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_people_see_the_top_rows_the_metrics_and_what_was_left_out(suite, file: Path, capsys) -> None:
    assert run(["detect", str(file), "--target", "is_anomaly", "--top", "1"]) == 0
    shown = capsys.readouterr()
    assert "0.987 [0.941, 0.999]" in shown.out
    assert "008" in shown.out
    assert "010" not in shown.out
    assert "Left out: code, it holds text, not numbers" in shown.err
    assert "Left out: is_anomaly, it is the label" in shown.err
    assert "on the rows it was trained on" in shown.err
    assert "pynomaly_is_anomaly" not in shown.err  # nobody has asked for a file


def test_programs_get_one_json_object(suite, file: Path, capsys) -> None:
    assert run(["detect", str(file), "--target", "is_anomaly", "--json"]) == 0
    shown = capsys.readouterr()
    report = json.loads(shown.out)
    assert shown.err == ""
    assert [top["row"] for top in report["top"]] == [2, 1, 3]
    assert report["top"][1]["values"]["note"] == 'two\r\n"lines"; one cell'
    assert report["metrics"]["roc_auc"] == 0.987


def test_a_column_that_looks_like_a_label_is_pointed_out(suite, file: Path, capsys) -> None:
    assert run(["detect", str(file)]) == 0
    assert "--target is_anomaly" in capsys.readouterr().err


def test_nothing_stays_in_the_suite(suite, file: Path) -> None:
    assert run(["detect", str(file)]) == 0
    assert deleted(suite) == {DATASET, DETECTOR, MODEL, SCORED}


def test_with_keep_everything_stays(suite, file: Path) -> None:
    assert run(["detect", str(file), "--keep"]) == 0
    assert deleted(suite) == set()


def test_a_training_that_fails_is_cleaned_up_after_and_writes_nothing(suite, bodies, says, file: Path) -> None:
    problem = {"type": "/problems/missing", "title": "Missing value", "status": 422, "detail": "row 3 of 'x'"}
    suite.says("GET", f"/api/v1/jobs/{TRAIN}", says(bodies["job"]("failed", problem=problem)))
    output = file.with_name("scored.csv")
    assert run(["detect", str(file), "--output", str(output)]) == 2
    assert deleted(suite) == {DATASET, DETECTOR}
    assert not output.exists()


def test_ctrl_c_cancels_the_job_that_nobody_waits_for(suite, bodies, says, file: Path) -> None:
    def interrupting(_asked):
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()
        return says(bodies["job"]("running"))

    suite.says("GET", f"/api/v1/jobs/{TRAIN}", interrupting, says(bodies["job"]("running")))
    suite.says("POST", f"/api/v1/jobs/{TRAIN}/cancel", says(bodies["job"]("running")))
    assert run(["detect", str(file)]) == 130
    assert f"POST /api/v1/jobs/{TRAIN}/cancel" in suite.paths()
    assert deleted(suite) == {DATASET, DETECTOR}


def test_fewer_scores_than_rows_is_a_failure_and_the_old_output_stays(suite, says, file: Path, capsys) -> None:
    suite.says("GET", f"/api/v1/datasets/{SCORED}/rows", says(SCORES.rsplit(b"\n", 2)[0] + b"\n"))
    output = file.with_name("scored.csv")
    output.write_text("old")
    assert run(["detect", str(file), "--output", str(output)]) == 1
    assert "did it change?" in capsys.readouterr().err
    assert output.read_text() == "old"


@pytest.mark.parametrize("output", ["export.csv", "link.csv", "scored.xlsx", "nowhere/scored.csv"])
def test_an_output_that_cannot_be_is_refused_before_anything_is_sent(suite, file: Path, output: str) -> None:
    file.with_name("link.csv").symlink_to(file)
    assert run(["detect", str(file), "--output", str(file.parent / output)]) == 2
    assert suite.asked == []
    assert file.read_bytes() == CONTENT
