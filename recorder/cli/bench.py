"""``ald-recorder bench``: what the configured database and this machine's disk are good for; moves no tool."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from hal.parameter import RegisterKind
from recorder import logs
from recorder.check.spread import Spread, milliseconds
from recorder.cli.app import ConfigOption, JsonOption, app, read_config, run_async
from recorder.cli.output import print_json, print_table
from recorder.config.file import Config
from recorder.database.configured import configured
from recorder.database.dsn import describe_dsn
from recorder.definitions.file import read_definition_file
from recorder.errors import UsageError
from recorder.measure import record_time, sample, step_time, ways
from recorder.measure.scratch import scratch_schema
from simulator import parameter_map
from simulator.array_memory import ArrayMemory
from simulator.memory import Unit
from simulator.server import serve_tcp
from simulator.wire import Wire

bench_app = typer.Typer(help="Measure the database and the disk.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(bench_app, name="bench")

RECORD_GOAL_MS: Final = 40.0
STEP_GOAL_MS: Final = 10.0
_REGISTERS: Final = 16


@bench_app.callback()
def _group() -> None:
    """Keep `validate` a command of its own, whatever others there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What was measured."""

    parameters: int
    costs: Sequence[ways.Cost]
    record: record_time.RecordTimes
    step: Spread

    @property
    def missed(self) -> list[str]:
        """What took longer than it may, by its median."""
        judged = (("record", self.record.committed, RECORD_GOAL_MS), ("step", self.step, STEP_GOAL_MS))
        return [name for name, spread, goal_ms in judged if spread.p50_ms > goal_ms]


@bench_app.command()
def validate(
    config: ConfigOption = None,
    scans: Annotated[int, typer.Option(min=1, max=10_000, help="Scans and steps, each.")] = 100,
    json: JsonOption = False,
) -> None:
    """Measure against the configured database, in a schema of its own that is dropped afterwards.

    Exit status 1 where recording a scan takes 40 ms or a parameter step 10 ms, in the median. Steps go to a Modbus
    server of this command on this machine: no tool is touched.
    """
    settings = read_config(config)
    logs.configure(level="warning", form=settings.log.format)
    measured = run_async(_measure(settings, scans=scans))
    if json:
        print_json(_as_json(measured))
    else:
        _print(measured, settings)
    if measured.missed:
        raise typer.Exit(1)


async def _measure(config: Config, *, scans: int) -> Measured:
    folder = config.recorder.data_directory
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # where the spool of the recorder lies: that disk is what counts
        place = tempfile.TemporaryDirectory(prefix="bench-", dir=folder)
    except OSError as error:
        raise UsageError(
            f"{folder}: {error.strerror}; set [recorder] data_directory to a folder to write in"
        ) from error
    with place as name:
        async with scratch_schema(config.require_server_dsn()) as schema:
            settings = replace(
                configured(config, application_name="ald-recorder bench"), schema=schema, pool_min=1, pool_max=2
            )
            chosen = sample.largest_components(read_definition_file(parameter_map.definitions_path()).definitions)
            definitions = await sample.store(settings, (*chosen, sample.SET_POINT))
            costs = await ways.measure(settings, definitions, rounds=5)
            parameters = len(definitions.readable)
            record = await record_time.measure(settings, Path(name), parameters=parameters, scans=scans)
            async with _modbus_server() as port:
                step = await step_time.measure(settings, definitions, Path(name), port=port, steps=scans)
    return Measured(parameters=parameters, costs=costs, record=record, step=step)


@asynccontextmanager
async def _modbus_server() -> AsyncIterator[int]:
    """A server on a free port of this machine that keeps what is written to it, and is nothing else."""
    memory = ArrayMemory({RegisterKind.HOLDING_REGISTER: (0, [0] * _REGISTERS)})
    async with serve_tcp(Wire({1: Unit(memory=memory)}), host="127.0.0.1", port=0) as port:
        yield port


def _as_json(measured: Measured) -> dict[str, Any]:
    return {
        "parameters": measured.parameters,
        "ways": [
            {
                "way": cost.way.name,
                "definitions_ms": cost.definitions_ms,
                "set_value_ms": cost.set_value_ms,
                "queries_a_minute": cost.queries_a_minute,
            }
            for cost in measured.costs
        ],
        "spool_ms": measured.record.spooled.to_plain(),
        "record_ms": {**measured.record.committed.to_plain(), "goal": RECORD_GOAL_MS},
        "step_ms": {**measured.step.to_plain(), "goal": STEP_GOAL_MS},
        "missed": measured.missed,
    }


def _print(measured: Measured, settings: Config) -> None:
    dsn = settings.require_dsn()
    print(f"{describe_dsn(dsn)}, {measured.parameters} parameters of {sample.COMPONENTS} components")
    print_table(
        ("way to ask", "definitions#", "a set-value#", "queries a minute#"),
        [
            (c.way.name, milliseconds(c.definitions_ms), milliseconds(c.set_value_ms), f"{c.queries_a_minute:,.0f}")
            for c in measured.costs
        ],
        wraps=("way to ask",),
    )
    missed = measured.missed
    print(f"to the spool    {measured.record.spooled}")
    for name, words, spread, goal_ms in (
        ("record", "record a scan ", measured.record.committed, RECORD_GOAL_MS),
        ("step", "parameter step", measured.step, STEP_GOAL_MS),
    ):
        print(f"{words}  {spread}, to be below {goal_ms:g} ms: {'MISSED' if name in missed else 'reached'}")
