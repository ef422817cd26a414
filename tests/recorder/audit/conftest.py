"""What tests of audits share."""

from collections.abc import AsyncIterator

import pytest

from recorder.database import connect_once
from tests.recorder.audit_runs import AuditBench


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[AuditBench]:
    """Idle time, a run of 1,500 slots, idle time."""
    sql = await connect_once(database_url, schema="ald")
    made = AuditBench(url=database_url, sql=sql)
    await made.make()
    yield made
    await sql.close()
