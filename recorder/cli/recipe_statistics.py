"""``ald-recorder runs statistics``: what the completed runs of a recipe have in common."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from recorder.cli.app import ConfigOption, JsonOption, run_async
from recorder.cli.demo_database import DatabasePlace, DemoOption, database_of
from recorder.cli.output import local_time, print_json, print_table
from recorder.cli.runs import runs_app
from recorder.errors import UsageError


@runs_app.command()
def statistics(
    recipe: Annotated[str, typer.Argument(help="Its whole name; without one, the recipes that have statistics.")] = "",
    config: ConfigOption = None,
    steps: Annotated[bool, typer.Option("--steps", help="By step as well as over the whole run.")] = False,
    machine: Annotated[str | None, typer.Option(help="Of this machine instead of the configuration's.")] = None,
    demo: DemoOption = False,
    json: JsonOption = False,
) -> None:
    """Show what the completed runs of a recipe have in common, parameter by parameter.

    Made anew after each run that has ended, and by `database maintain`.
    """

    async def fetch(place: DatabasePlace) -> list[Mapping[str, Any]]:
        of = place.machine if machine is None else machine
        async with place.session() as session:
            known = await session.fetch("recipes_with_statistics", of)
            if not recipe:
                return known
            if recipe not in {one["recipe"] for one in known}:
                names = ", ".join(repr(one["recipe"]) for one in known) or "none"
                raise UsageError(f"no run of {recipe!r} on {of!r} was completed and summarised; there are: {names}")
            return await session.fetch("recipe_statistics", of, recipe, steps)

    with database_of(config, demo=demo) as place:
        rows = run_async(fetch(place))
    if json:
        print_json([dict(row) for row in rows])
    elif not rows:
        print("no recipe was completed and summarised yet; see ald-recorder runs list")
    elif not recipe:
        print_table(
            ("recipe", "runs#", "last run"),
            [(row["recipe"], row["runs"], local_time(row["last_run_at"])[:-3]) for row in rows],
            wraps=("recipe",),
        )
    else:
        _print_statistics(rows, by_step=steps)


def _print_statistics(rows: list[Mapping[str, Any]], *, by_step: bool) -> None:
    columns = ("parameter", "runs#", "mean#", "between runs#", "lowest#", "highest#", "unit")
    print_table(
        ("step", *columns) if by_step else columns,
        [
            (
                *(("whole run" if row["step"] is None else row["step"],) if by_step else ()),
                *(f"{row['component']}/{row['parameter']}", row["runs"], _number(row["mean"])),
                *(_number(row[name]) for name in ("deviation_between_runs", "lowest", "highest")),
                row["unit"],
            )
            for row in rows
        ],
        wraps=("parameter",),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
