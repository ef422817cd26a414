"""The PLC's ring of events and its other memory: lot name, calibration, autotuning, restart, and time at any pace."""

import random
import struct

import pytest

from hal.parameter import RegisterKind
from simulator.event_ring import ADDRESS, ENTRY_WORDS
from simulator.events import ENTRIES, EventId
from simulator.parameter_map import definitions_path, load
from simulator.plant_faults import PlantFaults
from simulator.plc import Plc
from simulator.recipe import al2o3
from simulator.run import RunStatus
from simulator.signals import signals
from tests.simulator.plants import idle

COIL, HOLDING, INPUT = RegisterKind.COIL, RegisterKind.HOLDING_REGISTER, RegisterKind.INPUT_REGISTER
START = 40
HALF = ENTRIES // 2 * ENTRY_WORDS


@pytest.fixture
def plc() -> Plc:
    """A tool in standby with a recipe of three cycles."""
    return Plc(load(definitions_path()), idle(al2o3(3)))


def ring_of(plc: Plc) -> dict[int, tuple[int, int, float]]:
    """Read the ring by two requests and take it apart by hand: sequence to milliseconds, id, value."""
    words = [*plc.read(INPUT, ADDRESS, HALF), *plc.read(INPUT, ADDRESS + HALF, HALF)]
    entries = {}
    for place in range(ENTRIES):
        entry = words[place * ENTRY_WORDS : (place + 1) * ENTRY_WORDS]
        sequence, milliseconds = entry[0] + (entry[1] << 16), entry[2] + (entry[3] << 16)
        (value,) = struct.unpack(">f", struct.pack(">HH", entry[6], entry[5]))
        if sequence:
            assert sequence % ENTRIES == place
            entries[sequence] = (milliseconds, entry[4], value)
    return entries


def test_a_reader_of_the_ring_sees_every_event_of_a_run_once_with_its_exact_time(plc: Plc) -> None:
    """Polled each 100 ms: no sequence is missing; pulses of 100,000 us at 5.0, 8.1, 12.2 s of the run and so on."""
    plc.write(COIL, START, [1])
    seen: dict[int, tuple[int, int, float]] = {}
    while plc.state.run.status in {RunStatus.IDLE, RunStatus.RUNNING}:
        for _ in range(10):
            plc.step()
        seen |= ring_of(plc)
    head = plc.read(INPUT, 3064, 2)
    assert sorted(seen) == list(range(1, head[0] + 1))
    in_order = [seen[sequence] for sequence in sorted(seen)]
    assert in_order[0] == (0, EventId.RUN_STARTED, 1.0)
    assert in_order[-1][1:] == (EventId.RUN_COMPLETED, 1.0)
    closed = [(at, value) for at, what, value in in_order if what == EventId.VALVE_CLOSED + 1]
    assert closed == [(5_100, 100_000.0), (12_300, 100_000.0), (19_500, 100_000.0)]
    cycles = [value for _, what, value in in_order if what == EventId.CYCLE_BEGAN]
    assert cycles == [1.0, 2.0, 3.0]
    assert sum(what == EventId.PEAK_LATCHED + 2 for _, what, _ in in_order) == 3


def test_a_lot_name_is_written_as_text_and_shown_in_the_fast_block(plc: Plc) -> None:
    """Eight words, all or none."""
    words = [int.from_bytes(b"Lot 4711\0\0\0\0\0\0\0\0"[at : at + 2], "big") for at in range(0, 16, 2)]
    plc.write(HOLDING, 2184, words)
    assert plc.read(INPUT, 3056, 8) == words


def test_a_zero_calibration_takes_off_what_a_flow_controller_drifted(plc: Plc) -> None:
    """0.7 sccm at set-value 0 read 0 after the coil, which falls back by itself."""
    plc.write(HOLDING, 2086, [0, 0])
    plc.break_plant(PlantFaults(zero_drift_sccm={"MFC 1": 0.7}))
    for _ in range(500):
        plc.step()
    plc.write(COIL, 22, [1])
    assert plc.read(COIL, 22, 1) == [1]
    readings = []
    for _ in range(300):
        plc.step()
        readings.append(signals(plc.state)["MFC 1/flow_read"])
    assert plc.read(COIL, 22, 1) == [0]
    assert sum(float(reading) for reading in readings) / 300 == pytest.approx(0.0, abs=0.06)


def test_a_scale_register_changes_what_a_signal_means(plc: Plc) -> None:
    """10 V shown as 100 sccm rather than 200: the same set-value of 10 lets twice of it flow, and reads 10."""
    plc.write(HOLDING, 2080, [0x0000, 0x42C8])
    for _ in range(500):
        plc.step()
    assert plc.state.flows[0].flow_sccm == pytest.approx(20.0)
    assert signals(plc.state)["MFC 1/flow_read"] == pytest.approx(10.0, abs=0.6)


def test_autotuning_puts_the_zones_own_gains_back(plc: Plc) -> None:
    """Whatever was written to kp."""
    before = plc.read(HOLDING, 2006, 6)
    plc.write(HOLDING, 2006, [0, 0x3F80])
    assert plc.read(HOLDING, 2006, 6) != before
    plc.write(COIL, 1, [1])
    plc.step()
    assert plc.read(HOLDING, 2006, 6) == before
    assert plc.read(COIL, 1, 1) == [0]


def test_the_crystal_is_set_to_zero_by_its_coil(plc: Plc) -> None:
    """The mass reads about nothing afterwards, the frequency is what it was."""
    plc.write(COIL, START, [1])
    for _ in range(4000):
        plc.step()
    plc.write(COIL, 43, [1])
    plc.step()
    assert abs(float(signals(plc.state)["Quartz Crystal/mass"])) < 2.5
    assert float(signals(plc.state)["Quartz Crystal/frequency"]) < 5_583_588.4


def test_a_restart_begins_counters_anew_and_leaves_the_plant_as_it_was(plc: Plc) -> None:
    """In mid-run: idle, counters 0, clock 0; temperatures, pressure and set-values stay; a next start is run 1."""
    plc.write(HOLDING, 2086, [0x0000, 0x41A0])
    plc.write(COIL, START, [1])
    for _ in range(1300):
        plc.step()
    before = plc.state
    plc.restart()
    after = plc.state
    assert plc.read(INPUT, 3000, 12)[:10] == [0] * 10
    assert plc.read(INPUT, 3012, 4) == [0] * 4
    assert ring_of(plc) == {}
    assert plc.read(HOLDING, 2086, 2) == [0x0000, 0x41A0]
    assert after.chamber == before.chamber
    assert after.heaters == before.heaters
    plc.write(COIL, START, [1])
    for _ in range(600):
        plc.step()
    assert plc.state.run.counter == 1
    assert plc.state.valves[0].pulse_count == 1


@pytest.mark.parametrize("pace", [1.0, 7.3, 100.0])
def test_registers_at_equal_simulated_times_are_equal_at_any_pace_and_with_stalls(pace: float) -> None:
    """Driven in chunks as a loop at that speed would, some of them long stalls, and read at random in between."""
    chance = random.Random(pace)
    even = Plc(load(definitions_path()), idle(al2o3(2), seed=5))
    stalled = Plc(load(definitions_path()), idle(al2o3(2), seed=5))
    for plc in (even, stalled):
        plc.write(COIL, START, [1])
    done = 0
    while done < 2000:
        chunk = min(max(1, round(pace * chance.choice([0.1, 0.2, 5.0, 0.2]))), 2000 - done)
        for _ in range(chunk):
            stalled.step()
        done += chunk
        if chance.random() < 0.3:
            stalled.read(INPUT, 3000, 68)
    for _ in range(2000):
        even.step()
    assert stalled.state == even.state
    assert stalled.image == even.image
