"""A Modbus TCP server that answers each request after a fixed time, as a PLC does.

A process of its own: ``python -m benchmarks.delayed_server MILLISECONDS``. It answers function codes 3 and 4 from an
image in which the float32 at address 2n (high word first) is n, one request at a time on each connection, a thread a
connection: a thread's sleep is true to 0.1 ms where an event loop's timer is true to 1 ms. On standard output the first
line is its port; the end of standard input ends it.
"""

import socket
import struct
import sys
import threading
import time
from typing import Final

_REQUEST: Final = struct.Struct(">HHHBBHH")
"""Transaction, protocol, length, unit, function, address, count: MODBUS Messaging on TCP/IP V1.0b, section 3.1.3."""
_ANSWER: Final = struct.Struct(">HHHBBB")
_IMAGE: Final = b"".join(struct.pack(">f", float(number)) for number in range(33_000))


def _serve(connection: socket.socket, delay_s: float) -> None:
    with connection:
        while request := _receive(connection):
            transaction, _, _, unit, function, address, count = _REQUEST.unpack(request)
            if delay_s > 0:
                time.sleep(delay_s)
            data = _IMAGE[2 * address : 2 * (address + count)]
            header = _ANSWER.pack(transaction, 0, 3 + len(data), unit, function, len(data))
            connection.sendall(header + data)


def _receive(connection: socket.socket) -> bytes:
    """One request, or nothing where the peer is gone."""
    received = b""
    while len(received) < _REQUEST.size:
        try:
            more = connection.recv(_REQUEST.size - len(received))
        except OSError:
            return b""
        if not more:
            return b""
        received += more
    return received


def _accept(listener: socket.socket, delay_s: float) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve, args=(connection, delay_s), daemon=True).start()


def main() -> None:
    """Serve until standard input ends."""
    delay_s = float(sys.argv[1]) / 1000
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=_accept, args=(listener, delay_s), daemon=True).start()
        sys.stdin.read()


if __name__ == "__main__":
    main()
