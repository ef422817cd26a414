"""``ald-recorder definitions``: what is read from the tool."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from hal.devices import KNOWN_DEVICES
from hal.parameter import WordOrder
from recorder.acquisition.setup import plan_limits
from recorder.cli.app import ConfigOption, JsonOption, app, read_config, run_async
from recorder.cli.demo_database import DatabasePlace, DemoOption, database_of, place_of
from recorder.cli.known_devices import describe, print_what_it_needs
from recorder.cli.output import print_json, print_table
from recorder.config.file import Config
from recorder.definitions.definitions import Definition, DefinitionSet, load_definitions, load_last_good
from recorder.definitions.diff import Difference, difference
from recorder.definitions.earlier_database import read_earlier_database
from recorder.definitions.file import DefinitionFile, read_definition_file
from recorder.definitions.findings import Severity
from recorder.definitions.importing import Comparison, Load, compare, estimate, write
from recorder.definitions.known_device import device_name_of, find_known_device, known_definitions
from recorder.errors import ConfigurationError, DatabaseError, DefinitionsError, OutsideError, UsageError

definitions_app = typer.Typer(help="Which parameters are read, and how.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(definitions_app, name="definitions")

_FINDINGS_SHOWN = 40


@definitions_app.command("import")
def import_(
    file: Annotated[Path | None, typer.Argument(help="CSV file; docs/definitions.md explains its columns.")] = None,
    known: Annotated[
        str | None, typer.Option("--device", help="A known device in place of FILE; see: definitions devices.")
    ] = None,
    as_device: Annotated[
        str | None, typer.Option(help="With --device: section of the configuration; its name where not given.")
    ] = None,
    component: Annotated[
        str | None, typer.Option(help="With --device: component of its parameters, for example 'Chuck heater'.")
    ] = None,
    from_database: Annotated[
        str | None,
        typer.Option(
            metavar="DSN",
            help="The database of the earlier recorder in place of FILE; docs/definitions.md says what it takes over.",
        ),
    ] = None,
    from_schema: Annotated[str, typer.Option(help="With --from-database: the schema of its tables.")] = "public",
    ignore_column: Annotated[
        list[str] | None, typer.Option(help="With --from-database: a column to pass over. Repeat it for more.")
    ] = None,
    config: ConfigOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, only say what would change.")] = False,
    word_order: Annotated[
        WordOrder, typer.Option(help="Of rows that do not say their own; CDAB is low word first.")
    ] = WordOrder.CDAB,
    json: JsonOption = False,
) -> None:
    """Bring the definitions of the configured machine to what a file says, or those of one device to what is known."""
    if sum(source is not None for source in (file, known, from_database)) != 1:
        raise UsageError("definitions import: give one of FILE, --device NAME and --from-database DSN")
    if ignore_column and from_database is None:
        raise UsageError("definitions import: --ignore-column goes with --from-database")
    settings = read_config(config)
    limits = {name: plan_limits(device) for name, device in settings.devices.items()}
    if known is None:
        if as_device is not None or component is not None:
            raise UsageError("definitions import: --as-device and --component go with --device alone")
        device = None
        if from_database is not None:
            content = run_async(
                read_earlier_database(
                    from_database, schema=from_schema, word_order=word_order, without=ignore_column or ()
                )
            )
        else:
            assert file is not None
            content = read_definition_file(file, word_order=word_order)
    else:
        equipment = find_known_device(known)
        device = device_name_of(equipment, as_device)
        content = known_definitions(equipment, device=device, component=component)
        limits.setdefault(device, equipment.limits)
    load = estimate(content.definitions, limits)
    has_database = bool(settings.database.dsn.get_secret_value())
    if not dry_run:
        settings.require_dsn()
    comparison = run_async(_apply(settings, content, device, dry_run=dry_run)) if has_database else None
    if json:
        print_json(_as_json(content, load, comparison, dry_run=dry_run))
    else:
        _print(settings, content, load, comparison, dry_run=dry_run)
        if known is not None and device is not None:
            print_what_it_needs(KNOWN_DEVICES[known], device, settings)


async def _apply(settings: Config, content: DefinitionFile, device: str | None, *, dry_run: bool) -> Comparison:
    machine = settings.recorder.machine
    async with place_of(settings).session() as session:
        if dry_run:
            return await compare(session, machine, content.definitions, device=device)
        return await write(session, machine, content, device=device)


def _as_json(content: DefinitionFile, load: Load, comparison: Comparison | None, *, dry_run: bool) -> dict[str, Any]:
    readable = sum(definition.is_configured for definition in content.definitions)
    return {
        "file": str(content.path),
        "dry_run": dry_run,
        "parameters": len(content.definitions),
        "readable": readable,
        "not_configured": len(content.definitions) - readable,
        "findings": [asdict(finding) for finding in content.findings],
        "requests_per_scan": load.requests_per_scan,
        "plans": [
            {"device": device, "scan_interval_ms": interval_ms, "plan": plan.explain().splitlines()}
            for (device, interval_ms), plan in load.plans.items()
        ],
        "rows_per_day": load.rows_per_day,
        "bytes_per_day": load.bytes_per_day,
        "changes": None
        if comparison is None
        else {
            "added": [definition.full_name for definition in comparison.added],
            "changed": {change.definition.full_name: change.fields for change in comparison.changed},
            "removed": [definition.full_name for definition in comparison.removed],
        },
    }


def _print(
    settings: Config, content: DefinitionFile, load: Load, comparison: Comparison | None, *, dry_run: bool
) -> None:
    readable = sum(definition.is_configured for definition in content.definitions)
    print(
        f"{content.path}: {len(content.definitions)} parameters, {readable} readable, "
        f"{len(content.definitions) - readable} not configured"
    )
    telling = [finding for finding in content.findings if finding.severity is not Severity.INFO]
    for finding in telling[:_FINDINGS_SHOWN]:
        print(f"line {finding.line}: {finding.severity} {finding.code}: {finding.parameter}: {finding.message}")
    if len(telling) > _FINDINGS_SHOWN:
        print(f"… and {len(telling) - _FINDINGS_SHOWN} more findings; --json shows all")
    for (device, interval_ms), plan in load.plans.items():
        print(f"device {device}, every {interval_ms} ms: {plan.explain()}")
    print(f"a day: {load.rows_per_day:,} rows, about {load.bytes_per_day / 1e9:.1f} GB")
    machine = settings.recorder.machine
    if comparison is None:
        print("no database is configured, so nothing was compared")
    elif comparison.is_empty:
        print(f"the database has exactly these definitions for {machine!r}")
    else:
        sums = f"{len(comparison.added)} added, {len(comparison.changed)} changed, {len(comparison.removed)} removed"
        print(f"{'would change' if dry_run else 'imported'} for {machine!r}: {sums}")
        for change in comparison.changed[:_FINDINGS_SHOWN]:
            fields = ", ".join(f"{name} {before} → {after}" for name, (before, after) in change.fields.items())
            print(f"  {change.definition.full_name}: {fields}")
        if not dry_run:
            print("a recorder that runs goes on with those it has until: ald-recorder reload")


@definitions_app.command("devices")
def devices(json: JsonOption = False) -> None:
    """List the devices whose definitions come with the program, and where their registers were read."""
    if json:
        print_json([describe(known) for known in KNOWN_DEVICES.values()])
        return
    for known in KNOWN_DEVICES.values():
        print(f"{known.name}: {known.title}")
        for source in known.sources:
            print(f"  {source.kind}: {source.title}, {source.place}")
    print("import one with: ald-recorder definitions import --device NAME")


@definitions_app.command("list")
def list_(config: ConfigOption = None, demo: DemoOption = False, json: JsonOption = False) -> None:
    """List the active definitions of the machine."""
    with database_of(config, demo=demo) as place:
        definitions = run_async(_load(place))
    if json:
        print_json(definitions.model_dump(mode="json"))
        return
    devices = {definition.device for definition in definitions.definitions}
    print_table(
        ("parameter", "unit", "address", "type", "every ms#"),
        [(d.full_name, d.unit, *_place(d, with_device=len(devices) > 1)) for d in definitions.definitions],
        wraps=("parameter", "unit"),
    )


def _place(definition: Definition, *, with_device: bool) -> tuple[object, ...]:
    if not definition.is_configured:
        return ("not configured", "", "")
    device = f"{definition.device} " if with_device else ""
    words = definition.to_parameter().words
    order = f" {definition.word_order}" if words > 1 else ""
    address = f"{device}{definition.register_kind} {definition.address}"
    return (address, f"{definition.data_type}{order}", definition.scan_interval_ms)


async def _load(place: DatabasePlace) -> DefinitionSet:
    async with place.session() as session:
        return await load_definitions(session, place.machine)


@definitions_app.command()
def diff(
    file: Annotated[Path | None, typer.Argument(help="CSV file; without it database and last good copy alone.")] = None,
    config: ConfigOption = None,
    word_order: Annotated[
        WordOrder, typer.Option(help="Of rows that do not say their own; CDAB is low word first.")
    ] = WordOrder.CDAB,
    json: JsonOption = False,
) -> None:
    """Compare file, database and last good copy; exit 1 where they differ."""
    settings = read_config(config)
    sources: dict[str, Sequence[Definition]] = {}
    missing: dict[str, str] = {}
    if file is not None:
        sources["file"] = read_definition_file(file, word_order=word_order).definitions
    try:
        sources["database"] = run_async(_stored(settings)).definitions
    except (DatabaseError, DefinitionsError, ConfigurationError) as error:
        missing["database"] = str(error)
    path = settings.recorder.data_directory / "definitions.json"
    kept = load_last_good(path, settings.recorder.machine)
    if kept is None:
        missing["last good"] = f"{path}: there is none of machine {settings.recorder.machine!r}"
    else:
        sources["last good"] = kept.definitions
    if len(sources) < 2:  # noqa: PLR2004  (one alone is equal to itself)
        raise OutsideError(f"there is nothing to compare: {'; '.join(missing.values())}")
    found = difference(sources)
    if json:
        print_json({"compared": list(sources), "missing": missing, "differences": [asdict(item) for item in found]})
    else:
        _print_differences(sources, missing, found)
    if found:
        raise typer.Exit(1)


async def _stored(settings: Config) -> DefinitionSet:
    async with place_of(settings).session() as session:
        return await load_definitions(session, settings.recorder.machine)


def _print_differences(
    sources: Mapping[str, Sequence[Definition]], missing: Mapping[str, str], found: Sequence[Difference]
) -> None:
    for name, reason in missing.items():
        print(f"{name} is left out: {reason}")
    if not found:
        print(f"{' and '.join(sources)} agree in {len(next(iter(sources.values())))} parameters")
        return
    print_table(
        ("parameter", "field", *sources),
        [(item.parameter, item.field, *(_shown(item.values[name]) for name in sources)) for item in found],
        wraps=("parameter", *sources),
    )
    differing = len({item.parameter for item in found})
    print(f"{differing} parameter{'' if differing == 1 else 's'} differ{'s' if differing == 1 else ''}")


def _shown(value: object) -> str:
    """An empty field by a word, since a gap in a column looks like a mistake."""
    return "empty" if value in {None, "", ()} else str(value)
