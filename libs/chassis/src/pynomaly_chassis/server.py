"""A service as a process: `python -m <name>_service serve|migrate`."""

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Mapping

import structlog
import uvicorn
from starlette.types import ASGIApp

from pynomaly_chassis.http_protocol import ProblemProtocol
from pynomaly_chassis.logs import configure_logs
from pynomaly_chassis.reading import names_of
from pynomaly_chassis.replaced import replaced_in
from pynomaly_chassis.settings import ServiceSettings
from pynomaly_chassis.sources import read_sources

log = structlog.get_logger()
Command = Callable[[], None]


def run_command(service: str, commands: Mapping[str, Command], argv: list[str] | None = None) -> None:
    """Pick the sub-command named on the command line."""
    parser = argparse.ArgumentParser(prog=f"python -m {service}_service")
    parser.add_argument("command", choices=sorted(commands))
    commands[parser.parse_args(argv).command]()


WEBSOCKETS = "websockets-sansio"
PING_S = 20.0


def serve(app: Callable[[], ASGIApp], settings: ServiceSettings, *, websocket_message_bytes: int | None = None) -> None:
    """Serve on one event loop until SIGTERM or SIGINT, then finish what is in flight.

    websocket_message_bytes: the most that a message of a WebSocket may have; None, there are no WebSockets.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the application follows it; its default is the end
    configure_logs(settings.log_level, settings.log_format, service=settings.service_name)
    _tell_replaced(settings)
    config = uvicorn.Config(
        lambda: _lasting(app()),
        factory=True,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=ProblemProtocol,
        ws="none" if websocket_message_bytes is None else WEBSOCKETS,
        ws_max_size=websocket_message_bytes or 0,
        ws_per_message_deflate=False,  # a small message's time, many times over
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
    )
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        sys.exit(1)


def _tell_replaced(settings: ServiceSettings) -> None:
    """One line for each setting that is given and does nothing."""
    for setting in replaced_in(read_sources(()).values, set(names_of(type(settings)))):
        log.warning("setting.not_heeded", name=setting.name, instead=setting.instead)


def _lasting(app: ASGIApp) -> ASGIApp:
    """The application, its modules and routes out of the garbage collector's sight.

    They stay until the end. Under load a full collection would walk them all, again and again, each time as long as
    some hundred requests take.
    """
    gc.collect()
    gc.freeze()
    return app


def run_async(main: Callable[[], "asyncio.Future[None]"]) -> None:
    """Run a coroutine function on uvloop, as `serve` does."""
    uvicorn.Config("", loop="uvloop").setup_event_loop()
    asyncio.run(main())  # type: ignore[arg-type] # a coroutine function
