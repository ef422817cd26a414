"""What every view of the console shares: it is told of news, and says which values it shows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from textual.containers import Vertical

from recorder.console.board import Board
from recorder.console.feed import News
from recorder.console.words import Glyphs

if TYPE_CHECKING:
    from recorder.console.app import ConsoleApp


class View(Vertical):
    """One of the pages that the number keys choose."""

    title = ""

    @property
    def console(self) -> "ConsoleApp":
        """The application, by its own type."""
        return cast("ConsoleApp", self.app)

    @property
    def board(self) -> Board:
        """All that is known."""
        return self.console.board

    @property
    def glyphs(self) -> Glyphs:
        """The characters of this terminal."""
        return self.console.glyphs

    @property
    def wanted(self) -> Sequence[int]:
        """Ids of the parameters whose values this view shows now."""
        return ()

    def take_focus(self) -> None:
        """Called when the view comes to the front."""

    def take_news(self, news: News) -> None:
        """Called while it is in front, for what is new; and once when it comes to the front."""
