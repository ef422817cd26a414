"""A map of any size over an image that moves: what the recorder's limits are measured on, without physics."""

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Final

import numpy as np

from hal.parameter import LAST_ADDRESS, DataType, Parameter, RegisterKind
from simulator.description import Description
from simulator.errors import ILLEGAL_ADDRESS, MapError, OptionError, RequestRefusedError
from simulator.memory import Unit, double_words
from simulator.real_time import RealTimeTool
from simulator.station import ServeOptions, Station, Tool

UNIT: Final = 1
MOST_PARAMETERS: Final = 60_000
STEP_S: Final = 0.01
"""One image lasts this long; a reader never sees half of two."""
_PERIODS_S: Final = (1.0, 600.0)
_PER_COMPONENT: Final = 50
_PER_KIND: Final = (LAST_ADDRESS + 1) // 2
_FILE_COLUMNS: Final = (
    *("component", "parameter", "unit", "is_writable", "modbus_type", "modbus_address", "data_type"),
    *("word_order", "scan_interval_ms"),
)
_KINDS: Final = (RegisterKind.INPUT_REGISTER, RegisterKind.HOLDING_REGISTER)


class SineMemory:
    """Floats that each follow a sine of their own; what a step shows is worked out when it is first read.

    Args:
        count: of parameters, two words each; the first `_PER_KIND` in input registers, the others in holding registers.
        seed: of periods and phases.
    """

    def __init__(self, count: int, *, seed: int = 0) -> None:
        draw = np.random.default_rng(seed)
        shortest, longest = _PERIODS_S
        self._rate = 2 * np.pi / (shortest * (longest / shortest) ** draw.random(count))
        self._phase = 2 * np.pi * draw.random(count)
        self._level = np.arange(count) % 1000 + 10.0
        self._words: dict[RegisterKind, list[int]] = {}
        self._step = -1
        self._began_s = monotonic()

    @property
    def step(self) -> int:
        """Number of the image in force."""
        return int((monotonic() - self._began_s) / STEP_S)

    def values(self) -> dict[str, float | str]:
        """The values of this step by name."""
        values = self._values(self.step).astype(np.float32).tolist()
        return {name(number): value for number, value in enumerate(values)}

    def read(self, kind: RegisterKind, address: int, count: int) -> Sequence[int]:
        """Answer a read.

        Raises:
            RequestRefusedError: an address is not there.
        """
        step = self.step
        if step != self._step:
            words = np.frombuffer(self._values(step).astype(">f4").tobytes(), ">u2").tolist()
            self._words = {kind: words[2 * _PER_KIND * i : 2 * _PER_KIND * (i + 1)] for i, kind in enumerate(_KINDS)}
            self._step = step
        area = self._words.get(kind, [])
        if address + count > len(area):
            reason = f"no {kind} at all of {address}..{address + count - 1}"
            raise RequestRefusedError(exception_code=ILLEGAL_ADDRESS, reason=reason)
        return area[address : address + count]

    def write(self, kind: RegisterKind, address: int, words: Sequence[int]) -> None:
        """Refuse every write.

        Raises:
            RequestRefusedError: always.
        """
        reason = f"{kind} {address}: a generated map takes no {len(words)} values"
        raise RequestRefusedError(exception_code=ILLEGAL_ADDRESS, reason=reason)

    def _values(self, step: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        values: np.ndarray[tuple[int], np.dtype[np.float64]]
        values = self._level * (1 + 0.1 * np.sin(self._rate * (step * STEP_S) + self._phase))
        return values


def name(number: int) -> str:
    """Full name of a generated parameter, counted from 0."""
    return f"Rack {number // _PER_COMPONENT + 1}/signal_{number % _PER_COMPONENT + 1}"


def generated_parameters(count: int) -> tuple[Parameter, ...]:
    """The parameters of a generated map.

    Raises:
        OptionError: there cannot be so many.
    """
    if not 1 <= count <= MOST_PARAMETERS:
        raise OptionError(f"a generated map has 1 to {MOST_PARAMETERS} parameters, not {count}")
    return tuple(
        Parameter(
            parameter_id=number + 1,
            name=name(number),
            kind=_KINDS[number // _PER_KIND],
            address=2 * (number % _PER_KIND),
            data_type=DataType.FLOAT32,
            scan_interval_ms=1000,
        )
        for number in range(count)
    )


def write_generated_map(path: Path, parameters: Sequence[Parameter]) -> None:
    """Write the definitions file of a generated map.

    Raises:
        MapError: the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_FILE_COLUMNS)
            for parameter in parameters:
                component, _, short = parameter.name.partition("/")
                place = (parameter.kind.value, parameter.address, parameter.data_type.value)
                order = parameter.word_order.value
                writer.writerow((component, short, "a.u.", "false", *place, order, parameter.scan_interval_ms))
    except OSError as fault:
        raise MapError(f"{path}: the map cannot be written: {fault.strerror or fault}") from fault


class GeneratedTool(RealTimeTool):
    """A generated map as a Modbus server; an async context manager.

    Args:
        count: of parameters.
        options: where it is served.
        map_path: where its definitions file is written; None is in the temporary folder.
        seed: of periods and phases.

    Raises:
        OptionError: there cannot be so many parameters.
        MapError: the map cannot be written.
    """

    def __init__(self, count: int, options: ServeOptions, *, map_path: Path | None = None, seed: int = 0) -> None:
        parameters = generated_parameters(count)
        self._map_path = map_path or Path(tempfile.gettempdir()) / f"ald-simulator-{count}-parameters.csv"
        write_generated_map(self._map_path, parameters)
        self._options = options
        self._seed = seed
        self._count = count
        self.memory = SineMemory(count, seed=seed)
        super().__init__(
            Station(
                Tool(
                    units={UNIT: Unit(memory=self.memory, double_words=double_words(parameters))},
                    names=[parameter.name for parameter in parameters],
                    step=lambda: self.memory.step,
                    values=self.memory.values,
                ),
                options,
            )
        )

    @property
    def description(self) -> Description:
        """What is served and where; the port is the real one once it is entered."""
        return Description(
            host=self._options.host,
            port=self.station.port,
            unit=UNIT,
            parameters=self._count,
            recipe="",
            cycles=0,
            run_duration_s=0.0,
            speed=1.0,
            seed=self._seed,
            map_path=self._map_path,
            start="",
        )
