"""One site for all tests of the api: simulated tool, recorder at 10 Hz, and the api with tokens, each a process."""

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from pydantic import SecretStr

from recorder.api.app import make_app
from recorder.api.context import open_context
from recorder.api.daemon_links import COMMAND_S
from recorder.api.tokens import Role, Tokens
from recorder.config.api import ApiConfig
from recorder.config.database import DatabaseConfig
from recorder.config.file import Config, RecorderConfig
from tests import folders
from tests.api.api_process import ApiProcess
from tests.console.daemon import Daemon, make_definitions
from tests.postgres import TestServer
from tests.recorder.cli.command import Commands
from tests.system.plant import Plant

INTERVAL_MS: Final = 100
START_S: Final = 240.0
"""Generous: a busy machine takes long to start a Python."""
RULES: Final = [
    {
        "device": "plc",
        "addresses": "holding_register 2000..2041",
        "data_type": "float32",
        "hard_min": 20,
        "hard_max": 300,
        "min_interval_s": 0,
    }
]
"""The heaters may be set."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """The processes, and a token of each role."""

    plant: Plant
    api: ApiProcess
    operator_token: str
    reader_token: str

    @property
    def anybody(self) -> httpx.Client:
        """A client without a token."""
        return self.api.client()

    @property
    def operator(self) -> httpx.Client:
        """A client with the token of Ada, an operator."""
        return self.api.client(self.operator_token)

    @property
    def reader(self) -> httpx.Client:
        """A client with the token of Rex, who only reads."""
        return self.api.client(self.reader_token)


@pytest.fixture(scope="package")
def site(database_server: TestServer) -> Iterator[Site]:
    """A tool without a recipe of its own: runs are started and stopped by command."""
    settings: dict[str, dict[str, object]] = {
        "api": {"port": 0, "client_timeout_s": 3.0, "max_streams": 40, "max_connections": 200},
        "writes": {"enabled": True},
    }
    options: dict[str, Any] = {
        "interval_ms": INTERVAL_MS,
        "roles": False,
        "speed": 5,
        "settings": settings,
        "daemon_environment": {"ALD_WRITES__ALLOW": json.dumps(RULES)},
    }
    with (
        folders.short_directory() as folder,
        database_server.database(migrated=True) as dsn,
        Plant(folder / "site", dsn, **options) as plant,
    ):
        plant.start_simulator()
        plant.import_definitions()
        plant.start_daemon()
        plant.until_status("recording", lambda picture: picture["scans"]["completed"] > 0, deadline_s=START_S)
        tokens = Tokens(plant.data_directory / "tokens.json")
        operator_token, reader_token = tokens.create("Ada", Role.OPERATOR), tokens.create("Rex", Role.READER)
        with ApiProcess(plant.config_path) as api:
            yield Site(plant=plant, api=api, operator_token=operator_token, reader_token=reader_token)


@pytest.fixture
def daemon(short_directory: Path) -> Daemon:
    """A recorder that a test speaks for, on the control socket of `config`; a test lets it serve."""
    return Daemon(path=short_directory / "control.sock", definitions=make_definitions(30))


@pytest.fixture
def make_config(short_directory: Path) -> Callable[..., Config]:
    """Make configurations of an api on that control socket, whose database is not there."""

    def make(**api: object) -> Config:
        return Config(
            recorder=RecorderConfig(data_directory=short_directory),
            database=DatabaseConfig(dsn=SecretStr("postgresql://nobody@127.0.0.1:1/none")),
            api=ApiConfig.model_validate(api),
        )

    return make


@asynccontextmanager
async def client_of(
    config: Config, *, host: str = "localhost:8020", command_s: float = COMMAND_S
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an api in this very process."""
    async with open_context(config, command_s=command_s) as context:
        transport = httpx.ASGITransport(make_app(context), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            yield client


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    """Run commands in a fresh folder, without what would configure the recorder."""
    for name in tuple(os.environ):
        if name.upper().startswith("ALD_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Commands(folder=tmp_path, environment=monkeypatch, output=capfd)
