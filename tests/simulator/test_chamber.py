"""The chamber's gas against the numbers of the domain: base pressure, time constant, pulse height, tail."""

import math

import pytest

from simulator.chamber import (
    LEAK_TORR_L_S,
    PRECURSOR_TORR_L_S,
    PUMPING_SPEED_L_S,
    TORR_L_S_OF_1_SCCM,
    VOLUME_L,
    WATER_TORR_L_S,
    ChamberState,
    base_pressure_torr,
    step,
)

CARRIER_TORR_L_S = 20 * TORR_L_S_OF_1_SCCM
BASE_TORR = base_pressure_torr(CARRIER_TORR_L_S)


def advance(state: ChamberState, dt_s: float, *, precursor: float = 0.0, water: float = 0.0) -> ChamberState:
    """Advance under 20 sccm of carrier."""
    return step(state, dt_s, carrier_torr_l_s=CARRIER_TORR_L_S, precursor_torr_l_s=precursor, water_torr_l_s=water)


def test_twenty_sccm_rest_at_51_mtorr() -> None:
    """Base pressure at 20 sccm is 51 mTorr, and the leak adds next to nothing."""
    rested = advance(ChamberState(pressure_torr=0.0), 60.0)
    assert rested.pressure_torr == pytest.approx(0.0507, abs=0.0005)
    assert rested.pressure_torr > 1000 * LEAK_TORR_L_S / PUMPING_SPEED_L_S


def test_pressure_decays_with_a_time_constant_of_600_ms() -> None:
    """After V/S = 0.6 s a rise has fallen to 1/e."""
    assert pytest.approx(0.6) == VOLUME_L / PUMPING_SPEED_L_S
    fallen = advance(ChamberState(pressure_torr=BASE_TORR + 0.1), 0.6)
    assert fallen.pressure_torr - BASE_TORR == pytest.approx(0.1 / math.e)


@pytest.mark.parametrize("width_s", [0.015, 0.1, 1.0])
def test_a_precursor_pulse_raises_the_pressure_by_the_formula(width_s: float) -> None:
    """A pulse of width w raises it by (Q/S)(1 - exp(-w S/V))."""
    after = advance(ChamberState(pressure_torr=BASE_TORR), width_s, precursor=PRECURSOR_TORR_L_S)
    rise_torr = PRECURSOR_TORR_L_S / PUMPING_SPEED_L_S * (1 - math.exp(-width_s * PUMPING_SPEED_L_S / VOLUME_L))
    assert after.pressure_torr - BASE_TORR == pytest.approx(rise_torr)


def test_pulses_of_100_ms_are_as_high_as_in_the_real_run() -> None:
    """TMA raises the pressure by 56 mTorr and water by 120 mTorr, as measured in al2o3_run."""
    rest = ChamberState(pressure_torr=BASE_TORR)
    precursor = advance(rest, 0.1, precursor=PRECURSOR_TORR_L_S)
    water = advance(rest, 0.1, water=WATER_TORR_L_S)
    assert precursor.pressure_torr - BASE_TORR == pytest.approx(0.056, rel=0.01)
    assert water.pressure_torr - BASE_TORR == pytest.approx(0.120, rel=0.02)


def test_water_leaves_a_tail_of_11_s_and_the_precursor_none() -> None:
    """Long after the pulse only what comes off the walls is left, falling to 1/e in 11 s."""
    rest = ChamberState(pressure_torr=BASE_TORR)
    early = advance(advance(rest, 0.1, water=WATER_TORR_L_S), 10.0)
    late = advance(early, 11.0)
    assert early.pressure_torr - BASE_TORR > 0.0005
    assert (late.pressure_torr - BASE_TORR) / (early.pressure_torr - BASE_TORR) == pytest.approx(1 / math.e, rel=1e-3)
    clean = advance(advance(rest, 0.1, precursor=PRECURSOR_TORR_L_S), 10.0)
    assert clean.pressure_torr - BASE_TORR < 1e-8


def test_many_small_steps_equal_one_large_one() -> None:
    """The update is exact, so the length of a step changes nothing and none is unstable."""
    once = advance(ChamberState(pressure_torr=1.0, wall_water_torr_l=0.1), 5.0, water=WATER_TORR_L_S)
    small = ChamberState(pressure_torr=1.0, wall_water_torr_l=0.1)
    for _ in range(1000):
        small = advance(small, 0.005, water=WATER_TORR_L_S)
    assert small.pressure_torr == pytest.approx(once.pressure_torr, rel=1e-9)
    assert small.wall_water_torr_l == pytest.approx(once.wall_water_torr_l, rel=1e-9)
