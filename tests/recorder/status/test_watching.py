"""What the daemon keeps for those who watch it: recent events, the tally of a run, latency of the last minutes, why."""

from hal.health import DeviceHealth, DeviceState
from recorder.runs.tally import RunTally
from recorder.spool.entry import Entry, EntryKind, Outcome, SlotCount
from recorder.status.recent_events import KEPT, MOST_EVENTS, RecentEvents
from recorder.status.recent_latency import PERIOD_S, PERIODS, RecentLatency
from recorder.status.why import Asked, chain

SECOND_NS = 1_000_000_000


def event(kind: str, at_us: int = 1, **detail: object) -> Entry:
    """An event of the device plc."""
    header = {"event": kind, "occurred_us": at_us, "device": "plc", "detail": detail}
    return Entry(kind=EntryKind.EVENT, header=header)


async def test_events_are_told_once_in_order_and_in_pages() -> None:
    """Points are none; the begin of a run is one."""
    events = RecentEvents()
    started = {"event": "run_started", "started_us": 5, "process_id": 1, "kind": "manual"}
    step = {"event": "step_started", "started_us": 5, "process_id": 1, "number": 1}
    events.see([Entry(kind=EntryKind.PROCESS, header=started), Entry(kind=EntryKind.PROCESS, header=step)])
    events.see([event("clock_step", at_us=n) for n in range(KEPT + 5)])
    first = await events.events({})
    assert first["last"] == KEPT + 6
    assert [told["number"] for told in first["events"]] == list(range(7, 7 + MOST_EVENTS))
    last = await events.events({"epoch": first["epoch"], "since": KEPT + 5})
    assert [told["at_us"] for told in last["events"]] == [KEPT + 4]
    assert len((await events.events({"epoch": "other", "since": KEPT + 5}))["events"]) == MOST_EVENTS


def test_a_device_is_away_since_its_first_loss() -> None:
    """Until it is back."""
    events = RecentEvents()
    events.see([event("device_lost", 10), event("device_unreachable", 20)])
    assert events.down_since_us("plc") == 10
    events.see([event("device_connected", 30)])
    assert events.down_since_us("plc") is None


def counted(process: int, outcome: Outcome, slots: int, cause: str = "") -> Entry:
    """Accounting of one entry."""
    count = SlotCount(
        process_id=process,
        device="plc",
        interval_ms=100,
        minute=0,
        outcome=outcome,
        cause=cause,
        slots=slots,
        rows=slots,
    )
    return Entry(kind=EntryKind.POINTS, accounting=[count])


def test_a_tally_counts_one_process_by_outcome_and_cause() -> None:
    """A newer one begins anew; what comes late of an older one is not counted to it."""
    tally = RunTally()
    tally.see([counted(1, Outcome.COMPLETED, 5), counted(2, Outcome.COMPLETED, 7), counted(1, Outcome.FAILED, 1)])
    tally.see([counted(2, Outcome.FAILED, 2, "timeout"), counted(2, Outcome.LATE, 1)])
    assert tally.picture == {
        "process_id": 2,
        "rows": 10,
        "slots": [["completed", "", 7], ["failed", "timeout", 2], ["late", "", 1]],
        "devices": {"plc": [8, 10]},
    }


def test_latency_of_the_last_minutes_forgets_what_is_older() -> None:
    """Percentiles of one minute, the highest of each five seconds of five."""
    recent = RecentLatency()
    assert recent.summary_ms(0)["p99"] is None
    for number in range(100):
        recent.add(1000 * (number + 1), number * SECOND_NS)
    summary = recent.summary_ms(99 * SECOND_NS)
    assert summary["max"] == 100.0
    assert 40 < summary["p50"] < 80
    assert len(summary["trend"]) == PERIODS
    assert summary["trend"][-100 // PERIOD_S :] == [5.0 * (period + 1) for period in range(20)]
    later = recent.summary_ms(200 * SECOND_NS)
    assert (later["count"], later["max"]) == (0, None)
    assert 100.0 in later["trend"]


def asked(**changes: object) -> Asked:
    """A live value, but for what a test changes."""
    health = DeviceHealth(
        state=DeviceState.CONNECTED,
        last_error=None,
        connected_since_ns=0,
        next_try_ns=None,
        round_trip_ns=1,
        failures=0,
    )
    fields: dict[str, object] = {
        "name": "a/b",
        "device": "plc",
        "is_configured": True,
        "is_read": True,
        "interval_ms": 100,
        "age_us": 50_000,
        "quality": 192,
        "error": None,
        "health": health,
        "now_ns": 90 * SECOND_NS,
        "down_us": None,
        "is_frozen": False,
        "refused": (),
    }
    return Asked(**(fields | changes))  # type: ignore[arg-type]


def test_a_chain_begins_with_the_value_and_ends_with_the_device() -> None:
    """In words, from its quality to the next try."""
    assert [(r.what, r.says) for r in chain(asked())] == [
        ("value", "live: quality 192, good"),
        ("scan", "last one 0.1 s ago, due every 100 ms"),
        ("device plc", "connected for 1 min 30 s"),
    ]
    away = DeviceHealth(
        state=DeviceState.BACKING_OFF,
        last_error="plc: read: timed out",
        connected_since_ns=None,
        next_try_ns=92 * SECOND_NS,
        round_trip_ns=None,
        failures=4,
    )
    said = [f"{r.what}: {r.says}" for r in chain(asked(quality=8, health=away, down_us=4_000_000_000))]
    assert said[0] == "value: no value: quality 8, device not connected"
    assert said[2:] == [
        "device plc: not reachable, waiting for the next try, away for 1 h 06 min",
        "tries: 4 in a row failed",
        "last error: plc: read: timed out",
        "next try: in 2.0 s",
    ]


def test_a_chain_names_what_else_can_be() -> None:
    """No address, a refused one, a frozen device, a scan that is overdue."""
    assert chain(asked(is_configured=False))[0].says == "never read: its definition has no address"
    assert chain(asked(is_read=False, quality=None))[0].says == "not read yet"
    assert "refuses coil 5" in chain(asked(quality=4, refused=["coil 5"]))[2].says
    assert "stands still" in chain(asked(quality=68, is_frozen=True))[2].says
    assert "overdue" in chain(asked(age_us=9_000_000))[1].says
