"""Points as they come from the database, straight to the client: bounded memory, and nothing left when it goes away."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog
from fastapi import Response
from starlette.types import Receive, Scope, Send

from recorder.errors import RecorderError

COMPRESSED_ABOVE: Final = 10_000
"""Bytes; a smaller answer goes as it is."""
_LEVEL: Final = 4
"""Of gzip: numbers shrink to a seventh, at twice the speed of the default."""
_GZIP: Final = 31
"""What zlib calls its largest window with gzip's header."""

log = structlog.get_logger()

Chunks = Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]
"""Opens what is sent, as a block that is left when it is sent or nobody wants it any more."""


class PointsResponse(Response):
    """Sends chunks as they are made.

    What fails before the first byte is an error like any other. Afterwards only a connection that ends in mid-answer
    can tell the client that something is missing.

    A client that takes nothing in is gone after a while: `recorder.api.connection`.

    Args:
        chunks: opens what is sent.
        may_compress: whether the client can take gzip.
    """

    def __init__(self, chunks: Chunks, *, media_type: str, headers: dict[str, str], may_compress: bool) -> None:
        super().__init__(media_type=media_type, headers=headers)
        del self.headers["content-length"]
        self._chunks = chunks
        self._may_compress = may_compress

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until all is sent or the client is gone."""
        sending = asyncio.create_task(self._send(send), name=f"points {scope['path']}")
        leaving = asyncio.create_task(_client_leaves(receive), name=f"client of {scope['path']}")
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # also while this is cancelled: the connection to the database goes back to the pool before anything else
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        if not sending.cancelled():
            sending.result()

    async def _send(self, send: Send) -> None:
        is_begun = False
        try:
            async with self._chunks() as chunks:
                first, is_whole = await _beginning(chunks)
                packed = zlib.compressobj(_LEVEL, wbits=_GZIP) if self._may_compress and not is_whole else None
                if packed is not None:
                    self.headers["content-encoding"] = "gzip"
                if is_whole:
                    self.headers["content-length"] = str(len(first))
                is_begun = True
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await _give(send, first, packed)
                if not is_whole:
                    async for chunk in chunks:
                        await _give(send, chunk, packed)
                last = b"" if packed is None else packed.flush()
            await send({"type": "http.response.body", "body": last, "more_body": False})
        except RecorderError as error:
            if not is_begun:
                raise
            # returning without the end of the body lets the server close the connection
            log.warning("points_cut_off", reason=str(error))


async def _give(send: Send, chunk: bytes, packed: "zlib._Compress | None") -> None:
    if packed is not None:
        # in a thread, since this takes as long as all the rest, and others are answered meanwhile
        chunk = await asyncio.to_thread(packed.compress, chunk)
    if chunk:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _beginning(chunks: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """What comes first, and whether that is all: as much as tells whether it is worth compressing."""
    first = bytearray()
    async for chunk in chunks:
        first += chunk
        if len(first) > COMPRESSED_ABOVE:
            return bytes(first), False
    return bytes(first), True


async def _client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
