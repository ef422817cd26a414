"""The last line of the screen: what the keys do now.

One line of text and not textual's footer, which takes its widgets apart and lays the screen out anew whenever the focus
moves: most of what a key cost.
"""

from collections.abc import Sequence

from rich.text import Text
from textual import events
from textual.screen import Screen
from textual.widget import Widget


class KeyLine(Widget):
    """Keys and what they do; a click presses one."""

    def on_mount(self) -> None:
        """Hear of other keys."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[object]) -> None:
        if screen is self.screen:
            self.refresh()

    def _labels(self) -> Sequence[tuple[str, str, str]]:
        """Key, how it is called, and what it does; one of each action."""
        found: dict[str, tuple[str, str, str]] = {}
        for _node, binding, _enabled, _tooltip in self.screen.active_bindings.values():
            if binding.show and binding.action not in found:
                found[binding.action] = (binding.key, self.app.get_key_display(binding), binding.description)
        return list(found.values())

    def render(self) -> Text:
        """One line."""
        text = Text(no_wrap=True, overflow="crop")
        for _key, shown, description in self._labels():
            text.append(f" {shown}", "bold cyan")
            text.append(f" {description} ")
        return text

    def on_click(self, event: events.Click) -> None:
        """The key under the mouse."""
        left = 0
        for key, shown, description in self._labels():
            left += len(f" {shown} {description} ")
            if event.x < left:
                self.app.simulate_key(key)
                return
