"""How long a statement took is counted, and named in the log, once, where it took long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from recorder.database.statement_times import StatementTimes

SLOW_S: Final = 1.0

log = structlog.get_logger()


@contextmanager
def told_if_slow(name: str, *, slow_s: float = SLOW_S, times: StatementTimes | None = None) -> Iterator[None]:
    """Log a warning with the statement's name where the block takes longer, done or failed.

    Args:
        name: of the statement in ``sql/queries``, or what is done.
        slow_s: how long it may take without a word.
        times: counts how long it took, where given.
    """
    begun = time.monotonic()
    try:
        yield
    finally:
        seconds = time.monotonic() - begun
        if times is not None:
            times.add(name, seconds)
        if seconds > slow_s:
            log.warning("statement_slow", statement=name, seconds=round(seconds, 3))
