"""What was measured under load against its goals, and where one is missed, what gave way; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from benchmarks.figure import Figure
from benchmarks.load_generator import Generated
from benchmarks.load_shape import Shape
from benchmarks.load_watch import Slots, Watched
from recorder.config.api import ApiConfig

ROW: Final = "load"
GOOD_PERCENT: Final = 99.0
_LATE_SHARE: Final = 0.1
"""A wait of this share of the goal, at the 95th percentile, is a part of what is measured."""
_POOL_SHARE: Final = 0.1
"""The whole pool in use at so many of the looks: questions waited for it."""
_WAITING_SHARE: Final = 0.2
"""An api that was ready and had no processor for so much of the time: the machine is too small, or too busy."""
_BUSY_SHARE: Final = 0.8
_MEANING: Final[Mapping[str, str]] = {
    "429": "more at one time than [api] max_requests or max_streams, or than may wait for the recorder",
    "500": "a fault of the api; its log says more",
    "503": "recorder or database away, no connection of the pool in time, or more than [api] max_connections",
    "404": "not there",
    "time-out": "no answer in time",
    "not sent": "too many searches under way already",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """All that one course of load showed.

    Attributes:
        quiet: slots of the recorder before there was any load.
        loaded: slots while there was.
        pool_max: connections that the api's pool may have.
        search_ms: the statement of a search alone, as `EXPLAIN ANALYZE` says, by what is searched.
    """

    shape: Shape
    generated: Generated
    watched: Watched
    quiet: Slots
    loaded: Slots
    pool_max: int = ApiConfig().pool_max
    search_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def missed_allowed(self) -> int:
        """Slots that may be missed under load: at the rate of the quiet time before."""
        return int(self.quiet.missed * self.loaded.seconds / self.quiet.seconds)


def figures(course: Course) -> list[Figure]:
    """The lines of the table."""
    shape, generated, watched = course.shape, course.generated, course.watched
    together = generated.together
    errors = sum(together.errors.values())
    goal_ms = shape.p95_goal_ms
    waits = f"the generator's own event loop was late by {generated.late_ms:.1f} ms at p95, "
    waits += f"{generated.longest_late_ms:.0f} at most, which is part of every time; it took "
    waits += f"{100 * generated.cpu_share:.0f} % of a core"
    course_note = f"{together.asked:,} requests in {generated.seconds:.0f} s of up to {shape.most_clients} clients, "
    course_note += f"{shape.streams} streams, {shape.runs:,} runs"
    silence_ms = f"longest silence {generated.silence_ms[0]:.0f} ms at the median stream, {generated.silence_ms[1]:.0f}"
    found = [
        Figure(
            row=ROW,
            what="ms a request, all endpoints, p95",
            value=together.p95_ms,
            digits=1,
            goal=goal_ms,
            note=course_note,
            detail=_plain(course),
        ),
        Figure(
            row=ROW,
            what="% of requests with success",
            value=100 * (1 - errors / together.asked) if together.asked else None,
            bound="at least",
            goal=GOOD_PERCENT,
            note=_errors(together.errors) or "no error",
        ),
        Figure(
            row=ROW,
            what="% of streams kept to the end",
            value=100 * generated.streams_kept / shape.streams if shape.streams else None,
            bound="at least",
            goal=GOOD_PERCENT,
            note=_errors(generated.stream_errors) or silence_ms,
        ),
        Figure(
            row=ROW,
            what="slots missed by the recorder",
            value=course.loaded.missed,
            digits=0,
            goal=course.missed_allowed,
            note=f"of {course.loaded.scheduled}; {course.quiet.missed} of {course.quiet.scheduled} without load before",
        ),
    ]
    found += [
        Figure(
            row=ROW,
            what=f"ms {endpoint}, p95",
            value=met.p95_ms,
            digits=1,
            goal=goal_ms,
            note=f"{met.asked} requests, p50 {met.p50_ms:.1f}, longest {met.longest_ms:.0f} ms",
        )
        for endpoint, met in sorted(generated.endpoints.items())
    ]
    live_ms = [watched.live_percentile_ms(percent) for percent in (50, 95, 100)]
    live_note = f"/health/live, asked by a quiet process: p50 {live_ms[0]:.1f}, longest {live_ms[2]:.0f} ms; {waits}"
    found += [
        Figure(row=ROW, what="ms the api's event loop lets wait, p95", value=live_ms[1], digits=1, note=live_note),
        Figure(
            row=ROW,
            what="% of a core, the api",
            value=100 * watched.api_share,
            digits=0,
            note=f"ready and without a processor {100 * watched.api_waiting_share:.0f} % of the time; "
            f"the recorder took {100 * watched.daemon_share:.0f} %",
        ),
        Figure(
            row=ROW,
            what="events a second, all streams",
            value=generated.events / generated.seconds,
            digits=0,
            note=f"{generated.away} said that the recorder was not heard",
        ),
    ]
    found += [
        Figure(row=ROW, what=f"ms in the database, search for {words}", value=value_ms, note="EXPLAIN ANALYZE, before")
        for words, value_ms in course.search_ms.items()
    ]
    return found


def gave_way(course: Course, found: Sequence[Figure]) -> list[str]:
    """What gave way, the likely cause of the others first; nothing where every goal is reached."""
    if all(figure.is_reached is not False for figure in found):
        return []
    return [
        *_generator(course),
        *_machine(course),
        *_event_loop(course),
        *_pool(course),
        *_requests(course),
        *_latency(course),
        *_slots(course),
    ]


def _generator(course: Course) -> list[str]:
    generated = course.generated
    if generated.late_ms < _LATE_SHARE * course.shape.p95_goal_ms and generated.cpu_share < _BUSY_SHARE:
        return []
    return [
        (
            f"generator: its event loop was late by {generated.late_ms:.0f} ms at p95 and took "
            f"{100 * generated.cpu_share:.0f} % of a core, so these times are not the api's alone"
        )
    ]


def _machine(course: Course) -> list[str]:
    share = course.watched.api_waiting_share
    if share < _WAITING_SHARE:
        return []
    return [f"processors: the api was ready and had none {100 * share:.0f} % of the time; other processes took them"]


def _event_loop(course: Course) -> list[str]:
    watched = course.watched
    late_ms = watched.live_percentile_ms(95)
    if late_ms < _LATE_SHARE * course.shape.p95_goal_ms and watched.api_share < _BUSY_SHARE and not watched.lost:
        return []
    lost = f", {watched.lost} times without an answer" if watched.lost else ""
    return [
        (
            f"event loop of the api: /health/live, which asks nobody, took {late_ms:.0f} ms at p95{lost}; the api took "
            f"{100 * watched.api_share:.0f} % of a core"
        )
    ]


def _pool(course: Course) -> list[str]:
    looks = course.generated.pool_used
    full = sum(used >= course.pool_max for used in looks)
    if not looks or full < _POOL_SHARE * len(looks):
        return []
    slowest = max(course.watched.statement_ms.items(), key=lambda item: item[1], default=None)
    statement = "" if slowest is None else f"; slowest statement {slowest[0]}, {slowest[1]:.1f} ms at the mean"
    return [f"pool of the api: all {course.pool_max} connections in use at {full} of {len(looks)} looks{statement}"]


def _requests(course: Course) -> list[str]:
    generated, shape = course.generated, course.shape
    lines = [
        f"errors: {endpoint}: {_errors(met.errors)}"
        for endpoint, met in sorted(generated.endpoints.items())
        if sum(met.errors.values()) > (1 - GOOD_PERCENT / 100) * met.asked
    ]
    if generated.streams_kept < shape.streams * GOOD_PERCENT / 100:
        lines.append(
            f"streams: {shape.streams - generated.streams_kept} were not kept: {_errors(generated.stream_errors)}"
        )
    return lines


def _latency(course: Course) -> list[str]:
    slow = {
        endpoint: met.p95_ms
        for endpoint, met in course.generated.endpoints.items()
        if met.p95_ms > course.shape.p95_goal_ms
    }
    slowest_first = sorted(slow.items(), key=lambda item: -item[1])
    return [f"latency: {endpoint} took {p95_ms:.0f} ms at p95" for endpoint, p95_ms in slowest_first]


def _slots(course: Course) -> list[str]:
    if course.loaded.missed <= course.missed_allowed:
        return []
    return [
        (
            f"slots: the recorder missed {course.loaded.missed} of {course.loaded.scheduled}, {course.quiet.missed} of "
            f"{course.quiet.scheduled} without load; it took {100 * course.watched.daemon_share:.0f} % of a core"
        )
    ]


def _errors(errors: Mapping[str, int]) -> str:
    most_first = sorted(errors.items(), key=lambda item: -item[1])
    return ", ".join(
        f"{count} times {what}" + (f" ({_MEANING[what]})" if what in _MEANING else "") for what, count in most_first
    )


def _plain(course: Course) -> dict[str, object]:
    """Everything, for ``--json``; of the looks at the pool their number."""
    looks = course.generated.pool_used
    generated = asdict(course.generated)
    generated["pool_used"] = {"looks": len(looks), "most": max(looks, default=0), "max": course.pool_max}
    watched = asdict(course.watched)
    del watched["live_ms"]
    return {
        "shape": asdict(course.shape),
        "generated": generated,
        "watched": watched,
        "quiet": asdict(course.quiet),
        "loaded": asdict(course.loaded),
    }
