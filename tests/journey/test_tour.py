"""What a newcomer does first."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pynomaly_suite import Ports, Suite

if TYPE_CHECKING:
    from tests.conftest import Pynomaly

ROOT = Path(__file__).parents[2]
DATA = ROOT / "examples" / "data"
SHARES_OF_ANOMALIES = {
    "annthyroid": 0.0742,
    "cardio": 0.0961,
    "mammography": 0.0232,
    "shuttle": 0.0715,
    "thyroid": 0.0247,
    "vowels": 0.0343,
}


def settings_of(ports: Ports, home: Path) -> dict[str, str]:
    names = ("dataset", "detector", "model", "gateway", "worker", "grpc")
    found = {f"PYNOMALY_{name.upper()}_PORT": str(ports.of(name)) for name in names}
    return {**found, "PYNOMALY_HOME": str(home)}


@pytest.mark.timeout(300)
def test_the_first_run_tours_and_the_second_on_kept_state_does_too(pynomaly: "Pynomaly", tmp_path: Path) -> None:
    settings = settings_of(Ports.free(), tmp_path / "home")
    for _ in range(2):
        toured = pynomaly("up", "--run", str(ROOT / "examples" / "tour.py"), "--once", **settings)
        assert toured.returncode == 0, toured.stdout + toured.stderr
        assert "POST  /api/v1/datasets/upload" in toured.stdout
        assert (tmp_path / "tour.png").read_bytes().startswith(b"\x89PNG")


def test_a_port_in_use_is_named_with_the_setting_that_moves_it(
    pynomaly: "Pynomaly", suite: Suite, tmp_path: Path
) -> None:
    settings = settings_of(Ports.free(), tmp_path / "home") | {"PYNOMALY_MODEL_PORT": str(suite.ports.model)}
    refused = pynomaly("up", **settings)
    assert refused.returncode == 2
    assert f"Port {suite.ports.model} (model)" in refused.stderr
    assert "PYNOMALY_MODEL_PORT" in refused.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(SHARES_OF_ANOMALIES))
def test_detect_works_on_every_example(pynomaly: "Pynomaly", suite: Suite, tmp_path: Path, name: str) -> None:
    source, output = DATA / f"{name}.csv", tmp_path / "scored.csv"
    found = pynomaly("detect", str(source), "--target", "is_anomaly", "--output", str(output), PYNOMALY_URL=suite.url)
    assert found.returncode == 0, found.stdout + found.stderr
    before, after = source.read_text().splitlines(), output.read_text().splitlines()
    assert len(after) == len(before)
    assert after[0] == before[0] + ",raw_score,prediction,pynomaly_is_anomaly"
    assert all(line.startswith(original + ",") for original, line in zip(before[1:], after[1:], strict=True))


@pytest.mark.timeout(300)
def test_detect_starts_a_suite_where_none_answers_and_leaves_none_behind(pynomaly: "Pynomaly", tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{Ports.free().gateway}"
    found = pynomaly(
        "detect", str(DATA / "vowels.csv"), "--json", PYNOMALY_URL=nobody, PYNOMALY_HOME=str(tmp_path / "home")
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert not (tmp_path / "home" / "run" / "suite.json").exists()


@pytest.mark.timeout(300)
def test_detect_reads_a_spreadsheet_export_with_text_beside_the_numbers(
    pynomaly: "Pynomaly", suite: Suite, tmp_path: Path
) -> None:
    rows = [f'"Müller; {i}",2026-01-{i % 28 + 1:02d},{i * 1.5:.2f},{i % 7},"a ""quoted"" note"' for i in range(200)]
    export = tmp_path / "export.csv"
    export.write_text("\ufeffName,Booked on,Amount,Items,Note\r\n" + "\r\n".join(rows) + "\r\n")
    output = tmp_path / "scored.csv"
    found = pynomaly("detect", str(export), "--output", str(output), PYNOMALY_URL=suite.url)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Name" in found.stdout
    scored = output.read_text(encoding="utf-8-sig").splitlines()
    assert len(scored) == 201
    assert scored[1].startswith('"Müller; 0",2026-01-01,0.00,0,"a ""quoted"" note",')
