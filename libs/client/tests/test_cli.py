"""The command: its exit codes, its messages, its JSON, its start."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pynomaly.cli.app import run
from pynomaly_suite.layout import Home
from pynomaly_suite.ports import Ports
from pynomaly_suite.state import RunningProcess, State

ID = "01890000-0000-7000-8000-000000000001"
JOB = f"/api/v1/jobs/{ID}"


@pytest.fixture
def suite(peer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYNOMALY_URL", peer.url)
    monkeypatch.setenv("COLUMNS", "200")
    return peer


def test_a_list_is_a_table_for_people(suite, bodies, says, capsys) -> None:
    suite.says("GET", "/api/v1/datasets", says({"items": [bodies["dataset"]()]}))
    assert run(["datasets", "list"]) == 0
    assert "thyroid" in capsys.readouterr().out


def test_a_list_is_json_for_programs(suite, bodies, says, capsys) -> None:
    suite.says("GET", "/api/v1/datasets", says({"items": [bodies["dataset"]()] * 3}))
    assert run(["datasets", "list", "--limit", "2", "--json"]) == 0
    assert [item["name"] for item in json.loads(capsys.readouterr().out)["items"]] == ["thyroid", "thyroid"]


def test_a_refusal_is_bad_input_and_exits_2(suite, refuses, capsys) -> None:
    suite.says("GET", "/api/v1/datasets/none", refuses(404, detail="no data set 'none'"))
    assert run(["datasets", "show", "none"]) == 2
    assert "no data set 'none'" in capsys.readouterr().err


def test_with_json_the_refusal_is_the_suites_own_problem_on_standard_error(suite, refuses, capsys) -> None:
    suite.says("GET", "/api/v1/datasets/none", refuses(404, kind="/problems/not-found"))
    assert run(["datasets", "show", "none", "--json"]) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.err)["type"] == "/problems/not-found"
    assert shown.out == ""


def test_a_broken_suite_is_a_failure_and_exits_1(suite, refuses) -> None:
    suite.says("GET", "/api/v1/algorithms", refuses(500))
    assert run(["algorithms", "list"]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["datasets", "upload", "nowhere.csv"],
        ["datasets", "upload", "nowhere.csv", "--read", "colour=red"],
        ["datasets", "list", "--limit", "none"],
        ["datasets", "split", "thyroid", "--part", "train"],
        ["datasets", "split", "thyroid", "--part", "train=half", "--part", "test=0.5"],
        ["detectors", "create", "thyroid", "--contamination", "0.6"],
        ["datasets", "split", "thyroid", "--part", "a=0.5", "--part", "a=0.5"],
        ["predict", "{no json"],
        ["predict", "@nowhere.json"],
        ["up", "--run", "nowhere.py"],
        ["up", "--once"],
        ["detect", "nowhere.csv"],
        ["nonsense"],
    ],
)
def test_bad_input_exits_2_before_anything_is_sent(suite, capsys, arguments: list[str]) -> None:
    assert run([*arguments, "--json"]) == 2
    assert json.loads(capsys.readouterr().err)["status"] == 400
    assert suite.asked == []


def test_parameters_are_json_where_they_can_be(suite, bodies, says) -> None:
    suite.says("POST", "/api/v1/detectors", says(bodies["detector"](), 201))
    asked = ["--parameter", "n_estimators=50", "--parameter", "metric=l1", "--columns", "a, b"]
    assert run(["detectors", "create", "thyroid", *asked]) == 0
    sent = suite.asked[0].json()
    assert (sent["parameters"], sent["feature_columns"]) == ({"n_estimators": 50, "metric": "l1"}, ["a", "b"])


def test_what_becomes_of_raw_columns_is_sent_as_far_as_it_is_said(suite, bodies, says) -> None:
    suite.says("POST", "/api/v1/detectors", says(bodies["detector"](), 201))
    asked = ["--missing", "median", "--categories", "onehot", "--dates", "parts", "--scaling", "robust"]
    assert run(["detectors", "create", "thyroid", *asked]) == 0
    sent = {"missing": "median", "categories": "onehot", "dates": "parts", "scaling": "robust"}
    assert suite.asked[0].json()["preprocessing"] == sent


def test_an_update_may_change_the_seed_and_the_description(suite, bodies, says) -> None:
    suite.says("PATCH", "/api/v1/detectors/thyroid", says(bodies["detector"]()))
    assert run(["detectors", "update", "thyroid", "--seed", "7", "--description", "of spring"]) == 0
    assert suite.asked[0].json() == {"seed": 7, "description": "of spring"}


def test_a_choice_that_does_not_exist_is_refused_before_anything_is_sent(suite, capsys) -> None:
    assert run(["detectors", "create", "thyroid", "--missing", "mean"]) == 2
    assert "preprocessing.missing" in capsys.readouterr().err
    assert suite.asked == []


def test_predict_takes_one_row_or_many_or_a_file(suite, bodies, says, tmp_path: Path, capsys) -> None:
    suite.says("POST", "/api/v1/predict/batch", says(bodies["batch"](2)))
    rows = tmp_path / "rows.json"
    rows.write_text('[{"a": 1}, {"a": 2}]')
    assert run(["predict", f"@{rows}", "--model", "thyroid", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total_processed"] == 2


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("precision=0.9", {"method": "precision", "target": 0.9}),
        ("false-alarm-rate=0.01", {"method": "false_alarm_rate", "target": 0.01}),
        ("contamination", {"method": "contamination"}),
    ],
)
def test_a_threshold_is_named_by_its_method_and_target(suite, bodies, says, text: str, sent: dict) -> None:
    suite.says("PATCH", "/api/v1/detectors/thyroid", says(bodies["detector"]()))
    assert run(["detectors", "update", "thyroid", "--threshold", text]) == 0
    assert suite.asked[0].json() == {"threshold": sent}


@pytest.mark.parametrize("text", ["precision", "precision=2", "recall=0.5", "contamination=0.1"])
def test_a_threshold_that_makes_no_sense_is_refused_before_anything_is_sent(suite, capsys, text: str) -> None:
    assert run(["detectors", "create", "thyroid", "--threshold", text]) == 2
    assert "threshold" in capsys.readouterr().err
    assert suite.asked == []


def test_a_training_is_told_with_the_intervals_of_its_threshold_and_figures(suite, bodies, says, capsys) -> None:
    figures = {"roc_auc": 0.9621, "average_precision": 0.5, "precision_at_n": 0.5, "f1": 0.5, "n_anomalies": 9}
    metrics = {**figures, "intervals": {"roc_auc": [0.9412, 0.979]}}
    result = bodies["train"](threshold=0.5, threshold_interval=[0.25, 0.75], metrics=metrics)
    suite.says("POST", "/api/v1/detectors/thyroid/train", says({"job_id": ID}, 202))
    suite.says("GET", JOB, says(bodies["job"](result=result)))
    assert run(["detectors", "train", "thyroid", "rows"]) == 0
    shown = [line.strip().split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["threshold", "0.5 [0.25, 0.75]"] in shown
    assert ["metrics.roc_auc", "0.962 [0.941, 0.979]"] in shown
    assert ["metrics.n_anomalies", "9"] in shown
    assert not any("interval" in name or "absent" in name for name, _ in shown)


def test_train_waits_and_prints_the_result(suite, bodies, says, capsys) -> None:
    suite.says("POST", "/api/v1/detectors/thyroid/train", says({"job_id": ID}, 202))
    suite.says("GET", JOB, says(bodies["job"]("running")), says(bodies["job"]()))
    assert run(["detectors", "train", "thyroid", "rows", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model_version"] == "1"


@pytest.mark.parametrize(("status", "code"), [(422, 2), (500, 1)])
def test_a_job_that_failed_by_its_input_exits_2_and_else_1(suite, bodies, says, status: int, code: int) -> None:
    problem = {"type": "/problems/x", "title": "Failed", "status": status, "detail": "so"}
    suite.says("GET", JOB, says(bodies["job"]("failed", problem=problem)))
    assert run(["jobs", "wait", ID]) == code


def test_ctrl_c_while_waiting_exits_130_and_says_how_to_wait_again(suite, bodies, says, capsys) -> None:
    def interrupting(_asked):
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()
        return says(bodies["job"]("running"))

    running = says(bodies["job"]("running"))
    suite.says("GET", JOB, running, interrupting, running)
    assert run(["jobs", "wait", ID]) == 130
    assert f"pynomaly jobs wait {ID}" in capsys.readouterr().err


def test_status_is_0_when_all_are_well_and_1_when_one_is_not(suite, says, capsys) -> None:
    well = {
        "service": "gateway",
        "version": "0.1.0",
        "status": "ok",
        "environment": "test",
        "uptime_seconds": 1.0,
        "database": {"status": "ok", "connections_active": 0, "connections_max": 1},
    }
    suite.says(
        "GET", "/status", says({**well, "services": {"model": well}}), says({**well, "services": {"model": None}})
    )
    assert run(["status"]) == 0
    assert run(["status"]) == 1
    assert "no answer" in capsys.readouterr().out


def test_nobody_there_exits_1_and_names_the_fix(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("PYNOMALY_URL", "http://127.0.0.1:9")
    assert run(["status"]) == 1
    assert "pynomaly up" in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error(suite, bodies, says) -> None:
    suite.says("GET", "/api/v1/datasets", says({"items": [bodies["dataset"]()] * 2000}))
    command = [sys.executable, "-c", "from pynomaly.cli import main; main()", "datasets", "list", "--limit", "2000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_help_comes_without_loading_http_or_the_contracts() -> None:
    script = (
        "import sys; from pynomaly.cli.app import run; run(['--help']); "
        "sys.exit(bool({'httpx', 'pydantic', 'numpy', 'polars', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0


def test_completion_is_offered_for_bash() -> None:
    command = [sys.executable, "-c", "from pynomaly.cli import main; main()"]
    variables = {**os.environ, "_PYNOMALY_COMPLETE": "complete_bash", "COMP_WORDS": "pynomaly d", "COMP_CWORD": "1"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["down", "detect", "datasets", "detectors"]


def test_without_a_url_the_suite_of_this_home_is_asked_whatever_its_ports(
    peer, says, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYNOMALY_URL", raising=False)
    monkeypatch.setenv("PYNOMALY_HOME", str(tmp_path))
    record = Home(tmp_path).state
    record.parent.mkdir(parents=True)
    State(RunningProcess.of("supervisor", os.getpid()), Ports(gateway=urlsplit(peer.url).port)).save(record)
    peer.says("GET", "/api/v1/datasets", says({"items": []}))
    assert run(["datasets", "list"]) == 0
    assert peer.paths() == ["GET /api/v1/datasets"]


def test_a_narrow_terminal_gets_whole_cells_of_fewer_columns(suite, bodies, says, monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    suite.says("GET", "/api/v1/jobs", says({"items": [bodies["job"](kind="detect_batch")]}))
    assert run(["jobs", "list"]) == 0
    shown = capsys.readouterr()
    assert f" {ID}   detect_batch   succeeded          1 " in shown.out
    assert "created_at" in shown.err


def test_jobs_are_chosen_counted_tried_again_and_forgotten(suite, bodies, says, capsys) -> None:
    counts = dict.fromkeys(("queued", "running", "succeeded", "failed", "cancelled"), 7)
    suite.says("GET", "/api/v1/jobs", says({"items": []}))
    suite.says("GET", "/api/v1/jobs/summary", says({**counts, "max_queued": 1000}))
    suite.says("POST", f"{JOB}/retry", says({"job_id": ID}, 202))
    suite.says("GET", JOB, says(bodies["job"]("queued", queue={"position": 3, "starts_in_s": 20.0})))
    suite.says("DELETE", JOB, says(b"", 204))
    assert run(["jobs", "list", "--state", "failed", "--kind", "train", "--created-before", "2026-05-17"]) == 0
    assert run(["jobs", "summary"]) == 0
    assert run(["jobs", "retry", ID, "--no-wait", "--json"]) == 0
    assert run(["jobs", "delete", ID]) == 0
    shown = capsys.readouterr()
    assert '"position": 3' in shown.out
    assert "max_queued  1000" in shown.out
    assert f"deleted {ID}" in shown.err


def test_a_pipe_gets_whole_lines_whatever_the_width(
    bodies, says, peer, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("PYNOMALY_URL", peer.url)
    monkeypatch.delenv("COLUMNS", raising=False)
    peer.says("GET", "/api/v1/datasets", says({"items": [bodies["dataset"](name="n" * 128, target_column="t" * 99)]}))
    assert run(["datasets", "list"]) == 0
    assert f"{'n' * 128}        3            2   {'t' * 99}   2026-01-01T00:00:00" in capsys.readouterr().out


def test_a_column_may_be_named_like_markup(suite, says, capsys) -> None:
    column = {"name": "[/]", "type": "number", "n_missing": 0, "n_distinct": 1, "is_constant": True}
    quality = {"dataset_id": ID, "n_rows": 3, "n_duplicate_rows": 0, "n_missing": 0, "columns": [column]}
    suite.says("GET", "/api/v1/datasets/x/quality", says({**quality, "warnings": ["column '[/]' is constant"]}))
    assert run(["datasets", "quality", "x"]) == 0
    assert "column '[/]' is constant" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["predict", "@nowhere.json"], "'nowhere.json' cannot be read: No such file or directory"),
        (["datasets", "split", "x", "--part", "a=0.5", "--part", "a=0.5"], "'a' is given twice"),
        (["jobs", "list", "--state", "lost"], "'--state': 'lost' is not one of 'queued'"),
    ],
)
def test_a_bad_argument_is_said_in_plain_words(suite, capsys, arguments: list[str], sentence: str) -> None:
    assert run(arguments) == 2
    assert sentence in capsys.readouterr().err
