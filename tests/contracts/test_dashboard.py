"""The dashboard names what there is: metrics, labels, variables; nothing overlaps."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
import yaml

from pgconflict.daemon.metrics import Metrics
from tests.contracts.promql import OF_THE_SCRAPE, exported, selectors, unknown_labels
from tests.contracts.tree import ROOT

FOLDER = ROOT / "config" / "grafana"
DASHBOARD: dict[str, Any] = json.loads(
    (FOLDER / "dashboards" / "pgconflict.json").read_text(encoding="utf-8")
)
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {one["name"] for one in DASHBOARD["templating"]["list"]}
ROWS = [
    "Is anything broken?",
    "Conflicts",
    "Apply",
    "Slots, on the publishers",
    "Sequences",
    "Evidence: can this page be believed?",
]


@pytest.fixture(params=PANELS, ids=lambda panel: panel["title"])
def panel(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


def test_rows_in_the_order_of_urgency() -> None:
    rows = [one for one in DASHBOARD["panels"] if one["type"] == "row"]

    assert [row["title"] for row in rows] == ROWS
    assert [row["gridPos"]["y"] for row in rows] == sorted(
        row["gridPos"]["y"] for row in rows
    )


def test_panels_have_numbers_and_places_of_their_own() -> None:
    every = DASHBOARD["panels"]
    assert len({one["id"] for one in every}) == len(every)
    assert len({one["title"] for one in every}) == len(every)
    for one, other in itertools.combinations(every, 2):
        a, b = one["gridPos"], other["gridPos"]
        assert a["x"] + a["w"] <= 24
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, (one["title"], other["title"])


def test_each_question_goes_to_the_source_that_the_user_chose(
    panel: dict[str, Any],
) -> None:
    for target in panel["targets"]:
        name = {
            "prometheus": "${prometheus}",
            "grafana-postgresql-datasource": "${conflict_log}",
        }[target["datasource"]["type"]]
        assert target["datasource"]["uid"] == name
        assert panel["datasource"] == target["datasource"]
        assert ("rawSql" in target) == (name == "${conflict_log}")


def test_it_asks_for_exported_metrics_by_their_labels(panel: dict[str, Any]) -> None:
    known = exported(Metrics())
    for target in panel["targets"]:
        if "expr" not in target:
            continue
        expression = target["expr"]
        names = {name for name, _ in selectors(expression)}
        assert names, expression
        assert names <= known.keys()
        assert unknown_labels(expression, known) == set()
        there = {label for name in names for label in known[name]} | OF_THE_SCRAPE
        legend = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
        assert set(legend) <= there, legend


def test_variables_that_are_used_are_there(panel: dict[str, Any]) -> None:
    text = json.dumps(panel["targets"])
    used = set(re.findall(r"\$\{?(\w+)", text))

    assert used - VARIABLES <= {"__rate_interval", "__timeFilter"}


def test_every_variable_is_used() -> None:
    text = json.dumps(DASHBOARD["panels"]) + json.dumps(DASHBOARD["annotations"])

    for name in VARIABLES:
        assert re.search(rf"\${{?{name}\b", text), name


def test_provisioning_is_what_the_dashboard_asks_for() -> None:
    sources = yaml.safe_load(
        (FOLDER / "provisioning" / "datasources" / "pgconflict.yml").read_text()
    )["datasources"]
    wanted = {
        one["query"]
        for one in DASHBOARD["templating"]["list"]
        if one["type"] == "datasource"
    }

    assert {source["type"] for source in sources} == wanted
    assert [source["name"] for source in sources if source.get("isDefault")] == [
        "Prometheus"
    ]
    assert not any(
        "$" not in secret
        for source in sources
        for secret in source.get("secureJsonData", {}).values()
    )
