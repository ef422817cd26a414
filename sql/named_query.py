"""Named statements: SQL stays in ``.sql`` files that psql can run, and each statement says what it is for."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

from sql.errors import QueryFileError, UnknownQueryError

_NAME: Final = re.compile(r"--\s*name:\s*(?P<name>.*?)\s*")
_SNAKE_CASE: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """One statement of ``sql/queries``.

    Attributes:
        name: what the program calls it.
        description: one sentence: what it answers or does.
        text: the statement alone, without its header and without the semicolon.
    """

    name: str
    description: str
    text: str


def load_queries(folder: Traversable) -> Mapping[str, Query]:
    """Read all statements of a folder, in files ``*.sql``.

    Each statement is headed by ``-- name: snake_case_name`` and, in the lines of comment that follow at once,
    one sentence that says what it is for.

    Raises:
        QueryFileError: a name is missing, wrong or taken, a description or a statement is missing.
    """
    queries: dict[str, Query] = {}
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    for file in files:
        for place, query in _parse(file.name, file.read_text(encoding="utf-8")):
            if query.name in queries:
                raise QueryFileError(f"{place}: the name {query.name} is taken; every statement needs its own")
            queries[query.name] = query
    return MappingProxyType(queries)


def _parse(file_name: str, content: str) -> Iterator[tuple[str, Query]]:
    lines = content.splitlines()
    heads = [number for number, line in enumerate(lines) if _NAME.fullmatch(line)]
    for number, line in enumerate(lines[: heads[0] if heads else len(lines)], start=1):
        if line.strip() and not line.startswith("--"):
            raise QueryFileError(f"{file_name}:{number}: a statement without a head; write `-- name: ...` above it")
    for head, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        place = f"{file_name}:{head + 1}"
        yield place, _parse_statement(place, lines[head], lines[head + 1 : end])


def _parse_statement(place: str, head: str, lines: list[str]) -> Query:
    match = _NAME.fullmatch(head)
    name = match["name"] if match else ""
    if not _SNAKE_CASE.fullmatch(name):
        raise QueryFileError(f"{place}: `{name}` is no name; use snake_case")
    comments = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    description = " ".join(line.removeprefix("--").strip() for line in lines[:comments]).strip()
    if not description:
        raise QueryFileError(f"{place}: {name} has no description; write `-- one sentence` below its name")
    text = "\n".join(lines[comments:]).strip().removesuffix(";").rstrip()
    if not text:
        raise QueryFileError(f"{place}: {name} has no statement")
    return Query(name=name, description=description, text=text)


QUERIES: Final = load_queries(resources.files("sql") / "queries")
"""Every statement of ``sql/queries`` by its name."""


def load_query(name: str) -> str:
    """Return the text of a named statement.

    Raises:
        UnknownQueryError: no file holds it.
    """
    try:
        return QUERIES[name].text
    except KeyError:
        raise UnknownQueryError(f"sql/queries holds no statement named {name}") from None
