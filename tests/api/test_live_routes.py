"""Health, status, definitions and values, on a recorder that the test speaks for."""

import asyncio
from collections.abc import Callable

import pytest

from recorder.config.file import Config
from tests.api.conftest import client_of
from tests.console.daemon import Daemon

MakeConfig = Callable[..., Config]


async def test_the_api_is_alive_without_a_recorder_and_says_that_it_is_not_ready(make_config: MakeConfig) -> None:
    """Liveness needs nothing; readiness names the recorder, and what asks for values gets a problem."""
    async with client_of(make_config()) as client:
        live, ready = await client.get("/health/live"), await client.get("/health/ready")
        status, values = await client.get("/api/status"), await client.get("/api/values")
    assert (live.status_code, live.json()) == (200, {"alive": True})
    assert ready.status_code == 503
    daemon, slots = ready.json()["checks"]
    assert (daemon["name"], daemon["ok"], slots["ok"]) == ("daemon", False, False)
    assert "start it: ald-recorder run" in daemon["detail"]
    for answer in (status, values):
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert answer.json()["title"] == "Service Unavailable"
        assert "start it: ald-recorder run" in answer.json()["detail"]
        assert answer.headers["retry-after"] == "1"


async def test_the_recorder_is_ready_while_every_plan_is_scanned_in_time(
    make_config: MakeConfig, daemon: Daemon
) -> None:
    """Whatever database and devices do; a plan that is late is named."""
    async with daemon.serving(), client_of(make_config()) as client:
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        daemon.now_us += 10_000_000
    async with daemon.serving(), client_of(make_config()) as client:
        late = await client.get("/health/ready")
    assert late.status_code == 503
    assert late.json()["checks"] == [
        {"name": "daemon", "ok": True, "detail": ""},
        {"name": "slots", "ok": False, "detail": "not scanned in time: plc every 100 ms"},
    ]


async def test_a_recorder_that_waits_is_not_ready_and_says_for_what(make_config: MakeConfig, daemon: Daemon) -> None:
    """A recorder that waits for its clock answers, and scans nothing."""
    daemon.status_changes = {"state": "waiting for a synchronised clock", "reason": "no NTP"}
    async with daemon.serving(), client_of(make_config()) as client:
        ready, status = await client.get("/health/ready"), await client.get("/api/status")
    assert ready.status_code == 503
    assert "waiting for a synchronised clock no NTP" in ready.json()["checks"][0]["detail"]
    assert (status.status_code, status.json()["state"]) == (200, "waiting for a synchronised clock")


async def test_the_status_says_what_the_recorder_says(make_config: MakeConfig, daemon: Daemon) -> None:
    """Also what a newer recorder says and this api does not know."""
    daemon.status_changes = {"something_new": {"of": "tomorrow"}}
    async with daemon.serving(), client_of(make_config()) as client:
        status = (await client.get("/api/status")).json()
    assert status["machine"] == "Test tool"
    assert (status["process"]["process_id"], status["process"]["labels"]["operator"]) == (77, "Ada")
    assert status["devices"][0]["plans"] == {"100": {"parameters": 30, "requests": 7}}
    assert status["something_new"] == {"of": "tomorrow"}


async def test_a_recorder_of_another_kind_is_no_fault_of_the_api(make_config: MakeConfig, daemon: Daemon) -> None:
    """What cannot be understood is 503, with a line that says what to do."""
    daemon.status_changes = {"devices": 7}
    async with daemon.serving(), client_of(make_config()) as client:
        answer = await client.get("/api/status")
    assert answer.status_code == 503
    assert "another version" in answer.json()["detail"]


async def test_definitions_come_in_pages_with_their_limits(make_config: MakeConfig, daemon: Daemon) -> None:
    """One that has no address too, which is not read; a search narrows them."""
    async with daemon.serving(), client_of(make_config()) as client:
        first = (await client.get("/api/parameters", params={"limit": 2})).json()
        last = (await client.get("/api/parameters", params={"offset": 30})).json()
        found = (await client.get("/api/parameters", params={"search": "HEATER"})).json()
    assert (first["total"], first["offset"], len(first["parameters"])) == (31, 0, 2)
    assert [row["is_read"] for row in last["parameters"]] == [False]
    (heater,) = found["parameters"]
    assert (heater["name"], heater["unit"], heater["is_writable"]) == ("Heater/temperature_set", "°C", True)
    assert (heater["min_value"], heater["max_value"], heater["desired"], heater["tolerance"]) == (0, 300, 120, 1)


async def test_values_have_unit_quality_and_age(make_config: MakeConfig, daemon: Daemon) -> None:
    """A bad value is null and says why in words."""
    daemon.set("Process/chamber_pressure", 0.25)
    daemon.quality[daemon.row("Heater/temperature_set")] = 24
    daemon.scan()
    async with daemon.serving(), client_of(make_config()) as client:
        everything = (await client.get("/api/values")).json()
        some = (await client.get("/api/values", params={"id": [2, 1, 2]})).json()
    assert len(everything["values"]) == 30
    assert everything["process"]["process_id"] == 77
    heater, pressure = some["values"]
    assert (pressure["name"], pressure["value"], pressure["unit"]) == ("Process/chamber_pressure", 0.25, "Torr")
    assert (pressure["quality"], pressure["meaning"], pressure["age_ms"]) == (192, "good", 0)
    assert (heater["value"], heater["quality"], heater["meaning"]) == (None, 24, "communication failure")
    assert heater["timestamp_us"] == daemon.now_us


async def test_what_is_not_there_or_wrong_is_a_problem_of_one_line(make_config: MakeConfig, daemon: Daemon) -> None:
    """Unknown parameter 404, an id that is none 422, a path that is none 404, a method that is none 405."""
    wrong = (
        ("GET", "/api/values?id=9999", 404, "there is no parameter 9999"),
        ("GET", "/api/values?id=x", 422, "query.id.0: "),
        ("GET", "/api/values?" + "&".join(["id=1"] * 501), 422, "query.id: "),
        ("GET", "/api/parameters?limit=0", 422, "query.limit: "),
        ("GET", "/nothing/here", 404, "Not Found"),
        ("DELETE", "/api/status", 405, "Method Not Allowed"),
    )
    async with daemon.serving(), client_of(make_config()) as client:
        for method, path, status, detail in wrong:
            answer = await client.request(method, path)
            problem = answer.json()
            assert (answer.status_code, problem["status"]) == (status, status), path
            assert answer.headers["content-type"] == "application/problem+json"
            assert detail in problem["detail"]
            assert "\n" not in problem["detail"]


async def test_many_clients_cost_the_recorder_what_one_does(
    make_config: MakeConfig, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks at the same time gets one answer, and so does who asks while it is young; then it is asked for again."""
    lasts_s = 3600.0  # however slow the machine is
    for name in ("STATUS_S", "VALUES_S"):
        monkeypatch.setattr(f"recorder.api.live.{name}", lasts_s)
    async with daemon.serving(), client_of(make_config()) as client:
        for _ in range(2):
            answers = await asyncio.gather(*(client.get(path) for path in ("/api/status", "/api/values") * 50))
            assert {answer.status_code for answer in answers} == {200}
        assert (len(daemon.asked_for("status")), len(daemon.asked_for("values"))) == (1, 1)
        for name, path, asked in (("VALUES_S", "/api/values", (1, 2)), ("STATUS_S", "/api/status", (2, 2))):
            monkeypatch.setattr(f"recorder.api.live.{name}", 0.0)
            assert (await client.get(path)).status_code == 200
            assert (len(daemon.asked_for("status")), len(daemon.asked_for("values"))) == asked
