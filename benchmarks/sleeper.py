"""How late this machine wakes a thread that does nothing but sleep, 100 times a second: no program does better on it.

A process of its own, beside what is measured: ``python -m benchmarks.sleeper`` prints the milliseconds of each wake, a
line each, once its standard input ends.
"""

import sys
import threading
import time

_INTERVAL_NS = 10_000_000


def main() -> None:
    """Sleep until standard input ends, then say how it went."""
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    late_ms = []
    due_ns = time.monotonic_ns()
    while not ended.is_set():
        due_ns = max(due_ns + _INTERVAL_NS, time.monotonic_ns())
        time.sleep((due_ns - time.monotonic_ns()) / 1e9 if due_ns > time.monotonic_ns() else 0.0)
        late_ms.append(max(0.0, (time.monotonic_ns() - due_ns) / 1e6))
    print("\n".join(f"{late:.4f}" for late in late_ms))


if __name__ == "__main__":
    main()
