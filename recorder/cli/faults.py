"""``ald-recorder faults``: break a running simulated tool on cue, and hold the recorder against every fault."""

import asyncio
import random
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from recorder.cli.app import JsonOption, app, run_async
from recorder.cli.fault_lab.catalogue import SCENARIOS
from recorder.cli.fault_lab.experiment import carry_out, opened_lab
from recorder.cli.fault_lab.report import Report
from recorder.cli.fault_lab.scenario import Scenario
from recorder.cli.output import print_json, print_table
from recorder.errors import UsageError
from simulator.control import ask
from simulator.fault import FaultName

faults = typer.Typer(
    help="Break a running simulated tool on cue, or put the recorder to the test.", no_args_is_help=True
)
app.add_typer(faults, name="faults")

ControlOption = Annotated[Path, typer.Option(help="Control socket of the simulator, as `simulate --control` names it.")]


@faults.command()
def inject(
    name: Annotated[str, typer.Argument(help="Name of the fault; `faults kinds` lists them.")],
    control: ControlOption,
    on: Annotated[str | None, typer.Option(help="What breaks, as the map calls it: 'Valve 1'.")] = None,
    at_s: Annotated[float | None, typer.Option(help="Begin after so many simulated seconds.")] = None,
    when: Annotated[str | None, typer.Option(help="Begin when this holds: 'cycle >= 3'.")] = None,
    for_s: Annotated[float | None, typer.Option(help="End after so many simulated seconds.")] = None,
    until: Annotated[str | None, typer.Option(help="End when this holds.")] = None,
    answers: Annotated[int | None, typer.Option(help="End after so many answers were hit.")] = None,
    seconds: Annotated[float | None, typer.Option(help="How late answers are.")] = None,
    code: Annotated[int | None, typer.Option(help="Modbus exception code.")] = None,
    unit: Annotated[int | None, typer.Option(help="Only answers of this unit.")] = None,
    first_address: Annotated[int | None, typer.Option(help="Only answers from this address on.")] = None,
    last_address: Annotated[int | None, typer.Option(help="Only answers up to this address.")] = None,
    torr_l_s: Annotated[float | None, typer.Option(help="Size of a leak.")] = None,
    sccm: Annotated[float | None, typer.Option(help="Size of a drift of the zero.")] = None,
    json: JsonOption = False,
) -> None:
    """Inject a fault; without an end it stays until it is cleared."""
    fields = {key: value for key, value in locals().items() if value is not None and key not in {"control", "json"}}
    answer = run_async(ask(control, "inject", fault=fields))
    if json:
        print_json(answer)
    else:
        print(f"fault {answer['id']}: {name}")


@faults.command()
def clear(
    control: ControlOption,
    which: Annotated[str | None, typer.Argument(help="Number or name; all where nothing is said.")] = None,
    json: JsonOption = False,
) -> None:
    """Take faults away, begun or not."""
    number = int(which) if which is not None and which.isdecimal() else which
    answer = run_async(ask(control, "clear", which=number))
    if json:
        print_json(answer)
    else:
        print(f"{answer['cleared']} cleared")


@faults.command(name="list")
def list_faults(control: ControlOption, json: JsonOption = False) -> None:
    """List the faults that are in force or wait for their time."""
    found: list[dict[str, Any]] = run_async(ask(control, "list"))
    if json:
        print_json(found)
        return
    rows = [
        (
            fault["id"],
            fault["name"],
            fault.get("on", ""),
            f"since {fault['began_s']:.1f} s" if fault["is_active"] else "waits",
            fault.get("when", ""),
            fault.get("until") or (f"for {fault['for_s']:g} s" if "for_s" in fault else ""),
            fault["hits"],
            fault["origin"],
        )
        for fault in found
    ]
    print_table(("#", "fault", "on", "state", "when", "until", "hits#", "from"), rows)


@faults.command()
def kinds(json: JsonOption = False) -> None:
    """List every fault that can be injected, and what is then seen."""
    if json:
        print_json([{"name": name.value, "meaning": name.meaning} for name in FaultName])
    else:
        print_table(("fault", "what is then seen"), [(name.value, name.meaning) for name in FaultName])


@faults.command()
def scenarios(json: JsonOption = False) -> None:
    """List the scenarios of the fault lab; with --json also what is promised in each."""
    if json:
        print_json([{"name": each.name, "sentence": each.sentence, "promise": each.promise} for each in SCENARIOS])
    else:
        print_table(
            ("scenario", "what is done"), [(each.name, each.sentence) for each in SCENARIOS], wraps=("what is done",)
        )


@faults.command()
def run(
    scenario: Annotated[str, typer.Argument(help="Name of a scenario, or 'all'; `faults scenarios` lists them.")],
    seed: Annotated[int | None, typer.Option(min=0, help="Of all that is random; the report names it.")] = None,
    short: Annotated[bool, typer.Option("--short", help="Seconds rather than minutes a scenario.")] = False,
    keep: Annotated[Path | None, typer.Option(help="Copy logs, spools and responses to this folder.")] = None,
    json: JsonOption = False,
) -> None:
    """Put the recorder to the test, and print an acceptance report.

    It starts a PostgreSQL, a simulated tool and a recorder of its own, and compares what the tool says it sent with
    what is stored; nothing of them is left running. Exit status 1 where a promise was not kept.
    """
    wanted = _scenarios(scenario)
    seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    told = Console(stderr=True, quiet=json, highlight=False)
    started_at = datetime.now().astimezone()
    with opened_lab(is_short=short, keep=keep) as lab:
        # not on uvloop, which cannot give a child a process group of its own
        results = asyncio.run(carry_out(lab, wanted, seed=seed, tell=lambda each: told.print(f"{each.name} …")))
        report = Report(
            started_at=started_at, seed=seed, is_short=short, postgresql=lab.server.version, results=results
        )
    if json:
        print_json(report.to_plain())
    else:
        print(report.page())
    if not report.passed:
        raise typer.Exit(1)


def _scenarios(name: str) -> tuple[Scenario, ...]:
    found = SCENARIOS if name == "all" else tuple(each for each in SCENARIOS if each.name == name)
    if not found:
        raise UsageError(f"there is no scenario {name!r}; there are all, {', '.join(each.name for each in SCENARIOS)}")
    return found
