"""Which process, step and cycle a scan belongs to: decided in one place, from what the tool said."""

import json
from typing import Any

import pytest

from recorder.runs.process import ProcessTracker
from recorder.runs.process_id import ProcessIdMint
from recorder.runs.run import ProcessKind, RoleValues, RunContext, RunLabels
from recorder.spool.entry import Entry

NOON = 1_700_049_600_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND
CONTEXT = RunContext(machine="tool", definitions_version="v1", time_scale=2.0)
ABORTED = 3.0


def tracker_of(state: dict[str, Any] | None = None, *, has_run_state: bool = True) -> ProcessTracker:
    """A tracker, at its very first start or after a restart."""
    return ProcessTracker(
        mint=ProcessIdMint(recorder=1),
        context=CONTEXT,
        has_run_state=has_run_state,
        running_values=(1.0, 2.0),
        aborted_values=(ABORTED,),
        state=state,
    )


def restarted(tracker: ProcessTracker, **arguments: Any) -> ProcessTracker:
    """The same tracker after a crash: all it knows has been through JSON."""
    return tracker_of(json.loads(json.dumps(tracker.state)), **arguments)


def running(counter: int | None = 5, *, state: float = 1.0, **values: Any) -> RoleValues:
    """The tool runs."""
    return RoleValues(run_state=state, run_counter=counter, recipe="Al2O3", **values)


def idle(counter: int | None = 5, *, state: float = 0.0) -> RoleValues:
    """The tool does not run."""
    return RoleValues(run_state=state, run_counter=counter)


def told(entries: list[Entry]) -> list[str]:
    """What entries tell, in a word or two each."""
    return [
        " ".join(str(e.header[key]) for key in ("event", "kind", "number", "status") if key in e.header)
        for e in entries
    ]


@pytest.fixture
def tracker() -> ProcessTracker:
    """A tracker that has seen one idle slot."""
    tracker = tracker_of()
    tracker.process_at(NOON)
    return tracker


def test_between_runs_there_is_an_idle_process() -> None:
    """Made with the first slot, and the same for the next."""
    tracker = tracker_of()
    process, entries = tracker.process_at(NOON)
    assert told(entries) == ["run_started idle"]
    assert tracker.process_at(NOON + SECOND) == (process, [])


def test_the_start_of_a_run_tells_all_that_is_known_of_it(tracker: ProcessTracker) -> None:
    """Its header holds what the table of runs stores."""
    idle_process = tracker.current
    ended, started = tracker.observe(running(), NOON + SECOND)
    assert idle_process is not None
    assert ended.header == {
        "event": "run_ended",
        "process_id": idle_process.process_id,
        "status": "completed",
        "ended_us": NOON + SECOND,
        "clock_offset_us": 0,
    }
    assert tracker.current is not None
    assert started.header == {
        "event": "run_started",
        "process_id": tracker.current.process_id,
        "kind": "recipe",
        "recipe": "Al2O3",
        "run_counter": 5,
        "started_us": NOON + SECOND,
        "operator": "",
        "lot": "",
        "substrate": "",
        "note": "",
        "machine": "tool",
        "definitions_version": "v1",
        "time_scale": 2.0,
        "clock_synchronised": True,
        "clock_offset_us": 0,
    }
    json.dumps(started.header)


def test_a_run_lasts_as_long_as_the_tool_says_so(tracker: ProcessTracker) -> None:
    """Any of the running values; a state that was not read changes nothing."""
    tracker.observe(running(), NOON)
    assert tracker.observe(running(state=2.0), NOON + 1) == []
    assert tracker.observe(RoleValues(run_counter=5), NOON + 2) == []
    assert told(tracker.observe(idle(), NOON + 3)) == ["run_ended completed"]
    assert tracker.process_at(NOON + 3)[0].kind is ProcessKind.IDLE


def test_an_aborted_run_says_so(tracker: ProcessTracker) -> None:
    """By the value of run_state with which it ended."""
    tracker.observe(running(), NOON)
    assert told(tracker.observe(idle(state=ABORTED), NOON + 1)) == ["run_ended aborted"]


def test_a_new_counter_in_mid_run_is_a_new_run(tracker: ProcessTracker) -> None:
    """The end between them was not seen."""
    tracker.observe(running(5), NOON)
    assert told(tracker.observe(running(6), NOON + 1)) == ["run_ended unknown_end", "run_started recipe"]


def test_a_counter_that_was_not_read_ends_no_run(tracker: ProcessTracker) -> None:
    """A block that failed once says nothing about the run; one that comes late is taken over."""
    tracker.observe(running(5), NOON)
    assert tracker.observe(running(None), NOON + 1) == []
    assert tracker.observe(running(5), NOON + 2) == []
    tracker.observe(idle(), NOON + 3)
    tracker.observe(running(None), NOON + 4)
    assert tracker.observe(running(6), NOON + 5) == []
    assert told(tracker.observe(running(7), NOON + 6)) == ["run_ended unknown_end", "run_started recipe"]


@pytest.mark.parametrize("counter", [5, None])
def test_the_operators_stop_wins_until_the_tool_ends(tracker: ProcessTracker, counter: int | None) -> None:
    """The tool goes on, its run is recorded no more; its next run is."""
    tracker.observe(running(counter), NOON)
    assert told(tracker.stop(NOON + 1)) == ["run_ended stopped"]
    tracker.process_at(NOON + 1)
    assert tracker.observe(running(counter), NOON + 2) == []
    assert tracker.observe(running(None), NOON + 3) == []
    tracker.observe(idle(counter), NOON + 4)
    assert told(tracker.observe(running(counter), NOON + 5)) == ["run_ended completed", "run_started recipe"]


def test_the_operators_stop_ends_with_a_new_counter(tracker: ProcessTracker) -> None:
    """A run that followed at once, its idle time between two scans, is recorded."""
    tracker.observe(running(5), NOON)
    tracker.stop(NOON + 1)
    assert told(tracker.observe(running(6), NOON + 2)) == ["run_started recipe"]


def test_the_operators_stop_survives_a_restart(tracker: ProcessTracker) -> None:
    """Or the run would be recorded again after every crash."""
    tracker.observe(running(5), NOON)
    tracker.stop(NOON + 1)
    tracker.process_at(NOON + 1)
    again = restarted(tracker)
    assert again.observe(running(5), NOON + 2) == []
    assert told(again.observe(running(6), NOON + 3)) == ["run_ended completed", "run_started recipe"]


def test_a_stopped_run_whose_counter_was_not_known_is_not_begun_again(tracker: ProcessTracker) -> None:
    """The counter that comes back belongs to it."""
    tracker.observe(running(None), NOON)
    tracker.stop(NOON + 1)
    assert tracker.observe(running(5), NOON + 2) == []
    assert told(tracker.observe(running(6), NOON + 3)) == ["run_started recipe"]


def test_a_manual_run_is_the_operators_to_start_and_end(tracker: ProcessTracker) -> None:
    """Whatever the tool does meanwhile; two at once are refused."""
    labels = RunLabels(operator="Ada", lot="L1", substrate="Si", note="first")
    ended, started = tracker.start_manual(NOON, recipe="by hand", labels=labels)
    assert told([ended, started]) == ["run_ended completed", "run_started manual"]
    assert started.header["operator"] == "Ada"
    assert started.header["recipe"] == "by hand"
    with pytest.raises(ValueError, match="is under way; stop it first"):
        tracker.start_manual(NOON + 1)
    assert tracker.observe(running(), NOON + 1) == []
    assert tracker.observe(idle(), NOON + 2) == []
    assert told(tracker.stop(NOON + 3)) == ["run_ended stopped"]
    with pytest.raises(ValueError, match="no run is under way"):
        tracker.stop(NOON + 4)


@pytest.mark.parametrize("counter", [5, None])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_manual_stop_ends_recording_though_the_tool_runs(
    tracker: ProcessTracker, counter: int | None, restarts: bool
) -> None:
    """The tool's run that it covered is not begun again, also after a restart; the next one is."""
    tracker.start_manual(NOON)
    tracker.observe(running(counter), NOON + 1)
    if restarts:
        tracker = restarted(tracker)
    tracker.stop(NOON + 2)
    assert tracker.observe(running(counter), NOON + 3) == []
    tracker.observe(idle(counter), NOON + 4)
    assert told(tracker.observe(running(counter), NOON + 5)) == ["run_started recipe"]


def test_a_stop_is_over_when_the_tool_ends_during_a_manual_run(tracker: ProcessTracker) -> None:
    """Without a counter the tool's next run would else be taken for the stopped one."""
    tracker.observe(running(None), NOON)
    tracker.stop(NOON + 1)
    tracker.start_manual(NOON + 2)
    tracker.observe(running(None), NOON + 3)
    tracker.observe(idle(None), NOON + 4)
    tracker.stop(NOON + 5)
    assert told(tracker.observe(running(None), NOON + 6)) == ["run_started recipe"]


def test_a_run_goes_on_after_a_restart_where_the_counter_agrees(tracker: ProcessTracker) -> None:
    """Same process, same step; nothing is told."""
    tracker.observe(running(5, step=3), NOON)
    before = tracker.current
    again = restarted(tracker)
    assert again.current is not None
    assert not again.current.confirmed
    assert again.observe(running(None, step=4), NOON + 1) == [], "not confirmed, so its steps are not followed yet"
    assert again.observe(running(5, step=3), NOON + 2) == []
    assert again.current == before
    assert (again.step, again.cycle) == (3, None)
    assert told(again.observe(running(5, step=4), NOON + 3)) == ["step_ended step", "step_started step 4"]


def test_a_restart_finds_another_run(tracker: ProcessTracker) -> None:
    """The old one ended while the recorder was away."""
    tracker.observe(running(5, step=3), NOON)
    entries = restarted(tracker).observe(running(6, step=1), NOON + DAY)
    assert told(entries) == [
        "step_ended step",
        "run_ended unknown_end",
        "run_started recipe",
        "step_started step 1",
    ]


def test_a_restart_finds_the_run_ended(tracker: ProcessTracker) -> None:
    """Completed or aborted where the counter still is its own, else its end is unknown."""
    tracker.observe(running(5), NOON)
    assert told(restarted(tracker).observe(idle(5), NOON + 1)) == ["run_ended completed"]
    assert told(restarted(tracker).observe(idle(5, state=ABORTED), NOON + 1)) == ["run_ended aborted"]
    assert told(restarted(tracker).observe(idle(6), NOON + 1)) == ["run_ended unknown_end"]
    assert told(restarted(tracker).observe(idle(None), NOON + 1)) == ["run_ended unknown_end"]


def test_without_a_counter_a_restart_cannot_know(tracker: ProcessTracker) -> None:
    """The run ends as unknown, and what runs now is another one."""
    tracker.observe(running(None), NOON)
    assert told(restarted(tracker).observe(running(None), NOON + 1)) == ["run_ended unknown_end", "run_started recipe"]
    assert told(restarted(tracker).observe(idle(None), NOON + 1)) == ["run_ended unknown_end"]


def test_a_manual_run_goes_on_after_a_restart(tracker: ProcessTracker) -> None:
    """Only the operator ends it, so nothing is to be asked of the tool."""
    tracker.start_manual(NOON)
    again = restarted(tracker)
    assert again.current == tracker.current
    assert again.current is not None
    assert again.current.confirmed


def test_a_recipe_run_ends_when_the_configuration_no_longer_names_a_run_state(tracker: ProcessTracker) -> None:
    """Or nobody would ever end it."""
    tracker.observe(running(), NOON)
    process, entries = restarted(tracker, has_run_state=False).process_at(NOON + 1)
    assert told(entries) == ["run_ended unknown_end", "run_started idle"]
    assert process.kind is ProcessKind.IDLE


def test_without_a_run_state_runs_are_manual() -> None:
    """What looks like a state is not followed."""
    tracker = tracker_of(has_run_state=False)
    tracker.process_at(NOON)
    assert tracker.observe(running(), NOON) == []
    assert told(tracker.start_manual(NOON + 1)) == ["run_ended completed", "run_started manual"]
    assert told(tracker.observe(running(step=1), NOON + 2)) == ["step_started step 1"]


def test_an_idle_process_ends_with_its_utc_day(tracker: ProcessTracker) -> None:
    """A run does not."""
    midnight = (NOON // DAY + 1) * DAY
    assert tracker.process_at(midnight - 1)[1] == []
    process, entries = tracker.process_at(midnight)
    assert told(entries) == ["run_ended completed", "run_started idle"]
    assert tracker.process_at(midnight) == (process, [])
    tracker.observe(running(), midnight + 1)
    assert tracker.process_at(midnight + DAY)[1] == []


def test_scans_that_come_in_either_order_around_midnight_make_one_new_day(tracker: ProcessTracker) -> None:
    """A slower device's scan from just before midnight comes after a faster one's from just behind it."""
    midnight = (NOON // DAY + 1) * DAY
    process, _ = tracker.process_at(midnight)
    assert tracker.process_at(midnight - 1) == (process, [])


def test_steps_and_cycles_follow_their_numbers(tracker: ProcessTracker) -> None:
    """Each is ended by the next of its kind, cycles by 0 too, and all by the end of the run."""
    tracker.observe(running(), NOON)
    assert told(tracker.observe(running(step=1, cycle=0), NOON + 1)) == ["step_started step 1"]
    assert tracker.observe(running(step=1, cycle=0), NOON + 2) == []
    assert told(tracker.observe(running(step=2, cycle=1), NOON + 3)) == [
        "step_ended step",
        "step_started step 2",
        "step_started cycle 1",
    ]
    assert told(tracker.observe(running(step=None, cycle=2), NOON + 4)) == ["step_ended cycle", "step_started cycle 2"]
    assert (tracker.step, tracker.cycle) == (2, 2)
    assert told(tracker.observe(running(step=2, cycle=0), NOON + 5)) == ["step_ended cycle"]
    assert told(tracker.observe(running(step=2, cycle=3), NOON + 6)) == ["step_started cycle 3"]
    entries = tracker.observe(idle(), NOON + 7)
    assert told(entries) == ["step_ended step", "step_ended cycle", "run_ended completed"]
    assert [e.header["ended_us"] for e in entries] == [NOON + 7] * 3
    assert (tracker.step, tracker.cycle) == (None, None)


def test_idle_time_has_no_steps(tracker: ProcessTracker) -> None:
    """Whatever the registers still hold."""
    assert tracker.observe(RoleValues(run_state=0.0, step=4, cycle=2), NOON) == []


def test_a_step_says_when_it_began_and_ended(tracker: ProcessTracker) -> None:
    """To the microsecond, and its end names its start, by which it is found."""
    tracker.observe(running(step=1), NOON + 1)
    ended, started = tracker.observe(running(step=2), NOON + 7)
    assert (ended.header["started_us"], ended.header["ended_us"]) == (NOON + 1, NOON + 7)
    assert (started.header["started_us"], started.header["number"]) == (NOON + 7, 2)


def test_a_process_that_has_just_begun_moves_with_the_clock(tracker: ProcessTracker) -> None:
    """Its start and its first steps; what follows counts from there."""
    tracker.observe(running(step=1), NOON)
    tracker.shift(-3600 * SECOND)
    assert tracker.current is not None
    assert tracker.current.started_us == NOON - 3600 * SECOND
    entries = tracker.observe(running(step=2), NOON - 3599 * SECOND)
    assert [e.header.get("ended_us", e.header["started_us"]) for e in entries] == [NOON - 3599 * SECOND] * 2
