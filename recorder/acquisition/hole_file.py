"""What devices refused, kept on disk so that a restart need not find it out again."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from hal.errors import DefinitionError
from hal.hole import Hole


class HoleFile:
    """The holes of all devices, in one JSON file.

    Args:
        path: the file; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._holes = _load(path)

    def of(self, device: str) -> tuple[Hole, ...]:
        """What a device is known to refuse."""
        return self._holes.get(device, ())

    def replace(self, device: str, holes: Iterable[Hole]) -> tuple[list[Hole], list[Hole]]:
        """Keep what a device refuses from now on; returns what is new and what is gone.

        The file is replaced as a whole but not synced: it is written in mid-scan, and what a power cut loses of it is
        found out again.

        Raises:
            OSError: it could not be written; the holes are known until the end of the program all the same.
        """
        before, now = self.of(device), tuple(holes)
        self._holes[device] = now
        content = {name: [hole.to_plain() for hole in own] for name, own in sorted(self._holes.items()) if own}
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(content, indent=1), encoding="utf-8")
        fresh.replace(self._path)
        return [hole for hole in now if hole not in before], [hole for hole in before if hole not in now]


def _load(path: Path) -> dict[str, tuple[Hole, ...]]:
    """Read the file; a damaged one counts as empty, since what it says is found out again."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: tuple(_holes(own)) for name, own in content.items()}
    except (OSError, ValueError, AttributeError, TypeError, DefinitionError):
        return {}


def _holes(content: Iterable[Mapping[str, object]]) -> Iterable[Hole]:
    return [Hole.of_plain(one) for one in content]
