"""The socket of a service manager, as systemd listens on it: a test reads there what the daemon says."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

DEADLINE_S: Final = 30.0


class NotifySocket:
    """Receives messages; each is a dictionary of its assignments.

    Args:
        address: a path, or @ and an abstract name.
    """

    def __init__(self, receiver: socket.socket, address: str) -> None:
        self._receiver = receiver
        self.address = address

    def next(self, *, within_s: float = DEADLINE_S) -> dict[str, str]:
        """The next message.

        Raises:
            TimeoutError: none came.
        """
        self._receiver.settimeout(within_s)
        return dict(line.partition("=")[::2] for line in self._receiver.recv(65_536).decode().splitlines())

    def until(self, name: str, *, within_s: float = DEADLINE_S) -> dict[str, str]:
        """The next message that has an assignment of this name.

        Raises:
            TimeoutError: none came.
        """
        end_s = time.monotonic() + within_s
        while (left_s := end_s - time.monotonic()) > 0:
            message = self.next(within_s=left_s)
            if name in message:
                return message
        raise TimeoutError(f"no {name} within {within_s:g} s")

    def forget(self) -> None:
        """Drop what has come so far."""
        self._receiver.setblocking(False)
        try:
            while True:
                self._receiver.recv(65_536)
        except BlockingIOError:
            return


@contextmanager
def notify_socket(address: str) -> Iterator[NotifySocket]:
    """Listen on a path, or on an abstract name that begins with @."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + address[1:] if address.startswith("@") else address)
        yield NotifySocket(receiver, address)
