"""Whatever the tool, the operator and crashes do: the entries always make whole runs."""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recorder.runs.process import ProcessTracker
from recorder.runs.process_id import ProcessIdMint
from recorder.runs.run import RoleValues, RunContext
from recorder.spool.entry import Entry

START = 1_700_049_600_000_000
SECOND = 1_000_000

counters = st.none() | st.integers(1, 3)
roles = st.builds(
    RoleValues,
    run_state=st.sampled_from([None, 0.0, 1.0, 3.0]),
    run_counter=counters,
    recipe=st.sampled_from([None, "A"]),
    step=st.none() | st.integers(0, 3),
    cycle=st.none() | st.integers(0, 3),
)
actions = st.one_of(roles, st.sampled_from(["slot", "start", "stop", "restart"]))
pauses = st.one_of(st.integers(1, 10), st.just(86_400), st.integers(-7200, 0))


@dataclass
class Ledger:
    """What a database would hold, and what must be true of it."""

    open_run: int | None = None
    began_us: int = 0
    latest_us: int = 0
    ids: list[int] = field(default_factory=list)
    open_steps: dict[str, int] = field(default_factory=dict)
    step_starts: set[tuple[int, str, int]] = field(default_factory=set)

    def take(self, entry: Entry) -> None:
        header = entry.header
        match header["event"]:
            case "run_started":
                assert self.open_run is None, "two runs at once"
                assert not self.ids or header["process_id"] > self.ids[-1]
                self.open_run = header["process_id"]
                self.ids.append(header["process_id"])
                self.began_us = self.latest_us = header["started_us"]
            case "run_ended":
                assert header["process_id"] == self.open_run, "an end without its start"
                assert header["ended_us"] >= self.latest_us
                assert not self.open_steps, "steps outlive their run"
                self.open_run = None
            case "step_started":
                self._in_run(header, header["started_us"])
                assert header["kind"] not in self.open_steps, "two steps at once"
                self.open_steps[header["kind"]] = header["started_us"]
            case "step_ended":
                self._in_run(header, header["ended_us"])
                assert self.open_steps.pop(header["kind"]) == header["started_us"]
            case other:
                raise AssertionError(other)

    def _in_run(self, header: Any, time_us: int) -> None:
        assert header["process_id"] == self.open_run, "a step of another run"
        assert time_us >= self.latest_us, "times go back"
        self.latest_us = time_us


@given(st.lists(st.tuples(actions, pauses), max_size=60), st.booleans())
def test_any_story_makes_whole_runs(story: list[tuple[RoleValues | str, int]], has_run_state: bool) -> None:
    """At most one run is open, each ends at most once, steps belong to it, times never go back, ids increase."""

    def make(state: dict[str, Any] | None) -> ProcessTracker:
        return ProcessTracker(
            mint=ProcessIdMint(recorder=1),
            context=RunContext(machine="tool", definitions_version="v"),
            has_run_state=has_run_state,
            aborted_values=(3.0,),
            state=state,
        )

    tracker, ledger, now_us = make(None), Ledger(), START
    for action, pause_s in story:
        now_us += pause_s * SECOND
        entries: list[Entry] = []
        if isinstance(action, RoleValues):
            entries += tracker.observe(action, now_us)
        elif action == "restart":
            state = json.loads(json.dumps(tracker.state))
            tracker = make(state)
            assert {**tracker.state, "current": None} == {**state, "current": None}
        elif action != "slot":
            try:
                entries += tracker.start_manual(now_us) if action == "start" else tracker.stop(now_us)
            except ValueError:
                assert (action == "start") == (tracker.current is not None and tracker.current.kind != "idle")
        process, more = tracker.process_at(now_us)
        for entry in [*entries, *more]:
            ledger.take(entry)
        assert process.process_id == ledger.open_run
        steps = {kind: True for kind in ("step", "cycle") if getattr(tracker, kind) is not None}
        assert set(steps) == set(ledger.open_steps)
