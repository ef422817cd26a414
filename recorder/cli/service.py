"""``ald-recorder service install|uninstall``: the recorder under systemd."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from recorder.cli.app import JsonOption, app
from recorder.cli.output import print_json
from recorder.errors import UsageError
from recorder.service.installation import ROOT, Deed, Installation
from recorder.service.units import ENVIRONMENT

_USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,30}")

service_app = typer.Typer(no_args_is_help=True, help="Run the recorder under systemd.")
app.add_typer(service_app, name="service")

PrefixOption = Annotated[
    Path, typer.Option("--prefix", help="Write everything below this folder, as for a package; no user is made.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@service_app.command()
def install(
    prefix: PrefixOption = ROOT,
    user: Annotated[str, typer.Option("--user", help="User and group that it runs as.")] = "ald-recorder",
    enable: Annotated[bool, typer.Option("--enable", help="Start it now and at each boot.")] = False,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Write the units for this interpreter, a configuration where there is none, folders and a user."""
    if not _USER.fullmatch(user):
        raise UsageError(f"--user {user!r}: use small letters, digits, - and _, beginning with a letter or _")
    deeds: list[Deed] = []
    _installation(prefix, user, deeds, dry_run=dry_run, is_quiet=json).install(enable=enable)
    if json:
        print_json({"dry_run": dry_run, "done": [asdict(deed) for deed in deeds]})
    elif not (enable or dry_run):
        print(f"next: put the DSN into {ENVIRONMENT}, then systemctl enable --now ald-recorder")


@service_app.command()
def uninstall(prefix: PrefixOption = ROOT, dry_run: DryRunOption = False, json: JsonOption = False) -> None:
    """Stop the service and remove its units; configuration, user and recorded data stay."""
    deeds: list[Deed] = []
    _installation(prefix, "ald-recorder", deeds, dry_run=dry_run, is_quiet=json).uninstall()
    if json:
        print_json({"dry_run": dry_run, "done": [asdict(deed) for deed in deeds]})


def _installation(prefix: Path, user: str, deeds: list[Deed], *, dry_run: bool, is_quiet: bool) -> Installation:
    def tell(deed: Deed) -> None:
        deeds.append(deed)
        if not is_quiet:
            print(f"{'would ' if dry_run else ''}{deed.verb:6}  {deed.what}", flush=True)

    return Installation(prefix=prefix, user=user, dry_run=dry_run, tell=tell)
