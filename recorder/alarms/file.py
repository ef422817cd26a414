"""Where each alarm stood, kept on disk: what was acknowledged or shelved is not asked for again after a restart."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from recorder.alarms.alarm import Alarm, AlarmState

_ALARMS = TypeAdapter(dict[str, Alarm])


class AlarmFile:
    """The alarms that are not normal, in one JSON file.

    Args:
        path: the file; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, Alarm]:
        """What was kept; a damaged file counts as empty, for what still holds comes up again."""
        try:
            return _ALARMS.validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return {}

    def keep(self, alarms: Mapping[str, Alarm]) -> None:
        """Replace the file as a whole; it survives a power cut.

        Raises:
            OSError: it could not be written.
        """
        kept = {name: alarm for name, alarm in sorted(alarms.items()) if alarm.state is not AlarmState.NORMAL}
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(_ALARMS.dump_python(kept, mode="json"), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
