"""``ald-recorder set``: a parameter step, through the running daemon."""

import getpass
import json as json_text
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from recorder.cli.app import ConfigOption, JsonOption, app, read_config, run_async
from recorder.cli.output import print_json, print_table
from recorder.control import ask
from recorder.errors import NoAnswerError, UsageError
from recorder.set_values.step import UNANSWERED

_PAIR = 2


@app.command("set")
def set_(
    assignments: Annotated[
        list[str],
        typer.Argument(metavar="PARAMETER VALUE", help="What to set, as component/parameter; several in turns."),
    ],
    reason: Annotated[str, typer.Option(help="Why; it stands in the change log.")],
    config: ConfigOption = None,
    during_recipe: Annotated[
        bool, typer.Option("--during-recipe", help="Also while a recipe runs, where its rule allows that.")
    ] = False,
    by: Annotated[str, typer.Option(help="Who; by default the login name.")] = "",
    json: JsonOption = False,
) -> None:
    """Write set-values to the tool, read them back, and keep who changed what and why.

    Off by default: [writes] in config.toml on the controller says what may be written. A negative value stands behind
    --, as in: ald-recorder set --reason cool -- "Stage/temperature" -20
    """
    settings = read_config(config)
    step = {
        "values": values_of(assignments),
        "reason": reason,
        "changed_by": by or getpass.getuser(),
        "during_recipe": during_recipe,
    }
    try:
        answer: list[dict[str, Any]] = run_async(ask(settings.control_socket, "set", **step))
    except NoAnswerError as error:
        raise NoAnswerError(f"{error}: {UNANSWERED}") from error
    if json:
        print_json(answer)
    else:
        print_table(
            ("parameter", "value#", "outcome", "what happened"),
            [(r["parameter"], _with_unit(r), r["outcome"].replace("_", " "), r["message"]) for r in answer],
            wraps=("what happened",),
        )
    if any(result["outcome"] != "done" for result in answer):
        raise typer.Exit(1)


def values_of(assignments: Sequence[str]) -> dict[str, float]:
    """Read parameters and values, given in turns.

    Raises:
        UsageError: a value is missing or is none, or a parameter is named twice.
    """
    if len(assignments) % _PAIR:
        raise UsageError(f"{assignments[-1]!r} has no value: name parameters and values in turns")
    values: dict[str, float] = {}
    for name, text in zip(assignments[::2], assignments[1::2], strict=True):
        if name in values:
            raise UsageError(f"{name!r} is named twice: give it one value")
        try:
            values[name] = float(text)
            json_text.dumps(values[name], allow_nan=False)
        except ValueError:
            raise UsageError(f"{text!r} is no value that a tool can hold: write a number, such as 200.5") from None
    return values


def _with_unit(result: Mapping[str, Any]) -> str:
    return f"{result['value']:g} {result['unit']}".rstrip()
