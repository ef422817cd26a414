"""The first line of the screen: the views, the machine, and whether what is shown is live."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from recorder.console.board import Board
from recorder.console.words import Glyphs, cut, span

_MACHINE_FROM = 100
_STATE = 8


class TabLine(Widget):
    """Tabs by number and name; a click chooses."""

    current = reactive("overview")

    @dataclass
    class Chosen(Message):
        """A view was clicked."""

        name: str

    def __init__(self, board: Board, glyphs: Glyphs, tabs: Sequence[tuple[str, str]]) -> None:
        super().__init__(id="tabs")
        self._board = board
        self._glyphs = glyphs
        self._tabs = tabs

    def render(self) -> Text:
        """One line."""
        text = Text(no_wrap=True, overflow="crop")
        for name, label in self._labels():
            text.append(label, "reverse bold" if name == self.current else "")
        state, style = self.state()
        status = self._board.status
        machine = ""
        if status is not None and self.size.width >= _MACHINE_FROM:
            machine = f"{cut(status.machine, self.size.width - text.cell_len - len(state) - 6, self._glyphs)}  "
        text.pad_right(max(0, self.size.width - text.cell_len - len(machine) - len(state) - 1))
        text.append(machine, "bold")
        return text.append(state, style)

    def _labels(self) -> Sequence[tuple[str, str]]:
        """Name and label of each tab; where there is no room, only the one in front has its title."""
        labels = [(name, f" {number} {title} ") for number, (name, title) in enumerate(self._tabs, start=1)]
        if sum(len(label) for _, label in labels) + _STATE <= self.size.width:
            return labels
        return [(name, label if name == self.current else label[:3]) for name, label in labels]

    def state(self) -> tuple[str, str]:
        """Whether what is shown is of now and on its way into the database, and the colour of that."""
        board, glyphs = self._board, self._glyphs
        if board.fault is not None:
            away = "" if board.lost_s is None else f" {span(board.monotonic_s() - board.lost_s)}"
            return f"{glyphs.bad} LOST{away}", "bold red"
        if not board.is_live:
            return f"{glyphs.uncertain} WAITS", "bold yellow"
        return {
            "": (f"{glyphs.good} LIVE", "bold green"),
            "no device": (f"{glyphs.bad} NO DEVICE", "bold red"),
            "device away": (f"{glyphs.uncertain} DEVICE AWAY", "bold yellow"),
            "frozen": (f"{glyphs.uncertain} FROZEN", "bold yellow"),
            "spools": (f"{glyphs.uncertain} LIVE, spools", "bold yellow"),
        }[board.trouble]

    def on_click(self, event: events.Click) -> None:
        """Which tab it was."""
        left = 0
        for name, label in self._labels():
            left += len(label)
            if event.x < left:
                self.post_message(self.Chosen(name))
                return
