"""Arguments as literals, for the few messages in which PostgreSQL takes no parameters: several statements at once."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

_PLACEHOLDER: Final = re.compile(r"\$(\d+)")


def quote_literal(value: object) -> str:
    """Write a value as a literal of unknown type: it takes the type that its statement casts it to.

    An ``E''`` literal, since what a backslash means in a plain one depends on standard_conforming_strings. A NUL is
    left out: no text of PostgreSQL can hold one, and here it would end the whole message.
    """
    if value is None:
        return "NULL"
    escaped = str(value).replace("\0", "").replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


def with_arguments(text: str, arguments: Sequence[object]) -> str:
    """Put literals in the place of ``$1``, ``$2`` and so on; a statement must hold no ``$1`` in a string of its own."""
    return _PLACEHOLDER.sub(lambda found: quote_literal(arguments[int(found[1]) - 1]), text)


def set_local(settings: Mapping[str, object]) -> str:
    """Settings for the rest of a transaction, as statements; SET takes no parameters, and so can be no named statement.

    Not set_config: it is a query, and after a query the isolation level of a transaction stands.
    """
    return ";\n".join(f"SET LOCAL {name} TO {quote_literal(value)}" for name, value in settings.items())
