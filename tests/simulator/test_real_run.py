"""The simulator against a real run: 4,725 s, 80 doses of TMA and 70 of water, both sampled and measured alike.

What the real run gives is computed from its trace here, so the simulator is compared to data and not to a memory of it.
"""

import numpy as np
import pytest

from tests.simulator.real_run import FOLDER, Run, decay_s, measured, simulated

pytestmark = [
    pytest.mark.skipif(not (FOLDER / "trace.csv").is_file(), reason=f"the trace of the real run is not at {FOLDER}"),
    pytest.mark.timeout(300),  # 472,500 steps, for whichever test comes first
]


@pytest.fixture(scope="module")
def real() -> Run:
    """The run as it was recorded."""
    return measured()


@pytest.fixture(scope="module")
def ours() -> Run:
    """The same recipe on the tool that was fitted to it."""
    return simulated()


def test_the_base_pressure_is_that_of_the_real_tool(real: Run, ours: Run) -> None:
    """1.80 Torr within 5 mTorr, and as noisy as the real gauge within a fifth."""
    assert ours.quiet(ours.pressure_torr).mean() == pytest.approx(real.quiet(real.pressure_torr).mean(), abs=0.005)
    assert ours.quiet(ours.pressure_torr).std() == pytest.approx(real.quiet(real.pressure_torr).std(), rel=0.2)


@pytest.mark.parametrize(
    ("precursor", "height_tolerance_torr", "decay_tolerance_s"), [("TMA", 0.006, 0.5), ("H2O", 0.008, 0.2)]
)
def test_pulses_are_as_high_and_as_long_as_the_real_ones(
    real: Run, ours: Run, precursor: str, height_tolerance_torr: float, decay_tolerance_s: float
) -> None:
    """The mean pulse: its maximum (50 and 120 mTorr), its decay (2.8 and 0.6 s), its whole shape within 12 mTorr."""
    times_s, real_rise = real.pulse_shape(precursor)
    _, our_rise = ours.pulse_shape(precursor)
    assert our_rise.max() == pytest.approx(real_rise.max(), abs=height_tolerance_torr)
    assert decay_s(times_s, our_rise) == pytest.approx(decay_s(times_s, real_rise), abs=decay_tolerance_s)
    assert np.sqrt(np.mean((our_rise - real_rise) ** 2)) < 0.012


def test_the_surface_nucleates_over_fifty_cycles_as_in_the_real_run(real: Run, ours: Run) -> None:
    """The gain of the TMA half climbs from 0 to 27 ng/cm2, and is within 3 of the real one at every cycle."""
    assert ours.gains("TMA")[:3].mean() == pytest.approx(real.gains("TMA")[:3].mean(), abs=2.0)
    assert ours.gains("TMA")[45:50].mean() == pytest.approx(real.gains("TMA")[45:50].mean(), abs=2.5)
    smooth = np.ones(5) / 5
    difference = np.convolve(ours.gains("TMA")[:50] - real.gains("TMA")[:50], smooth, mode="valid")
    assert np.abs(difference).max() < 3.0


def test_the_last_twenty_cycles_grow_as_much_as_the_real_ones(real: Run, ours: Run) -> None:
    """24 to 36 ng/cm2 in each TMA half, -3 to +2 in each water half; together within 3 of the real mean."""
    ours_a, real_a = ours.gains("TMA")[61:], real.gains("TMA")[61:]
    ours_b, real_b = ours.gains("H2O")[51:], real.gains("H2O")[51:]
    assert len(ours_a) == len(real_a) == 19
    assert real_a.min() >= 24
    assert real_a.max() <= 36
    assert ours_a.min() >= 24
    assert ours_a.max() <= 36
    assert ours_b.min() >= -3.5
    assert ours_b.max() <= 2.5
    assert (ours_a + ours_b).mean() == pytest.approx((real_a + real_b).mean(), abs=3.0)


def test_tma_alone_adds_nothing_after_its_first_dose(real: Run, ours: Run) -> None:
    """The first finds the sites that water left; the nine behind it, and the first of the last part, find none."""
    for run in (real, ours):
        alone = run.gains("TMA")[51:60]
        assert run.gains("TMA")[50] > 20
        assert abs(alone.mean()) < 1.0
        assert np.abs(alone).max() <= 2.5


def test_the_whole_run_grows_as_much_as_the_real_one(real: Run, ours: Run) -> None:
    """In mass and in frequency, within 5 %."""
    for mass_and_frequency in ("mass_ng_cm2", "frequency_hz"):
        ours_whole, real_whole = (np.ptp(getattr(run, mass_and_frequency)) for run in (ours, real))
        assert ours_whole == pytest.approx(real_whole, rel=0.05)


def test_readings_are_as_noisy_as_the_real_ones(real: Run, ours: Run) -> None:
    """Mass flow 0.25 sccm on 22.6; thermocouples 0.1 to 0.4 C over 79 minutes; mass 0.3 to 0.9 ng/cm2."""
    assert ours.flow_sccm.mean() == pytest.approx(real.flow_sccm.mean(), abs=0.05)
    assert ours.flow_sccm.std() == pytest.approx(real.flow_sccm.std(), rel=0.1)
    assert all(0.09 <= deviation <= 0.42 for deviation in real.thermocouples_c.std(axis=1))
    assert all(0.09 <= deviation <= 0.42 for deviation in ours.thermocouples_c.std(axis=1))
    for run in (real, ours):
        assert 0.3 < run.quiet(run.mass_ng_cm2).std() < 0.9
