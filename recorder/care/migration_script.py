"""The migrations as one SQL script, for those who apply it by hand or in a service's own editor."""

import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from runpy import run_path
from typing import Final

from recorder.database import quote_identifier
from recorder.database.migration import MigrationError, content_hash
from sql import load_query
from sql.literal import with_arguments

_CONCURRENTLY: Final = re.compile(r"\bINDEX CONCURRENTLY\b")
_POINTS: Final = "process_data_points"


def migration_script(pending: Sequence[str], *, schema: str, concurrently: bool, folder: Path | None = None) -> str:
    """SQL that does what `ald-recorder database migrate` would, its bookkeeping included.

    Args:
        pending: names of the migrations that are still to be applied, in their order.
        schema: made where it is missing.
        concurrently: build indexes while others write, which needs psql and no transaction around; else each migration
            is one transaction, and the script is plain SQL that any program can run.
        folder: the migrations, where not those of this release.

    Raises:
        MigrationError: a name is not one of this release.
    """
    folder = folder or Path(str(resources.files("sql"))) / "migrations"
    files = {path.stem: path for path in folder.iterdir() if path.suffix in {".sql", ".py"}}
    if unknown := [name for name in pending if name not in files]:
        raise MigrationError(f"{', '.join(unknown)}: no such migration in this release; install the program anew")
    how = "psql alone, statement by statement" if concurrently else "any program; indexes lock out writers meanwhile"
    parts = [
        f"-- Schema {schema} of the ALD recorder: {len(pending)} migrations. To be run by: {how}.",
        *(["\\set ON_ERROR_STOP on"] if concurrently else []),
        "SET client_min_messages TO warning;",
        f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(schema)};",
        f"SET search_path TO {quote_identifier(schema)};",
        f"{load_query('create_schema_migrations').replace('CREATE TABLE', 'CREATE TABLE IF NOT EXISTS', 1)};",
    ]
    parts += [_one(files[name], concurrently=concurrently) for name in pending]
    return "\n\n".join(parts) + "\n"


def _one(path: Path, *, concurrently: bool) -> str:
    content = path.read_text(encoding="utf-8")
    record = with_arguments(load_query("record_migration"), (path.stem, content_hash(content))) + ";"
    if path.suffix == ".py":
        is_whole, body = False, _point_indexes(path, concurrently=concurrently)
    else:
        head, _, rest = content.partition("-- migrate: apply")
        is_whole = "-- transaction: false" not in head
        body = rest.partition("-- migrate: rollback")[0].strip()
    if not (concurrently or is_whole):
        is_whole, body = True, _CONCURRENTLY.sub("INDEX", body)
    lines = [f"-- {path.stem}", "BEGIN;", body, record, "COMMIT;"] if is_whole else [f"-- {path.stem}", body, record]
    return "\n".join(line for line in lines if line)


def _point_indexes(path: Path, *, concurrently: bool) -> str:
    """What a migration in Python does that builds indexes of the points, which SQL alone cannot do concurrently."""
    lines = []
    for name, suffix, definition in run_path(str(path))["INDEXES"]:
        if concurrently:
            steps = with_arguments(
                "SELECT statement FROM partitioned_index_steps($1, $2, $3, $4) \\gexec",
                (name, _POINTS, suffix, definition),
            )
            # the first makes the index on the parent, the second what is then left on the partitions
            lines += [steps, steps]
        else:
            lines.append(f"CREATE INDEX IF NOT EXISTS {quote_identifier(name)} ON {_POINTS} {definition};")
    return "\n".join(lines)
