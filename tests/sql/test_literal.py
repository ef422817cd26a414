"""Arguments as literals: what is written comes back, and nothing in it is taken for SQL."""

import uuid

import asyncpg
import pytest

from sql.literal import quote_literal, with_arguments

TEXTS = [
    "",
    "plain",
    "it's",
    "a\\b",
    "\\'; DROP TABLE x; --",
    "E'\\\\'",
    "$1 and $2",
    "°C µs 漢字 😀",
    "line\nline\ttab",
    "%s {x}",
]


@pytest.mark.parametrize("conforming", ["on", "off"])
@pytest.mark.parametrize("text", TEXTS)
async def test_a_text_comes_back_as_it_was_written(empty_database_url: str, text: str, conforming: str) -> None:
    """Whatever a recipe or an operator is called, it is stored as it is, on any setting of backslashes."""
    connection = await asyncpg.connect(empty_database_url, server_settings={"standard_conforming_strings": conforming})
    try:
        assert await connection.fetchval(f"SELECT {quote_literal(text)}::text") == text
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, "text"),
        (True, "boolean"),
        (-(2**63), "int8"),
        (2**63 - 1, "int8"),
        (0.1, "float8"),
        (1e300, "float8"),
        (uuid.UUID(int=7), "uuid"),
    ],
)
async def test_a_value_takes_the_type_it_is_cast_to(empty_database_url: str, value: object, form: str) -> None:
    """The casts of the statement decide, as they do for its parameters."""
    connection = await asyncpg.connect(empty_database_url)
    try:
        assert await connection.fetchval(f"SELECT {quote_literal(value)}::{form}") == value
    finally:
        await connection.close()


def test_a_nul_is_left_out() -> None:
    """A NUL would end the message in the middle of a statement."""
    assert quote_literal("a\0b") == "E'ab'"


def test_arguments_stand_where_their_numbers_stand() -> None:
    """$10 is not $1 with a zero behind it, and an argument that looks like a placeholder stays what it is."""
    text = with_arguments("f($1, $10, $2)", ["$2", 2, 3, 4, 5, 6, 7, 8, 9, "x"])
    assert text == "f(E'$2', E'x', E'2')"
