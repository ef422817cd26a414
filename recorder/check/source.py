"""What is to be checked: definitions of a file, the database or the last good copy, and what front panels say."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hal.parameter import WordOrder
from recorder.check.plausible import Expectation
from recorder.check.verdict import Report, Verdict
from recorder.config.file import Config
from recorder.database import single_session
from recorder.definitions.definitions import Definition, load_definitions, load_last_good
from recorder.definitions.file import read_definition_file
from recorder.definitions.findings import Finding, Located, Severity, examine
from recorder.errors import ConfigurationError, DatabaseError, DefinitionsError, UsageError

SECTION: Final = "Definitions"
_VERDICTS: Final = {Severity.ERROR: Verdict.FAULT, Severity.WARNING: Verdict.WARNING}
_NAMES_SHOWN: Final = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Definitions and where they came from.

    Attributes:
        name: for people.
        definitions: each with an id and with the names of its set-value, whatever the source had.
        findings: what contradicts itself in them.
    """

    name: str
    definitions: tuple[Definition, ...]
    findings: tuple[Finding, ...]

    @property
    def readable(self) -> tuple[Definition, ...]:
        """Those that can be read."""
        return tuple(definition for definition in self.definitions if definition.is_configured)


def from_file(path: Path, word_order: WordOrder) -> Source:
    """Read a file that need not be imported yet.

    Raises:
        UsageError: it cannot be understood.
    """
    content = read_definition_file(path, word_order=word_order)
    return Source(name=str(path), definitions=_completed(content.definitions), findings=content.findings)


async def from_recorder(config: Config) -> Source:
    """Load what the recorder would take: the database's, else the last good copy.

    Raises:
        DefinitionsError: there are none.
        ConfigurationError: neither database nor copy.
    """
    machine = config.recorder.machine
    try:
        prepared, schema = config.database.prepared_statements, config.database.schema_name
        async with single_session(config.require_dsn(), schema, prepared_statements=prepared) as session:
            loaded = await load_definitions(session, machine, is_bulk=config.database.bulk_load)
        name = "the database"
    except (DatabaseError, ConfigurationError, DefinitionsError):
        kept = load_last_good(config.recorder.data_directory / "definitions.json", machine)
        if kept is None:
            raise
        loaded, name = kept, "the last good copy"
    definitions = _completed(loaded.definitions)
    findings = examine([Located(definition=definition) for definition in definitions])
    return Source(name=name, definitions=definitions, findings=tuple(findings))


def _completed(definitions: Sequence[Definition]) -> tuple[Definition, ...]:
    """Give each definition an id, and both the id and the name of its set-value."""
    highest = max((d.id or 0 for d in definitions), default=0)
    numbered = [d if d.id else d.model_copy(update={"id": highest + n}) for n, d in enumerate(definitions, start=1)]
    names = {d.id: d.full_name for d in numbered}
    ids = {d.full_name: d.id for d in numbered}
    return tuple(
        d.model_copy(
            update={
                "set_value_parameter": d.set_value_parameter or names.get(d.set_value_parameter_id, ""),
                "set_value_parameter_id": d.set_value_parameter_id or ids.get(d.set_value_parameter),
            }
        )
        for d in numbered
    )


def report_source(source: Source, report: Report) -> None:
    """Say what the definitions are, and what contradicts itself in them."""
    readable, total = len(source.readable), len(source.definitions)
    message = f"{total} parameters of {source.name}, {readable} with an address"
    report.add(SECTION, Verdict.OK, message, parameters=total, readable=readable)
    silent = [definition.full_name for definition in source.definitions if not definition.is_configured]
    if silent:
        more = f" and {len(silent) - _NAMES_SHOWN} more" if len(silent) > _NAMES_SHOWN else ""
        message = f"{len(silent)} without a readable address: {', '.join(silent[:_NAMES_SHOWN])}{more}"
        report.add(SECTION, Verdict.NOT_ASKED, message, parameters=silent)
    for finding in source.findings:
        if finding.severity in _VERDICTS:
            place = f"line {finding.line}: " if finding.line else ""
            message = f"{place}{finding.parameter}: {finding.message}"
            report.add(SECTION, _VERDICTS[finding.severity], message, code=finding.code)


def parse_expectations(texts: Iterable[str], definitions: Sequence[Definition]) -> dict[str, Expectation]:
    """Understand what was typed in from front panels: ``component/parameter=value`` each.

    Raises:
        UsageError: not of this form, or there is no such parameter with an address.
    """
    readable = {definition.full_name for definition in definitions if definition.is_configured}
    expectations = {}
    for text in texts:
        name, separator, value = text.rpartition("=")
        name = name.strip()
        if not separator or not name:
            raise UsageError(f"--expect: {text!r} is not NAME=VALUE, for example 'Heater/temperature=25.1'")
        if name not in readable:
            close = difflib.get_close_matches(name, readable, n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]!r}?" if close else "; see ald-recorder definitions list"
            raise UsageError(f"--expect: there is no parameter {name!r} with an address{hint}")
        expectations[name] = Expectation.parse(value.strip())
    return expectations
