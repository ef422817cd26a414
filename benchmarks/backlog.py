"""Scans of a tool as the daemon spools them, as many as are asked for: a backlog without the hours of an outage."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from recorder.spool.batch import RowEncoder
from recorder.spool.entry import Entry, EntryKind, Outcome, SlotCount
from recorder.spool.spool import Spool

PROCESS: Final = 4_711
INTERVAL_MS: Final = 100
_AT_ONCE: Final = 250
"""Entries of one append: as many as one transaction of the spool holds."""


class Backlog:
    """Scans at 10 Hz that end now, of which 5 % of the values are bad and a fifth of the parameters have a set-value.

    Args:
        scans: how many.
        parameters: rows of each.
    """

    def __init__(self, *, scans: int, parameters: int) -> None:
        self.scans = scans
        self.parameters = parameters
        self.points = scans * parameters
        self._first_slot = int(time.time() * 1000) // INTERVAL_MS - scans
        row = np.arange(parameters)
        self._bad = row % 20 == 7
        self._set_values = np.where(row % 5 == 0, 100.0, np.nan)
        self._quality = np.where(self._bad, 16, 192).astype(np.int16)
        # as from blocks of about twenty parameters, half a millisecond apart
        self._offsets_us = (row // 20) * 500
        self._encoder = RowEncoder(row.astype(np.int32))
        self._random = np.random.default_rng(1)

    def batches(self, entries: int, *, most: int | None = None) -> Iterator[list[Entry]]:
        """All scans as entries, so many at a time.

        Args:
            entries: of each batch but the last.
            most: scans in all, where not all are wanted.
        """
        end = self.scans if most is None else min(most, self.scans)
        for first in range(0, end, entries):
            yield [self._entry(self._first_slot + number) for number in range(first, min(first + entries, end))]

    def _entry(self, slot: int) -> Entry:
        """An entry as `recorder.acquisition.sampler` makes it."""
        timestamps_us = slot * INTERVAL_MS * 1000 + self._offsets_us
        values = self._random.normal(100.0, 20.0, self.parameters)
        values[self._bad] = np.nan
        rows = self._encoder.encode(
            process_id=PROCESS,
            timestamps_us=timestamps_us,
            values=values,
            set_values=self._set_values,
            quality=self._quality,
        )
        count = SlotCount(
            process_id=PROCESS,
            device="plc",
            interval_ms=INTERVAL_MS,
            minute=slot * INTERVAL_MS // 60_000 * 60,
            outcome=Outcome.COMPLETED,
            slots=1,
            rows=self.parameters,
            slots_at=((slot, slot + 1),),
        )
        header = {
            "process_id": PROCESS,
            "device": "plc",
            "interval_ms": INTERVAL_MS,
            "first_slot": slot,
            "last_slot": slot,
        }
        return Entry(
            kind=EntryKind.POINTS,
            header=header,
            rows=rows,
            row_count=self.parameters,
            accounting=(count,),
            first_us=int(timestamps_us[0]),
            last_us=int(timestamps_us[-1]),
        )

    async def spool(self, path: Path, *, max_bytes: int) -> int:
        """Append all of them to a new spool file.

        Returns:
            The sequence of the last.
        """
        sequence = 0
        async with Spool(path, max_bytes=max_bytes) as spool:
            for entries in self.batches(_AT_ONCE):
                sequence = await spool.append(entries)
            assert spool.shed_entries == 0, f"{path} is too small"
        return sequence
