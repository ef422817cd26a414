"""What is served and where, for people and for ``--json``; the same words whatever stands behind."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """A served tool.

    Attributes:
        parameters: number of parameters in the map.
        recipe: name of the recipe that a start runs.
        run_duration_s: simulated seconds of a run.
        map_path: the definitions file to import.
        start: name of the coil that starts a run; empty where nothing need be written.
    """

    host: str
    port: int
    unit: int
    parameters: int
    recipe: str
    cycles: int
    run_duration_s: float
    speed: float
    seed: int
    map_path: Path
    start: str
