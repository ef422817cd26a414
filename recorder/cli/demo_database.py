"""Where a command finds its database: the configured one, or with ``--demo`` the embedded one of the demo."""

import os
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from recorder.cli.app import read_config
from recorder.config.file import Config
from recorder.database import Session, single_session
from recorder.embedded import EmbeddedPostgres, default_data_directory
from recorder.errors import DemoError

DEMO_MACHINE: Final = "Simulated ALD tool"
DEMO_SCHEMA: Final = "ald"
DEMO_DIRECTORY: Final = "ALD_DEMO_DIRECTORY"
"""Names the folder for all that the demo keeps, in place of the usual one."""
DemoOption = Annotated[bool, typer.Option("--demo", help="Look into the database that `ald-recorder demo` made.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabasePlace:
    """Where the tables are.

    Attributes:
        direct_dsn: of the server itself where `dsn` leads to a pooler; empty where they are the same.
        prepared_statements: false where `dsn` leads to a pooler in transaction mode.
    """

    dsn: str
    schema: str
    machine: str
    direct_dsn: str = ""
    prepared_statements: bool = True

    @property
    def server_dsn(self) -> str:
        """The way to the server itself."""
        return self.direct_dsn or self.dsn

    def session(self) -> AbstractAsyncContextManager[Session]:
        """A connection for a command that asks a question or two and ends."""
        return single_session(self.dsn, self.schema, prepared_statements=self.prepared_statements)


def demo_directory(name: str) -> Path:
    """A folder of the demo; all of them lie where DEMO_DIRECTORY says, or where data of this user belongs."""
    chosen = os.environ.get(DEMO_DIRECTORY)
    return Path(chosen).absolute() / name if chosen else default_data_directory(name)


def demo_server() -> EmbeddedPostgres:
    """The embedded server of the demo, not started yet."""
    return EmbeddedPostgres(demo_directory("demo"))


@contextmanager
def database_of(config: Path | None, *, demo: bool) -> Iterator[DatabasePlace]:
    """The database of a command; the demo's runs only as long as the block does."""
    if demo:
        folder = demo_directory("demo")
        if not folder.exists():
            raise DemoError(f"{folder}: there is no demo database yet; make one: ald-recorder demo")
        with demo_server() as server:
            yield DatabasePlace(dsn=server.url(), schema=DEMO_SCHEMA, machine=DEMO_MACHINE)
    else:
        yield place_of(read_config(config))


def place_of(settings: Config) -> DatabasePlace:
    """The configured database.

    Raises:
        ConfigurationError: there is none.
    """
    return DatabasePlace(
        dsn=settings.require_dsn(),
        schema=settings.database.schema_name,
        machine=settings.recorder.machine,
        direct_dsn=settings.database.direct_dsn.get_secret_value(),
        prepared_statements=settings.database.prepared_statements,
    )
