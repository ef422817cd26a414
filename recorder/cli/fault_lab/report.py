"""The acceptance report: what was done to the recorder, what it made of it, and a line to sign."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import metadata
from textwrap import wrap
from typing import Any, Final

from recorder.cli.fault_lab.experiment import FAIL, PASS, SKIPPED, Result
from recorder.cli.fault_lab.scenario import Check

_WIDTH: Final = 100
_LABEL: Final = 12
_MOST_DEEDS: Final = 40
_PACKAGES: Final = ("ald-recorder", "asyncpg", "pymodbus", "numpy", "uvloop")


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All results, and on what they were had.

    Attributes:
        started_at: local time.
        postgresql: its version.
    """

    started_at: datetime
    seed: int
    is_short: bool
    postgresql: str
    results: Sequence[Result]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(result.verdict != FAIL for result in self.results)

    @property
    def verdict(self) -> str:
        """The whole in words."""
        counts = {word: sum(result.verdict == word for result in self.results) for word in (PASS, FAIL, SKIPPED)}
        word = PASS if self.passed else FAIL
        return f"{word}: {counts[PASS]} passed, {counts[FAIL]} failed, {counts[SKIPPED]} skipped"

    def to_plain(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "date": self.started_at.isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": {**versions(), "postgresql": self.postgresql},
            "seed": self.seed,
            "form": "short" if self.is_short else "long",
            "scenarios": [_plain(result) for result in self.results],
            "verdict": PASS if self.passed else FAIL,
        }

    def page(self) -> str:
        """The report for people."""
        lines = [
            "Acceptance report of the ALD recorder: the fault lab",
            "",
            *_lines("date", f"{self.started_at:%Y-%m-%d %H:%M:%S %z}"),
            *_lines("machine", ", ".join(str(value) for value in machine().values())),
            *_lines(
                "versions", ", ".join(f"{k} {v}" for k, v in {**versions(), "PostgreSQL": self.postgresql}.items())
            ),
            *_lines("settings", f"seed {self.seed}, {'short' if self.is_short else 'long'} form"),
            *_lines("again", f"ald-recorder faults run NAME --seed {self.seed}{' --short' if self.is_short else ''}"),
        ]
        for result in self.results:
            lines += ["", *_section(result)]
        lines += ["", self.verdict, "", "Date, name, signature: ______________________________________________"]
        return "\n".join(lines)


def machine() -> Mapping[str, Any]:
    """What this ran on."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.machine(),
        "processors": f"{os.cpu_count()} processors",
        "python": f"Python {platform.python_version()}",
    }


def versions() -> Mapping[str, str]:
    """What of ours and of others was at work."""
    return {name: metadata.version(name) for name in _PACKAGES if _is_installed(name)}


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _plain(result: Result) -> dict[str, Any]:
    scenario, findings = result.scenario, result.findings
    plain: dict[str, Any] = {
        "name": scenario.name,
        "sentence": scenario.sentence,
        "promise": scenario.promise,
        "verdict": result.verdict,
        "reason": result.reason,
        "seconds": round(result.seconds, 1),
    }
    if findings is not None:
        plain |= {
            "settings": dict(findings.settings),
            "deeds": [asdict(deed) for deed in findings.deeds],
            "comparison": asdict(findings.comparison),
            "checks": [asdict(check) for check in findings.checks],
            "audit": findings.audit,
        }
    return plain


def _section(result: Result) -> Iterator[str]:
    scenario, findings = result.scenario, result.findings
    yield f"{scenario.name}: {result.verdict}  ({result.seconds:.0f} s)"
    yield from _lines("what", scenario.sentence)
    yield from _lines("promise", scenario.promise)
    if result.reason:
        yield from _lines("reason", result.reason)
    if findings is None:
        return
    if findings.settings:
        yield from _lines("with", ", ".join(f"{key} {value}" for key, value in findings.settings.items()))
    told = [f"{deed.at_s:9.2f} s  {deed.what}" for deed in findings.deeds[:_MOST_DEEDS]]
    more = len(findings.deeds) - len(told)
    for number, line in enumerate([*told, *([f"            and {more} more; see --json"] if more > 0 else [])]):
        yield f"  {'done' if number == 0 else '':{_LABEL}}{line}"
    compared = findings.comparison
    yield from _lines(
        "responses",
        f"{compared.sent} sent, {compared.stored} stored, {compared.equal} equal, {compared.duplicates} duplicates, "
        f"{compared.foreign} never sent",
    )
    for cause, count in sorted(compared.lost.items()):
        yield from _lines("not stored", f"{count}: {cause}")
    yield from _lines("audit", findings.audit or "there was no run")
    for problem in compared.problems:
        yield from _lines(FAIL, problem)
    for check in findings.checks:
        yield from _lines("checked" if check.holds else FAIL, _claim(check))


def _claim(check: Check) -> str:
    return f"{check.claim}: {'yes' if check.holds else 'NO'}{f' ({check.found})' if check.found else ''}"


def _lines(label: str, text: str) -> Iterator[str]:
    for number, line in enumerate(wrap(text, _WIDTH - _LABEL - 2) or [""]):
        yield f"  {label if number == 0 else '':{_LABEL}}{line}"
