"""What is no HTTP is refused as everything else is: by a problem."""

import orjson
from pynomaly_contracts.media import PROBLEM
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_DETAIL = (
    "the request is no HTTP/1.1 that can be read: its first line is over 64 KiB, or a header is malformed or "
    "contradicts another"
)
_REFUSAL = {
    "type": "/problems/malformed-request",
    "title": "Request cannot be read",
    "status": 400,
    "detail": _DETAIL,
    "errors": [],
}


class ProblemProtocol(HttpToolsProtocol):
    """uvicorn's, but for its refusal, which it sends as bare text."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words, which name no fault
        """The end of the connection, said why."""
        content = orjson.dumps(_REFUSAL)
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {PROBLEM}\r\ncontent-length: {len(content)}\r\n"
        self.transport.write(f"{head}connection: close\r\n\r\n".encode() + content)
        self.transport.close()
