"""The files of the service, as they are written on this machine; pure but for reading the templates."""

import grp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

UNIT_FOLDER: Final = Path("/etc/systemd/system")
RULES_FOLDER: Final = Path("/etc/udev/rules.d")
CONFIGURATION: Final = Path("/etc/ald-recorder/config.toml")
ENVIRONMENT: Final = Path("/etc/ald-recorder/environment")
STATE_FOLDER: Final = Path("/var/lib/ald-recorder")
SOCKET: Final = Path("/run/ald-recorder/control.sock")
STARTED: Final = (
    "ald-recorder.service",
    "ald-recorder-api.service",
    "ald-recorder-maintain-daily.timer",
    "ald-recorder-maintain-weekly.timer",
    "ald-recorder-maintain-monthly.timer",
)
"""What is enabled; the services of the timers are not."""
_SERIAL_GROUPS: Final = ("dialout", "uucp")
"""Whoever may use serial ports, on Debian and elsewhere."""
_HOMES: Final = (Path("/home"), Path("/root"), Path("/run/user"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What differs from one machine to another.

    Attributes:
        python: interpreter that has this program.
        user: and group, of recorder and api.
        serial_group: who may use serial ports; empty where there is no such group.
        written: folders beside those of systemd that are written.
        homes: folders in which the program itself lies, of which some may be in somebody's home.
    """

    python: Path
    user: str
    serial_group: str = ""
    written: Sequence[Path] = ()
    homes: Sequence[Path] = field(default_factory=tuple)


def templates() -> Traversable:
    """The folder of the templates: in the package where it was installed, in deploy/ where it is run from source."""
    installed = resources.files("recorder.service") / "systemd"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "deploy" / "systemd"


def annotated_configuration() -> str:
    """The annotated config.toml, with the folders of the service."""
    installed = resources.files("recorder.service") / "config.toml"
    source = installed if installed.is_file() else Path(__file__).parents[2] / "config.toml"
    text = source.read_text(encoding="utf-8")
    for before, after in (
        ('# data_directory = "var"', f'data_directory = "{STATE_FOLDER}"'),
        ('# socket = "control.sock"', f'socket = "{SOCKET}"'),
    ):
        assert before in text
        text = text.replace(before, after)
    return text


def files(place: Place) -> Mapping[Path, str]:
    """Each file of the service with its content."""
    is_in_home = any(folder.is_relative_to(home) for folder in (place.python, *place.homes) for home in _HOMES)
    written = [folder for folder in place.written if not folder.is_relative_to(STATE_FOLDER)]
    values = {
        "@python@": quoted(place.python),
        "@configuration@": quoted(CONFIGURATION),
        "@user@": place.user,
        "@serial_group@": f"SupplementaryGroups={place.serial_group}" if place.serial_group else "",
        # the program itself must be read
        "@protect_home@": "read-only" if is_in_home else "yes",
        "@read_write_paths@": "\n".join(f"ReadWritePaths={quoted(folder)}" for folder in written),
    }
    made = {}
    for template in sorted(templates().iterdir(), key=lambda file: file.name):
        text = template.read_text(encoding="utf-8")
        for name, value in values.items():
            text = text.replace(f"{name}\n", f"{value}\n" if value else "").replace(name, value)
        folder = RULES_FOLDER if template.name.endswith(".rules") else UNIT_FOLDER
        made[folder / template.name] = text
    return made


def quoted(path: Path) -> str:
    """A path as a word of a unit file."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if any(character.isspace() or character in "\"'\\" for character in str(path)) else text


def serial_group() -> str:
    """The group that may use serial ports here; a unit that names one that is not there does not start."""
    names = {group.gr_name for group in grp.getgrall()}
    return next((name for name in _SERIAL_GROUPS if name in names), "")
