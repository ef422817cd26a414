"""Part of the migrations, so that a test can stand between two of them."""

import shutil
from pathlib import Path

RELEASED = Path(__file__).parents[2] / "sql" / "migrations"


def migrations_until(folder: Path, last: str) -> Path:
    """Copy the migrations up to and with the one whose name begins with `last`, and return their folder."""
    part = folder / f"until_{last}"
    part.mkdir()
    for path in sorted(RELEASED.glob("0*")):
        shutil.copy(path, part)
        if path.name.startswith(last):
            return part
    raise ValueError(last)
