"""The real run of ../shared/data/al2o3_run, and what is measured of it and of a simulated one alike."""

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from simulator.process import ToolState, standby, step
from simulator.recipe import Loop, Recipe, RecipeStep
from simulator.run import RunStatus
from simulator.tool_model import REAL_RUN_TOOL
from tests.simulator.plants import started

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "al2o3_run"
STEPS_A_SAMPLE = 50
"""The trace has 2 samples a second."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Dose:
    """One pulse: its precursor, when it began, and the mass gained from its begin to the next one's."""

    precursor: str
    begin_s: float
    gained_ng_cm2: float


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run, real or simulated, sampled twice a second."""

    time_s: Numbers
    pressure_torr: Numbers
    mass_ng_cm2: Numbers
    frequency_hz: Numbers
    flow_sccm: Numbers
    thermocouples_c: Numbers
    doses: tuple[Dose, ...]

    def gains(self, precursor: str) -> Numbers:
        """Mass of each dose of a precursor, in order, its purge included."""
        return np.array([dose.gained_ng_cm2 for dose in self.doses if dose.precursor == precursor])

    def pulse_shape(self, precursor: str) -> tuple[Numbers, Numbers]:
        """The mean pulse above its base, in bins of 0.25 s from the command of the valve on: seconds, Torr."""
        times, rises = [], []
        for dose in self.doses:
            if dose.precursor != precursor:
                continue
            at = self.time_s - dose.begin_s
            base = self.pressure_torr[(at > -5) & (at < -0.2)].mean()
            window = (at > 0) & (at < 14)
            times.append(at[window])
            rises.append(self.pressure_torr[window] - base)
        at, rise = np.concatenate(times), np.concatenate(rises)
        edges = np.arange(0, 14, 0.25)
        means = [rise[(at >= edge) & (at < edge + 0.25)].mean() for edge in edges]
        return edges + 0.125, np.array(means)

    def quiet(self, numbers: Numbers) -> Numbers:
        """The samples of the first purge, when nothing happens for 300 s."""
        return numbers[(self.time_s > 150) & (self.time_s < 299)]


def decay_s(times_s: Numbers, rise_torr: Numbers) -> float:
    """Time in which a pulse falls from 80 % of its maximum to 1/e of that: its flat top does not count."""
    top = int(np.argmax(rise_torr))
    begin_torr = 0.8 * rise_torr[top]
    return _falls_below(times_s, rise_torr, top, begin_torr / np.e) - _falls_below(times_s, rise_torr, top, begin_torr)


def _falls_below(times_s: Numbers, rise_torr: Numbers, top: int, level_torr: float) -> float:
    after = top + int(np.argmax(rise_torr[top:] < level_torr))
    part = (rise_torr[after - 1] - level_torr) / (rise_torr[after - 1] - rise_torr[after])
    return float(times_s[after - 1] + part * (times_s[after] - times_s[after - 1]))


def measured() -> Run:
    """Read the real run."""
    with (FOLDER / "trace.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with (FOLDER / "doses.csv").open(encoding="utf-8", newline="") as file:
        doses = tuple(
            Dose(
                precursor=row["Precursor Name"],
                begin_s=float(row["Pulse/Fill Start Elapsed Time [s]"]),
                gained_ng_cm2=float(row["delta-M [ng/cm²]"]),
            )
            for row in csv.DictReader(file)
            if row["Precursor Name"] != "None"
        )

    def column(name: str) -> Numbers:
        return np.array([float(row[name]) for row in rows])

    return Run(
        time_s=column("Elapsed Time [s]"),
        pressure_torr=column("Chamber Pressure [Torr]"),
        mass_ng_cm2=column("Mass [ng/cm²]"),
        frequency_hz=column("Frequency [Hz]"),
        flow_sccm=column("MFC 1 Flow [sccm]"),
        thermocouples_c=np.array([column(f"Thermocouple {number} [ºC]") for number in (1, 2, 3, 4)]),
        doses=doses,
    )


def recipe() -> Recipe:
    """The recipe of that run: 300 s, 50 cycles, 300 s, 10 doses of TMA alone, 300 s, 20 cycles (recipe.csv).

    Pulses as long as they truly were, and 22 ms between steps (doses.csv).
    """
    tma = (
        RecipeStep(name="TMA dose", duration_us=1_010_000, open_valve=1),
        RecipeStep(name="TMA purge", duration_us=20_022_000),
    )
    water = (
        RecipeStep(name="H2O dose", duration_us=2_010_000, open_valve=2),
        RecipeStep(name="H2O purge", duration_us=20_022_000),
    )
    long_purge = RecipeStep(name="long purge", duration_us=300_000_000)
    return Recipe(
        name="real run",
        steps=(
            long_purge,
            Loop(name="nucleation", repeat=50, steps=(*tma, *water)),
            long_purge,
            Loop(name="TMA alone", repeat=10, steps=tma),
            long_purge,
            Loop(name="growth", repeat=20, steps=(*tma, *water)),
            long_purge,
        ),
    )


def simulated(seed: int = 2019) -> Run:
    """Run that recipe on the tool that was fitted to it."""
    state: ToolState = step(started(standby(seed=seed, recipe=recipe(), model=REAL_RUN_TOOL)))
    samples: list[tuple[float, ...]] = []
    begins: list[tuple[str, float, float]] = []
    phase = -1
    while state.run.status is RunStatus.RUNNING:
        if state.run.phase_index != phase:
            phase = state.run.phase_index
            name = state.run.phases[phase].step_name
            if name.endswith("dose") or name == "long purge":
                begins.append((name.split()[0], state.run.phase_began_us / 1e6, state.mass_ng_cm2))
        if state.step_index % STEPS_A_SAMPLE == 0:
            samples.append(
                (
                    state.time_us / 1e6,
                    state.gauge_torr,
                    state.mass_ng_cm2,
                    state.frequency_hz,
                    state.flow_readings_sccm[0],
                    *(zone.reading_c for zone in state.heaters[:4]),
                )
            )
        state = step(state)
    columns = np.array(samples).T
    return Run(
        time_s=columns[0],
        pressure_torr=columns[1],
        mass_ng_cm2=columns[2],
        frequency_hz=columns[3],
        flow_sccm=columns[4],
        thermocouples_c=columns[5:],
        doses=tuple(
            Dose(precursor=name, begin_s=begin_s, gained_ng_cm2=mass_after - mass)
            for (name, begin_s, mass), (_, _, mass_after) in itertools.pairwise(begins)
            if name != "long"
        ),
    )
