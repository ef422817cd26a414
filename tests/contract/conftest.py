"""The subjects of the contract tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.servers import modbus_subject
from tests.contract.subjects import MemorySubject, Subject


@pytest.fixture(params=["memory", "tcp", "tls", "rtu", "rtu_over_tcp"])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    """A device, once in memory and once behind a real server over each transport."""
    if request.param == "memory":
        yield MemorySubject()
        return
    async with modbus_subject(request.param, tmp_path) as served:
        yield served
