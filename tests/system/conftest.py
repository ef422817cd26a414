"""A plant for each test, and a PostgreSQL that a test may stop."""

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from recorder.database.migration import migrate
from recorder.embedded import EmbeddedPostgres
from tests import folders
from tests.system.plant import Plant

MakePlant = Callable[..., Plant]


@pytest.fixture
def chance() -> random.Random:
    """Random numbers of this test; their seed is printed, and ``ALD_TEST_SEED`` sets it."""
    seed = int(os.environ.get("ALD_TEST_SEED") or random.SystemRandom().randrange(10**6))
    print(f"ALD_TEST_SEED={seed}")  # noqa: T201  (pytest shows it where the test failed)
    return random.Random(seed)


@pytest.fixture
def make_plant(short_directory: Path) -> Iterator[MakePlant]:
    """Make plants in folders of their own, on whatever database; their processes end with the test."""
    with ExitStack() as stack:

        def make(dsn: str, name: str = "plant", **options: Any) -> Plant:
            return stack.enter_context(Plant(short_directory / name, dsn, **options))

        yield make


@pytest.fixture
def plant(make_plant: MakePlant, database_url: str) -> Plant:
    """A plant on a fresh database; nothing of it is started yet."""
    return make_plant(database_url)


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of this test alone, migrated, which it may stop; a commit survives that."""
    settings = {"synchronous_commit": "on", "full_page_writes": "on"}
    with (
        folders.server_directory() as folder,
        EmbeddedPostgres(folder / "pg", durable=False, settings=settings) as server,
    ):
        asyncio.run(migrate(server.url()))
        yield server
