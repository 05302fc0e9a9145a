"""Imports and downloads, as Python and the command line ask for them."""

import json

import pytest
from pynomaly import AsyncClient, Client, errors
from pynomaly.cli.app import run

ID = "01890000-0000-7000-8000-000000000001"
IMPORTS = "/api/v1/datasets/imports"
ONE = f"{IMPORTS}/{ID}"
NOW = "2026-01-01T00:00:00Z"
PARQUET = "application/vnd.apache.parquet"


def body(state: str = "succeeded", **more):
    said = {"id": ID, "created_at": NOW, "updated_at": NOW, "name": "january", "state": state, "stage": "reading"}
    return {**said, "progress": 0.5, "n_bytes": 3 * 2**20, "attempts": 1, "dataset_id": ID, **more}


def test_an_import_is_waited_for_and_gives_the_data_set(peer, bodies, says) -> None:
    peer.says("POST", IMPORTS, says(body("queued"), 202))
    peer.says("GET", ONE, says(body("running")), says(body()))
    peer.says("GET", f"/api/v1/datasets/{ID}", says(bodies["dataset"]()))
    with Client(peer.url) as client:
        dataset = client.datasets.import_("s3://readings/2026/january.csv.gz", header=False).wait(progress=False)
    assert dataset.name == "thyroid"
    assert peer.asked[0].json() == {"name": "january", "url": "s3://readings/2026/january.csv.gz", "header": False}
    assert "idempotency-key" in peer.asked[0].headers


async def test_a_query_is_imported_from_a_connection_by_its_name(peer, says) -> None:
    peer.says("POST", IMPORTS, says(body("queued"), 202))
    async with AsyncClient(peer.url) as client:
        begun = await client.datasets.import_(name="january", query="SELECT 1 AS n", connection="warehouse")
    assert begun.id is not None
    assert peer.asked[0].json() == {"name": "january", "sql": {"connection": "warehouse", "query": "SELECT 1 AS n"}}


@pytest.mark.parametrize(
    "wanted",
    [{}, {"url": "http://h/a.csv"}, {"query": "SELECT 1"}, {"url": "https://h/a.csv", "colour": "red"}],
    ids=["no source", "no TLS", "no connection", "an unknown option"],
)
def test_what_makes_no_sense_is_refused_before_it_is_sent(wanted, peer) -> None:
    with Client(peer.url) as client, pytest.raises(errors.InvalidInput):
        client.datasets.import_(**wanted)
    assert peer.asked == []


def test_an_import_that_failed_raises_its_problem(peer, says) -> None:
    problem = {"type": "/problems/import-timed-out", "title": "Too long", "status": 408, "detail": "too slow"}
    peer.says("POST", IMPORTS, says(body("queued"), 202))
    peer.says("GET", ONE, says(body("failed", problem=problem, dataset_id=None)))
    with Client(peer.url) as client, pytest.raises(errors.JobFailed, match=r"import job .* failed: .*too slow"):
        client.datasets.import_("https://h.example.com/january.csv").wait()


def test_progress_tells_bytes_and_rows(peer, bodies, says, capsys) -> None:
    peer.says("POST", IMPORTS, says(body("queued"), 202))
    peer.says("GET", ONE, says(body(n_rows=12_000, stage="querying")))
    peer.says("GET", f"/api/v1/datasets/{ID}", says(bodies["dataset"]()))
    with Client(peer.url) as client:
        client.datasets.import_(name="january", query="SELECT 1", connection="w").wait(progress=True)
    assert "import: querying, 3.0 MiB, 12,000 rows" in capsys.readouterr().err


def test_imports_are_listed_and_cancelled(peer, says) -> None:
    peer.says("GET", IMPORTS, says({"items": [body("running")]}))
    peer.says("GET", ONE, says(body("running")))
    peer.says("POST", f"{ONE}/cancel", says(body("cancelled")))
    with Client(peer.url) as client:
        found = next(iter(client.datasets.imports(state="running")))
        assert client.datasets.imported(found.id).cancel().state == "cancelled"
    assert peer.asked[0].query["state"] == ["running"]


def test_a_whole_data_set_comes_from_where_the_suite_sends_on_to(peer, says, tmp_path) -> None:
    elsewhere = f"{peer.url}/bucket/key?signature=1"
    peer.says("GET", "/api/v1/datasets/t/download", says({}, 307, {"location": elsewhere}))
    peer.says("GET", "/bucket/key", says(b"PAR1"))
    with Client(peer.url) as client:
        written = client.datasets.download("t", tmp_path / "t.parquet", format="parquet", version="2")
    assert written.read_bytes() == b"PAR1"
    assert [asked.query for asked in peer.asked] == [{"version": ["2"]}, {"signature": ["1"]}]
    assert peer.asked[0].headers["accept"].startswith(PARQUET)


def test_a_link_that_the_storage_refuses_leaves_no_file(peer, says, tmp_path) -> None:
    peer.says("GET", "/api/v1/datasets/t/download", says({}, 307, {"location": f"{peer.url}/bucket/key"}))
    peer.says("GET", "/bucket/key", says(b"<Error/>", 403))
    with Client(peer.url) as client, pytest.raises(errors.ConnectionFailed, match="answers 403"):
        client.datasets.download("t", tmp_path / "t.parquet", format="parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_whole_data_set_without_object_storage_comes_from_the_suite(peer, says, tmp_path) -> None:
    peer.says("GET", "/api/v1/datasets/t/download", says(b"PAR1"))
    with Client(peer.url) as client:
        assert client.datasets.download("t", tmp_path / "t.parquet", format="parquet").read_bytes() == b"PAR1"


def test_the_command_imports_and_waits(peer, bodies, says, capsys, monkeypatch) -> None:
    monkeypatch.setenv("PYNOMALY_URL", peer.url)
    peer.says("POST", IMPORTS, says(body("queued"), 202))
    peer.says("GET", ONE, says(body()))
    peer.says("GET", f"/api/v1/datasets/{ID}", says(bodies["dataset"]()))
    url = "https://h.example.com/a.csv"
    command = ["datasets", "import", url, "--name", "january", "--target", "y", "--read", "delimiter=tab"]
    assert run([*command, "--wait", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "thyroid"
    said = peer.asked[0].json()
    assert said == {"name": "january", "url": url, "target_column": "y", "delimiter": "\t"}


def test_the_command_lists_shows_and_cancels_imports(peer, says, capsys, monkeypatch) -> None:
    monkeypatch.setenv("PYNOMALY_URL", peer.url)
    peer.says("GET", IMPORTS, says({"items": [body("running")]}))
    peer.says("GET", ONE, says(body("running")))
    peer.says("POST", f"{ONE}/cancel", says(body("cancelled")))
    for command in (["imports", "--state", "running"], ["show-import", ID], ["cancel-import", ID]):
        assert run(["datasets", *command, "--json"]) == 0
    assert '"cancelled"' in capsys.readouterr().out


def test_the_command_downloads_a_data_set(peer, says, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PYNOMALY_URL", peer.url)
    peer.says("GET", "/api/v1/datasets/t/download", says(b"PAR1"))
    assert run(["datasets", "download", "t", str(tmp_path / "t.parquet"), "--version", "1"]) == 0
    assert (tmp_path / "t.parquet").read_bytes() == b"PAR1"
