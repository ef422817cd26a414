"""What systemd is told of the daemon: ready, how it is, alive, reloading, stopping; a few lines of sd_notify(3).

One datagram a message to the socket that ``NOTIFY_SOCKET`` names. It is never waited for: a service manager that does
not read costs a message and no scan. Started by hand there is no such socket, and nothing is done.
"""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Self

import structlog

from recorder.service.vitals import Vitals

_MOST_FEEDS_APART_S: Final = 2.0
"""The status line is told this often, and what the watchdog is fed by looked at."""
_FEEDS: Final = 4
"""How often the watchdog is fed within its time: a busy machine may make one or two late."""

log = structlog.get_logger()


class ServiceManager:
    """The one that started this process, where it wants to hear of it; a context manager.

    Args:
        address: of its socket, a path or (with @) an abstract name; None where nobody listens.
        watchdog_s: it restarts this process when it hears nothing for so long; None where it does not.
    """

    def __init__(self, address: str | None, *, watchdog_s: float | None = None) -> None:
        self._address = address.replace("@", "\0", 1) if address and address.startswith("@") else address
        self._socket: socket.socket | None = None
        self._told = ""
        self.watchdog_s = watchdog_s

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ, *, pid: int | None = None) -> Self:
        """As systemd says it: ``NOTIFY_SOCKET``, ``WATCHDOG_USEC``, and whether the latter is meant for us."""
        whose = environment.get("WATCHDOG_PID", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        is_ours = not whose or whose == str(os.getpid() if pid is None else pid)
        is_watched = is_ours and microseconds.isdecimal() and int(microseconds) > 0
        return cls(environment.get("NOTIFY_SOCKET"), watchdog_s=int(microseconds) / 1e6 if is_watched else None)

    def __enter__(self) -> Self:
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def is_there(self) -> bool:
        """Whether anybody wants to hear."""
        return self._socket is not None

    def tell(self, *assignments: str) -> None:
        """Send ``NAME=value`` each in one message; what cannot be sent at once is dropped."""
        if self._socket is None or self._address is None:
            return
        message = "\n".join(" ".join(assignment.split()) for assignment in assignments)
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:  # its buffer is full, or it is gone: not our trouble, and told once
            if self._told != str(error):
                self._told = str(error)
                log.warning("service_manager_not_told", reason=str(error))
        else:
            self._told = ""

    def reloading(self) -> None:
        """Say that a reload begins; `ready` says that it has ended."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def ready(self) -> None:
        """Say that all is up, at the start and after a reload."""
        self.tell("READY=1")

    async def follow(
        self, vitals: Vitals, status: Callable[[], str], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Say ready at the first slot, then how it is; feed the watchdog for as long as the recorder records.

        Args:
            vitals: what the watchdog is fed by.
            status: one line for people.
            sleep: waits between two messages.
        """
        if not self.is_there:
            return
        await vitals.recorded.wait()
        self.ready()
        pause_s = min(_MOST_FEEDS_APART_S, (self.watchdog_s or _MOST_FEEDS_APART_S * _FEEDS) / _FEEDS)
        while True:
            trouble = vitals.trouble(patience_s=(self.watchdog_s or _MOST_FEEDS_APART_S) / 2)
            if trouble is None:
                self.tell("WATCHDOG=1", f"STATUS={status()}")
            else:
                self.tell(f"STATUS=stands still: {trouble}")
            await sleep(pause_s)
