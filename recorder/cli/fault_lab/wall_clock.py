"""The wall clock of one recorder, as the lab sets it; see `recorder.cli.fault_lab.stepped`."""

from pathlib import Path


class WallClock:
    """The machine's wall clock, and so many seconds.

    Args:
        folder: for the file that tells the recorder.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "wall-clock"
        self.set(0.0)

    def set(self, offset_s: float) -> None:
        """Step the clock so far from the machine's."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{offset_s:+f}\n", encoding="ascii")
        fresh.replace(self._file)

    @property
    def program(self) -> tuple[str, ...]:
        """What Python is to run in place of the recorder itself."""
        return ("-m", "recorder.cli.fault_lab.stepped", str(self._file))
