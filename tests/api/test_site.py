"""The api beside a real recorder, tool and database."""

import json
import os
import subprocess
import sys
from typing import Final

import httpx
import pytest

from recorder.cli.app import WATCHER_NICENESS
from tests.api.api_process import DEADLINE_S, read_events
from tests.api.conformance import hold_to_document
from tests.api.conftest import Site
from tests.system.plant import environment
from tests.system.waiting import until

pytestmark = pytest.mark.timeout(500)
"""A busy machine takes a minute to start the processes."""

HEATER: Final = "Chamber Heater/temperature_set"
SLOTS: Final = 60
ATTACK_S: Final = 6.0


def test_the_api_does_what_its_document_says(site: Site) -> None:
    """Any request, right or wrong, gets an answer that the document knows, of the shape that it says, and never 500."""
    held = hold_to_document(site.api.url, site.operator_token, examples=8)
    assert {"GET /api/status", "GET /api/values", "POST /api/runs/start", "POST /api/set-values"} <= set(held)


def test_the_api_yields_to_the_recorder(site: Site) -> None:
    """Its process is less urgent than any that was started as usual."""
    assert os.getpriority(os.PRIO_PROCESS, site.api.pid) >= WATCHER_NICENESS


def test_a_run_by_hand_carries_the_name_of_the_token(site: Site) -> None:
    """Started, seen in status and values, refused a second time, stopped; a stranger can do none of it."""
    with site.operator as operator, site.anybody as anybody:
        operator.post("/api/runs/stop")  # whatever an earlier test left
        assert anybody.post("/api/runs/start", json={}).status_code == 401
        run = operator.post("/api/runs/start", json={"recipe": "by hand", "lot": "L7"}).json()["run"]
        process = until(
            "the run", lambda: p if (p := anybody.get("/api/status").json()["process"])["process_id"] == run else None
        )
        assert (process["kind"], process["recipe"], process["labels"]["lot"]) == ("manual", "by hand", "L7")
        assert process["labels"]["operator"] == "Ada"
        again = operator.post("/api/runs/start", json={})
        assert (again.status_code, again.headers["content-type"]) == (409, "application/problem+json")
        assert operator.post("/api/runs/stop").json() == {"run": run}
    stored = until("the end of the run", lambda: [row for row in site.plant.records.runs("manual") if row["ended_at"]])
    assert run in {row["id"] for row in stored}


def test_a_set_value_goes_to_the_tool_and_the_change_log_says_who(site: Site) -> None:
    """Within the limits of the configuration alone; read back, and kept with name and reason."""
    with site.operator as operator:
        operator.post("/api/runs/stop")
        done = operator.post("/api/set-values", json={"values": {HEATER: 111.5}, "reason": "by api"})
        refused = operator.post("/api/set-values", json={"values": {HEATER: 900}, "reason": "too hot"})
        unknown = operator.post("/api/set-values", json={"values": {"no/such": 1}, "reason": "x"})
    assert (done.status_code, done.json()["results"][0]["read_back"]) == (200, 111.5), done.text
    assert (refused.status_code, refused.json()["results"][0]["outcome"]) == (409, "refused")
    assert (unknown.status_code, "no such parameter" in unknown.json()["detail"]) == (404, True)
    changes = until(
        "the change log",
        lambda: [
            row
            for row in site.plant.records.fetch("SELECT * FROM set_value_changes ORDER BY id")
            if row["changed_by"] == "Ada" and row["new_value"] == 111.5
        ],
    )
    assert changes[-1]["reason"] == "by api"


async def test_a_value_that_changes_in_the_tool_is_streamed(site: Site) -> None:
    """First all of them, then what changes."""
    async with (
        httpx.AsyncClient(base_url=site.api.url, timeout=DEADLINE_S) as client,
        client.stream("GET", "/api/stream") as s,
    ):
        told = await read_events(s, 5)
    # a recorder that has no time to answer is told as away
    heard = [(kind, len(data["rows"])) for kind, data in told if kind != "away"]
    assert heard[0] == ("snapshot", 192)
    assert any(kind == "changes" and 0 < rows < 192 for kind, rows in heard)


@pytest.mark.alone
def test_no_slot_is_missed_whatever_clients_do(site: Site) -> None:
    """Floods, connections that say nothing, rubbish, huge bodies, deaf streams: the recorder is another process.

    Where the machine itself is too busy to keep the slots without any client, the same share may be missed with them.
    """
    quiet = _missed(site, SLOTS)
    attack = subprocess.Popen(
        ["nice", "-n", "5", sys.executable, "-m", "tests.api.attack", str(site.api.port), str(ATTACK_S)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment() | {"PYTHONPATH": ":".join(path for path in sys.path if path)},
    )
    before = site.plant.status()
    answers = json.loads(attack.communicate(timeout=200)[0])
    assert before is not None
    after = site.plant.status()
    assert after is not None
    slots = after["scans"]["scheduled"] - before["scans"]["scheduled"]
    missed = after["scans"]["skipped"] - before["scans"]["skipped"]
    print(f"{missed} of {slots} slots missed under attack, {quiet:.1%} without; answers {answers}")  # noqa: T201
    assert sum(answers.values()) > 0
    assert not {status for status in answers if status.startswith("5")} - {"503"}
    assert missed <= 1 + 2 * quiet * slots
    with site.anybody as anybody:
        until("an answer", lambda: anybody.get("/api/status").status_code == 200)


def _missed(site: Site, slots: int) -> float:
    """The share of so many slots that is skipped without any client."""
    first = site.plant.status()
    assert first is not None
    last = site.plant.until_more_slots(slots)
    scheduled = last["scans"]["scheduled"] - first["scans"]["scheduled"]
    return float((last["scans"]["skipped"] - first["scans"]["skipped"]) / scheduled)
