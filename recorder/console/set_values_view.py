"""The fifth view: set-values, changed with limits in sight, a reason, a question, and what the tool then says."""

import getpass
from collections.abc import Mapping, Sequence
from math import isclose, isfinite
from typing import Final

from rich.text import Text

from recorder.console.board import Board
from recorder.console.dialogs import ConfirmDialog, FieldsDialog
from recorder.console.parameter_list_view import ParameterListView
from recorder.console.parameter_rows import STYLES, limits, mark, name_text, unit_text
from recorder.console.picture import ParameterRow, StepPicture
from recorder.console.row_list import Column, RowList
from recorder.console.words import Glyphs, number, value_text, whole
from recorder.errors import CommandUnknownError, NoAnswerError, RecorderError
from recorder.set_values.step import UNANSWERED

COLUMNS: Final = (
    Column(title="", width=1),
    Column(title="parameter", width=22, share=1),
    Column(title="in the tool", width=11, is_right=True),
    Column(title="desired", width=10, is_right=True),
    Column(title="unit", width=8),
    Column(title="limits", width=14, from_width=70),
    Column(title="quality", width=9, from_width=90),
)
_FLOAT32: Final = 1e-6
"""What a tool keeps of a number."""
_WORDS: Final = {"on": 1.0, "off": 0.0, "true": 1.0, "false": 0.0}


class SetValueRows:
    """Those parameters that can be written."""

    def __init__(self, board: Board, glyphs: Glyphs) -> None:
        self._board = board
        self._glyphs = glyphs
        self.rows: list[ParameterRow] = []

    @property
    def row_count(self) -> int:
        """How many a filter leaves."""
        return len(self.rows)

    def cells(self, row: int, widths: Sequence[int]) -> Sequence[Text | str]:
        """One parameter, in the order of `COLUMNS`."""
        parameter, glyphs = self.rows[row], self._glyphs
        shown = self._board.show(parameter)
        text = value_text(shown.value, parameter.data_type, unknown=glyphs.unknown)
        live = Text(text, "bold") if shown.is_live else Text(f"({text.strip()})", "dim")
        differs = (
            shown.is_live
            and shown.value is not None
            and parameter.desired is not None
            and not isclose(shown.value, parameter.desired, rel_tol=_FLOAT32, abs_tol=parameter.tolerance or 0.0)
        )
        desired = value_text(parameter.desired, parameter.data_type, unknown="")
        style = STYLES[shown.state]
        return (
            Text(mark(shown.state, glyphs), style),
            name_text(parameter.name, widths[1], glyphs),
            live,
            Text(f"!{desired}" if differs else desired, "yellow" if differs else ""),
            unit_text(parameter),
            limits(parameter, glyphs),
            Text(shown.word, style),
        )


class SetValuesView(ParameterListView):
    """A list of what can be set, and the way to set it."""

    title = "Set-values"
    columns = COLUMNS

    def listed(self) -> SetValueRows:
        """Each with its limits."""
        return SetValueRows(self.board, self.glyphs)

    def matching(self, text: str) -> tuple[list[ParameterRow], str]:
        """Those that can be set."""
        found = self.board.matching(text, only=lambda row: row.is_writable)
        return found, f"{whole(len(found))} can be set"

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Ask for value and reason."""
        parameter = self._rows.rows[event.row]
        if not self.console.may_change("change a set-value"):
            return

        def filled(fields: Mapping[str, str] | None) -> None:
            if fields is not None:
                self._confirm(parameter, fields)

        unit = unit_text(parameter)
        dialog = FieldsDialog(
            f"Change {parameter.name}",
            lambda: [
                f"in the tool: {self._now(parameter)}",
                f"desired: {value_text(parameter.desired, parameter.data_type)} {unit}",
                f"limits: {limits(parameter, self.glyphs)} {unit}",
            ],
            {"value": "value", "reason": "reason", "changed_by": "your name", "during_recipe": "during recipe"},
            given={"changed_by": getpass.getuser(), "during_recipe": "no"},
            check=lambda fields: check_change(parameter, fields),
            done="Go on",
        )
        self.app.push_screen(dialog, filled)

    def _now(self, parameter: ParameterRow) -> str:
        """What the tool says now, with its unit."""
        shown = self.board.show(parameter)
        if not shown.is_live:
            return "not known now"
        return f"{value_text(shown.value, parameter.data_type)} {unit_text(parameter)}"

    def _confirm(self, parameter: ParameterRow, fields: Mapping[str, str]) -> None:
        value = parse_value(fields["value"])
        assert value is not None

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self.run_worker(self._set(parameter, value, fields))

        arrow = self.glyphs.right
        dialog = ConfirmDialog(
            f"Write {parameter.name}?",
            lambda: [
                f"{self._now(parameter)} {arrow} {value_text(value, parameter.data_type)} {unit_text(parameter)}",
                f"reason: {fields['reason']}",
                "This writes to the tool now.",
            ],
            yes="Write it",
        )
        self.app.push_screen(dialog, answered)

    async def _set(self, parameter: ParameterRow, value: float, fields: Mapping[str, str]) -> None:
        try:
            results = await self.console.ask(
                list[StepPicture],
                "set",
                values={parameter.name: value},
                reason=fields["reason"],
                changed_by=fields["changed_by"],
                during_recipe=fields["during_recipe"] in {"yes", "y"},
            )
        except CommandUnknownError:
            said = "This recorder does not take set-values yet: update it. Nothing was written."
            self.notify(said, severity="error", timeout=15)
            return
        except NoAnswerError as error:
            self.notify(f"{error}: {UNANSWERED}", severity="error", timeout=60)
            return
        except RecorderError as error:
            self.notify(str(error), severity="error", timeout=15)
            return
        for result in results:
            self._tell(result)

    def _tell(self, result: StepPicture) -> None:
        lines = [
            f"outcome: {result.outcome.replace('_', ' ')}",
            f"before: {number(result.before)} {result.unit}",
            f"asked for: {number(result.value)} {result.unit}",
            f"read back: {number(result.read_back)} {result.unit}",
            result.message,
        ]
        self.console.show_text(f"Set {result.parameter}", lines)


def parse_value(text: str) -> float | None:
    """What was typed as a number; None where it is none that can be set."""
    word = _WORDS.get(text.lower())
    if word is not None:
        return word
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if isfinite(value) else None


def check_change(parameter: ParameterRow, fields: Mapping[str, str]) -> str:
    """What is wrong with a change, before it is sent; the recorder checks it again, and more."""
    value = parse_value(fields["value"])
    if value is None:
        return f"{fields['value'] or 'Nothing'} is no number that can be set."
    faults = (
        (parameter.data_type == "binary" and value not in {0.0, 1.0}, "It can be off or on."),
        (
            parameter.min_value is not None and value < parameter.min_value,
            f"{number(value)} is below the limit of {number(parameter.min_value)} {parameter.unit}.",
        ),
        (
            parameter.max_value is not None and value > parameter.max_value,
            f"{number(value)} is above the limit of {number(parameter.max_value)} {parameter.unit}.",
        ),
        (not fields["reason"], "Say why: it is kept with the change."),
        (not fields["changed_by"], "Say who you are: it is kept with the change."),
        (fields["during_recipe"].lower() not in {"yes", "y", "no", "n", ""}, "During a recipe: yes or no."),
    )
    return next((words for is_wrong, words in faults if is_wrong), "")
