"""The upper part of the events: the alarms that are not normal, and what an operator says to them."""

import getpass
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from recorder.console.alarm_rows import ALARM_COLUMNS, AlarmRows, alarm_state, alarm_value
from recorder.console.dialogs import FieldsDialog, Line, button, joined
from recorder.console.picture import AlarmPicture, AlarmsPicture, parse
from recorder.console.row_list import RowList
from recorder.console.view import View
from recorder.console.words import local
from recorder.errors import RecorderError

_HEADER: Final = 1
_SHELVED_MIN: Final = 60
_MOST_MIN: Final = 1_440
_WAITS: Final = frozenset({"unacknowledged", "returned"})


class AlarmDialog(ModalScreen[str | None]):
    """One alarm whole, with what can be said to it; given back is the action that was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss(None)", "Close"),
        Binding("a", "dismiss('acknowledge')", "Acknowledge"),
        Binding("s", "dismiss('shelve')", "Shelve"),
        Binding("u", "dismiss('unshelve')", "Unshelve"),
        Binding("left", "app.focus_previous", "Other button", show=False),
        Binding("right", "app.focus_next", "Other button", show=False),
    ]

    def __init__(self, alarm: AlarmPicture, lines: Sequence[Line]) -> None:
        super().__init__()
        self._alarm, self._lines = alarm, lines

    def compose(self) -> ComposeResult:
        """What it says, and buttons for what is possible."""
        with Vertical(classes="dialog"):
            yield Static(Text(self._alarm.text or self._alarm.id), classes="title")
            yield Static(joined(self._lines))
            with Horizontal(classes="buttons"):
                yield button("< Close >", id="close")
                if self._alarm.state in _WAITS:
                    yield button("< Acknowledge: a >", id="acknowledge")
                if self._alarm.state == "shelved":
                    yield button("< Unshelve: u >", id="unshelve")
                yield button("< Shelve: s >", id="shelve")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """One of them."""
        self.dismiss(None if event.button.id == "close" else event.button.id)


class AlarmList(Vertical):
    """The alarms above the log; as high as they need, and never more than half of the view.

    Args:
        view: that it is part of.
    """

    def __init__(self, view: View) -> None:
        super().__init__(id="alarms")
        self._view = view
        self._rows = AlarmRows(view.board, view.glyphs)

    def compose(self) -> ComposeResult:
        """How many there are, and which."""
        yield Static("", id="alarm-head")
        yield RowList(ALARM_COLUMNS, self._rows, id="alarm-rows")

    def on_mount(self) -> None:
        """Show what is known."""
        self.show()

    @property
    def row_list(self) -> RowList:
        """The list itself."""
        return self.query_one("#alarm-rows", RowList)

    @property
    def is_empty(self) -> bool:
        """Whether all alarms are normal."""
        return not self._rows.row_count

    def show(self) -> None:
        """Draw what the board has; the cursor stays on its alarm, wherever that is now."""
        alarm = self._alarm
        board = self._view.board
        has_alarms = board.status is None or board.status.alarms is not None
        self._rows.rows = board.alarms if has_alarms else ()
        self._lay_out()
        row_list = self.row_list
        row_list.update_rows()
        row = None if alarm is None else self._rows.place_of(alarm.id)
        if row is not None:
            row_list.cursor = row
        self.query_one("#alarm-head", Static).update(self._head())

    def _head(self) -> Text:
        status, counts, glyphs = self._view.board.status, self._view.board.alarm_counts, self._view.glyphs
        if status is None or status.alarms is None:
            return Text("alarms: this recorder has none" if status is not None else "", "dim")
        if counts is None:
            return Text("")
        # not the counts of the status, which are a question older than the rows below
        told = ", ".join(f"{count} {state}" for state, count in counts.items() if count and state != "normal")
        waits = bool(counts.get("unacknowledged"))
        mark, style = (glyphs.bad, "bold red") if waits else (glyphs.uncertain, "yellow")
        return Text(f"{mark} alarms: {told}", style) if told else Text(f"{glyphs.good} no alarm stands", "green")

    def on_resize(self) -> None:
        """Another height."""
        self._lay_out()

    def _lay_out(self) -> None:
        """Leave at least half of the view to the log."""
        most = max(2, self._view.size.height // 2 - _HEADER - 1)
        row_list = self.row_list
        row_list.display = not self.is_empty
        row_list.styles.height = _HEADER + min(self._rows.row_count, most)

    @property
    def _alarm(self) -> AlarmPicture | None:
        """The one under the cursor."""
        rows = self._rows.rows
        return rows[min(self.row_list.cursor, len(rows) - 1)] if rows else None

    # what is said to an alarm

    def open(self, row: int) -> None:
        """Show one whole, and do what is chosen there."""
        alarm = self._rows.rows[row]

        def chosen(action: str | None) -> None:
            if action is not None:
                self.say(action, alarm)

        self.app.push_screen(AlarmDialog(alarm, self._lines(alarm)), chosen)

    def _lines(self, alarm: AlarmPicture) -> Sequence[Line]:
        def moment(at_us: int | None) -> str:
            return "" if at_us is None else local(at_us, date=True)

        lines = (
            ("alarm", alarm.id),
            ("state", alarm_state(alarm, self._view.board.now_us())),
            ("priority", alarm.priority),
            ("raised", moment(alarm.raised_us)),
            ("value", alarm_value(alarm.value, alarm.unit)),
            ("limit", alarm_value(alarm.limit, alarm.unit)),
            ("by", alarm.by),
            ("until", moment(alarm.shelved_until_us)),
        )
        return [(label, text) for label, text in lines if text]

    def say(self, action: str, alarm: AlarmPicture | None = None) -> None:
        """Acknowledge, shelve or unshelve an alarm (the one under the cursor), or acknowledge all that wait."""
        console, alarm = self._view.console, alarm or self._alarm
        if not console.may_change("acknowledge or shelve an alarm"):
            return
        if alarm is None:
            console.notify("All alarms are normal.")
        elif action == "acknowledge" and alarm.state not in _WAITS:
            console.notify(f"{alarm.text} is {alarm.state}: there is nothing to acknowledge.", severity="warning")
        elif action == "unshelve" and alarm.state != "shelved":
            console.notify(f"{alarm.text} is {alarm.state}: it is not shelved.", severity="warning")
        elif action == "shelve":
            self._ask_minutes(alarm)
        elif action == "acknowledge_all":
            count = sum(each.state in _WAITS for each in self._rows.rows)
            title = f"Acknowledge all {count} alarms that wait?"
            self._with_name(title, lambda by: self._send("acknowledge", "All are acknowledged", id=None, by=by))
        else:
            done = f"{alarm.text}: {'acknowledged' if action == 'acknowledge' else 'not shelved any more'}"
            title = f"{action.capitalize()}: {alarm.text}"
            self._with_name(title, lambda by: self._send(action, done, id=alarm.id, by=by))

    def _with_name(self, title: str, send: Callable[[str], None]) -> None:
        """Ask for a name once in a session."""
        console = self._view.console
        if console.operator:
            send(console.operator)
            return

        def filled(fields: Mapping[str, str] | None) -> None:
            if fields is not None:
                console.operator = fields["by"]
                send(fields["by"])

        dialog = FieldsDialog(
            title,
            ["Your name stands in the log with it. It is asked for once."],
            {"by": "your name"},
            given={"by": login_name()},
            check=lambda fields: "" if fields["by"] else "Say who you are.",
            done="Acknowledge" if title.startswith("Acknowledge") else "Do it",
        )
        self.app.push_screen(dialog, filled)

    def _ask_minutes(self, alarm: AlarmPicture) -> None:
        console = self._view.console

        def filled(fields: Mapping[str, str] | None) -> None:
            if fields is not None:
                console.operator = fields["by"]
                minutes = float(fields["minutes"])
                done = f"{alarm.text}: shelved for {minutes:g} min"
                self._send("shelve", done, id=alarm.id, minutes=minutes, by=fields["by"])

        dialog = FieldsDialog(
            f"Shelve: {alarm.text}",
            ["It tells nothing meanwhile, and comes back by itself."],
            {"minutes": "minutes", "by": "your name"},
            given={"minutes": str(_SHELVED_MIN), "by": console.operator or login_name()},
            check=_fault_of_shelf,
            done="Shelve",
        )
        self.app.push_screen(dialog, filled)

    def _send(self, command: str, done: str, **arguments: object) -> None:
        self.run_worker(self._sent(command, done, **arguments))

    async def _sent(self, command: str, done: str, **arguments: object) -> None:
        console = self._view.console
        try:
            await console.ask_plain(command, **arguments)
            self._view.board.take_alarms(parse(AlarmsPicture, await console.ask_plain("alarms")))
        except RecorderError as error:
            console.notify(str(error), severity="error", timeout=10)
            return
        console.notify(f"{done}.")
        self.show()


def _fault_of_shelf(fields: Mapping[str, str]) -> str:
    try:
        minutes = float(fields["minutes"])
    except ValueError:
        return "Give the minutes as a number."
    if not 0 < minutes <= _MOST_MIN:
        return f"More than 0 and at most {_MOST_MIN} minutes, which is a day."
    return "" if fields["by"] else "Say who you are."


def login_name() -> str:
    """The user of this terminal; empty where nobody knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
