"""The subjects of the contract tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.own_server import own_subject
from tests.contract.servers import modbus_subject
from tests.contract.subjects import MemorySubject, Subject

OWN = ("tcp_own", "tcp_in_flight", "tls_in_flight")
"""Devices that have their connection to themselves: one request outstanding, and four."""


@pytest.fixture(params=["memory", "tcp", "tls", "rtu", "rtu_over_tcp", *OWN])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    """A device, once in memory and once behind a real server over each transport."""
    if request.param == "memory":
        yield MemorySubject()
        return
    if request.param in OWN:
        own = own_subject(request.param, tmp_path)
        await own.start()
        try:
            yield own
        finally:
            await own.stop()
        return
    async with modbus_subject(request.param, tmp_path) as served:
        yield served
