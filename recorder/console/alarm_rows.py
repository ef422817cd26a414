"""The alarms that are not normal, as rows of a list, the most urgent first. Pure."""

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from recorder.console.board import Board
from recorder.console.picture import AlarmPicture
from recorder.console.row_list import Column
from recorder.console.words import Glyphs, local, number, span

ALARM_COLUMNS: Final = (
    Column(title="", width=1),
    Column(title="alarm", width=14),
    Column(title="since", width=8),
    Column(title="priority", width=8, from_width=75),
    Column(title="what", width=20, share=1),
    Column(title="value", width=12, is_right=True, from_width=100),
    Column(title="by", width=10, from_width=90),
)
_STYLES: Final = {"unacknowledged": "bold red", "returned": "yellow", "shelved": "dim"}


def alarm_state(alarm: AlarmPicture, now_us: int) -> str:
    """Its state in a word or two."""
    if alarm.state == "unacknowledged":
        return "UNACKNOWLEDGED"
    if alarm.shelved_until_us is not None:
        return f"shelved {span(max(0.0, (alarm.shelved_until_us - now_us) / 1e6))}"
    return alarm.state


def alarm_value(value: float | None, unit: str) -> str:
    """The value that raised it, or its limit."""
    return "" if value is None else f"{number(value)} {unit}".rstrip()


class AlarmRows:
    """The alarms that the board has."""

    def __init__(self, board: Board, glyphs: Glyphs) -> None:
        self._board = board
        self._signs = {
            "unacknowledged": glyphs.bad,
            "returned": glyphs.uncertain,
            "acknowledged": glyphs.stale,
            "shelved": glyphs.none,
        }
        self.rows: Sequence[AlarmPicture] = ()

    @property
    def row_count(self) -> int:
        """How many there are."""
        return len(self.rows)

    def place_of(self, name: str) -> int | None:
        """The row of an alarm; None where it is normal again."""
        return next((row for row, alarm in enumerate(self.rows) if alarm.id == name), None)

    def cells(self, row: int, widths: Sequence[int]) -> Sequence[Text | str]:
        """One alarm, in the order of `ALARM_COLUMNS`."""
        del widths
        alarm = self.rows[row]
        style = _STYLES.get(alarm.state, "")
        return (
            Text(self._signs.get(alarm.state, ""), style),
            Text(alarm_state(alarm, self._board.now_us()), style),
            "" if alarm.changed_us is None else local(alarm.changed_us),
            alarm.priority,
            alarm.text or alarm.id,
            alarm_value(alarm.value, alarm.unit),
            alarm.by,
        )
