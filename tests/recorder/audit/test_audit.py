"""An audit, set on runs that are whole and on runs that were damaged on purpose: it names each damage, and no other."""

import json
from datetime import timedelta

import pytest

from recorder.audit.audit import Audit, Verdict, store
from recorder.audit.text import audit_page
from recorder.database import single_session
from recorder.errors import UsageError
from sql import load_query
from sql.literal import with_arguments
from tests.recorder.audit_runs import NOON, PARAMETERS, RUN, SLOTS, AuditBench, at

ROWS = SLOTS * PARAMETERS
AFTER = RUN + 4096 * 1024


def codes(audited: Audit) -> list[str]:
    """What was found, by code."""
    return [finding.code for finding in audited.findings]


async def test_a_whole_run_balances(bench: AuditBench) -> None:
    """Every slot completed, every row there: no gap, no finding, and so for the idle times around it."""
    audited = await bench.audit()
    assert (audited.verdict, audited.line, audited.findings) == (Verdict.BALANCES, "balances", [])
    assert (audited.scheduled, audited.outcomes["completed"], audited.gap_count) == (SLOTS, SLOTS, 0)
    assert (audited.rows_expected, audited.figures.rows_stored) == (ROWS, ROWS)
    for idle in (RUN - 4096 * 1024, AFTER):
        assert (await bench.audit(idle)).verdict is Verdict.BALANCES


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        pytest.param(
            "DELETE FROM process_data_points WHERE process_id = $1 AND parameter_id = 2"
            " AND \"timestamp\" = '2026-11-02 12:01:30.002Z'",
            {"rows_missing": "1 row missing of plc from"},
            id="a row deleted",
        ),
        pytest.param(
            "INSERT INTO process_data_points SELECT * FROM process_data_points WHERE process_id = $1"
            " AND parameter_id = 2 AND \"timestamp\" = '2026-11-02 12:01:30.002Z'",
            {"rows_too_many": "1 row too many of plc from", "rows_twice": "1 row stored twice"},
            id="a row doubled",
        ),
        pytest.param(
            "UPDATE process_data_points SET parameter_id = 1 WHERE process_id = $1"
            " AND parameter_id = 2 AND \"timestamp\" = '2026-11-02 12:01:30.002Z'",
            {"rows_twice": "1 row stored twice"},
            id="a row in another's place",
        ),
        pytest.param(
            "DELETE FROM acquisition_minutes WHERE process_id = $1 AND minute = '2026-11-02 12:01:00Z'",
            {
                "slots_unaccounted": "plc, every 100 ms: 600 slots from",
                "rows_too_many": "1800 rows too many",
            },
            id="a minute of the accounting deleted",
        ),
        pytest.param(
            "DELETE FROM acquisition_minutes WHERE process_id = $1 AND minute = '2026-11-02 12:02:00Z'",
            {
                "slots_unaccounted": "plc, every 100 ms: 300 slots after its last one",
                "rows_too_many": "900 rows too many",
            },
            id="the last minute of the accounting deleted",
        ),
        pytest.param(
            "DELETE FROM acquisition_minutes WHERE process_id = $1 AND minute = '2026-11-02 12:00:00Z'",
            {
                "slots_unaccounted": "plc, every 100 ms: 600 slots before its first one",
                "rows_too_many": "1800 rows too many",
            },
            id="the first minute of the accounting deleted",
        ),
        pytest.param(
            "DELETE FROM acquisition_minutes WHERE process_id = $1",
            {"slots_unaccounted": "all 1500 slots of the run", "rows_too_many": "4500 rows too many"},
            id="all accounting deleted",
        ),
        pytest.param(
            "UPDATE acquisition_minutes SET slots = slots + 1"
            " WHERE process_id = $1 AND minute = '2026-11-02 12:01:00Z'",
            {"slots_miscounted": "1501 slots are counted, but 1500 are named"},
            id="a slot counted twice",
        ),
        pytest.param(
            "INSERT INTO process_data_points VALUES ('2026-11-02 20:00Z', $1 + 77, 1, NULL, 1, 192)",
            {"orphan_points": f"1 point of these days of process {RUN + 77}, which is no run"},
            id="a point of no run",
        ),
        pytest.param(
            "INSERT INTO process_steps (process_id, kind, started_at, number)"
            " VALUES ($1 + 77, 'step', '2026-11-02 12:00Z', 1)",
            {"orphan_steps": f"1 step of these days of process {RUN + 77}, which is no run"},
            id="a step of no run",
        ),
        pytest.param(
            "UPDATE process_data_points SET \"timestamp\" = '2026-11-03 13:00Z' WHERE process_id = $1"
            " AND parameter_id = 2 AND \"timestamp\" = '2026-11-02 12:01:30.002Z'",
            {"rows_missing": "1 row missing of plc", "rows_far_outside": "1 row outside of the run"},
            id="a time shifted to another day",
        ),
        pytest.param(
            "UPDATE process_data_points SET \"timestamp\" = '2026-11-02 12:03:00Z' WHERE process_id = $1"
            " AND parameter_id = 2 AND \"timestamp\" = '2026-11-02 12:01:30.002Z'",
            {"rows_outside": "1 row more than 10 s before the run's start or after its end"},
            id="a time shifted past the end",
        ),
        pytest.param(
            "UPDATE process_runs SET ended_at = '2026-11-02 12:02Z' WHERE id = $1",
            {"rows_outside": "600 rows more than 10 s"},
            id="an end before the last row",
        ),
        pytest.param(
            "UPDATE process_data_points SET parameter_id = 4711 WHERE process_id = $1 AND parameter_id = 2",
            {"rows_of_no_parameter": "1500 rows of no parameter of the machine: 4711"},
            id="rows of no parameter",
        ),
        pytest.param(
            "UPDATE process_runs SET ended_at = NULL, status = 'running' WHERE id = $1",
            {"never_ended": f"process {AFTER} of the same recorder began after it"},
            id="an end that is missing",
        ),
    ],
)
async def test_damage_is_named(bench: AuditBench, damage: str, found: dict[str, str]) -> None:
    """Exactly the findings that the damage is, each in words with figures."""
    statement = damage.replace("$1", str(RUN))
    assert (await bench.sql.execute(statement)).split()[-1] != "0", "the damage was done"
    audited = await bench.audit()
    assert audited.verdict is Verdict.DOES_NOT_BALANCE
    assert {finding.code: finding.text for finding in audited.findings}.keys() == found.keys()
    for finding in audited.findings:
        assert found[finding.code] in finding.text
    assert audited.line.startswith(f"does not balance: {audited.findings[0].text}")


async def test_the_minute_of_a_missing_row_is_said(bench: AuditBench) -> None:
    """So that somebody can look there."""
    await bench.sql.execute('DELETE FROM process_data_points WHERE parameter_id = 2 AND "timestamp" = $1', at(900.02))
    (difference,) = (await bench.audit()).figures.differences
    assert (difference["device"], difference["expected"] - difference["stored"]) == ("plc", 1)
    assert difference["first_minute"] == difference["last_minute"] == NOON + timedelta(minutes=1)


async def test_rows_in_quarantine_are_expected_and_not_missing(bench: AuditBench) -> None:
    """Their minute no longer counts them; the page says how many wait there."""
    await bench.sql.execute('DELETE FROM process_data_points WHERE parameter_id = 2 AND "timestamp" = $1', at(900.02))
    await bench.sql.execute(
        "UPDATE acquisition_minutes SET rows = rows - 1 WHERE process_id = $1 AND minute = $2", RUN, at(600)
    )
    await bench.sql.execute(
        "INSERT INTO recorder_quarantine"
        " (stream_id, sequence, kind, row_count, sqlstate, error, process_id, slot_counts)"
        " VALUES (gen_random_uuid(), 1, 'row', 1, '22003', 'out of range', $1, '[]')",
        RUN,
    )
    audited = await bench.audit()
    assert audited.line == "balances"
    rows = audited.to_plain()["rows"]
    assert rows == {"expected": ROWS, "stored": ROWS - 1, "quarantined": 1}
    assert "  in quarantine                          1" in audit_page(audited)
    async with single_session(bench.url, "ald") as session:
        await store(session, audited)
        await session.execute("leave_quarantine", [1])
        waiting = await session.fetch("audit_waiting", 1, 10)
    assert RUN in {row["id"] for row in waiting}, "what comes late has the run audited again"


async def test_slots_without_values_are_gaps_right_to_the_slot(bench: AuditBench) -> None:
    """Each cause for itself, joined across minutes; failed slots have their rows, the others none; and it balances."""
    await bench.sql.execute("DELETE FROM process_data_points WHERE process_id = $1", RUN)
    await bench.sql.execute("DELETE FROM acquisition_minutes WHERE process_id = $1", RUN)
    away, down, late = range(500, 700), range(1190, 1205), (300, 302)
    special = {*away, *down, *late, 303}
    await bench.slots(RUN, [slot for slot in range(SLOTS) if slot not in special])
    await bench.slots(RUN, away, "failed", "not_connected")
    await bench.slots(RUN, down, "skipped", "recorder_down", rows=0)
    await bench.slots(RUN, late, "late")
    await bench.slots(RUN, [303], "shed", "spool_full", rows=0)
    audited = await bench.audit()
    assert audited.line == "balances"
    assert audited.scheduled == SLOTS
    assert audited.outcomes == {"completed": SLOTS - 218, "late": 2, "failed": 200, "skipped": 15, "shed": 1}
    assert [(gap.outcome, gap.cause, gap.slots, gap.started_at, gap.ended_at) for gap in audited.gaps] == [
        ("shed", "spool_full", 1, at(303), at(304)),
        ("failed", "not_connected", 200, at(500), at(700)),
        ("skipped", "recorder_down", 15, at(1190), at(1205)),
    ]


async def test_times_of_gaps_follow_the_clock(bench: AuditBench) -> None:
    """Where UTC was led by 400 ppm over ten minutes, a gap at the end is as much later than its slot's number says."""
    run, first, last = AFTER + 4096, 5000, 10_998
    await bench.process(run, "recipe", first, last)
    await bench.slots(run, [last], "skipped", "overrun", rows=0)
    await bench.slots(run, [last + 1])
    await bench.sql.execute("UPDATE process_runs SET ended_at = $2 WHERE id = $1", run, at(last + 3))
    await bench.sql.execute(
        'UPDATE process_data_points SET "timestamp" = "timestamp" + ("timestamp" - $2::timestamptz) * 0.0004'
        " WHERE process_id = $1",
        *(run, at(first)),
    )
    audited = await bench.audit(run)
    assert codes(audited) == []
    (gap,) = audited.gaps
    led = timedelta(seconds=(last - first) / 10 * 0.0004)
    assert gap.started_at - at(last) == pytest.approx(led, abs=timedelta(milliseconds=1))
    assert led > timedelta(milliseconds=200)


async def test_a_run_under_way_is_open_and_its_verdict_is_not_kept(bench: AuditBench) -> None:
    """With its figures so far; what is wrong already is said already."""
    await bench.process(AFTER + 1, "recipe", SLOTS + 50, SLOTS + 80, ended=False)
    async with single_session(bench.url, "ald") as session:
        audited = await bench.audit(AFTER + 1)
        await store(session, audited)
        assert (audited.verdict, audited.scheduled) == (Verdict.OPEN, 30)
        assert audit_page(audited).splitlines()[-1].startswith("still running, open: 30 slots and 90 rows so far")
        verdict = await bench.sql.fetchval("SELECT audit_verdict FROM process_runs WHERE id = $1", AFTER + 1)
        assert verdict is None
    await bench.sql.execute("DELETE FROM process_data_points WHERE process_id = $1 AND parameter_id = 3", AFTER + 1)
    assert codes(await bench.audit(AFTER + 1)) == ["rows_missing"]


async def test_where_no_process_follows_the_end_of_the_run_tells(bench: AuditBench) -> None:
    """Slots that are missing at its end by minutes; unless an event says that their plan was changed at a restart."""
    await bench.sql.execute("DELETE FROM process_runs WHERE id = $1", AFTER)
    await bench.sql.execute("DELETE FROM process_data_points WHERE process_id = $1", AFTER)
    assert (await bench.audit()).line == "balances"
    await bench.sql.execute('DELETE FROM process_data_points WHERE process_id = $1 AND "timestamp" > $2', RUN, at(1200))
    await bench.sql.execute("DELETE FROM acquisition_minutes WHERE process_id = $1 AND minute >= $2", RUN, at(1200))
    (finding,) = (await bench.audit()).findings
    assert finding.text == "plc, every 100 ms: 300 slots after its last one ended in no outcome"
    await bench.sql.execute(
        "INSERT INTO recorder_events (recorder, occurred_at, kind, process_id, detail)"
        " VALUES (1, $1, 'plan_changed', $2, $3)",
        *(at(1200), RUN, json.dumps({"dropped": ["plc/100"], "added": ["plc/200"]})),
    )
    assert (await bench.audit()).line == "balances"


async def test_a_verdict_is_kept_with_its_run_and_can_be_had_again(bench: AuditBench) -> None:
    """The line as text, the whole report as JSON; a second one replaces it."""
    await bench.sql.execute('DELETE FROM process_data_points WHERE parameter_id = 2 AND "timestamp" = $1', at(900.02))
    async with single_session(bench.url, "ald") as session:
        await store(session, await bench.audit())
        (row,) = await bench.sql.fetch("SELECT * FROM process_runs WHERE id = $1", RUN)
        assert row["audit_verdict"].startswith("does not balance: 1 row missing of plc from")
        assert json.loads(row["audit"])["rows"] == {"expected": ROWS, "stored": ROWS - 1, "quarantined": 0}
        await bench.sql.execute("INSERT INTO process_data_points VALUES ($1, $2, 1.5, NULL, 2, 192)", at(900.02), RUN)
        await store(session, await bench.audit())
    (again,) = await bench.sql.fetch("SELECT * FROM process_runs WHERE id = $1", RUN)
    assert (again["audit_verdict"], again["audited_at"] > row["audited_at"]) == ("balances", True)


async def test_numbers_that_were_set_right_by_the_clock_are_no_loss(bench: AuditBench) -> None:
    """One slot is what the clock can be led in a run this long; more must be a step that the times show too."""
    base = round(NOON.timestamp() * 10) + SLOTS
    for moved, expected in ((1, []), (5, ["slots_unaccounted"]), (-1, []), (-5, ["slots_in_two_processes"])):
        await bench.sql.execute(
            "UPDATE acquisition_minutes SET slots_at = int8multirange(int8range($2, $3)) WHERE process_id = $1",
            *(AFTER, base + moved, base + moved + 50),
        )
        assert codes(await bench.audit()) == expected, moved
    await bench.sql.execute("UPDATE process_runs SET started_at = started_at - interval '500 ms' WHERE id = $1", AFTER)
    assert codes(await bench.audit()) == []


async def test_a_run_of_an_older_release_is_audited_by_counts_alone(bench: AuditBench) -> None:
    """It kept no numbers; what it kept must agree, and the page says so."""
    await bench.sql.execute("UPDATE acquisition_minutes SET slots_at = NULL")
    audited = await bench.audit()
    assert (audited.line, audited.scheduled) == ("balances", SLOTS)
    assert "did not number its slots" in audit_page(audited)


async def test_a_page_fits_80_columns_and_ends_with_its_verdict(bench: AuditBench) -> None:
    """A customer can sign it."""
    page = audit_page(await bench.audit()).splitlines()
    assert max(map(len, page)) <= 80
    assert page[0] == f"Audit of run {RUN}"
    assert page[-1] == f"balances: {SLOTS} slots and {ROWS} rows, each accounted for once"
    await bench.sql.execute('DELETE FROM process_data_points WHERE parameter_id = 2 AND "timestamp" = $1', at(900.02))
    page = audit_page(await bench.audit()).splitlines()
    assert max(map(len, page)) <= 80
    assert page[-1] == "DOES NOT BALANCE: 1 fault, named above"
    assert any(line.startswith("  fault       1 row missing of plc from 2026-11-02") for line in page)


async def test_a_run_that_is_not_there_is_wrong_use(bench: AuditBench) -> None:
    """In one line."""
    with pytest.raises(UsageError, match="there is no run 5"):
        await bench.audit(5)


@pytest.mark.parametrize("name", ["audit_rows", "audit_duplicates", "audit_differences"])
async def test_only_the_days_of_a_run_are_touched(bench: AuditBench, name: str) -> None:
    """Of three days, the one of the run, by the plan as it was executed."""
    window = [NOON - timedelta(minutes=1), at(SLOTS) + timedelta(minutes=1)]
    statement = with_arguments(load_query(name), [RUN, *window, *(window if name == "audit_rows" else (10,))])
    plan = [row[0] for row in await bench.sql.fetch(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement}")]
    touched = [line for line in plan if "process_data_points_2026" in line and "never executed" not in line]
    assert touched
    assert all("20261102" in line for line in touched), plan


async def test_orphans_are_looked_for_by_steps_through_the_index(bench: AuditBench) -> None:
    """One step a process, whatever points it has."""
    statement = with_arguments(load_query("audit_orphan_points"), [at(-432_000), at(432_000), 10])
    await bench.sql.execute("SET enable_seqscan = off")
    plan = [row[0] for row in await bench.sql.fetch(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement}")]
    (found,) = [line for line in plan if "CTE Scan on found" in line]
    assert "rows=4" in found, plan  # the three processes, and the end
