"""Server-sent events to one client: one picture at a time, and what changes while it is sent goes into the next."""

import asyncio
from collections.abc import Collection

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from recorder.api.live import Live
from recorder.api.value_board import EVERYTHING

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # nginx would keep events back otherwise
    (b"x-accel-buffering", b"no"),
]


class EventStream(Response):
    """Sends pictures until the client goes or the api ends; a client that reads slowly gets fewer.

    Nothing is queued: `send` waits while the client does not read, and afterwards it gets what has changed since.
    """

    media_type = "text/event-stream"

    def __init__(self, live: Live, *, ids: Collection[int] | None, last_event_id: str, heartbeat_s: float) -> None:
        super().__init__()
        self._live = live
        self._ids = ids
        self._last_event_id = last_event_id
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        del scope
        with self._live.streaming():
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(self._send(send), name="event stream")
                watching = tasks.create_task(_until_gone(receive), name="event stream's client")
                await asyncio.wait({sending, watching}, return_when=asyncio.FIRST_COMPLETED)
                sending.cancel()
                watching.cancel()

    async def _send(self, send: Send) -> None:
        live, board = self._live, self._live.board
        epoch, known = board.epoch, board.resume(self._last_event_id)
        await self._one(send, b"retry: 1000\n\n")
        if not board.version:
            await live.news(0, within_s=self._heartbeat_s)
        while not live.is_ending:
            if board.epoch != epoch:
                epoch, known = board.epoch, EVERYTHING
            version, event = board.version, board.event(known, self._ids)
            # what a client was told before the recorder was lost is no longer live: afterwards it is told everything
            known = version if board.fault is None else EVERYTHING
            await self._one(send, event)
            await asyncio.sleep(live.pace_s)
            await live.news(version, within_s=self._heartbeat_s)
        await self._one(send, board.framed("end", {"detail": "the api ends"}), more=False)

    @staticmethod
    async def _one(send: Send, body: bytes, *, more: bool = True) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
