"""Alert rules use what is exported; each has a page and is tested firing and quiet."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import yaml

from pgconflict.cli.parser import COMMANDS, parse
from pgconflict.daemon.metrics import Metrics
from tests.contracts.promql import exported, selectors, unknown_labels
from tests.contracts.tree import ROOT

RULES: dict[str, Any] = {
    rule["alert"]: rule
    for group in yaml.safe_load((ROOT / "config/prometheus-rules.yml").read_text())[
        "groups"
    ]
    for rule in group["rules"]
}
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in RUNBOOKS.iterdir()}
# What exists from the scrape itself.
OF_PROMETHEUS = {"up"}


@pytest.fixture(params=sorted(RULES))
def alert(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_it_uses_exported_metrics_and_their_labels(alert: str) -> None:
    known = exported(Metrics())
    used = selectors(RULES[alert]["expr"])

    assert used
    assert {name for name, _ in used} - known.keys() <= OF_PROMETHEUS
    assert unknown_labels(RULES[alert]["expr"], known) == set()


def test_it_says_what_how_bad_and_where_to_read(alert: str) -> None:
    rule = RULES[alert]

    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{alert}.md")
    # Names, so that it can be told which one it is.
    for label in ("node", "subscription", "slot", "pair"):
        if re.search(rf"\bby\(.*{label}|on\(.*{label}", rule["expr"]):
            assert f".{label}" in rule["annotations"]["summary"] or label == "node"


def test_its_page_says_what_to_do(alert: str) -> None:
    text = PAGES[alert]

    assert text.startswith(f"# {alert}\n")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["What it means", "What to look at", "What to type"]
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (RUNBOOKS / link).exists(), link


def test_no_page_is_left_over() -> None:
    assert PAGES.keys() == RULES.keys()


def test_it_is_tested_firing_and_quiet(alert: str) -> None:
    cases = {
        bool(case["exp_alerts"])
        for file in (ROOT / "tests" / "prometheus").glob("*.yml")
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == alert
    }

    assert cases == {True, False}


def test_the_overview_is_complete() -> None:
    text = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    listed = re.findall(
        r"^\| \[(\w+)\]\(runbooks/\1\.md\) \| (\w+) \| (\w+) \|$", text, re.MULTILINE
    )

    assert listed == [
        (name, rule["labels"]["severity"], rule.get("for", "0m"))
        for name, rule in RULES.items()
    ]


def test_inhibition_names_alerts_and_labels_that_exist() -> None:
    text = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(inhibit_rules:.*?)```", text, re.DOTALL)
    known = exported(Metrics())

    for rule in yaml.safe_load(block)["inhibit_rules"]:
        sides = []
        for matchers in (rule["source_matchers"], rule["target_matchers"]):
            ((operator, pattern),) = [
                re.fullmatch(r'alertname(=~?)"(.*)"', one).groups()  # type: ignore[union-attr]
                for one in matchers
            ]
            found = {
                name
                for name in RULES
                if (re.fullmatch(pattern, name) if "~" in operator else name == pattern)
            }
            assert found, matchers
            sides.append(found)
        source, target = sides
        assert not source & target
        for name in source | target:
            metrics = {metric for metric, _ in selectors(RULES[name]["expr"])}
            labels = {label for one in metrics for label in known.get(one, ())}
            assert set(rule["equal"]) <= labels, name


def commands() -> list[tuple[str, str]]:
    return [
        (name, line)
        for name, text in PAGES.items()
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
        if line.startswith("pgconflict ")
    ]


def test_commands_in_pages_are_commands() -> None:
    there = {
        name for name, _ in COMMANDS if (ROOT / f"pgconflict/cli/{name}.py").exists()
    }
    for page, line in commands():
        words = shlex.split(line)[1:]
        assert words[0] in {name for name, _ in COMMANDS}, (page, line)
        if words[0] in there:
            parse(words)
