"""A tiny real service for the suite's tests: copied as `X_service/__main__.py` under four names.

Writes what happens to it to the file STANDIN_TRACE. STANDIN_FAILS=SERVICE:COMMAND makes that one complain and end
with code 3.
"""

import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

SERVICE = Path(__file__).parent.name.removesuffix("_service")
COMMAND = sys.argv[1]


def trace(event: str) -> None:
    with Path(os.environ["STANDIN_TRACE"]).open("a") as file:
        file.write(f"{event}\n")


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


def end(signum: int, frame: object) -> None:
    socket = Path(os.environ["DATABASE_URL"].partition("?host=")[2]) / ".s.PGSQL.5432"
    trace(f"stop {SERVICE} {COMMAND} {'with' if socket.exists() else 'without'} postgres")
    sys.exit(0)


def main() -> None:
    trace(f"{COMMAND} {SERVICE}")
    if os.environ.get("STANDIN_FAILS") == f"{SERVICE}:{COMMAND}":
        sys.exit(f"{SERVICE} cannot {COMMAND}: out of luck") if COMMAND == "migrate" else _fail()
    if COMMAND == "migrate":
        return
    signal.signal(signal.SIGTERM, end)
    if COMMAND == "worker":
        subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    port = os.environ["WORKER_PORT" if COMMAND == "worker" else "PORT"]
    HTTPServer((os.environ["HOST"], int(port)), Ready).serve_forever()


def _fail() -> None:
    print(f"{SERVICE}: out of luck", file=sys.stderr)
    sys.exit(3)


main()
