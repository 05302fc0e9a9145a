"""Structured logs: one event with fields, on standard output."""

import logging
import sys

import orjson
import structlog
from structlog.typing import Processor

_METHODS = ("debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log")


class _Leveled:
    """Marks the class of this process's loggers, whose methods are those of its level."""


def set_log_level(level: str) -> None:
    """Log from this level on. Loggers are kept once they were used, so their class changes and not they."""
    kind = structlog.get_config()["wrapper_class"]
    if not issubclass(kind, _Leveled):
        return  # a test's own way to log
    number = logging.getLevelNamesMapping()[level]
    filtering = structlog.make_filtering_bound_logger(number)
    for name in (*_METHODS, *(f"a{each}" for each in _METHODS), "is_enabled_for", "get_effective_level"):
        if hasattr(filtering, name):
            setattr(kind, name, getattr(filtering, name))
    logging.getLogger().setLevel(number)


def configure_logs(level: str, log_format: str, *, service: str) -> None:
    """Send every log record of the process through structlog: JSON lines, or colours for people."""
    structlog.contextvars.bind_contextvars(service=service)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, _renderer(log_format)],
        wrapper_class=type("Logger", (_Leveled, structlog.make_filtering_bound_logger(logging.NOTSET)), {}),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(log_format)],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], force=True)
    set_log_level(level)
    for chatty in ("uvicorn.access", "alembic", "sqlalchemy.engine"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _renderer(log_format: str) -> Processor:
    if log_format == "console":
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.JSONRenderer(serializer=_to_json)


def _to_json(event: object, **_: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
