"""The load upon the api: its short form runs whole, and where a goal is missed it says what gave way."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.load import measure
from benchmarks.load_generator import METRICS, PAGE, RUN, SEARCH, STATUS, VALUES, Generated, Met
from benchmarks.load_shape import FULL, SHORT, Shape
from benchmarks.load_verdict import Course, figures, gave_way
from benchmarks.load_watch import Slots, Watched
from benchmarks.rig import ROOT, server

pytestmark = pytest.mark.alone

ENDPOINTS = {METRICS, PAGE, RUN, SEARCH, STATUS, VALUES}
FINE = Met(asked=1000, p50_ms=5, p95_ms=20, longest_ms=100, errors={})


@pytest.mark.parametrize("shape", [FULL, SHORT])
def test_clients_come_and_go_as_the_stages_say(shape: Shape) -> None:
    """Half of them over the first stage, the others over the third, and all leave over the last, the last first."""
    spans = [shape.span_s(number) for number in range(shape.most_clients)]

    def there(at_s: float) -> int:
        return sum(begins_s <= at_s < ends_s for begins_s, ends_s in spans)

    at_s = 0.0
    for clients, seconds in shape.stages:
        at_s += seconds
        assert there(at_s) == clients
    assert there(0) == 0
    first_s = shape.stages[0][1]
    assert there(first_s / 2) == pytest.approx(shape.stages[0][0] / 2, abs=1)
    assert all(0 <= begins_s < ends_s <= shape.seconds for begins_s, ends_s in spans)
    assert spans[-1][1] == min(ends_s for _, ends_s in spans)


@pytest.mark.timeout(300)
def test_the_short_form_runs_and_its_figures_are_whole(short_directory: Path) -> None:
    """By its command: every endpoint was asked, everything was answered, every stream is kept, and nothing is left."""
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", "--short", "--json", "--folder", short_directory],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    content = json.loads(said.stdout)
    of = {figure["what"]: figure for figure in content["figures"]}
    assert all(figure["value"] is not None for figure in of.values()), of
    assert of["% of requests with success"]["is_reached"], content
    assert of["% of streams kept to the end"]["is_reached"], content
    assert {f"ms {endpoint}, p95" for endpoint in ENDPOINTS} <= of.keys()
    detail = of["ms a request, all endpoints, p95"]["detail"]
    generated = detail["generated"]
    assert generated["endpoints"].keys() == ENDPOINTS
    assert generated["together"]["asked"] == sum(met["asked"] for met in generated["endpoints"].values())
    assert generated["endpoints"][SEARCH]["asked"] == int(SHORT.searches_a_minute * SHORT.seconds / 60)
    assert generated["events"] > SHORT.streams
    assert detail["loaded"]["scheduled"] > detail["quiet"]["scheduled"] > 0
    assert detail["watched"]["statement_ms"]["api_runs"] > 0
    assert detail["watched"]["hits"].keys() == {"run_list", "run"}
    assert bool(content["gave_way"]) == any(figure["is_reached"] is False for figure in of.values())
    assert not list(short_directory.iterdir())


@pytest.mark.timeout(180)
async def test_a_goal_that_cannot_be_reached_names_what_gave_way(short_directory: Path) -> None:
    """More streams than the api allows, and answers in a microsecond: the limit is named, and each slow endpoint."""
    shape = dataclasses.replace(
        SHORT, stages=((6, 1), (6, 2), (0, 1)), pause_s=0.2, streams=20, runs=50, quiet_s=1, p95_goal_ms=0.001
    )
    with server(short_directory) as place:
        found, lines = await measure(place, shape, {"max_streams": 5})
    [streams] = [line for line in lines if line.startswith("streams: ")]
    assert streams.startswith("streams: 15 were not kept: 15 times 429 (more at one time than [api] max_requests")
    late = {line.removeprefix("latency: ").partition(" took ")[0] for line in lines if line.startswith("latency: ")}
    assert late == ENDPOINTS
    [kept] = [figure for figure in found if figure.what == "% of streams kept to the end"]
    assert kept.value == 25
    assert kept.verdict == "MISSED"


def _course(**changes: object) -> Course:
    generated = Generated(
        seconds=20,
        together=FINE,
        endpoints={PAGE: FINE, SEARCH: FINE},
        streams_kept=SHORT.streams,
        stream_errors={},
        events=8000,
        away=0,
        silence_ms=(300, 500),
        late_ms=1,
        longest_late_ms=9,
        cpu_share=0.1,
        pool_used=[1, 2, 1],
    )
    watched = Watched(live_ms=[2.0] * 100, statement_ms={"api_runs": 3.0, "api_run": 81.5})
    of_generated = {name: value for name, value in changes.items() if name in Generated.__dataclass_fields__}
    of_watched = {name: value for name, value in changes.items() if name in Watched.__dataclass_fields__}
    of_course = {name: value for name, value in changes.items() if name in {"loaded", "quiet"}}
    course = Course(
        shape=SHORT,
        generated=dataclasses.replace(generated, **of_generated),  # type: ignore[arg-type]
        watched=dataclasses.replace(watched, **of_watched),  # type: ignore[arg-type]
        quiet=Slots(seconds=4, scheduled=40, missed=0, late=0),
        loaded=Slots(seconds=20, scheduled=200, missed=0, late=0),
    )
    return dataclasses.replace(course, **of_course)  # type: ignore[arg-type]


SLOW = dataclasses.replace(FINE, p95_ms=812)
REFUSED = dataclasses.replace(FINE, errors={"503": 40, "time-out": 2})
TOO_SLOW = {"endpoints": {PAGE: FINE, SEARCH: SLOW}, "together": SLOW}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "latency: /api/runs?search= took 812 ms at p95"),
        ({"late_ms": 60}, "generator: its event loop was late by 60 ms at p95"),
        ({"cpu_share": 0.95}, "generator: its event loop was late by 1 ms at p95 and took 95 % of a core"),
        ({"api_waiting_share": 0.4}, "processors: the api was ready and had none 40 % of the time"),
        (
            {"live_ms": [90.0] * 100, "api_share": 0.97},
            "event loop of the api: /health/live, which asks nobody, took 90 ms",
        ),
        ({"lost": 3}, "took 2 ms at p95, 3 times without an answer"),
        (
            {"pool_used": [5, 5, 1]},
            "pool of the api: all 5 connections in use at 2 of 3 looks; slowest statement api_run, 81.5",
        ),
        (
            {"endpoints": {PAGE: REFUSED, SEARCH: SLOW}, "together": REFUSED},
            "errors: /api/runs: 40 times 503 (recorder or",
        ),
        (
            {"loaded": Slots(seconds=20, scheduled=200, missed=7, late=0)},
            "slots: the recorder missed 7 of 200, 0 of 40",
        ),
    ],
)
def test_each_cause_is_named(changes: dict[str, object], said: str) -> None:
    """Only the one that is there, beside the latency that shows it."""
    course = _course(**{**TOO_SLOW, **changes})
    lines = gave_way(course, figures(course))
    assert any(said in line for line in lines), lines
    assert len(lines) == (2 if changes else 1)


def test_nothing_gave_way_where_every_goal_is_reached() -> None:
    """However busy the generator was: it is said in a note."""
    course = _course(late_ms=60)
    found = figures(course)
    assert gave_way(course, found) == []
    assert any("late by 60.0 ms" in figure.note for figure in found)


@pytest.mark.parametrize(("quiet_missed", "verdict"), [(0, "MISSED"), (1, "MISSED"), (2, "reached")])
def test_slots_are_set_against_those_missed_without_load(quiet_missed: int, verdict: str) -> None:
    """At the same rate, whatever the lengths are."""
    course = _course(
        quiet=Slots(seconds=4, scheduled=40, missed=quiet_missed, late=0),
        loaded=Slots(seconds=20, scheduled=200, missed=7, late=0),
    )
    [missed] = [figure for figure in figures(course) if figure.what == "slots missed by the recorder"]
    assert missed.verdict == verdict
