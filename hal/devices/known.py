"""Definitions of common equipment that come with the program, and where each register was read.

A register is here because a public source shows it; the source stands beside it, so that an engineer can look it up.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, Final

from hal.limits import PlanLimits


class SourceKind(StrEnum):
    """How much a source is worth: a manual is the maker's word, the others are somebody's."""

    MANUAL = "manual"
    DRIVER = "driver"
    COLLECTION = "collection"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where something of a device was read.

    Attributes:
        title: of the document, with its number and issue where it has them; of the repository for a driver.
        place: page and section, or path of the file.
        address: where it was found; ``index:N`` for a file of an index that names no repository.
    """

    kind: SourceKind
    title: str
    place: str
    address: str
    read_on: date


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownDevice:
    """Equipment whose registers come with the program.

    Attributes:
        name: what the command line calls it, for example ``watlow-ez-zone``.
        component: component of all its parameters, until an import gives another.
        definitions: the CSV file; docs/definitions.md explains its columns.
        transport: link settings as the sources give them, for people.
        settings: fields of ``[devices.NAME]`` that the device needs, for example ``max_registers``.
        notes: what to know before trusting a value.
        left_out: what was not taken over, and why.
        sources: all that was read.
        row_sources: parameter to the sources that show it; each has one at least.
    """

    name: str
    title: str
    vendor: str
    component: str
    models: tuple[str, ...]
    definitions: Traversable
    transport: Mapping[str, str | int]
    settings: Mapping[str, int]
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    sources: tuple[Source, ...]
    row_sources: Mapping[str, tuple[Source, ...]]

    @property
    def limits(self) -> PlanLimits:
        """Limits of its read plan, where the configuration gives none."""
        changes: dict[str, Any] = dict(self.settings)
        return replace(PlanLimits(), **changes)


def load_known_devices(folder: Traversable) -> Mapping[str, KnownDevice]:
    """Read all devices of a folder: for each a ``NAME.toml`` and a ``NAME.csv``.

    Raises:
        FileNotFoundError: a CSV file is missing.
        KeyError: a field is missing, or a row names a source that is not listed.
    """
    files = {file.name: file for file in folder.iterdir()}
    names = sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml"))
    return MappingProxyType({name: _device(name, files[f"{name}.toml"], folder / f"{name}.csv") for name in names})


def _device(name: str, description: Traversable, definitions: Traversable) -> KnownDevice:
    if not definitions.is_file():
        raise FileNotFoundError(f"{description.name} has no {definitions.name} beside it")
    content = tomllib.loads(description.read_text(encoding="utf-8"))
    sources = {entry["key"]: _source(entry) for entry in content["sources"]}
    return KnownDevice(
        name=name,
        title=content["title"],
        vendor=content["vendor"],
        component=content["component"],
        models=tuple(content["models"]),
        definitions=definitions,
        transport=MappingProxyType(content["transport"]),
        settings=MappingProxyType(content["settings"]),
        notes=tuple(content["notes"]),
        left_out=tuple(content["left_out"]),
        sources=tuple(sources.values()),
        row_sources=MappingProxyType(
            {parameter: tuple(sources[key] for key in keys) for parameter, keys in content["rows"].items()}
        ),
    )


def _source(entry: Mapping[str, Any]) -> Source:
    return Source(
        kind=SourceKind(entry["kind"]),
        title=entry["title"],
        place=entry["place"],
        address=entry["address"],
        read_on=entry["read_on"],
    )


KNOWN_DEVICES: Final = load_known_devices(resources.files("hal.devices"))
"""All devices that come with the program, by name."""
