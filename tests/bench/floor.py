"""Servers that answer a constant, for the floor below every figure: what the sockets, or uvicorn too, cost alone.

python floor.py sockets|uvicorn PORT
"""

import asyncio
import sys
from typing import Any, cast

import uvicorn
import uvloop

BODY = b'{"prediction":0.5,"is_anomaly":false,"raw_score":0.1,"threshold":0.2,"confidence":1.0}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
END_OF_HEADERS = b"\r\n\r\n"


class Constant(asyncio.Protocol):
    """Answers once a request is whole, and reads no more of it than its length."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(END_OF_HEADERS)
        if separator and len(body) >= int(head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]):
            self._received = b""
            self._transport.write(ANSWER)


async def sockets(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", port)
    await server.serve_forever()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The least that an ASGI application can do with a POST."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


def main(kind: str, port: str) -> None:
    if kind == "sockets":
        uvloop.run(sockets(int(port)))
    else:
        config = uvicorn.Config(
            application,
            port=int(port),
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
        )
        uvicorn.Server(config).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
