# ruff: noqa: INP001
"""Draw one cycle of the simulator beside one of the real run: `docs/simulator_cycle.svg`.

Needs matplotlib, and `../shared/data/al2o3_run` (MIT licence, Team JAT, 2021) beside the repository; run it as
``python -m docs.plots.simulator_cycle`` from the repository's root.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.simulator.real_run import FOLDER, Run, measured, simulated

TARGET = Path(__file__).parents[1] / "simulator_cycle.svg"
CYCLE = 66
"""The dose of TMA with which the drawn cycle begins: the seventh of the last twenty."""
FIRST_S, LAST_S = -3, 43
"""What is drawn around the dose."""
REAL, OURS = "#444444", "#1f77b4"


def main() -> int:
    """Draw it."""
    if not (FOLDER / "trace.csv").is_file():
        sys.stderr.write(f"there is no trace at {FOLDER}\n")
        return 3
    real, ours = measured(), simulated()
    # The same drawing is the same file; text stays text, which is a third of the size.
    mpl.rcParams.update({"svg.hashsalt": "simulator", "svg.fonttype": "none", "font.family": "sans-serif"})
    mpl.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    axes = figure.subplots(2, 2)
    for run, colour, name in ((real, REAL, "real run"), (ours, OURS, "simulator")):
        _draw_cycle(axes[0, 0], axes[1, 0], run, colour, name)
        _draw_pulse(axes[0, 1], run, colour, name)
        gains = run.gains("TMA")
        axes[1, 1].plot(np.arange(1, len(gains) + 1), gains, color=colour, linewidth=1, label=name)
    axes[0, 0].set(title="one cycle: TMA at 0 s, water at 21 s", ylabel="pressure, Torr")
    axes[0, 0].legend(frameon=False)
    axes[1, 0].set(xlabel="time, s", ylabel="mass, ng/cm²")
    axes[0, 1].set(title="mean pulse above its base", xlabel="time from the valve's command, s", ylabel="mTorr")
    axes[1, 1].set(title="gain of each TMA dose", xlabel="dose (51 to 60: TMA alone)", ylabel="ng/cm²")
    figure.savefig(TARGET, metadata={"Date": None})
    sys.stdout.write(f"{TARGET}: {TARGET.stat().st_size} bytes\n")
    return 0


def _draw_cycle(pressure: Axes, mass: Axes, run: Run, colour: str, name: str) -> None:
    begin_s = [dose.begin_s for dose in run.doses if dose.precursor == "TMA"][CYCLE]
    at = run.time_s - begin_s
    window = (at > FIRST_S) & (at < LAST_S)
    pressure.plot(at[window], run.pressure_torr[window], color=colour, linewidth=0.8, label=name)
    before = run.mass_ng_cm2[(at > FIRST_S) & (at < 0)].mean()
    mass.plot(at[window], run.mass_ng_cm2[window] - before, color=colour, linewidth=0.8)


def _draw_pulse(axes: Axes, run: Run, colour: str, name: str) -> None:
    for precursor, style in (("TMA", "-"), ("H2O", "--")):
        times_s, rise_torr = run.pulse_shape(precursor)
        axes.plot(times_s, 1e3 * rise_torr, style, color=colour, linewidth=1, label=f"{precursor}, {name}")
    axes.legend(frameon=False)


if __name__ == "__main__":
    sys.exit(main())
