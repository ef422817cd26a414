"""The line above a list: what is looked for, and how many there are."""

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label

_LONGEST = 100


class FilterBar(Horizontal):
    """An input that tells each change, without what no keyboard types."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave(True)", "Clear filter", show=False),
        Binding("down", "leave(False)", "To the list", show=False),
    ]

    @dataclass
    class Changed(Message):
        """The text is another one."""

        text: str

    @dataclass
    class Left(Message):
        """Back to the list."""

    def __init__(self, prompt: str, placeholder: str) -> None:
        super().__init__(classes="bar")
        self._prompt = prompt
        self._placeholder = placeholder
        self.text = ""

    def compose(self) -> ComposeResult:
        """Prompt, input and count."""
        yield Label(f"{self._prompt} ", classes="prompt")
        yield Input(placeholder=self._placeholder, max_length=_LONGEST, select_on_focus=False)
        yield Label("", classes="count")

    def show_count(self, text: str) -> None:
        """Say how many rows there are."""
        self.query_one(".count", Label).update(text)

    def focus_input(self) -> None:
        """Begin to type."""
        # not Input.focus, which comes a moment later, when the first letters have gone to the list
        self.screen.set_focus(self.query_one(Input))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell it, cleaned."""
        event.stop()
        self.text = " ".join("".join(c if c.isprintable() else " " for c in event.value).split())
        self.post_message(self.Changed(self.text))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter leaves the input."""
        event.stop()
        self.post_message(self.Left())

    def action_leave(self, clear: bool) -> None:
        """Back to the list, with or without the filter."""
        if clear:
            self.query_one(Input).value = ""
        self.post_message(self.Left())
