"""A restart of the tool's PLC in mid-run: the run goes on only if the tool's counter agrees."""

import pytest

from recorder.runs.process import ProcessTracker
from recorder.runs.process_id import ProcessIdMint
from recorder.runs.run import ProcessKind, RoleValues, RunContext

RUNNING, IDLE, ABORTED = 1.0, 0.0, 3.0


def tracker_in_run(counter: int | None = 42) -> ProcessTracker:
    """A tracker with a run of the tool under way."""
    tracker = ProcessTracker(
        mint=ProcessIdMint(recorder=0),
        context=RunContext(machine="ALD", definitions_version=""),
        has_run_state=True,
        aborted_values=(ABORTED,),
    )
    tracker.observe(RoleValues(run_state=RUNNING, run_counter=counter), 1_000_000)
    return tracker


def end_of(tracker: ProcessTracker, state: float, counter: int | None) -> str | None:
    """Status with which the run ends at the next scan; None where it goes on."""
    before = tracker.current
    entries = tracker.observe(RoleValues(run_state=state, run_counter=counter), 2_000_000)
    ends = [entry.header["status"] for entry in entries if entry.header["event"] == "run_ended"]
    if not ends:
        assert tracker.current is not None
        assert before is not None
        assert tracker.current.process_id == before.process_id
    return ends[0] if ends else None


@pytest.mark.parametrize(
    ("state", "counter", "status"),
    [
        (RUNNING, 42, None),
        (RUNNING, 43, "unknown_end"),
        (RUNNING, 0, "unknown_end"),
        (IDLE, 0, "unknown_end"),
        (IDLE, 42, "unknown_end"),
        (ABORTED, 42, "aborted"),
    ],
)
def test_a_run_survives_a_restart_only_if_its_counter_agrees(state: float, counter: int, status: str | None) -> None:
    """And one that did not was not completed."""
    tracker = tracker_in_run()
    tracker.tool_restarted()
    assert end_of(tracker, state, counter) == status


def test_without_a_counter_nobody_can_know() -> None:
    """So the run ends, and what runs now is another."""
    tracker = tracker_in_run(None)
    tracker.tool_restarted()
    assert end_of(tracker, RUNNING, None) == "unknown_end"
    assert tracker.current is not None
    assert tracker.current.kind is ProcessKind.RECIPE


def test_a_run_that_survived_ends_as_it_would_have() -> None:
    """The restart is forgotten once the tool has agreed."""
    tracker = tracker_in_run()
    tracker.tool_restarted()
    assert end_of(tracker, RUNNING, 42) is None
    assert end_of(tracker, IDLE, 42) == "completed"


def test_the_operators_run_is_not_touched() -> None:
    """It is the operator's to end."""
    tracker = tracker_in_run()
    tracker.stop(1_500_000)
    tracker.start_manual(1_600_000)
    tracker.tool_restarted()
    assert tracker.current is not None
    assert tracker.current.kind is ProcessKind.MANUAL
    assert tracker.current.confirmed
