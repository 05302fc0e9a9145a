"""Scoring rows over one WebSocket, as they come."""

import json
from collections.abc import AsyncGenerator, Iterable
from typing import Any
from uuid import UUID

from pynomaly_contracts.predictions import Prediction, StreamRequest

from pynomaly.core.call import an, payload, text_of
from pynomaly.core.session import Session
from pynomaly.errors import InvalidInput, api_error
from pynomaly.scorable import one_row

PATH = "/api/v1/predict/stream"
IN_FLIGHT = 32
_read = an(Prediction)


async def stream(
    session: Session,
    rows: Iterable[Any],
    *,
    model_id: str | UUID | None,
    version: str | None,
    return_confidence: bool,
    in_flight: int,
) -> AsyncGenerator[Prediction, None]:
    """The rows' scores, in order."""
    if in_flight < 1:
        raise InvalidInput(f"in_flight: {in_flight!r} must be at least 1")
    asked = {
        "model_id": None if model_id is None else text_of(model_id),
        "version": version,
        "return_confidence": return_confidence or None,
    }
    async with session.wire.socket(PATH) as socket:
        n_waiting = 0
        for row in rows:
            if n_waiting == in_flight:
                yield _answer(await socket.receive())
                n_waiting -= 1
            await socket.send(payload(StreamRequest, data=one_row(row), **asked).model_dump_json(exclude_unset=True))
            n_waiting += 1
        for _ in range(n_waiting):
            yield _answer(await socket.receive())


def _answer(message: bytes) -> Prediction:
    """Raises what the problem in its place says."""
    said = json.loads(message)
    if "status" in said:
        raise api_error(said["status"], message)
    return _read(message)
