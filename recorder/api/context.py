"""What every route of the api works with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from fastapi import Depends, Request

from recorder.api.daemon_links import COMMAND_S, DaemonLinks
from recorder.api.errors import OutcomeUnknownError
from recorder.api.live import Live, live
from recorder.api.run_history import RunHistory
from recorder.api.run_listener import heard_history
from recorder.api.run_points import RunPoints
from recorder.api.tokens import Tokens
from recorder.config.file import Config
from recorder.console.link import Link
from recorder.database import Database
from recorder.database.configured import configured
from recorder.errors import NoAnswerError

APPLICATION_NAME = "ald-recorder-api"
SCRAPE_S = 3.0
"""How long the daemon may take to answer for `/metrics`; Prometheus waits for 10 s."""
_LOOK: Final = {
    "set": "see what the tool holds (set_value in /api/values) and the change log (set_value_changes)",
    "runs_start": "see the process in /api/status",
    "runs_stop": "see the process in /api/status",
    "runs_note": "see the notes in /api/runs/{run}",
    "acknowledge": "see /api/alarms",
    "shelve": "see /api/alarms",
    "unshelve": "see /api/alarms",
}
"""Where a client learns what became of a command that was never answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """The configuration, the way to the daemon, and the way to the database.

    Attributes:
        database: opened by its first statement, so that the api lives while the database is away.
        links: for what is only asked.
        commands: for what changes something, which may take its time.
        live: status and values, asked of the daemon once for all clients.
        history: runs, from caches in front of the database.
        points: downloads of points.
        scrape: a way to the daemon for `/metrics` alone, which is answered also when many wait for the others.
    """

    config: Config
    links: DaemonLinks
    commands: DaemonLinks
    live: Live
    tokens: Tokens
    database: Database
    history: RunHistory
    points: RunPoints
    scrape: Link

    async def ask(self, command: str, **arguments: object) -> Any:
        """Send one command to the daemon and return its result.

        Raises:
            TooBusyError: too many wait already.
            DaemonAwayError: nobody listens, or went away, or does not answer in time.
            RecorderError: the daemon refused.
        """
        return await self.links.ask(command, **arguments)

    async def command(self, command: str, **arguments: object) -> Any:
        """The same for what changes something.

        Raises:
            TooBusyError: too many wait already.
            DaemonAwayError: nobody listens.
            OutcomeUnknownError: it went away, or does not answer in time.
            RecorderError: the daemon refused.
        """
        try:
            return await self.commands.ask(command, **arguments)
        except NoAnswerError as error:
            raise OutcomeUnknownError(
                f"{error}: whether {command!r} was carried out is not known; {_LOOK[command]} before you try again"
            ) from error


@asynccontextmanager
async def open_context(config: Config, *, command_s: float = COMMAND_S) -> AsyncIterator[Context]:
    """A context for as long as the block runs.

    Nothing is connected before it is asked for, but for what hears that runs have changed.

    Args:
        config: whose api it is; its DSN must be set.
        command_s: how long the daemon may take for what changes something.

    Raises:
        ConfigurationError: there is no DSN.
    """
    settings = replace(
        configured(config, application_name=APPLICATION_NAME, dsn=config.api.dsn.get_secret_value()),
        pool_min=1,
        pool_max=config.api.pool_max,
        statement_timeout_s=config.api.statement_timeout_s,
        read_only=True,
    )
    pool = Database(settings)
    machine = config.recorder.machine
    scrape = Link(config.control_socket, answer_s=SCRAPE_S)
    try:
        async with (
            DaemonLinks(config.control_socket) as links,
            DaemonLinks(config.control_socket, connections=2, most_waiting=16, answer_s=command_s) as commands,
            live(links, config.api) as following,
            heard_history(pool, machine=machine) as history,
        ):
            yield Context(
                config=config,
                links=links,
                commands=commands,
                live=following,
                tokens=Tokens(config.token_file),
                database=pool,
                history=history,
                # the rest of the pool is for short questions
                points=RunPoints(pool, machine, most=max(1, config.api.pool_max - 2)),
                scrape=scrape,
            )
    finally:
        scrape.close()
        await pool.close()


async def context_of(request: Request) -> Context:
    """The context of the app that answers a request."""
    context: Context = request.app.state.context
    return context


ContextOf = Annotated[Context, Depends(context_of)]
