"""The command line as a whole: its groups, its errors and its exit statuses."""

import asyncio
import os
import sys
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from typer.exceptions import TyperException

from hal.errors import DefinitionError, HalError
from recorder.cli.standard_output import leave_output, make_output_whole
from recorder.config.file import Config, load
from recorder.errors import OutputError, RecorderError
from simulator.errors import AwayError, ListenError, SimulatorError

if sys.platform != "win32":
    import uvloop

PROGRAM: Final = "ald-recorder"
OUTSIDE: Final = 3
WRONG_USE: Final = 2
WATCHER_NICENESS: Final = 5
_VERBOSE: Final = "ALD_RECORDER_VERBOSE"

Result = TypeVar("Result")
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file; without it config.toml of this folder, if there is one."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

app = typer.Typer(
    name=PROGRAM,
    help="Record the process data of an ALD tool from Modbus into PostgreSQL; what is lost is counted, by cause.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"{PROGRAM} {metadata.version(PROGRAM)}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[  # noqa: ARG001  (its callback prints and ends)
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the trace of an error.")] = False,
) -> None:
    if verbose:
        os.environ[_VERBOSE] = "1"


def run_async(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on uvloop where the platform has it."""
    factory = uvloop.new_event_loop if sys.platform != "win32" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def yield_to_recorder() -> None:
    """Leave the processor to the recorder wherever both want it: who only watches must not delay a scan."""
    if sys.platform != "win32":
        with suppress(OSError):  # systemd has set it, and its unit lets nobody change it
            os.nice(max(0, WATCHER_NICENESS - os.nice(0)))


def read_config(path: Path | None) -> Config:
    """The configuration of a command.

    Raises:
        ConfigurationError: naming file and field.
    """
    return load(path)


def first_cause(error: BaseException) -> BaseException:
    """The first real error of a group that a task group raised."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def exit_status(error: BaseException) -> int | None:
    """Exit status of an error that we raise on purpose; None for any other."""
    match error:
        case RecorderError():
            return error.exit_status
        case ListenError() | AwayError():
            return OUTSIDE
        case SimulatorError() | DefinitionError():
            return WRONG_USE
        case HalError():
            return OUTSIDE
        case _:
            return None


def main() -> None:
    """Run the command line; an expected error is one line on standard error."""
    make_output_whole()
    try:
        # of a typer.Exit, which is returned here and not raised
        status = app(standalone_mode=False, prog_name=PROGRAM)
        sys.stdout.flush()  # here, where a reader who has gone can still be told from a fault
    except TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else PROGRAM
        message = error.format_message()
        if message.startswith("Usage:"):
            _end(message, WRONG_USE)  # a group without a command: its help is the answer
        message = message.replace("\n", " ").rstrip(".")
        _end(f"{command}: {message}; see {command} --help", getattr(error, "exit_code", WRONG_USE))
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        _end("interrupted", 130)
    except BrokenPipeError:
        leave_output()
        sys.exit(1)
    except Exception as error:
        _end_by(error)
        raise
    if status:
        sys.exit(status)


def _end_by(error: Exception) -> None:
    """End with the line of an error that we raise on purpose; return for any other."""
    cause = first_cause(error)
    wrong = exit_status(cause)
    if os.environ.get(_VERBOSE):
        traceback.print_exception(error)
    if isinstance(cause, OutputError):
        leave_output()
    if wrong is not None:
        _end(f"error: {' '.join(str(cause).split())}", wrong)


def _end(line: str, status: int) -> None:
    print(line, file=sys.stderr)
    sys.exit(status)
