"""JSON as PostgreSQL's jsonb takes it."""

import json
import re
from typing import Final

_ESCAPED_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""The six characters by which JSON writes a NUL, but not those of a backslash followed by u0000."""


def to_json(value: object) -> str:
    """Encode a value for a jsonb argument; NUL characters are left out, since jsonb can hold none."""
    encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _ESCAPED_NUL.sub(r"\1", encoded) if "\\u0000" in encoded else encoded
