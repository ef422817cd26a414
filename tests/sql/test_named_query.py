"""The files of named statements, and that PostgreSQL accepts every one of them."""

import subprocess
import sys
import zipfile
from pathlib import Path

import asyncpg
import pytest

from sql import QUERIES, QueryFileError, UnknownQueryError, load_query
from sql.named_query import load_queries

REPOSITORY = Path(__file__).parents[2]


def write(folder: Path, content: str, name: str = "some.sql") -> Path:
    """Put a file of statements into a folder, and return the folder."""
    (folder / name).write_text(content, encoding="utf-8")
    return folder


def test_a_file_gives_each_statement_with_its_description(tmp_path: Path) -> None:
    """Several statements of one file are told apart; the semicolon and the head are no part of the text."""
    queries = load_queries(
        write(
            tmp_path,
            "-- Statements of the test.\n\n"
            "-- name: first_one\n-- Says one,\n-- and no more.\nSELECT 1;\n\n"
            "-- name: second_one\n-- Says two.\nSELECT 2 -- two\n -- inside\n  FROM x;\n",
        )
    )
    assert list(queries) == ["first_one", "second_one"]
    assert queries["first_one"].description == "Says one, and no more."
    assert queries["first_one"].text == "SELECT 1"
    assert queries["second_one"].text == "SELECT 2 -- two\n -- inside\n  FROM x"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("-- name: one\nSELECT 1;\n", "some.sql:1: one has no description"),
        ("-- name: one\n-- Says one.\n", "some.sql:1: one has no statement"),
        ("-- name: One\n-- Says one.\nSELECT 1;\n", "some.sql:1: `One` is no name"),
        ("-- name:\n-- Says one.\nSELECT 1;\n", "some.sql:1: `` is no name"),
        ("SELECT 1;\n", "some.sql:1: a statement without a head"),
        (
            "-- name: one\n-- Says one.\nSELECT 1;\n-- name: one\n-- Says one.\nSELECT 1;\n",
            "some.sql:4: the name one is taken",
        ),
    ],
)
def test_a_file_that_breaks_the_convention_is_refused_by_line(tmp_path: Path, content: str, complaint: str) -> None:
    """A fault in a file names file, line and what is wrong."""
    with pytest.raises(QueryFileError) as caught:
        load_queries(write(tmp_path, content))
    assert str(caught.value).startswith(complaint)


def test_a_name_may_be_used_once_over_all_files(tmp_path: Path) -> None:
    """Names are global, so two files cannot hold the same one."""
    write(tmp_path, "-- name: one\n-- Says one.\nSELECT 1;\n", "a.sql")
    write(tmp_path, "-- name: one\n-- Says one.\nSELECT 1;\n", "b.sql")
    with pytest.raises(QueryFileError, match=r"b\.sql:1: the name one is taken"):
        load_queries(tmp_path)


def test_an_unknown_name_is_an_error_that_says_so() -> None:
    """A misspelt name does not end in a bare KeyError."""
    with pytest.raises(UnknownQueryError) as caught:
        load_query("no_such_statement")
    assert str(caught.value) == "sql/queries holds no statement named no_such_statement"


def test_the_queries_cannot_be_changed_by_the_program() -> None:
    """What was read from the files stays as it was read."""
    with pytest.raises(TypeError):
        QUERIES["new"] = next(iter(QUERIES.values()))  # type: ignore[index]


def test_a_wheel_carries_every_statement_and_migration(tmp_path: Path) -> None:
    """What is installed reads the same statements as the source tree, and has all migrations."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        queries = load_queries(zipfile.Path(wheel) / "sql" / "queries")
        names = {Path(name).name for name in wheel.namelist() if name.startswith("sql/migrations/0")}
    assert queries == QUERIES
    assert names == {path.name for path in (REPOSITORY / "sql" / "migrations").glob("0*")}


async def test_every_named_query_is_accepted_by_the_server(connection: asyncpg.Connection) -> None:
    """Each statement parses and finds its tables, columns and functions in the migrated schema."""
    refused = {}
    for query in QUERIES.values():
        try:
            await connection.prepare(query.text)
        except asyncpg.PostgresError as error:
            refused[query.name] = str(error)
    assert not refused
