"""The fourth view: the history of runs, and runs by hand."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from recorder.console.alarm_list import login_name
from recorder.console.dialogs import ConfirmDialog, FieldsDialog, Line, TextDialog
from recorder.console.feed import News
from recorder.console.filter_bar import FilterBar
from recorder.console.picture import NotesPicture, RunsPage, StatusPicture
from recorder.console.row_list import RowList
from recorder.console.run_rows import COLUMNS, PAGE, RunRows
from recorder.console.view import View
from recorder.console.words import clock_span, local, whole
from recorder.errors import RecorderError

_FIELDS: Final = {
    "operator": "operator",
    "recipe": "recipe",
    "lot": "lot",
    "substrate": "substrate",
    "note": "note",
}


class RunsView(View):
    """A list of runs with a search in the database."""

    title = "Runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Search"),
        Binding("n", "start", "Start a run"),
        Binding("x", "stop", "Stop the run"),
        Binding("a", "note", "Add a note"),
        Binding("r", "reload", "Reload"),
        Binding("escape", "clear", "Clear", show=False),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002  (textual's word)
        super().__init__(id=id)
        self._asked: set[int] = set()
        self._process: int | None = None
        self._generation = 0

    def compose(self) -> ComposeResult:
        """Search, list, and what is wrong with the database."""
        self._rows = RunRows(self.glyphs, self._need)
        yield FilterBar("search /", "run, recipe, operator, lot, substrate, note")
        yield Static("", classes="hint")
        yield RowList(COLUMNS, self._rows)

    def take_focus(self) -> None:
        """The keys move the cursor."""
        self.screen.set_focus(self.query_one(RowList))

    def take_news(self, news: News) -> None:
        """The first page when the view comes to the front, and when a run begins or ends."""
        process = self.board.process
        now = None if process is None else process.process_id
        if news is News.PARAMETERS or now != self._process:
            self._process = now
            self.action_reload()

    def action_reload(self) -> None:
        """Ask for the history anew."""
        self._generation += 1
        self._asked.clear()
        self._rows.begin()
        self._need(0)

    def _need(self, page: int) -> None:
        if page not in self._asked:
            self._asked.add(page)
            self.run_worker(self._fetch(page, self._generation), exclusive=False)

    async def _fetch(self, page: int, generation: int) -> None:
        text, bar = self.query_one(FilterBar).text, self.query_one(FilterBar)
        hint = self.query_one(".hint", Static)
        try:
            found = await self.console.ask(
                RunsPage,
                "runs_page",
                offset=page * PAGE,
                limit=PAGE,
                search=text,
                until_us=self._rows.until_us,
            )
        except RecorderError as error:
            hint.update(Text(f"The history cannot be read now: {error}", "bold red"))
            hint.add_class("-shown")
            self._asked.discard(page) if page else None
            return
        if generation != self._generation:
            return
        self._asked.discard(page)
        self._rows.take(found)
        bar.show_count(f"{whole(found.total)} {'run' if found.total == 1 else 'runs'}")
        hint.update(Text("No run is recorded yet." if not text else "No run has that in it."))
        hint.set_class(found.total == 0, "-shown")
        self.query_one(RowList).update_rows()

    def on_filter_bar_changed(self) -> None:
        """Each key searches; an answer that came too late is dropped."""
        self.query_one(RowList).cursor = 0
        self.action_reload()

    def on_filter_bar_left(self) -> None:
        """The list has the keys again."""
        self.take_focus()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Show one run."""
        run = self._rows.at(event.row)
        if run is None:
            return
        ended = "running" if run.ended_at is None else f"took {clock_span((run.ended_at - run.started_at) / 1e6)}"
        lines: list[Line] = [
            f"{run.kind} {run.recipe}, {run.status.replace('_', ' ')}",
            f"{local(run.started_at, date=True)}, {ended}",
        ]
        lines += [
            f"{label}: {text}"
            for label, text in (
                ("operator", run.operator),
                ("lot", run.lot),
                ("substrate", run.substrate),
                ("note", run.note),
                ("audit", (run.audit_verdict or "not audited yet").replace("_", " ")),
            )
            if text
        ]

        async def fetch() -> Sequence[Line]:
            try:
                found = await self.console.ask(NotesPicture, "runs_notes", process_id=run.id)
            except RecorderError as error:
                return [*lines, f"its notes cannot be read: {error}"]
            notes = [(f"{local(note.at_us, date=True)} {note.by}", note.text) for note in found.notes]
            away = [] if found.is_complete else ["the database is away: notes from before the recorder began are there"]
            return [*lines, *notes, *away]

        self.app.push_screen(TextDialog(f"run {run.id}", lines, fetch=fetch))

    def action_filter(self) -> None:
        """Type a search."""
        self.query_one(FilterBar).focus_input()

    def action_clear(self) -> None:
        """Show all."""
        self.query_one(FilterBar).action_leave(clear=True)

    def action_start(self) -> None:
        """Ask for the labels of a run by hand, and start it."""
        if not self.console.may_change("start a run"):
            return

        def filled(fields: Mapping[str, str] | None) -> None:
            if fields is not None:
                self.run_worker(self._command("runs_start", "started", **fields))

        dialog = FieldsDialog(
            "Start a run by hand",
            ["What is recorded from now on belongs to this run, until it is stopped."],
            _FIELDS,
            given={"operator": self.console.operator or login_name()},
            check=lambda fields: "" if fields["operator"] else "Say who runs it.",
            done="Start",
        )
        self.app.push_screen(dialog, filled)

    def action_note(self) -> None:
        """Ask what there is to say about the run under the cursor, and keep it with the run."""
        if not self.console.may_change("add a note to a run"):
            return
        row_list = self.query_one(RowList)
        run = self._rows.at(row_list.cursor) if self._rows.row_count else None
        if run is None:
            self.notify("There is no run under the cursor.", severity="warning")
            return

        def filled(fields: Mapping[str, str] | None) -> None:
            if fields is not None:
                self.console.operator = fields["by"]
                self.run_worker(self._command("runs_note", "has a note", process_id=run.id, **fields))

        dialog = FieldsDialog(
            f"Note on run {run.id}",
            [f"{run.recipe or run.kind} of {local(run.started_at, date=True)}; it is added to what is there."],
            {"text": "note", "by": "your name"},
            given={"by": self.console.operator or login_name()},
            check=lambda fields: (
                "" if fields["text"] and fields["by"] else "Say what there is to say, and who you are."
            ),
            done="Add it",
        )
        self.app.push_screen(dialog, filled)

    def action_stop(self) -> None:
        """Stop the recording of the run in force, after a question."""
        process = self.board.process
        if not self.console.may_change("stop a run"):
            return
        if process is None or not process.is_run:
            self.notify("No run is under way.", severity="warning")
            return

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self.run_worker(self._command("runs_stop", "stopped"))

        lines = [
            "The tool is not touched: only the recording of this run ends.",
            "What comes then is recorded as idle.",
        ]
        self.app.push_screen(ConfirmDialog(f"Stop run {process.process_id}?", lines, yes="Stop it"), answered)

    async def _command(self, command: str, done: str, **fields: object) -> None:
        try:
            answer = await self.console.ask_plain(command, **fields)
        except RecorderError as error:
            self.notify(str(error), severity="error", timeout=10)
            return
        with suppress(
            RecorderError
        ):  # it was done, whatever becomes of this question; what is said next must know of it
            self.board.take_status(await self.console.ask(StatusPicture, "status"))
        self.notify(f"Run {answer['run']} {done}.")
