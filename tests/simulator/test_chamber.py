"""The chamber's gases against the numbers of the domain: base pressure, time constant, pulse height, tail, leak."""

import math

import pytest

from simulator.chamber import ATMOSPHERE_TORR, TORR_L_S_OF_1_SCCM, ChamberState, Wall, at_rest, step
from simulator.tool_model import SMALL_TOOL

CARRIER_TORR_L_S = 20 * TORR_L_S_OF_1_SCCM
BASE_TORR = CARRIER_TORR_L_S / 5.0
WALLS = (Wall(), Wall(share=0.2, time_constant_s=11.0))
REST = at_rest(BASE_TORR, 2)


def advance(state: ChamberState, dt_s: float, *, clean: float = 0.0, sticky: float = 0.0) -> ChamberState:
    """Advance the small tool's chamber under 20 sccm of carrier and two gases of which one sticks to the walls."""
    return step(
        state,
        round(dt_s * 1e6),
        volume_l=SMALL_TOOL.volume_l,
        speed_l_s=SMALL_TOOL.pumping_speed_l_s,
        carrier_torr_l_s=CARRIER_TORR_L_S,
        flows_torr_l_s=(clean, sticky),
        walls=WALLS,
    )


def test_twenty_sccm_rest_at_51_mtorr() -> None:
    """Base pressure at 20 sccm is 51 mTorr, and leak and pump add next to nothing."""
    assert advance(at_rest(0.0, 2), 60.0).pressure_torr == pytest.approx(0.0507, abs=0.0001)
    assert SMALL_TOOL.base_torr == pytest.approx(0.0507, abs=0.0001)


def test_pressure_decays_with_a_time_constant_of_600_ms() -> None:
    """After V/S = 0.6 s a rise has fallen to 1/e."""
    fallen = advance(at_rest(BASE_TORR + 0.1, 2), 0.6)
    assert fallen.pressure_torr - BASE_TORR == pytest.approx(0.1 / math.e)


@pytest.mark.parametrize("width_s", [0.015, 0.1, 1.0])
def test_a_pulse_raises_the_pressure_by_the_formula(width_s: float) -> None:
    """A pulse of width w raises it by (Q/S)(1 - exp(-w S/V))."""
    after = advance(REST, width_s, clean=1.824)
    rise_torr = 1.824 / 5.0 * (1 - math.exp(-width_s * 5.0 / 3.0))
    assert after.pressure_torr - BASE_TORR == pytest.approx(rise_torr)
    assert after.partial_torr[0] == pytest.approx(rise_torr)


def test_a_gas_that_sticks_leaves_a_tail_of_11_s_and_another_none() -> None:
    """Long after the pulse only what comes off the walls is left, falling to 1/e in 11 s."""
    early = advance(advance(REST, 0.1, sticky=4.886), 10.0)
    late = advance(early, 11.0)
    assert early.pressure_torr - BASE_TORR > 0.0005
    assert (late.pressure_torr - BASE_TORR) / (early.pressure_torr - BASE_TORR) == pytest.approx(1 / math.e, rel=1e-3)
    clean = advance(advance(REST, 0.1, clean=1.824), 10.0)
    assert clean.pressure_torr - BASE_TORR < 1e-8


def test_nothing_is_lost_on_the_walls() -> None:
    """All that flowed in has flowed out at the pump in the end: S x the integral of P is Q w."""
    state, integral = advance(REST, 0.1, sticky=4.886), 0.0
    for _ in range(20_000):
        after = advance(state, 0.01)
        integral += 0.01 * (state.partial_torr[1] + after.partial_torr[1]) / 2
        state = after
    during_torr_s = 0.1 * advance(REST, 0.05, sticky=4.886).partial_torr[1]
    assert 5.0 * (integral + during_torr_s) == pytest.approx(0.4886, rel=0.01)


def test_a_pulse_is_gone_in_the_end() -> None:
    """Below a nano-Torr it is set to nothing, so that an idle step costs nothing."""
    assert advance(advance(REST, 0.1, clean=1.824), 60.0).partial_torr == (0.0, 0.0)


def test_an_isolated_chamber_rises_linearly_with_its_leak_and_no_further_than_the_atmosphere() -> None:
    """Q/V a second: 0.3 Torr L/s into 3 L are 0.1 Torr a second."""

    def isolated(state: ChamberState, dt_us: int) -> ChamberState:
        return step(
            state,
            dt_us,
            volume_l=3.0,
            speed_l_s=0.0,
            carrier_torr_l_s=0.3,
            flows_torr_l_s=(0.0, 0.0),
            walls=WALLS,
        )

    assert isolated(REST, 10_000_000).pressure_torr - BASE_TORR == pytest.approx(1.0)
    assert isolated(REST, 10**11).pressure_torr == ATMOSPHERE_TORR


def test_many_small_steps_equal_one_large_one() -> None:
    """The update is exact, so the length of a step changes nothing and none is unstable."""
    begin = ChamberState(carrier_torr=1.0, partial_torr=(0.2, 0.1), wall_torr_l=(0.0, 0.1))
    once = advance(begin, 5.0, clean=0.3, sticky=4.0)
    small = begin
    for _ in range(1000):
        small = advance(small, 0.005, clean=0.3, sticky=4.0)
    assert small.pressure_torr == pytest.approx(once.pressure_torr, rel=1e-9)
    assert small.wall_torr_l == pytest.approx(once.wall_torr_l, rel=1e-9)
