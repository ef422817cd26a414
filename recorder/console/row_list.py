"""A list of any length that draws only the rows in sight: the one widget behind all tables of the console."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, Protocol

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from recorder.console.words import ASCII, UNICODE

_HEADER: Final = 1
_CURSOR: Final = Style(reverse=True)
_HEAD: Final = Style(bold=True, underline=True)
_GAP: Final = 1


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column.

    Attributes:
        width: of its cells; of a flexible column the least.
        share: how much of what is left over it takes; 0 keeps its width.
        most: of a flexible column, the widest.
        from_width: it is left out where the list is narrower than this.
    """

    title: str
    width: int
    is_right: bool = False
    share: int = 0
    most: int = 1_000
    from_width: int = 0


class RowSource(Protocol):
    """What a list shows."""

    @property
    def row_count(self) -> int:
        """How many rows there are."""

    def cells(self, row: int, widths: Sequence[int]) -> Sequence[Text | str]:
        """The cells of one row, for columns of these widths; 0 for a column that is left out."""


class RowList(ScrollView, can_focus=True):
    """Rows of a source, with a cursor.

    Args:
        columns: from left to right.
        source: of the rows.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "edge(0)", "First", show=False),
        Binding("end", "edge(1)", "Last", show=False),
        Binding("enter", "choose", "Open"),
    ]
    cursor = reactive(0, repaint=False)

    @dataclass
    class Chosen(Message):
        """Enter or a second click on a row."""

        rows: "RowList"
        row: int

    @dataclass
    class Moved(Message):
        """The cursor or the view moved."""

        rows: "RowList"

        def can_replace(self, message: Message) -> bool:
            """Only the last of them matters."""
            return isinstance(message, RowList.Moved)

    def __init__(self, columns: Sequence[Column], source: RowSource, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._columns = columns
        self._source = source
        self._widths: list[int] = []
        self._width = -1
        self._count = -1
        self._base = Style.null()
        # what was drawn of each row: a layout, the focus or a dialog asks for the same lines again and again
        self._strips: dict[int, Strip] = {}

    def on_mount(self) -> None:
        """Take in what the source has."""
        self.update_rows()

    def update_rows(self) -> None:
        """Draw the lines in sight that are other ones now: the source has other rows, or other values in them."""
        count = self._source.row_count
        if count != self._count:
            self._count = count
            self.virtual_size = Size(self.size.width, count + _HEADER)
            self.cursor = max(0, min(self.cursor, count - 1))
            self._forget()
        elif self._strips:
            before, self._strips = self._strips, {}
            for row in self.visible_rows:
                if self._row_strip(row) != before.get(row):
                    self._refresh_row(row)

    def _forget(self) -> None:
        """Draw all anew."""
        self._strips.clear()
        self.refresh()

    def _refresh_row(self, row: int) -> None:
        line = row - round(self.scroll_offset.y) + _HEADER
        self.refresh(Region(0, line, self.size.width, 1))

    def notify_style_update(self) -> None:
        """The colours may be others."""
        super().notify_style_update()
        if self.rich_style != self._base:
            self._base = self.rich_style
            self._forget()

    def on_resize(self, event: events.Resize) -> None:
        """Give the columns their widths."""
        del event
        self._lay_out()
        self.virtual_size = Size(self.size.width, self._source.row_count + _HEADER)
        self.call_after_refresh(self._show_cursor)
        self.post_message(self.Moved(self))

    def _fit(self) -> None:
        """Lay the columns out where they have another room: with more rows than lines the scroll bar takes some."""
        if self._width != self.scrollable_content_region.width:
            self._lay_out()

    def _lay_out(self) -> None:
        self._width = width = self.scrollable_content_region.width
        widths = [0 if width < column.from_width else column.width for column in self._columns]
        left = width - sum(widths) - _GAP * max(0, sum(1 for each in widths if each) - 1)
        flexible = [at for at, column in enumerate(self._columns) if widths[at] and column.share]
        # the last flexible column takes what those before it may not
        for number, at in enumerate(flexible):
            column = self._columns[at]
            shares = sum(self._columns[other].share for other in flexible[number:])
            more = min(left * column.share // shares, column.most - widths[at])
            widths[at] = max(3, widths[at] + more)
            left -= more
        self._widths = widths
        self._strips.clear()

    @property
    def visible_rows(self) -> range:
        """The rows in sight."""
        first = round(self.scroll_offset.y)
        return range(first, min(self._source.row_count, first + max(0, self.size.height - _HEADER)))

    def render_line(self, y: int) -> Strip:
        """One line: the head stays, the rows scroll beneath it."""
        width = self.scrollable_content_region.width
        self._fit()
        if y == 0:
            return self._strip([Text(column.title) for column in self._columns], width, _HEAD)
        row = round(self.scroll_offset.y) + y - _HEADER
        if row >= self._source.row_count:
            return Strip.blank(width, self._base)
        strip = self._strips.get(row)
        return self._row_strip(row) if strip is None or strip.cell_length != width else strip

    def _row_strip(self, row: int) -> Strip:
        """Draw a row, and keep it."""
        self._fit()
        style = _CURSOR if row == self.cursor and self.has_focus else Style(bold=row == self.cursor)
        cells = self._source.cells(row, self._widths)
        strip = self._strips[row] = self._strip(cells, self.scrollable_content_region.width, style)
        return strip

    def _strip(self, cells: Sequence[Text | str], width: int, style: Style) -> Strip:
        """One line; made of segments at once, since sixty of them are drawn eight times a second.

        Neighbours of one style become one segment: each costs an escape sequence on the way to the terminal.
        """
        base = self._base + style
        # colours turned round would make a patchwork of the line under the cursor
        is_plain = bool(style.reverse)
        segments: list[tuple[str, Style]] = []
        for column, room, cell in zip(self._columns, self._widths, cells, strict=True):
            if not room:
                continue
            if segments:
                segments.append((" " * _GAP, base))
            plain = cell if isinstance(cell, str) else cell.plain
            blanks = room - cell_len(plain)
            if isinstance(cell, Text) and (cell.spans or blanks < 0):
                text = cell.copy()
                text.truncate(room, overflow="ellipsis" if self._ellipsis == "…" else "crop")
                text.align("right" if column.is_right else "left", room)
                text.end = ""
                drawn = text.render(self.app.console)
                segments += [(s.text, base if is_plain or not s.style else base + s.style) for s in drawn]
                continue
            if blanks < 0:
                ending = self._ellipsis if room > 1 else ""
                plain, blanks = set_cell_size(plain, room - cell_len(ending)) + ending, 0
            # nor has a blank a colour of its own
            has_style = isinstance(cell, Text) and cell.style and plain.strip() and not is_plain
            own = base + Style.parse(str(cell.style)) if has_style and isinstance(cell, Text) else base
            padding = [(" " * blanks, base)] if blanks else []
            segments += [*padding, (plain, own)] if column.is_right else [(plain, own), *padding]
        return Strip(_joined(segments)).adjust_cell_length(width, base)

    @cached_property
    def _ellipsis(self) -> str:
        """What a text ends with that is longer than its cell, so that nobody takes the part for the whole."""
        return (UNICODE if getattr(self.app, "encoding_is_unicode", True) else ASCII).ellipsis

    def watch_cursor(self, before: int, after: int) -> None:
        """Draw the two rows that changed."""
        self._show_cursor()
        self._redraw(before)
        self._redraw(after)
        self.post_message(self.Moved(self))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Say that other rows are in sight."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Moved(self))

    def _show_cursor(self) -> None:
        page = max(1, self.size.height - _HEADER)
        first = round(self.scroll_offset.y)
        if self.cursor < first:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= first + page:
            self.scroll_to(y=self.cursor - page + 1, animate=False, force=True)

    def action_move(self, rows: int) -> None:
        """Move the cursor by so many rows."""
        self.cursor = max(0, min(self._source.row_count - 1, self.cursor + rows))

    def action_page(self, pages: int) -> None:
        """Move the cursor by so many pages."""
        self.action_move(pages * max(1, self.size.height - _HEADER - 1))

    def action_edge(self, end: int) -> None:
        """Move the cursor to the first or the last row."""
        self.cursor = max(0, self._source.row_count - 1) if end else 0

    def action_choose(self) -> None:
        """Say that the row under the cursor is chosen."""
        if self._source.row_count:
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; a second one on the same row chooses it."""
        row = round(self.scroll_offset.y) + event.y - _HEADER
        if event.y < _HEADER or not 0 <= row < self._source.row_count:
            return
        if event.chain > 1:
            self.post_message(self.Chosen(self, row))
        self.cursor = row

    def _redraw(self, row: int) -> None:
        self._strips.pop(row, None)
        self._refresh_row(row)

    def on_focus(self) -> None:
        """The cursor looks otherwise."""
        self._redraw(self.cursor)

    def on_blur(self) -> None:
        """The cursor looks otherwise."""
        self._redraw(self.cursor)

    @property
    def cursor_region(self) -> Region:
        """Where the cursor is, within the widget."""
        return Region(0, self.cursor - round(self.scroll_offset.y) + _HEADER, self.size.width, 1)


def _joined(parts: Sequence[tuple[str, Style]]) -> list[Segment]:
    """Segments, neighbours of one style as one."""
    segments: list[Segment] = []
    text, style = "", None
    for more, own in parts:
        if own is style or own == style:
            text += more
            continue
        if text:
            segments.append(Segment(text, style))
        text, style = more, own
    if text:
        segments.append(Segment(text, style))
    return segments
