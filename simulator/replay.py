"""A recorded trace in place of a plant.

A *scan of the trace* is a sequence of reads that ends with the one that carries the row index. The first read behind
it fixes the row for all reads up to and including the next one that carries the index, so whatever a reader takes in
one pass, in one request or in several, is of one row. It is meant for one reader; with several, let everything lie in
one block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

import numpy as np

from hal.parameter import RegisterKind
from simulator.description import Description
from simulator.errors import ILLEGAL_ADDRESS, OptionError, RequestRefusedError
from simulator.memory import Unit, double_words
from simulator.real_time import RealTimeTool
from simulator.station import ServeOptions, Station, Tool
from simulator.trace import Trace, read_trace
from simulator.trace_image import TraceImage
from simulator.trace_map import Served, make_map, read_map, write_map

UNIT: Final = 1
MAX_PACE: Final = 1000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayOptions:
    """How a trace is served.

    Attributes:
        trace: the file.
        map: of its columns; read where it is there, else written. None is beside the trace, ``*.map.csv``.
        pace: rows advance so many times as fast as they were recorded; None advances one row a scan.
        sentinel: the number that stands for NaN; None is the float's own NaN.
        refuses_nan: reads of a NaN are refused with exception 4.
    """

    trace: Path
    map: Path | None = None
    pace: float | None = None
    sentinel: float | None = None
    refuses_nan: bool = False

    def __post_init__(self) -> None:
        if self.pace is not None and not 0 < self.pace <= MAX_PACE:
            raise OptionError(f"the pace must be 'scan', 'real' or up to {MAX_PACE:g} times, not {self.pace:g}")

    @property
    def map_path(self) -> Path:
        """Where the map is."""
        return self.map or self.trace.with_suffix(".map.csv")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayDescription(Description):
    """A replayed trace.

    Attributes:
        recipe: name of the trace.
        cycles: 0, since a trace does not say.
        run_duration_s: as it was recorded.
        speed: times that; 0 where rows advance by scans.
        start: empty, since nothing need be written.
    """

    trace: Path
    rows: int
    pace: str


class TraceMemory:
    """The registers of the row in force.

    Args:
        trace: what is served.
        image: its registers.
        pace: see `ReplayOptions`. Time begins with the first read.
    """

    def __init__(self, trace: Trace, image: TraceImage, *, pace: float | None) -> None:
        self._elapsed_s = trace.elapsed_s - trace.elapsed_s[0]
        self._image = image
        self._pace = pace
        self._next = 0
        self._row: int | None = None
        self._began_s: float | None = None

    @property
    def row(self) -> int:
        """The row in force, or that the next read puts in force; the number of rows once the last is held."""
        return self._next if self._row is None else self._row

    @property
    def is_finished(self) -> bool:
        """Whether the last row has been read and is held."""
        return self._next >= self._image.rows

    def values(self) -> dict[str, float | str]:
        """The values of the row in force."""
        return self._image.values(self.row)

    def read(self, kind: RegisterKind, address: int, count: int) -> Sequence[int]:
        """Answer a read from the row in force.

        Raises:
            RequestRefusedError: an address is not there.
        """
        if self._row is None:
            self._row = self._due_row()
        row = self._row
        index_kind, index_address = self._image.index_place
        if kind is index_kind and address <= index_address < address + count:
            # Also where the answer is a refusal: the scan is over.
            self._row = None
            self._next = min(row + 1, self._image.rows)
        return self._image.read(row, kind, address, count)

    def write(self, kind: RegisterKind, address: int, words: Sequence[int]) -> None:
        """Refuse every write.

        Raises:
            RequestRefusedError: always.
        """
        reason = f"{kind} {address}: a recorded trace takes no {len(words)} values"
        raise RequestRefusedError(exception_code=ILLEGAL_ADDRESS, reason=reason)

    def _due_row(self) -> int:
        if self._pace is None:
            return self._next
        now_s = monotonic()
        if self._began_s is None:
            self._began_s = now_s
        due = int(np.searchsorted(self._elapsed_s, (now_s - self._began_s) * self._pace, side="right")) - 1
        # The last row is shown as a row of the trace once, and as held from then on.
        return self._image.rows if due == self._image.rows - 1 and self.is_finished else due


class ReplayedTrace(RealTimeTool):
    """A trace as a Modbus server; an async context manager.

    Raises:
        TraceError: trace or map cannot be served; names file and line.
        OptionError: an option cannot be.
    """

    def __init__(self, replay: ReplayOptions, options: ServeOptions) -> None:
        self._replay = replay
        self._options = options
        self._trace = read_trace(replay.trace)
        if replay.map_path.exists():
            self.served: tuple[Served, ...] = read_map(replay.map_path, self._trace)
        else:
            self.served = make_map(self._trace, sentinel=replay.sentinel)
            write_map(replay.map_path, self.served)
        image = TraceImage(self._trace, self.served, refuses_nan=replay.refuses_nan)
        self.memory = TraceMemory(self._trace, image, pace=replay.pace)
        parameters = [each.parameter for each in self.served]
        super().__init__(
            Station(
                Tool(
                    units={UNIT: Unit(memory=self.memory, double_words=double_words(parameters))},
                    names=[parameter.name for parameter in parameters],
                    step=lambda: self.memory.row,
                    values=self.memory.values,
                ),
                options,
            )
        )

    @property
    def description(self) -> ReplayDescription:
        """What is served and where; the port is the real one once it is entered."""
        pace = self._replay.pace
        return ReplayDescription(
            host=self._options.host,
            port=self.station.port,
            unit=UNIT,
            parameters=len(self.served),
            recipe=self._trace.path.name,
            cycles=0,
            run_duration_s=self._trace.duration_s,
            speed=pace or 0.0,
            seed=0,
            map_path=self._replay.map_path,
            start="",
            trace=self._trace.path,
            rows=self._trace.rows,
            pace="scan" if pace is None else f"{pace:g}",
        )
