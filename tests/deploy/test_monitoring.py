"""Alert rules, scrape configuration and dashboard: accepted by those who read them, and true to the recorder."""

import json
import re
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from tests.deploy.metric_names import NAMES
from tests.deploy.programs import DEPLOY, PROJECT, program, said

PROMETHEUS: Final = DEPLOY / "prometheus"
RULES: Final = PROMETHEUS / "ald-recorder.rules.yml"
RULES_TEST: Final = PROMETHEUS / "ald-recorder.rules.test.yml"
DASHBOARD: Final[dict[str, Any]] = json.loads(
    (DEPLOY / "grafana/dashboards/ald-recorder.json").read_text(encoding="utf-8")
)
GRAFANA_MACROS: Final = {"$__rate_interval": "5m", "$instance": ".*"}
SQL_MACROS: Final = {"$__interval_ms": "1000", "$run": "1", "$parameter": "1, 2"}


def panels() -> list[dict[str, Any]]:
    """All panels but the headings."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[tuple[str, str]]:
    """Title and PromQL of each query of the dashboard."""
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"] if "expr" in target]


def statements() -> list[tuple[str, str]]:
    """Title and SQL of each query of the dashboard, macros and variables replaced as Grafana does."""
    found = [
        (panel["title"], target["rawSql"]) for panel in panels() for target in panel["targets"] if "rawSql" in target
    ]
    found += [
        (variable["name"], variable["query"])
        for variable in DASHBOARD["templating"]["list"]
        if variable["datasource"]["uid"] == "ald-postgres"
    ]
    made = []
    for title, text in found:
        sql = re.sub(
            r"\$__timeFilter\(([^)]+)\)", r"\1 BETWEEN '2026-01-01T00:00:00Z' AND '2026-12-31T00:00:00Z'", text
        )
        for macro, value in SQL_MACROS.items():
            sql = sql.replace(macro, value)
        made.append((title, sql))
    return made


def test_prometheus_accepts_configuration_and_rules() -> None:
    """`promtool check` finds nothing wrong."""
    promtool = program("promtool")
    said(promtool, "check", "config", PROMETHEUS / "prometheus.yml")
    said(promtool, "check", "rules", RULES)


def test_each_alert_fires_on_what_it_is_for_and_on_nothing_else() -> None:
    """`promtool test rules`, with a case that fires and one that does not for every alert."""
    said(program("promtool"), "test", "rules", RULES_TEST)
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8"))
    tested = re.findall(r"alertname: (\w+)", RULES_TEST.read_text(encoding="utf-8"))
    assert len(alerts) == len(set(alerts))
    assert sorted(tested) == sorted(alerts * 2)


def test_every_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    """Each would do as a rule, which `promtool` can judge."""
    lines = ["groups:", "  - name: dashboard", "    rules:"]
    for number, (_title, expression) in enumerate(expressions()):
        for macro, value in GRAFANA_MACROS.items():
            expression = expression.replace(macro, value)  # noqa: PLW2901  (one macro after the other)
        assert "$" not in expression
        lines += [f"      - record: dashboard:query_{number}:it", f"        expr: {json.dumps(expression)}"]
    rules = tmp_path / "dashboard.rules.yml"
    rules.write_text("\n".join(lines) + "\n", encoding="utf-8")
    said(program("promtool"), "check", "rules", rules)


@pytest.mark.parametrize(
    ("where", "text"),
    [("rules", RULES.read_text(encoding="utf-8")), ("dashboard", json.dumps(DASHBOARD))],
)
def test_only_metrics_that_there_are_are_asked_for(where: str, text: str) -> None:
    """Each name in rules and dashboard is one that the api promises."""
    asked = set(re.findall(r"\bald_recorder_[a-z_]+", text))
    assert asked, where
    assert asked <= NAMES


def test_the_dashboard_shows_what_was_asked_for_and_each_panel_has_a_place() -> None:
    """Panels have titles and numbers of their own, and ask data sources that are provisioned."""
    provisioned = (DEPLOY / "grafana/provisioning/datasources/ald-recorder.yaml").read_text(encoding="utf-8")
    uids = set(re.findall(r"uid: (\S+)", provisioned))
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert {target["datasource"]["uid"] for panel in panels() for target in panel["targets"]} == uids
    assert all(panel["title"] and panel["targets"] for panel in panels())
    taken = [
        (place["x"] + x, place["y"] + y)
        for panel in DASHBOARD["panels"]
        for place in (panel["gridPos"],)
        for x in range(place["w"])
        for y in range(place["h"])
    ]
    assert len(taken) == len(set(taken)), "two panels lie on each other"


@pytest.mark.parametrize(("title", "sql"), statements(), ids=[title for title, _ in statements()])
async def test_each_statement_of_the_dashboard_runs_on_the_schema(title: str, sql: str, database_url: str) -> None:
    """As it is, with the columns that its panel needs."""
    connection = await asyncpg.connect(database_url)
    try:
        columns = [column.name for column in (await connection.prepare(sql)).get_attributes()]
        await connection.fetch(sql)
    finally:
        await connection.close()
    needed = {"Values of run $run": {"time", "metric", "value"}, "Runs": {"run", "audit"}}
    assert needed.get(title, {"__text", "__value"}) <= set(columns)


def test_the_api_makes_every_metric_that_is_promised() -> None:
    """Each name stands in the rooms of the api that make them; its own tests see what they say."""
    made = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "recorder/api").glob("metrics*.py"))
    words = set(re.findall(r'"([a-z_]+)"', made))
    promised = {re.sub(r"_(total|bucket|count|sum)$", "", name.removeprefix("ald_recorder_")) for name in NAMES}
    assert promised - words == set()
