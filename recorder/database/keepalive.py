"""Connections whose other end has vanished without a word, found out by the kernel on either side of the wire.

Without it a cut cable leaves a connection that both sides take for a live one: for two hours where it is idle, for a
quarter of an hour where something was sent.
"""

import socket
import sys
from collections.abc import Mapping
from typing import Final

_PROBES: Final = 3


def server_keepalives(dead_after_s: float) -> Mapping[str, str]:
    """Settings of a session by which the server drops it once its client was silent for so long.

    What such a session has locked is free again then. Sessions over a Unix socket ignore them.
    """
    idle_s, interval_s = _pace(dead_after_s)
    return {
        "tcp_keepalives_idle": str(idle_s),
        "tcp_keepalives_interval": str(interval_s),
        "tcp_keepalives_count": str(_PROBES),
        "tcp_user_timeout": str(round(dead_after_s * 1000)),
    }


def keep_alive(connection: socket.socket, dead_after_s: float) -> None:
    """Let the kernel end a TCP connection whose peer was silent, or took nothing, for so long; any other stays."""
    if connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        idle_s, interval_s = _pace(dead_after_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(dead_after_s * 1000))


def _pace(dead_after_s: float) -> tuple[int, int]:
    """Silence before the first probe and between probes, in whole seconds as the kernel wants them."""
    interval_s = max(1, round(dead_after_s / (2 * _PROBES)))
    return max(1, round(dead_after_s) - _PROBES * interval_s), interval_s
