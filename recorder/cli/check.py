"""``ald-recorder check``: whether the tool can be recorded, and rightly."""

from pathlib import Path
from typing import Annotated

import typer

from hal.parameter import WordOrder
from recorder.check.run import Checked, run_check
from recorder.check.verdict import Report
from recorder.cli.app import ConfigOption, JsonOption, app, read_config, run_async
from recorder.cli.check_screen import CheckScreen
from recorder.cli.output import print_json
from recorder.definitions.export import write_definition_file


@app.command()
def check(
    config: ConfigOption = None,
    definitions: Annotated[
        Path | None, typer.Option(help="Check this CSV file, which need not be imported, in place of the database's.")
    ] = None,
    word_order: Annotated[
        WordOrder, typer.Option(help="Of rows of that file that do not say their own.")
    ] = WordOrder.CDAB,
    expect: Annotated[
        list[str] | None,
        typer.Option(help="What a front panel says: 'component/parameter=25.1'. Repeat it for more."),
    ] = None,
    fix: Annotated[Path | None, typer.Option(help="Write corrected definitions to this CSV file, for review.")] = None,
    brief: Annotated[bool, typer.Option("--brief", help="Print only what is not well.")] = False,
    json: JsonOption = False,
) -> None:
    """Look at database, clock, disk, devices and every parameter, and say what is wrong. Reads only."""
    settings = read_config(config)
    screen = CheckScreen(is_brief=brief)
    report = Report() if json else Report(tell=screen.show)
    checked = run_async(run_check(settings, report, file=definitions, word_order=word_order, expected=expect or []))
    if fix is not None and checked.source is not None:
        write_definition_file(fix, checked.corrections.apply(checked.source.definitions))
    if json:
        corrections = {
            name: {field: str(value) for field, value in fields.items()}
            for name, fields in checked.corrections.changes.items()
        }
        print_json({**report.to_plain(), "corrections": corrections})
    else:
        screen.show_sum(report)
        _print_fix(checked, fix)
    if not report.is_well:
        raise typer.Exit(1)


def _print_fix(checked: Checked, fix: Path | None) -> None:
    changed = len(checked.corrections.changes)
    parameters = f"{changed} parameter{'' if changed == 1 else 's'}"
    if fix is not None and checked.source is not None:
        print(f"{fix}: {parameters} of {len(checked.source.definitions)} corrected; review it, then")
        print(f"  ald-recorder definitions import {fix} --dry-run")
    elif changed:
        print(f"{parameters} can be corrected: --fix FILE.csv writes definitions for review")
