"""Names of settings that users know: each works, or says what replaced it."""

import json
import os
import subprocess
import sys

import pytest
from dataset_service.settings import Settings as DatasetSettings
from detector_service.settings import WorkerSettings
from gateway_service.__main__ import MIGRATIONS
from gateway_service.settings import Settings as GatewaySettings
from model_service.settings import Settings as ModelSettings
from pydantic import SecretStr
from pynomaly_chassis.migrations import migrate
from pynomaly_chassis.reading import names_of
from pynomaly_chassis.replaced import REPLACED
from pynomaly_chassis.resilience import SETTING_NAMES
from pynomaly_suite.testing import TemporaryPostgres

SERVICES = (DatasetSettings, WorkerSettings, ModelSettings, GatewaySettings)
# A name, and a value that asks for something.
WORKS = {
    "APP_VERSION": "1.2.3",
    "ENVIRONMENT": "production",
    "SERVICE_NAME": "door",
    "LOG_LEVEL": "info",
    "LOG_FORMAT": "json",
    "CORS_ENABLED": "true",
    "CORS_ORIGINS": "https://app.pynomaly.com",
    "CORS_ALLOW_METHODS": "GET,POST",
    "CORS_ALLOW_HEADERS": "*",
    "CORS_ALLOW_CREDENTIALS": "true",
    "DATABASE_POOL_SIZE": "3",
    "DATABASE_MAX_OVERFLOW": "4",
    "DATABASE_POOL_TIMEOUT": "5",
    "DATABASE_POOL_RECYCLE": "600",
    "STORAGE_TYPE": "local",
    "STORAGE_PATH": "/tmp",
    "AWS_S3_BUCKET": "b",
    "AWS_REGION": "eu-central-1",
    "MAX_UPLOAD_SIZE": "1000000",
    "MAX_REQUEST_SIZE_MB": "10",
    "MAX_DETECTION_BATCH_SIZE": "1000",
    "RESILIENCE_ENABLED": "true",
    "CIRCUIT_BREAKER_ENABLED": "true",
    "CIRCUIT_BREAKER_THRESHOLD": "5",
    "TIMEOUT_SECONDS": "30",
    "PROMETHEUS_ENABLED": "true",
    "STREAMING_ENABLED": "true",
    "ENSEMBLE_ENABLED": "true",
}
OTHER_WAYS = {"CORS_ALLOWED_ORIGINS", "ENABLE_METRICS", "DATABASE_URL"}
PARTS = {"DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_USER", "DATABASE_PASSWORD"}
TELLS = {
    "APP_NAME": "Pynomaly",
    "LOG_FILE": "/var/log/pynomaly/app.log",
    "LOG_ROTATION": "true",
    "LOG_MAX_SIZE": "100MB",
    "LOG_BACKUP_COUNT": "10",
    "ALLOWED_HOSTS": "api.pynomaly.com",
    "SECURE_HSTS_SECONDS": "31536000",
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": "true",
    "SECURE_CONTENT_TYPE_NOSNIFF": "true",
    "SECURE_BROWSER_XSS_FILTER": "true",
    "WORKERS": "4",
    "REDIS_URL": "redis://redis:6379/0",
    "REDIS_HOST": "redis",
    "REDIS_PORT": "6379",
    "REDIS_PASSWORD": "x",
    "REDIS_MAX_CONNECTIONS": "20",
    "REDIS_SOCKET_KEEPALIVE": "true",
    "CACHE_ENABLED": "true",
    "CACHE_DEFAULT_TIMEOUT": "300",
    "CACHE_TTL_DATASETS": "600",
    "CACHE_TTL_DETECTORS": "300",
    "CACHE_TTL_RESULTS": "3600",
    "CACHE_REDIS_DB": "1",
    "LOCAL_CACHE_SIZE": "1GB",
    "RATE_LIMIT_ENABLED": "true",
    "RATE_LIMIT_REQUESTS_PER_MINUTE": "1000",
    "RATE_LIMIT_BURST": "100",
    "RATE_LIMIT_STORAGE_URL": "redis://redis:6379/2",
    "SECRET_KEY": "x",
    "JWT_SECRET_KEY": "x",
    "JWT_ISSUER": "x",
    "JWT_AUDIENCE": "pynomaly-api",
    "JWT_ACCESS_TOKEN_EXPIRE_MINUTES": "15",
    "JWT_REFRESH_TOKEN_EXPIRE_DAYS": "7",
    "PASSWORD_HASH_ALGORITHM": "bcrypt",
    "PASSWORD_HASH_ROUNDS": "12",
    "API_KEYS_ENCRYPTION_KEY": "x",
    "METRICS_ENDPOINT": "/prometheus",
    "TRACING_ENABLED": "true",
    "ENABLE_TRACING": "true",
    "JAEGER_ENDPOINT": "http://jaeger:14268",
    "JAEGER_AGENT_HOST": "jaeger",
    "SENTRY_DSN": "https://x@sentry.example/1",
    "AUTOML_ENABLED": "true",
    "EXPLAINABILITY_ENABLED": "true",
    "AUTONOMOUS_MODE_ENABLED": "true",
    "BACKUP_SCHEDULE": "0 2 * * *",
    "BACKUP_RETENTION_DAYS": "30",
    "BACKUP_STORAGE_PATH": "/backup",
    "EDGE_MODE": "true",
    "EDGE_NODE_ID": "edge-1",
    "CENTRAL_API_URL": "https://api.pynomaly.com",
    "OFFLINE_MODE": "true",
    "SYNC_INTERVAL": "300",
    "MODEL_CACHE_BUCKET": "b",
}
STOPS = {"JWT_ALGORITHM": "HS256", "SECURE_SSL_REDIRECT": "true", "ENCRYPTION_KEY": "x", "BACKUP_ENABLED": "true"}
COMMAND = [sys.executable, "-m", "gateway_service", "serve"]


@pytest.fixture(scope="module")
def environment(postgres: TemporaryPostgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    urls = postgres.database("gateway")
    app_url, owner_url = SecretStr(urls.app_url), SecretStr(urls.owner_url)
    migrate(GatewaySettings(database_url=app_url, migration_database_url=owner_url), MIGRATIONS)
    return {
        "PATH": os.environ["PATH"],
        "PORT": "0",
        "DATABASE_URL": urls.app_url,
        "CONFIG_DIR": str(tmp_path_factory.mktemp("config")),
    }


def started(environment: dict[str, str]) -> list[dict[str, str]]:
    """What the log says until the process listens."""
    process = subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    events = []
    try:
        for line in process.stdout:
            events.append(json.loads(line))
            if "Uvicorn running" in line:
                return events
    finally:
        process.terminate()
        process.stdout.close()
        process.wait()
    raise AssertionError(f"it ended with {process.returncode}")


def test_every_promised_name_is_heeded_or_in_the_table() -> None:
    heeded = {name for kind in SERVICES for name in names_of(kind)} | SETTING_NAMES
    assert heeded >= WORKS.keys() | OTHER_WAYS | PARTS
    assert REPLACED.keys() == TELLS.keys() | STOPS.keys()


def test_a_process_starts_with_all_that_works_and_says_once_what_does_nothing(environment: dict[str, str]) -> None:
    events = started(environment | WORKS | TELLS)
    told = [each["name"] for each in events if each["event"] == "setting.not_heeded"]
    assert sorted(told) == sorted(TELLS)
    assert all(each["instead"] for each in events if each["event"] == "setting.not_heeded")


def test_what_asks_for_nothing_is_not_spoken_of(environment: dict[str, str]) -> None:
    harmless = {name: entry.harmless[0] for name, entry in REPLACED.items() if entry.harmless}
    assert {"JWT_ALGORITHM", "BACKUP_ENABLED", "METRICS_ENDPOINT"} <= harmless.keys()
    assert not [each for each in started(environment | harmless) if each["event"] == "setting.not_heeded"]


@pytest.mark.parametrize("name", STOPS)
def test_what_it_would_be_unsafe_to_ignore_ends_the_process(environment: dict[str, str], name: str) -> None:
    given = environment | {name: STOPS[name]}
    ended = subprocess.run(COMMAND, env=given, capture_output=True, text=True, check=False, timeout=120)
    assert (ended.returncode, ended.stderr.startswith(f"{name}: ")) == (2, True)
