"""The plant as a whole: faults and their signs, interlocks, pump and throttle, valves, plasma and the other recipes."""

import pytest

from simulator.commands import command
from simulator.errors import DEVICE_BUSY, DEVICE_FAILURE, ILLEGAL_VALUE, RequestRefusedError
from simulator.events import EventId
from simulator.interlock import Interlock
from simulator.plant_faults import NO_FAULTS, PlantFaults
from simulator.process import ToolState, advance, standby, step
from simulator.recipe import Loop, Recipe, RecipeStep, Wait, al2o3
from simulator.recipe_file import builtin_library
from simulator.run import AbortCause, RunStatus
from simulator.signals import OPEN_THERMOCOUPLE_C, signals
from tests.simulator.plants import broken, idle, run_to_end, started, written


def cycles_of(purge_s: float, count: int = 30) -> Recipe:
    """Build Al2O3 with equal purges."""
    purge = RecipeStep(name="purge", duration_us=round(purge_s * 1e6))
    doses = [RecipeStep(name=f"dose {n}", duration_us=100_000, open_valve=n) for n in (1, 2)]
    loop = Loop(name="cycle", repeat=count, steps=(doses[0], purge, doses[1], purge))
    return Recipe(name="Al2O3", steps=(loop,))


def peaks(states: list[ToolState], valve: int) -> list[float]:
    """The latched peaks of a valve in the order of its pulses, from what the ring showed."""
    seen = {event.sequence: event for state in states for event in state.events.entries}
    return [event.value for _, event in sorted(seen.items()) if event.event_id == EventId.PEAK_LATCHED + valve]


def test_pulses_of_the_small_tool_are_as_high_as_measured() -> None:
    """100 ms raise the pressure by 56 mTorr (TMA) and 120 mTorr (water): the latched peaks say so within 5 %."""
    states = run_to_end(idle(al2o3(5)))
    base_torr = 0.0507
    assert peaks(states, 1)[-1] - base_torr == pytest.approx(0.056, rel=0.05)
    assert peaks(states, 2)[-1] - base_torr == pytest.approx(0.120, rel=0.05)


def test_gas_comes_a_valves_delay_after_its_command() -> None:
    """10 ms after the coil: nothing before, and the width that is counted is the commanded one."""
    states = run_to_end(idle(al2o3(1)))
    opened = next(place for place, state in enumerate(states) if state.valves[0].is_open)
    assert not states[opened].valves[0].lets_through
    assert states[opened + 1].valves[0].lets_through
    assert states[opened].chamber.partial_torr[0] == 0.0
    assert states[opened + 2].chamber.partial_torr[0] > 0.0


def test_a_valve_that_sticks_counts_without_pressure_and_without_mass() -> None:
    """The counter moves, the pressure does not, and nothing grows."""
    good = run_to_end(idle(al2o3(3)))[-1]
    stuck = run_to_end(broken(idle(al2o3(3)), PlantFaults(stuck_closed=frozenset({"Valve 1"}))))
    assert stuck[-1].valves[0].pulse_count == 3
    assert max(state.chamber.partial_torr[0] for state in stuck) == 0.0
    assert stuck[-1].surface.mass_ng_cm2 < 0.1 * good.surface.mass_ng_cm2


def test_a_leaking_valve_raises_the_base_and_grows_in_the_purge() -> None:
    """Water that leaks in: 0.05 Torr L/s over 5 L/s are 10 mTorr, and TMA finds sites all the time."""
    leak = PlantFaults(leaking={"Valve 2": 0.05})
    rested = advance(broken(idle(), leak), 6000)
    assert rested.chamber.pressure_torr - idle().chamber.pressure_torr == pytest.approx(0.010, rel=0.05)
    good, bad = (run_to_end(broken(idle(al2o3(10)), faults))[-1] for faults in (NO_FAULTS, leak))
    assert bad.surface.mass_ng_cm2 > 1.5 * good.surface.mass_ng_cm2


def test_an_empty_bottle_lowers_pulse_after_pulse() -> None:
    """Before anything else moves: each TMA peak is lower than the one before, water's are not."""
    states = run_to_end(broken(idle(al2o3(10)), PlantFaults(empty_bottles=frozenset({"Precursor 1"}))))
    heights = [peak - 0.0507 for peak in peaks(states, 1)]
    assert heights[-1] < 0.8 * heights[0]
    assert peaks(states, 2)[-1] == pytest.approx(peaks(states, 2)[0], rel=0.02)


def test_an_open_thermocouple_reads_its_rail_and_drives_the_output_to_full() -> None:
    """The register says 3276.7, the sentinel of the map, and the zone heats up unseen."""
    state = advance(broken(idle(), PlantFaults(open_thermocouples=frozenset({"Chamber Heater"}))), 12_000)
    values = signals(state)
    assert values["Chamber Heater/temperature_read"] == OPEN_THERMOCOUPLE_C
    assert values["Chamber Heater/pid_output"] == 100.0
    assert state.heaters[0].temperature_c > 210.0


def test_gauges_saturate_flows_drift_and_a_leak_rises_linearly_when_isolated() -> None:
    """Flat at full scale; 0.7 sccm more at set-value 0; Q/V a second with the exhaust gate shut."""
    saturated = signals(broken(idle(), PlantFaults(saturated_gauges=frozenset({"Pressure Gauge 1"}))))
    assert saturated["Pressure Gauge 1/pressure_read"] == pytest.approx(1333.22)
    assert saturated["Process/chamber_pressure"] == pytest.approx(10.0, abs=0.001)
    drifting = written(idle(), {"MFC 1/flow_set": 0.0})
    drifting = advance(broken(drifting, PlantFaults(zero_drift_sccm={"MFC 1": 0.7})), 500)
    assert sum(advance(drifting, n).flow_readings_sccm[0] for n in range(200)) / 200 == pytest.approx(0.7, abs=0.1)
    shut = written(idle(), {"Exhaust Gate Valve/valve_state": 0.0, "MFC 1/flow_set": 0.0, "MFC 2/flow_set": 0.0})
    shut = advance(broken(shut, PlantFaults(chamber_leak_torr_l_s=0.03)), 1000)
    later = advance(shut, 1000)
    latest = advance(later, 1000)
    assert later.chamber.pressure_torr - shut.chamber.pressure_torr == pytest.approx(0.1, rel=0.02)
    assert latest.chamber.pressure_torr - later.chamber.pressure_torr == pytest.approx(0.1, rel=0.02)


def test_a_frozen_plc_stands_still_and_goes_on_where_it_was() -> None:
    """No time, no heartbeat; then everything again."""
    running = advance(started(idle()), 600)
    frozen = broken(running, PlantFaults(is_frozen=True))
    assert advance(frozen, 500) == frozen
    assert advance(broken(frozen, NO_FAULTS), 100) == advance(running, 100)


@pytest.mark.parametrize(
    ("faults", "word", "refused"),
    [
        (PlantFaults(is_lid_open=True), Interlock.LID_OPEN, "Valve 1/valve_state"),
        (PlantFaults(is_water_lost=True), Interlock.WATER_LOST, "Vacuum Pump/power_on"),
        (PlantFaults(is_air_lost=True), Interlock.AIR_LOST, "Exhaust Gate Valve/valve_state"),
    ],
)
def test_an_interlock_ends_the_run_acts_and_refuses_until_it_is_gone(
    faults: PlantFaults, word: Interlock, refused: str
) -> None:
    """The run is aborted by it, valves are shut, start and what it guards are exception 4; then all is as before."""
    tripped = advance(broken(advance(started(idle()), 505), faults), 20)
    assert tripped.run.status is RunStatus.ABORTED
    assert tripped.run.abort_cause is AbortCause.INTERLOCK
    assert not any(valve.is_open for valve in tripped.valves)
    assert signals(tripped)["Process/interlock_word"] == word
    assert EventId.INTERLOCK_TRIPPED in {event.event_id for event in tripped.events.entries}
    for name in ("Process/start", refused):
        with pytest.raises(RequestRefusedError) as caught:
            command(tripped, {name: 1.0})
        assert caught.value.exception_code == DEVICE_FAILURE
    mended = advance(broken(tripped, NO_FAULTS), 20)
    assert step(started(mended)).run.counter == 2
    assert EventId.INTERLOCK_CLEARED in {event.event_id for event in mended.events.entries}


def test_an_open_lid_lets_air_in_and_the_pump_takes_it_out_again() -> None:
    """760 Torr, and back below 60 mTorr ten seconds after it was shut."""
    aired = advance(broken(idle(), PlantFaults(is_lid_open=True)), 10)
    assert aired.chamber.pressure_torr == 760.0
    assert advance(broken(aired, NO_FAULTS), 1000).chamber.pressure_torr < 0.06


def test_an_over_temperature_is_latched_until_it_is_reset_below_the_limit() -> None:
    """Its zone goes off and cannot be switched on; a reset above the limit does nothing, below it clears."""
    hot = advance(written(idle(), {"Chamber Heater/temp_max_limit": 150.0}), 150)
    assert signals(hot)["Interlock/temperature_good"] == 0.0
    assert signals(hot)["Chamber Heater/power_on"] == 0.0
    hot = advance(written(hot, {"Process/interlock_reset": 1.0}), 20)
    assert signals(hot)["Interlock/temperature_good"] == 0.0
    with pytest.raises(RequestRefusedError, match="has not been reset"):
        command(hot, {"Chamber Heater/power_on": 1.0})
    cool = advance(written(hot, {"Chamber Heater/temp_max_limit": 450.0, "Process/interlock_reset": 1.0}), 20)
    assert signals(cool)["Interlock/temperature_good"] == 1.0
    assert signals(advance(written(cool, {"Chamber Heater/power_on": 1.0}), 1))["Chamber Heater/power_on"] == 1.0


def test_a_set_value_beyond_the_limits_of_its_own_registers_is_refused() -> None:
    """The limit registers are the controller's: 180 C above a limit of 150 C is exception 3."""
    state = written(idle(), {"Frontline Heater/temp_max_limit": 150.0})
    with pytest.raises(RequestRefusedError, match="outside its limits of 0 and 150") as caught:
        command(state, {"Frontline Heater/temperature_set": 180.0})
    assert caught.value.exception_code == ILLEGAL_VALUE


def test_the_pump_runs_down_and_the_pressure_rises_by_its_carrier() -> None:
    """Off: not at speed, no power, and 20 sccm into 3 L."""
    off = advance(written(idle(), {"Vacuum Pump/power_on": 0.0}), 6000)
    assert signals(off)["Vacuum Pump/at_speed"] == 0.0
    assert signals(off)["Vacuum Pump/power"] == pytest.approx(0.0)
    rise = advance(off, 1000).chamber.pressure_torr - off.chamber.pressure_torr
    assert rise == pytest.approx(10 * 20 * 0.01267 / 3, rel=0.02)


def test_the_throttle_holds_a_pressure() -> None:
    """0.2 Torr within 2 % after a minute, by closing."""
    state = written(idle(), {"Throttle Valve/pressure_control": 1.0, "Throttle Valve/pressure_set": 0.2})
    held = advance(state, 6000)
    assert held.chamber.pressure_torr == pytest.approx(0.2, rel=0.02)
    assert held.vacuum.position_percent < 50.0


def test_manual_valves_move_between_runs_and_are_refused_during_one() -> None:
    """A coil opens and closes a valve and counts its pulse; with a run going it is exception 6."""
    opened = advance(written(idle(), {"Valve 3/valve_state": 1.0}), 50)
    assert opened.valves[2].is_open
    closed = advance(written(opened, {"Valve 3/valve_state": 0.0}), 1)
    assert (closed.valves[2].pulse_count, closed.valves[2].last_width_us) == (1, 500_000)
    with pytest.raises(RequestRefusedError) as caught:
        command(step(started(closed)), {"Valve 3/valve_state": 1.0})
    assert caught.value.exception_code == DEVICE_BUSY


def test_too_short_a_purge_adds_a_cvd_part() -> None:
    """At 0.3 s the gases meet: clearly more than at 5 s, where longer makes no difference."""
    short, right, long = (run_to_end(idle(cycles_of(s)))[-1].surface.mass_ng_cm2 for s in (0.3, 5.0, 10.0))
    assert short > 1.5 * right
    assert right == pytest.approx(long, rel=0.06)


def test_oxygen_grows_only_while_the_plasma_burns() -> None:
    """The plasma recipe's cycle with and without its 300 W; forward, reflected and bias are seen in between."""

    def recipe(power_w: float) -> Recipe:
        steps = (
            RecipeStep(name="TMA", duration_us=60_000, open_valve=1),
            RecipeStep(name="purge", duration_us=4_000_000),
            RecipeStep(name="plasma", duration_us=4_000_000, open_valve=6, power_w=power_w),
            RecipeStep(name="purge", duration_us=3_000_000),
        )
        return Recipe(name="plasma", steps=(Loop(name="cycle", repeat=5, steps=steps),))

    burning, dark = run_to_end(idle(recipe(300.0))), run_to_end(idle(recipe(0.0)))
    assert burning[-1].surface.nucleated_cycles > 4.5
    assert dark[-1].surface.nucleated_cycles < 1.5
    assert max(state.plasma.forward_w for state in burning) == pytest.approx(300.0, abs=1.0)
    assert burning[-1].plasma.forward_w == 0.0


def test_a_parameter_step_waits_until_the_plant_is_there_and_aborts_when_it_takes_too_long() -> None:
    """50 sccm are waited for (about a second), and 200 C more in 5 s are not waited for: aborted, cause 3."""

    def heated(parameter: str, value: float) -> Recipe:
        wait = Wait(tolerance=0.5, timeout_us=5_000_000)
        purge = RecipeStep(name="purge", duration_us=100_000)
        step_of = RecipeStep(name="set", parameter=parameter, value=value, wait=wait)
        return Recipe(name="wait", steps=(step_of, Loop(name="cycle", repeat=1, steps=(purge,))))

    flowing = run_to_end(idle(heated("MFC 1/flow_set", 50.0)))
    assert flowing[-1].run.status is RunStatus.COMPLETED
    assert 0.5e6 < flowing[-1].time_us < 2e6
    assert flowing[-1].controls.settings["MFC 1/flow_set"] == 50.0
    late = run_to_end(idle(heated("Chamber Heater/temperature_set", 400.0)))
    assert (late[-1].run.status, late[-1].run.abort_cause) == (RunStatus.ABORTED, AbortCause.TIMEOUT)
    assert late[-1].time_us == pytest.approx(5e6, abs=20_000)


def test_the_recipe_register_selects_what_a_start_runs() -> None:
    """The plasma recipe is 2, with its own cycles; a number that is not there is exception 3; none during a run."""
    library = builtin_library()
    state = standby(seed=1, recipe=al2o3(), library=library)
    chosen = written(state, {"Process/recipe_select": 2.0})
    assert signals(chosen)["Process/recipe_name"] == library[1].name
    assert chosen.controls.cycles == library[1].cycles
    for number, code in ((6.0, ILLEGAL_VALUE), (0.0, ILLEGAL_VALUE)):
        with pytest.raises(RequestRefusedError) as caught:
            command(state, {"Process/recipe_select": number})
        assert caught.value.exception_code == code
    with pytest.raises(RequestRefusedError, match="a run is going"):
        command(step(started(chosen)), {"Process/recipe_select": 1.0})


@pytest.mark.parametrize("place", range(5))
def test_every_built_in_recipe_runs_to_its_end(place: int) -> None:
    """With two passes of its main loop, from the tool's standby."""
    recipe = builtin_library()[place].with_cycles(2)
    states = run_to_end(standby(seed=1, recipe=recipe))
    assert states[-1].run.status is RunStatus.COMPLETED
    assert states[-1].surface.mass_ng_cm2 > 0.0
