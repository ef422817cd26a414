"""``ald-recorder database quarantine``: what PostgreSQL refused for its content."""

import csv
import json as json_format
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from recorder.cli.app import ConfigOption, JsonOption, run_async
from recorder.cli.database import database_app
from recorder.cli.demo_database import DatabasePlace, DemoOption, database_of
from recorder.cli.output import local_time, print_json, print_table
from recorder.database import Session
from recorder.errors import UsageError
from recorder.writer.quarantine_retry import LISTED, Retried, read_quarantine, readable
from recorder.writer.quarantine_retry import retry as retry_quarantine

quarantine_app = typer.Typer(
    help="Rows, events and entries that PostgreSQL refused for their content.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
database_app.add_typer(quarantine_app, name="quarantine")
_ROW_FIELDS = ("timestamp_us", "value", "set_value", "parameter_id", "quality")


class ExportFormat(StrEnum):
    """How an export is written."""

    NDJSON = "ndjson"
    CSV = "csv"


@quarantine_app.command("list")
def list_(
    config: ConfigOption = None,
    process: Annotated[int | None, typer.Option(help="Only of this run.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, oldest first.")] = 50,
    demo: DemoOption = False,
    json: JsonOption = False,
) -> None:
    """List what is in quarantine."""

    async def fetch(place: DatabasePlace) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
        async with place.session() as session:
            totals = await session.fetch_one("count_quarantine", process)
            assert totals is not None
            return await session.fetch("list_quarantine", process, limit), totals

    with database_of(config, demo=demo) as place:
        found, totals = run_async(fetch(place))
    if json:
        print_json({**totals, "quarantine": [dict(row) for row in found]})
        return
    if not found:
        print("nothing is in quarantine")
        return
    print_table(
        ("id#", "kind", "run", "device", "occurred", "rows#", "state", "error"),
        [
            (
                *(row["id"], row["kind"], row["process_id"], row["device"], local_time(row["occurred_at"])),
                *(row["row_count"], row["sqlstate"], row["error"]),
            )
            for row in found
        ],
        wraps=("error",),
    )
    print(
        f"{totals['refusals']} in quarantine, {totals['rows']} rows; database quarantine retry puts them in once more"
    )


@quarantine_app.command()
def retry(
    ids: Annotated[list[int] | None, typer.Argument(help="Only these; by default all.")] = None,
    config: ConfigOption = None,
    demo: DemoOption = False,
    json: JsonOption = False,
) -> None:
    """Put everything in once more, in one transaction; what is accepted now leaves the quarantine."""

    async def work(place: DatabasePlace) -> Retried:
        async with place.session() as session:
            return await retry_quarantine(session, ids or None)

    with database_of(config, demo=demo) as place:
        retried = run_async(work(place))
    if json:
        print_json({"rows": retried.rows, "events": retried.events, "refused": retried.refused})
    else:
        print(f"stored {retried.rows} rows and {retried.events} events; {retried.refused} refused again")
    if retried.refused:
        raise typer.Exit(1)


@quarantine_app.command()
def export(
    ids: Annotated[list[int] | None, typer.Argument(help="Only these; by default all.")] = None,
    config: ConfigOption = None,
    format: Annotated[
        ExportFormat, typer.Option(help="One JSON object a line, or a line a row.")
    ] = ExportFormat.NDJSON,
    output: Annotated[Path | None, typer.Option(help="A file; by default standard output.")] = None,
    demo: DemoOption = False,
) -> None:
    """Write all that is known of what is in quarantine; nothing leaves it."""

    async def work(place: DatabasePlace) -> None:
        async with place.session() as session:
            with _opened(output) as file:
                await _write(session, ids or None, format, file)

    with database_of(config, demo=demo) as place:
        run_async(work(place))


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    try:
        file = output.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}; name another --output") from error
    with file:
        yield file


async def _write(session: Session, ids: Sequence[int] | None, format: ExportFormat, file: TextIO) -> None:
    table = csv.DictWriter(file, [*LISTED, *_ROW_FIELDS, "header", "content"], extrasaction="ignore")
    if format is ExportFormat.CSV:
        table.writeheader()
    async for part in read_quarantine(session, ids):
        for refusal in map(readable, part):
            if format is ExportFormat.CSV:
                table.writerows(_flat(refusal))
            else:
                file.write(json_format.dumps(refusal, ensure_ascii=False, default=_plain) + "\n")


def _flat(refusal: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A line for each row of a refusal, and one where it has none that can be read."""
    header = "" if refusal["header"] is None else json_format.dumps(refusal["header"], ensure_ascii=False)
    for row in refusal["rows"] or [{}]:
        yield {**refusal, **row, "process_id": refusal["process_id"], "header": header}


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
