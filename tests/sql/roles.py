"""Roles of one test, with a login of each; roles belong to a whole server, so every test has names of its own."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from recorder.care.rights import apply_roles
from recorder.database import connect_once
from tests.postgres import TestServer, apart

KINDS = ("owner", "writer", "operator", "reader")


@dataclass(kw_only=True)
class Roles:
    """A database whose rights are set up, and logins to try them.

    Attributes:
        url: as the superuser of the tests.
        prefix: of the names of the roles.
        anonymous: a login that a managed service would let everybody use.
    """

    url: str
    prefix: str
    password: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def anonymous(self) -> str:
        """Name of the login for everybody."""
        return f"{self.prefix}_anon"

    def login(self, kind: str) -> str:
        """Name of the login that is in a role, or nothing but a name where it is no such role."""
        return f"{self.prefix}_{kind}_login"

    def url_of(self, login: str) -> str:
        """The DSN of a login."""
        parts = urlsplit(self.url)
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{login}:{self.password}@{place}"))

    @asynccontextmanager
    async def session(self, kind: str) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the login of a role."""
        connection = await connect_once(self.url_of(self.login(kind)), schema="ald")
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def sessions(self, *kinds: str) -> AsyncIterator[Sequence[asyncpg.Connection]]:
        """A connection of each."""
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(self.session(kind)) for kind in kinds]

    async def apply(self, *, by_machine: bool | None = None) -> list[str]:
        """What `ald-recorder database roles` does."""
        return await apply_roles(
            self.url, schema="ald", prefix=self.prefix, outsiders=[self.anonymous], by_machine=by_machine
        )


def _run(url: str, statements: Sequence[str]) -> None:
    async def work() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    apart(work)


@contextmanager
def roles_of(server: TestServer, *, before: Sequence[str] = ()) -> Iterator[Roles]:
    """A fresh database with the whole schema and its roles; the roles are dropped after it.

    Args:
        server: whose roles they are.
        before: statements that a hostile or careless administrator ran first; ``%anon%`` is the login for everybody.
    """
    prefix = f"ald_test_{secrets.token_hex(4)}"
    with server.database(migrated=False) as url:
        roles = Roles(url=url, prefix=prefix)
        try:
            _run(url, [f"CREATE ROLE {roles.anonymous} LOGIN PASSWORD '{roles.password}'"])
            _run(url, [statement.replace("%anon%", roles.anonymous) for statement in before])
            from recorder.database.migration import migrate  # noqa: PLC0415  (as tests.postgres does)

            apart(lambda: migrate(url))
            apart(roles.apply)
            for kind in KINDS:
                login = roles.login(kind)
                _run(url, [f"CREATE ROLE {login} LOGIN PASSWORD '{roles.password}' IN ROLE {prefix}_{kind}"])
            yield roles
        finally:
            names = [roles.anonymous, *map(roles.login, KINDS), *(f"{prefix}_{kind}" for kind in KINDS)]
            _run(url, [f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}" for name in _present(url, names)])


def _present(url: str, names: Sequence[str]) -> list[str]:
    async def work() -> list[str]:
        connection = await asyncpg.connect(url)
        try:
            rows = await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY ($1::text[])", list(names))
            return [row[0] for row in rows]
        finally:
            await connection.close()

    return apart(work)


async def refused(connection: asyncpg.Connection, statement: str) -> bool:
    """Whether PostgreSQL refuses a statement for want of a right; what it does is rolled back."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        async with asyncio.timeout(10):
            await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    else:
        return False
    finally:
        await transaction.rollback()
