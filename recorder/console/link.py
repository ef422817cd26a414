"""One lasting connection to the control socket; requests go over it one after the other."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from recorder.console.picture import OtherVersionError
from recorder.control import refusal_of, socket_address
from recorder.errors import DaemonAwayError, NoAnswerError

ANSWER_S: Final = 5.0
_LONGEST_ANSWER: Final = 8_000_000


class Link:
    """Asks the daemon; connects where there is no connection.

    Args:
        path: of the control socket, as configured.
        answer_s: how long an answer may take.
    """

    def __init__(self, path: Path, *, answer_s: float = ANSWER_S) -> None:
        self.address = socket_address(path)
        self._answer_s = answer_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()
        self._is_sent = False

    async def ask(self, command: str, **arguments: object) -> Any:
        """Send one command and return its result.

        Raises:
            DaemonAwayError: nobody listens.
            NoAnswerError: it went away, or does not answer in time; a command may have been carried out.
            CommandUnknownError: the daemon does not have this command.
            OtherVersionError: it answers what is no answer.
            RecorderError: the daemon refused.
        """
        async with self._turn:
            self._is_sent = False
            try:
                async with asyncio.timeout(self._answer_s):
                    line = await self._exchange(json.dumps({"command": command, **arguments}).encode() + b"\n")
            except BaseException as error:
                self.close()  # whatever comes now would be taken for the answer to another question
                raise self._translated(error) from error
        try:
            answer = json.loads(line)
            if "error" in answer:
                raise refusal_of(answer)
            return answer["result"]
        except (ValueError, KeyError, TypeError) as error:
            self.close()
            raise OtherVersionError(f"what listens at {self.address} is no recorder of this version") from error

    async def _exchange(self, request: bytes) -> bytes:
        if self._streams is not None and self._streams[0].at_eof():
            self.close()  # the recorder was started anew since
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(self.address, limit=_LONGEST_ANSWER)
        reader, writer = self._streams
        self._is_sent = True
        writer.write(request)
        await writer.drain()
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("it ended in mid-answer" if line else "it ended")
        return line

    def _translated(self, error: BaseException) -> BaseException:
        away = NoAnswerError if self._is_sent else DaemonAwayError
        match error:
            case TimeoutError():
                return away(f"the recorder at {self.address} does not answer within {self._answer_s:g} s")
            case PermissionError():
                return DaemonAwayError(f"{self.address}: {error.strerror}; run as the recorder's user or in its group")
            case FileNotFoundError() | ConnectionRefusedError():
                return DaemonAwayError(
                    f"no recorder answers at {self.address} ({error.strerror}); start it: ald-recorder run"
                )
            case OSError():
                return away(f"the recorder at {self.address} went away: {error}")
            case ValueError():
                return OtherVersionError(f"the recorder at {self.address} says more than a console can take")
            case _:
                return error

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
