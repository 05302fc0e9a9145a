"""Where settings come from, and what is refused of it."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from pynomaly_chassis.reading import read_settings
from pynomaly_chassis.settings import ServiceSettings
from pynomaly_chassis.sources import SettingsRefused, read_folder

BASE = {"SERVICE_NAME": "x", "PORT": "0", "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x"}


def _read(folder: Path, **environ: str) -> ServiceSettings:
    return read_settings(ServiceSettings, BASE | {"CONFIG_DIR": str(folder)} | environ).settings


def _refused(folder: Path, **environ: str) -> dict[str, str]:
    with pytest.raises(SettingsRefused) as refused:
        _read(folder, **environ)
    return {problem.name: str(problem) for problem in refused.value.problems}


def test_a_folder_has_a_file_per_setting(tmp_path: Path) -> None:
    (tmp_path / "LOG_LEVEL").write_text("debug\n")
    (tmp_path / "MAX_REQUEST_SIZE_MB").write_text("7")
    found = _read(tmp_path)
    assert (found.log_level, found.max_request_size_mb) == ("DEBUG", 7)


def test_the_environment_goes_before_the_folder_and_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "LOG_LEVEL").write_text("DEBUG")
    (tmp_path / "MAX_REQUEST_SIZE_MB").write_text("7")
    environ = BASE | {"CONFIG_DIR": str(tmp_path), "LOG_LEVEL": "ERROR", "MAX_REQUEST_SIZE_MB": "7"}
    settings, sources = read_settings(ServiceSettings, environ)
    assert settings.log_level == "ERROR"
    assert sources.overridden == ["LOG_LEVEL"]


def test_a_file_is_named_in_place_of_a_value_in_the_folder_too(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t" * 40)
    (tmp_path / "ADMIN_TOKEN_FILE").write_text(str(tmp_path / "token"))
    assert _read(tmp_path).admin_token == SecretStr("t" * 40)


def test_a_configmap_that_is_mounted_is_read_through_its_links(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "LOG_LEVEL").write_text("ERROR")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "LOG_LEVEL").symlink_to("..data/LOG_LEVEL")
    assert read_folder(tmp_path) == {"LOG_LEVEL": "ERROR"}


def test_files_in_the_making_are_left_out(tmp_path: Path) -> None:
    for name in ("LOG_LEVEL.new", ".LOG_LEVEL.swp", "LOG_LEVEL~", "notes"):
        (tmp_path / name).write_text("loud")
    assert read_folder(tmp_path) == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"\n", "empty"), (b"\xff\xfe", "UTF-8"), (b"a\x00b", "NUL"), (b"1" * 70_000, "65536 bytes")],
    ids=["nothing", "a-line-end", "not-text", "a-nul", "too-long"],
)
def test_a_file_that_is_no_value_is_refused_with_its_name(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "LOG_LEVEL").write_bytes(content)
    assert said in _refused(tmp_path)["LOG_LEVEL"]


def test_what_only_the_databases_driver_reads_is_refused_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "PGSSLMODE").write_text("verify-full")
    assert "environment" in _refused(tmp_path)["PGSSLMODE"]
    assert _read(tmp_path, PGSSLMODE="verify-full").service_name == "x"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "make it" in _refused(tmp_path / "missing")["CONFIG_DIR"]


def test_all_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "LOG_LEVEL").write_text("LOUD")
    (tmp_path / "MAX_REQUEST_SIZE_MB").write_text("0")
    refused = _refused(tmp_path, ADMIN_TOKEN="short", JWT_ALGORITHM="HS256")
    assert set(refused) == {"LOG_LEVEL", "MAX_REQUEST_SIZE_MB", "ADMIN_TOKEN", "JWT_ALGORITHM"}
    assert "'LOUD'" in refused["LOG_LEVEL"]
    assert "'0'" in refused["MAX_REQUEST_SIZE_MB"]
    assert "short" not in refused["ADMIN_TOKEN"]


@pytest.mark.parametrize("said", ["https://a.example, https://b.example", '["https://a.example", "https://b.example"]'])
@pytest.mark.parametrize("name", ["CORS_ORIGINS", "CORS_ALLOWED_ORIGINS"])
def test_origins_are_a_comma_list_or_json_under_either_name(tmp_path: Path, name: str, said: str) -> None:
    assert _read(tmp_path, **{name: said}).cors_origins == ("https://a.example", "https://b.example")


def test_origins_are_named_where_pages_may_call() -> None:
    with pytest.raises(SettingsRefused, match="CORS_ORIGINS is needed"):
        read_settings(ServiceSettings, BASE | {"CORS_ENABLED": "true"})
