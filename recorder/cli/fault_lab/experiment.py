"""Carries out scenarios one after the other, and never lets one spoil the next."""

import asyncio
import random
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recorder.cli.fault_lab.lab import SERVER_SETTINGS, Lab, lab_folder
from recorder.cli.fault_lab.scenario import Findings, Scenario, SkippedError
from recorder.embedded import EmbeddedPostgres
from recorder.errors import RecorderError, UsageError
from simulator.errors import SimulatorError

PASS: Final = "PASS"  # noqa: S105  (no password)
FAIL: Final = "FAIL"
SKIPPED: Final = "SKIPPED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What came of one scenario.

    Attributes:
        findings: None where it could not be carried through.
        reason: why it was skipped, or could not be carried through.
    """

    scenario: Scenario
    seconds: float
    findings: Findings | None = None
    reason: str = ""
    is_skipped: bool = False

    @property
    def verdict(self) -> str:
        """PASS, FAIL or SKIPPED."""
        if self.is_skipped:
            return SKIPPED
        return PASS if self.findings is not None and self.findings.passed else FAIL


@contextmanager
def opened_lab(*, is_short: bool, keep: Path | None = None) -> Iterator[Lab]:
    """A lab with its PostgreSQL; both are gone afterwards.

    Args:
        is_short: whether scenarios take their short form; the server then saves itself the disk.
        keep: where everything but the server's data is copied to in the end.
    """
    if keep is not None:
        try:
            keep.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--keep {keep}: cannot be made: {error.strerror}; name another folder") from error
    with lab_folder() as folder:
        try:
            with EmbeddedPostgres(folder / "pg", durable=not is_short, settings=SERVER_SETTINGS) as server:
                yield Lab(folder, server, is_short=is_short)
        finally:
            if keep is not None:
                shutil.copytree(folder, keep, dirs_exist_ok=True, symlinks=True, ignore=_not_kept)


def _not_kept(folder: str, names: list[str]) -> list[str]:
    """What is no evidence: the server's data, and what is no file at all."""
    return [name for name in names if name in {"pg", "lock"} or (Path(folder) / name).is_socket()]


async def carry_out(
    lab: Lab, scenarios: Sequence[Scenario], *, seed: int, tell: Callable[[Scenario], None] = lambda _scenario: None
) -> list[Result]:
    """Carry out scenarios; SIGTERM ends it as Ctrl-C does.

    Args:
        lab: where.
        scenarios: in this order.
        seed: with the name of a scenario, of all that is random in it.
        tell: told of each as it begins.
    """
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        results = []
        for scenario in scenarios:
            tell(scenario)
            results.append(await _one(lab, scenario, seed))
        return results
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def _one(lab: Lab, scenario: Scenario, seed: int) -> Result:
    began_s = time.monotonic()
    findings, reason, is_skipped = None, "", False
    try:
        findings = await scenario.run(lab, random.Random(f"{seed}/{scenario.name}"))  # noqa: S311  (to be repeated)
    except SkippedError as error:
        reason, is_skipped = str(error), True
    except (RecorderError, SimulatorError, OSError, TimeoutError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        (lab.folder / f"{scenario.name}.error").write_text(traceback.format_exc(), encoding="utf-8")
    finally:
        if not lab.server.running:  # the scenario ended while it had it stopped
            with suppress(RecorderError):
                lab.server.stop("fast")
            lab.server.start()
    return Result(
        scenario=scenario,
        seconds=time.monotonic() - began_s,
        findings=findings,
        reason=reason,
        is_skipped=is_skipped,
    )
