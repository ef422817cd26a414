"""Runs: a history of any length, its search, and runs by hand."""

import pytest

from recorder.console.picture import RunPicture, RunsPage
from recorder.console.run_rows import COLUMNS, RunRows
from recorder.console.words import UNICODE
from tests.console.conftest import Console, Driven
from tests.console.daemon import Daemon


async def test_the_history_is_shown_newest_first(live: Driven) -> None:
    """With status and audit verdict in words."""
    await live.press("4")
    screen = await live.until("3 runs", "lot3", "lot1", "completed", "balances")
    assert screen.index("lot3") < screen.index("lot1")
    await live.press("enter")
    await live.until("run 3", "operator: Ada", "took 0:00:59", "audit: balances")


async def test_a_hundred_thousand_runs_scroll_without_loading_all(daemon: Daemon, console: Console) -> None:
    """A few pages for what is in sight."""
    daemon.runs = 100_000
    async with daemon.serving(), console() as driven:
        await driven.until("LIVE")
        await driven.press("4")
        await driven.until("100,000 runs", "lot100000")
        await driven.press("end")
        await driven.until("lot1 ", "lot2 ")
        await driven.press("pageup", "pageup", "home")
        await driven.until("lot100000")
        assert len(daemon.asked_for("runs_page")) < 12
        assert max(request["limit"] for request in daemon.asked_for("runs_page")) <= 100


async def test_a_search_asks_the_database(daemon: Daemon, live: Driven) -> None:
    """What finds nothing says so."""
    daemon.runs = 500
    await live.press("4")
    await live.until("500 runs")
    await live.press("slash")
    await live.type("lot77")
    await live.until("1 run", "lot77", without="lot78")
    await live.type("x")
    await live.until("0 runs", "No run has that in it.")
    await live.press("escape")
    await live.until("500 runs")


async def test_a_run_is_started_with_operator_lot_and_note(daemon: Daemon, live: Driven) -> None:
    """Its operator has to be said."""
    daemon.process = {"process_id": 70, "kind": "idle", "recipe": "", "step": None, "cycle": None}
    await live.press("4", "n")
    await live.until("Start a run by hand")
    live.app.screen.query("Input").first().value = ""  # type: ignore[attr-defined]
    await live.press("tab", "tab", "L", "7", "tab", "tab", "o", "k", "enter", "enter")
    await live.until("Say who runs it.")
    live.app.screen.query("Input").first().value = "Ada"  # type: ignore[attr-defined]
    await live.press("enter")
    await live.until_told("Run 78 started.")
    asked = daemon.asked_for("runs_start")
    assert [(a["operator"], a["lot"], a["note"]) for a in asked] == [("Ada", "L7", "ok")]


async def test_a_run_is_stopped_only_after_a_question(daemon: Daemon, live: Driven) -> None:
    """A stray Enter does nothing."""
    await live.press("4", "x")
    await live.until("Stop run 77?", "The tool is not touched")
    await live.press("enter")
    await live.until("search /")
    assert not daemon.asked_for("runs_stop")
    await live.press("x", "y")
    await live.until_told("Run 77 stopped.")
    await live.press("x")
    await live.until_told("No run is under way.")


async def test_what_the_recorder_refuses_is_said(daemon: Daemon, live: Driven) -> None:
    """In its own words."""
    await live.press("4", "n")
    await live.until("Start a run by hand")
    await live.press("tab", "tab", "tab", "tab", "tab", "enter")
    await live.until_told("run 77 is under way")
    assert daemon.process is not None
    assert daemon.process["process_id"] == 77


async def test_a_database_that_is_away_spoils_this_view_alone(daemon: Daemon, live: Driven) -> None:
    """It says so, and comes back by a key."""
    daemon.database_is_away = True
    await live.press("4")
    await live.until("The history cannot be read now", "is not reachable", "LIVE")
    daemon.database_is_away = False
    await live.press("r")
    await live.until("3 runs", without="cannot be read")


async def test_a_note_is_added_to_the_run_under_the_cursor(daemon: Daemon, live: Driven) -> None:
    """With a name; it is read with the run, and the database need not be there."""
    await live.press("4")
    await live.until("3 runs")
    await live.press("down", "a")
    await live.until("Note on run 2", "it is added to what is there")
    await live.press("tab")
    live.app.screen.query("Input").last().value = "Ada"  # type: ignore[attr-defined]
    await live.press("enter", "enter")
    await live.until("Say what there is to say, and who you are.")
    live.app.screen.query("Input").first().value = "valve 3 is slow"  # type: ignore[attr-defined]
    await live.press("enter")
    await live.until_told("Run 2 has a note.")
    assert [(a["process_id"], a["text"], a["by"]) for a in daemon.asked_for("runs_note")] == [
        (2, "valve 3 is slow", "Ada")
    ]
    daemon.database_is_away = True
    await live.press("enter")
    await live.until("run 2", "Ada", "valve 3 is slow", "the database is away")


@pytest.mark.parametrize(("view", "key"), [("4", "n"), ("4", "x"), ("4", "a"), ("5", "enter")])
async def test_a_console_that_only_shows_changes_nothing(daemon: Daemon, console: Console, view: str, key: str) -> None:
    """As in a browser."""
    async with daemon.serving(), console(read_only=True) as driven:
        await driven.until("LIVE")
        await driven.press(view)
        await driven.until("runs" if view == "4" else "1 can be set")
        await driven.press(key)
        await driven.until_told("This console only shows")
    harmless = {"status", "parameters", "values", "events", "alarms", "runs_page"}
    assert {request["command"] for request in daemon.asked} <= harmless


def test_a_run_by_hand_that_ended_is_not_marked_as_bad() -> None:
    """It always ends as stopped; one that was aborted or ended without a word is."""
    rows = RunRows(UNICODE, lambda _page: None)
    runs = [RunPicture(id=at, status=status) for at, status in enumerate(("stopped", "aborted", "completed"))]
    rows.take(RunsPage(total=3, offset=0, until_us=0, rows=runs))
    marks = [str(rows.cells(at, [1] * len(COLUMNS))[0]) for at in range(3)]
    assert marks == [UNICODE.none, UNICODE.bad, UNICODE.good]
