import os
import socket
from pathlib import Path

import pytest
from pynomaly_suite import Ports, Refused, Suite, run_suite, status, stop
from pynomaly_suite.children import Child, Children, Command, last_lines
from pynomaly_suite.errors import ProcessDied
from pynomaly_suite.layout import Home, lock_home
from pynomaly_suite.postgres import make_socket_folder
from rich.console import Console


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_port_in_use_is_named_with_its_holder_and_its_setting(home: Home) -> None:
    ports = Ports.free()
    with socket.create_server(("127.0.0.1", ports.model)), pytest.raises(Refused) as refusal, Suite(home, ports):
        pass
    message = str(refusal.value)
    assert f"Port {ports.model} (model)" in message
    assert f"by process {os.getpid()} (" in message
    assert "PYNOMALY_MODEL_PORT" in message
    assert refusal.value.exit_code == 2


def test_port_held_on_all_addresses_counts_as_in_use(home: Home) -> None:
    ports = Ports.free()
    with socket.create_server(("", ports.gateway)), pytest.raises(Refused, match="PYNOMALY_GATEWAY_PORT"):
        ports.check_free()


def test_ports_come_from_the_environment() -> None:
    assert Ports.from_environment({"PYNOMALY_MODEL_PORT": "9002"}) == Ports(model=9002)


@pytest.mark.parametrize("value", ["0", "65536", "http", "-1"])
def test_setting_that_is_no_port_is_refused(value: str) -> None:
    with pytest.raises(Refused, match=f"PYNOMALY_DATASET_PORT={value}"):
        Ports.from_environment({"PYNOMALY_DATASET_PORT": value})


def test_full_disk_refuses_the_start_with_folder_and_figure(home: Home) -> None:
    with pytest.raises(Refused) as refusal, Suite(home, Ports.free(), free_bytes=lambda _: 150 * 2**20):
        pass
    assert f"150 MiB are free on the disk of {home.root}" in str(refusal.value)
    assert refusal.value.exit_code == 2


def test_refused_start_leaves_the_home_free(home: Home) -> None:
    for _ in range(2):
        with pytest.raises(Refused, match="MiB"), Suite(home, Ports.free(), free_bytes=lambda _: 0):
            pass
    assert not home.state.exists()


def test_second_suite_on_one_home_is_refused(home: Home) -> None:
    home.create()
    with lock_home(home, lambda: None), pytest.raises(Refused, match="process 4711"):
        lock_home(home, lambda: 4711)


def test_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    console = Console(record=True, width=400)
    assert run_suite(tmp_path / "file" / "home", console=console) == 2
    assert "PYNOMALY_HOME" in console.export_text()


def test_missing_script_is_refused_before_anything_starts(home: Home) -> None:
    console = Console(record=True, width=400)
    assert run_suite(home.root, script=Path("nowhere.py"), console=console) == 2
    assert "nowhere.py" in console.export_text()
    assert not home.root.exists()


def test_home_without_suite_has_nothing_to_show_or_stop(home: Home) -> None:
    assert (status(home.root).running, stop(home.root)) == (False, 0)


def test_child_that_met_a_full_disk_says_so(tmp_path: Path) -> None:
    log = tmp_path / "log"
    complaint = Command("writer", ("sh", "-c", "echo 'write: No space left on device'; exit 1"), os.environ, log)
    with Children() as children, pytest.raises(ProcessDied, match="The disk is full"):
        children.run(complaint)


def test_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with Children() as children, pytest.raises(ProcessDied, match="no-such-program: No such file"):
        children.run(Command("lost", ("no-such-program",), os.environ, tmp_path / "log"))


def test_child_that_ignores_the_signal_is_killed_with_its_group(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stubborn = Command("stubborn", ("sh", "-c", "trap '' TERM; echo on; sleep 600"), os.environ, log, grace_s=0.2)
    with Children() as children:
        child: Child = children.spawn(stubborn)
        children.until(lambda: last_lines(log) == ["on"], timeout_s=60, what="stubborn")
        children.stop(child)
        assert child.process.returncode == -9


def test_place_for_the_socket_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    no_folder = tmp_path / "file"
    no_folder.touch()
    with pytest.raises(Refused, match=f"socket in {no_folder}: Not a directory"):
        make_socket_folder(no_folder)
