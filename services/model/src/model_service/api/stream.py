"""/api/v1/predict/stream: rows in and scores out over one WebSocket.

A message is answered before the next is read: answers keep the order of their messages, and who sends faster than is
scored is held back by the connection itself.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pynomaly_chassis.app import API_PREFIX
from pynomaly_chassis.flags import Flags
from pynomaly_chassis.identity import caller_in
from pynomaly_chassis.problems import ProblemError, problem_response
from pynomaly_contracts.admin import Flag
from starlette.types import Message

from model_service.errors import TooManyStreams
from model_service.metrics import ModelMetrics
from model_service.predictions import Predictions

DONE, GOING_AWAY, SERVICE_RESTARTS = 1000, 1001, 1012
router = APIRouter(prefix=API_PREFIX + "/predict", tags=["predictions"])


@dataclass
class Streams:
    """The streams that are open. idle_s: for how long nobody need send anything."""

    predictions: Predictions
    metrics: ModelMetrics
    flags: Flags
    max_open: int
    idle_s: float

    @property
    def are_on(self) -> bool:
        return self.flags.is_on(Flag.STREAMING)

    def check_room(self) -> None:
        """Raises FeatureOff, TooManyStreams."""
        self.flags.require(Flag.STREAMING)
        if self.metrics.n_streams >= self.max_open:
            raise TooManyStreams(f"{self.max_open} streams are open; try again", retry_after_s=1)


@router.websocket("/stream")
async def stream(socket: WebSocket) -> None:
    """Messages are StreamRequests in JSON, as text or bytes, and so are the answers."""
    streams: Streams = socket.app.state.streams
    try:
        streams.check_room()
    except ProblemError as error:
        await socket.send_denial_response(problem_response(error))
        return
    with streams.metrics.streaming(), suppress(WebSocketDisconnect):  # who has gone needs no answer
        await socket.accept()
        await _answer_all(socket, streams, caller_in(socket.headers).tenant_id)


async def _answer_all(socket: WebSocket, streams: Streams, tenant_id: str) -> None:
    while True:
        try:
            async with asyncio.timeout(streams.idle_s):
                received = await socket.receive()
        except TimeoutError:
            await socket.close(DONE, f"nothing was sent for {streams.idle_s:g} s")
            return
        if received["type"] != "websocket.receive":
            return
        if not streams.are_on:
            await socket.close(GOING_AWAY, "streaming is switched off")
            return
        await _answer(socket, received, lambda body: streams.predictions.message(tenant_id, body))


async def _answer(socket: WebSocket, received: Message, answer: Callable[[bytes], Any]) -> None:
    text = received.get("text")
    if text is None:
        await socket.send_bytes(await answer(received["bytes"]))
    else:
        await socket.send_text((await answer(text.encode())).decode())
