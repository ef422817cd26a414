"""Windows above a view: a text to read, the chain behind a value, a question to confirm, fields to fill in."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

Line = str | tuple[str, str]
Lines = Sequence[Line] | Callable[[], Sequence[Line]]
"""What stands in a window, or what gives it where it changes while the window is open."""
_LONGEST: Final = 200
_REFRESH_S: Final = 1.0
_REDRAW_S: Final = 0.2


def button(label: str, id: str) -> Button:  # noqa: A002  (textual's word)
    """A button that may be pressed again at once: textual's takes no key while it still looks pressed."""
    made = Button(label, id=id)
    made.active_effect_duration = 0
    return made


class TextDialog(ModalScreen[None]):
    """Lines to read; any of the usual keys closes it.

    Args:
        fetch: gives newer lines each second while it is open; None where they stay.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "Close")]

    def __init__(
        self,
        title: str,
        lines: Sequence[Line],
        *,
        fetch: Callable[[], Awaitable[Sequence[Line]]] | None = None,
    ) -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._fetch = fetch

    def compose(self) -> ComposeResult:
        """Title, lines and how to leave."""
        with Vertical(classes="dialog"):
            yield Static(Text(self._title), classes="title")
            yield Static(joined(self._lines), id="lines")
            with Horizontal(classes="buttons"):
                yield button("< Close >", id="close")

    def on_mount(self) -> None:
        """Begin to keep the lines fresh."""
        self.query_one(Button).focus()
        if self._fetch is not None:
            self.set_interval(_REFRESH_S, self._refresh)
            self.call_after_refresh(self._refresh)

    async def _refresh(self) -> None:
        assert self._fetch is not None
        self.query_one("#lines", Static).update(joined(await self._fetch()))

    def on_button_pressed(self) -> None:
        """Close."""
        self.dismiss()


def joined(lines: Sequence[Line]) -> RenderableType:
    """Lines as one thing to draw; of a pair the first part is at the left, and the second wraps beside it."""
    grid = Table.grid(padding=(0, 2, 0, 0), expand=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    parts: list[RenderableType] = []
    for line in lines:
        if isinstance(line, str):
            parts.append(Text(line))
            continue
        if not grid.row_count:
            parts.append(grid)
        grid.add_row(Text(line[0]), Text(line[1]))
    return Group(*parts)


class Told(Static):
    """Lines of a window; those that change are drawn anew while it is open."""

    def __init__(self, lines: Lines) -> None:
        self._give = lines if callable(lines) else None
        self._said = lines() if callable(lines) else lines
        super().__init__(joined(self._said))

    def on_mount(self) -> None:
        """Begin to keep them fresh."""
        if self._give is not None:
            self.set_interval(_REDRAW_S, self._redraw)

    def _redraw(self) -> None:
        assert self._give is not None
        if (said := self._give()) != self._said:
            self._said = said
            self.update(joined(said))


class ConfirmDialog(ModalScreen[bool]):
    """A question with yes and no; no has the focus, so that a stray Enter does nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", "No"),
        Binding("y", "answer(True)", "Yes"),
        Binding("left,right", "app.focus_next", "Other button", show=False),
    ]

    def __init__(self, title: str, lines: Lines, *, yes: str) -> None:
        super().__init__()
        self._title, self._lines, self._yes = title, lines, yes

    def compose(self) -> ComposeResult:
        """Question and two buttons."""
        with Vertical(classes="dialog"):
            yield Static(Text(self._title), classes="title")
            yield Told(self._lines)
            with Horizontal(classes="buttons"):
                yield button("< No, leave it: n >", id="no")
                yield button(f"< {self._yes}: y >", id="yes")

    def on_mount(self) -> None:
        """The harmless answer first."""
        self.query_one("#no", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """One of the two."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, is_yes: bool) -> None:
        """By key."""
        self.dismiss(is_yes)


class FieldsDialog(ModalScreen[Mapping[str, str] | None]):
    """Fields to fill in, checked before they are given back.

    Args:
        fields: label by name.
        given: what stands in them at first.
        check: says what is wrong with them; empty where nothing is.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Leave it"),
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
    ]

    def __init__(
        self,
        title: str,
        lines: Lines,
        fields: Mapping[str, str],
        *,
        given: Mapping[str, str],
        check: Callable[[Mapping[str, str]], str],
        done: str,
    ) -> None:
        super().__init__()
        self._title, self._lines, self._fields, self._given = title, lines, fields, given
        self._check, self._done = check, done

    def compose(self) -> ComposeResult:
        """One line a field."""
        with Vertical(classes="dialog"):
            yield Static(Text(self._title), classes="title")
            yield Told(self._lines)
            for name, label in self._fields.items():
                with Horizontal(classes="field"):
                    yield Label(label)
                    yield Input(self._given.get(name, ""), id=f"field-{name}", max_length=_LONGEST)
            yield Static("", classes="error")
            with Horizontal(classes="buttons"):
                yield button(f"< {self._done} >", id="done")
                yield button("< Leave it: Esc >", id="leave")

    def on_mount(self) -> None:
        """Begin at the first field."""
        self.query(Input).first().focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter goes to the next field, and from the last one on to the button; two that come at once, no further."""
        inputs = list(self.query(Input))
        following = inputs[inputs.index(event.input) + 1 :]
        (following[0] if following else self.query_one("#done", Button)).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Give the fields back where they are right."""
        if event.button.id == "leave":
            self.dismiss(None)
            return
        filled = {name: self.query_one(f"#field-{name}", Input).value.strip() for name in self._fields}
        fault = self._check(filled)
        self.query_one(".error", Static).update(Text(fault))
        if not fault:
            self.dismiss(filled)
