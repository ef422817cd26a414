"""The subjects of the contract tests."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.subjects import MemorySubject, Subject, modbus_subject


@pytest.fixture(params=["memory", "modbus"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """A device, once in memory and once behind a real server."""
    if request.param == "memory":
        yield MemorySubject()
        return
    async with modbus_subject() as served:
        yield served
