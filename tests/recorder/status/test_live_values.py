"""Live values: pages of definitions, and only what changed since a client last asked."""

from pathlib import Path
from typing import Any

import pytest

from hal.quality import Quality
from recorder.errors import UsageError
from recorder.status.live_values import MOST_PARAMETERS, MOST_VALUES
from tests.console.daemon import Daemon, make_definitions


@pytest.fixture
def daemon() -> Daemon:
    """Thirty parameters that a test sets; nothing is served."""
    return Daemon(path=Path("unused"), definitions=make_definitions(30))


async def values(daemon: Daemon, *ids: int, **known: Any) -> dict[str, Any]:
    """Ask for values."""
    return await daemon.live.values({"command": "values", "ids": list(ids), **known})


async def test_the_first_answer_has_all_and_the_next_only_what_changed(daemon: Daemon) -> None:
    """Value, quality, or nothing at all; the time of the scan always."""
    first = await values(daemon, 1, 2, 3)
    assert (first["ids"], first["values"]) == ([1, 2, 3], [0.5, 1.5, 2.5])
    known = {"epoch": first["epoch"], "since": first["version"]}
    daemon.scan()
    second = await values(daemon, 1, 2, 3, **known)
    assert second["ids"] == []
    assert second["plans"][0][2] > first["plans"][0][2]
    daemon.set("Heater/temperature_set", 99.0)
    third = await values(daemon, 1, 2, 3, epoch=first["epoch"], since=second["version"])
    assert (third["ids"], third["values"], third["quality"]) == ([2], [99.0], [192])


async def test_two_clients_do_not_take_changes_from_each_other(daemon: Daemon) -> None:
    """Versions are of values, not of clients."""
    first = await values(daemon, 1, 2)
    known = {"epoch": first["epoch"], "since": first["version"]}
    daemon.set("Heater/temperature_set", 99.0)
    assert (await values(daemon, 1, 2, **known))["ids"] == [2]
    daemon.scan()
    assert (await values(daemon, 1, 2, **known))["ids"] == [2]


async def test_a_version_of_another_daemon_means_nothing(daemon: Daemon) -> None:
    """After a restart all is told again."""
    assert (await values(daemon, 1, epoch="other", since=10**9))["ids"] == [1]


async def test_a_bad_value_is_null_and_staying_bad_is_no_change(daemon: Daemon) -> None:
    """JSON has no NaN."""
    daemon.set("Heater/temperature_set", 1.0, Quality.NOT_CONNECTED)
    first = await values(daemon, 2)
    assert (first["values"], first["quality"]) == ([None], [8])
    daemon.scan()
    assert (await values(daemon, 2, epoch=first["epoch"], since=first["version"]))["ids"] == []


async def test_definitions_come_in_pages(daemon: Daemon) -> None:
    """With what is read of them, and how many there are."""
    page = await daemon.live.parameters({"offset": 29, "limit": 500})
    rows = [dict(zip(page["columns"], row, strict=True)) for row in page["rows"]]
    assert page["total"] == 31
    assert [(row["id"], row["is_read"]) for row in rows] == [(30, True), (31, False)]


@pytest.mark.parametrize(
    "request_", [{"ids": list(range(MOST_VALUES + 1))}, {"ids": ["x"]}, {"ids": 5}, {"since": -1}, {"epoch": 7}]
)
async def test_a_request_that_cannot_be_is_refused(daemon: Daemon, request_: dict[str, Any]) -> None:
    """With the field that is wrong."""
    with pytest.raises(UsageError, match=rf"^values: {next(iter(request_))}"):
        await daemon.live.values({"command": "values", **request_})
    with pytest.raises(UsageError, match=r"^parameters: limit"):
        await daemon.live.parameters({"command": "parameters", "limit": MOST_PARAMETERS + 1})


async def test_unknown_ids_are_left_out(daemon: Daemon) -> None:
    """One that is not read, and one that is not there."""
    assert (await values(daemon, 31, 4711, 1))["ids"] == [1]
