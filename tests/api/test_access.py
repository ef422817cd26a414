"""Who may do what: readers, operators, strangers; on loopback and elsewhere."""

import asyncio
from collections.abc import Callable
from typing import Final

import pytest

from recorder.api.tokens import Role, Tokens
from recorder.config.file import Config
from tests.api.conftest import client_of
from tests.console.daemon import Daemon

MakeConfig = Callable[..., Config]
CHANGES: Final[tuple[tuple[str, dict[str, object] | None], ...]] = (
    ("/api/runs/start", {}),
    ("/api/runs/stop", None),
    ("/api/runs/7/notes", {"text": "a note"}),
    ("/api/set-values", {"values": {"Heater/temperature_set": 100}, "reason": "why"}),
    ("/api/alarms/acknowledge", {"id": None}),
    ("/api/alarms/shelve", {"id": "x", "minutes": 5}),
    ("/api/alarms/unshelve", {"id": "x"}),
)
READS = ("/health/ready", "/api/status", "/api/parameters", "/api/values", "/api/alarms", "/api/stream")


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


async def test_changing_needs_an_operators_token_on_loopback_too(make_config: MakeConfig, daemon: Daemon) -> None:
    """Nothing reaches the recorder otherwise, however well the request is made."""
    config = make_config()
    reader = Tokens(config.token_file).create("Rex", Role.READER)
    async with daemon.serving(), client_of(config) as client:
        for path, body in CHANGES:
            for headers, status in (
                ({}, 401),
                (bearer("ald_wrong"), 401),
                ({"Authorization": "Basic QWRhOng="}, 401),
                (bearer(reader), 403),
            ):
                answer = await client.post(path, json=body, headers=headers)
                assert (answer.status_code, answer.json()["status"]) == (status, status), (path, headers)
                assert status != 401 or answer.headers["www-authenticate"].startswith("Bearer")
    assert not daemon.asked


async def test_reading_needs_no_token_on_loopback_and_a_wrong_one_is_said(
    make_config: MakeConfig, daemon: Daemon
) -> None:
    """Who gives a token wants to be somebody: a revoked one is not silently a stranger's."""
    async with daemon.serving(), client_of(make_config()) as client:
        assert (await client.get("/api/status")).status_code == 200
        assert (await client.get("/api/status", headers=bearer("ald_revoked"))).status_code == 401


async def test_reading_needs_a_token_elsewhere(make_config: MakeConfig, daemon: Daemon) -> None:
    """Either role will do; liveness alone needs none."""
    config = make_config(host="192.0.2.7", allow_plain_http=True)
    tokens = [Tokens(config.token_file).create(role, role) for role in Role]
    async with daemon.serving(), client_of(config, host="192.0.2.7:8020") as client:
        for path in READS:
            refused = await client.get(path)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer"), path
        for token in tokens:
            assert (await client.get("/api/values", headers=bearer(token))).status_code == 200
        assert (await client.get("/health/live")).status_code == 200


async def test_what_is_changed_carries_the_name_of_the_token(make_config: MakeConfig, daemon: Daemon) -> None:
    """Whatever the request says of itself; the operator of a run may be somebody else by name."""
    config = make_config()
    headers = bearer(Tokens(config.token_file).create("Ada", Role.OPERATOR))
    daemon.process = None
    async with daemon.serving(), client_of(config) as client:
        started = await client.post("/api/runs/start", headers=headers, json={"recipe": "Al2O3"})
        step = {"values": {"Heater/temperature_set": 150}, "reason": "warmer"}
        done = await client.post("/api/set-values", headers=headers, json=step)
        forged = await client.post("/api/set-values", headers=headers, json={**step, "changed_by": "Eve"})
    assert (started.status_code, started.json()) == (201, {"run": 78})
    assert daemon.asked_for("runs_start")[0]["operator"] == "Ada"
    assert (done.status_code, done.json()["done"], done.json()["changed_by"]) == (200, True, "Ada")
    assert daemon.asked_for("set")[0]["changed_by"] == "Ada"
    assert forged.status_code == 422


async def test_a_set_value_that_does_not_hold_is_no_success(make_config: MakeConfig, daemon: Daemon) -> None:
    """A client that looks at the status alone must not take it for done."""
    config = make_config()
    headers = bearer(Tokens(config.token_file).create("Ada", Role.OPERATOR))
    daemon.set_outcome = "refused"
    async with daemon.serving(), client_of(config) as client:
        step = {"values": {"Heater/temperature_set": 150}, "reason": "warmer"}
        answer = await client.post("/api/set-values", headers=headers, json=step)
    assert answer.status_code == 409
    assert (answer.json()["done"], answer.json()["results"][0]["outcome"]) == (False, "refused")


@pytest.mark.parametrize("how", ["too late", "gone"])
async def test_a_step_whose_answer_does_not_come_is_no_failure_either(
    make_config: MakeConfig, daemon: Daemon, how: str
) -> None:
    """504 without Retry-After: it may have been written; the line says so, and where to look before trying again."""
    config = make_config()
    headers = bearer(Tokens(config.token_file).create("Ada", Role.OPERATOR))
    daemon.set_hangs = True
    step = {"values": {"Heater/temperature_set": 150}, "reason": "warmer"}
    async with client_of(config, command_s=0.2 if how == "too late" else 60) as client:
        async with daemon.serving():
            asked = asyncio.create_task(client.post("/api/set-values", headers=headers, json=step))
            async with asyncio.timeout(20):
                await daemon.set_came.wait()
                if how == "too late":
                    await asyncio.wait({asked})
        answer = await asked
        away = await client.post("/api/set-values", headers=headers, json=step)
    assert (answer.status_code, "retry-after" in answer.headers) == (504, False)
    assert "whether 'set' was carried out is not known; see what the tool holds" in answer.json()["detail"]
    assert (away.status_code, away.headers["retry-after"]) == (503, "1"), "nothing was sent"


@pytest.mark.parametrize(
    "body",
    [
        b'{"values": {"Heater/temperature_set": 1e400}, "reason": "x"}',
        b'{"values": {"Heater/temperature_set": NaN}, "reason": "x"}',
        b'{"values": {"Heater/temperature_set": "12"}, "reason": 5}',
        b'{"values": {}, "reason": "x"}',
        b'{"values": {"a": 1}, "reason": " "}',
        b'{"values": {"a": 1}}',
        b"[1, 2]",
        b"{",
        b"\xff\xfe",
        b"[" * 60_000,
    ],
)
async def test_a_step_that_is_none_never_reaches_the_recorder(
    make_config: MakeConfig, daemon: Daemon, body: bytes
) -> None:
    """A set-value of 1e400 among them: one line says what is wrong."""
    config = make_config()
    headers = bearer(Tokens(config.token_file).create("Ada", Role.OPERATOR))
    async with daemon.serving(), client_of(config) as client:
        answer = await client.post(
            "/api/set-values", headers=headers | {"Content-Type": "application/json"}, content=body
        )
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert "\n" not in answer.json()["detail"]
    assert not daemon.asked


async def test_a_file_of_tokens_that_others_may_read_lets_nobody_in(make_config: MakeConfig, daemon: Daemon) -> None:
    """It may have been changed: 503, and the line says what to do."""
    config = make_config()
    headers = bearer(Tokens(config.token_file).create("Ada", Role.OPERATOR))
    config.token_file.chmod(0o644)
    async with daemon.serving(), client_of(config) as client:
        answer = await client.post("/api/runs/stop", headers=headers)
    assert answer.status_code == 503
    assert "chmod 600" in answer.json()["detail"]
    assert not daemon.asked


async def test_a_recorder_that_does_not_know_a_command_is_older(make_config: MakeConfig, daemon: Daemon) -> None:
    """503, and the line says what to do."""
    daemon.without = frozenset({"runs_stop"})
    config = make_config()
    headers = bearer(Tokens(config.token_file).create("Ada", Role.OPERATOR))
    async with daemon.serving(), client_of(config) as client:
        answer = await client.post("/api/runs/stop", headers=headers)
    assert answer.status_code == 503
    assert "does not know 'runs_stop': it is older than this api; update it" in answer.json()["detail"]
