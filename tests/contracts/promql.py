"""Which metrics and labels a PromQL expression names; enough for rules and panels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgconflict.daemon.metrics import Metrics

# Prometheus adds these itself; `exported_job` is the daemon's `job` then.
OF_THE_SCRAPE = {"job", "instance", "exported_job"}
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"\b((?:pgconflict_\w+|up)\b)\s*(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left)\s*\(([^)]*)\)")


def exported(metrics: Metrics) -> dict[str, tuple[str, ...]]:
    """Names as they stand on the page, with their labels."""
    found = {}
    collectors: list[Any] = list(metrics.registry._collector_to_names)
    for collector in collectors:
        for metric in collector.describe():
            labels = getattr(collector, "_labelnames", ())
            labels = labels or getattr(metric, "_labelnames", ())
            name = metric.name + ("_total" if metric.type == "counter" else "")
            found[name] = tuple(labels)
    return found


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """Each metric that is selected, with the labels it is selected by."""
    plain = _STRING.sub('""', expression)
    return [
        (name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers or "")))
        for name, matchers in _SELECTOR.findall(plain)
    ]


def unknown_labels(
    expression: str, known: Mapping[str, tuple[str, ...]]
) -> set[tuple[str, str]]:
    """Labels that the metrics they are asked of don't have."""
    found = {
        (name, label)
        for name, labels in selectors(expression)
        if name in known
        for label in labels - set(known[name]) - OF_THE_SCRAPE
    }
    there = {
        label for name, _ in selectors(expression) for label in known.get(name, ())
    }
    for names in _GROUPING.findall(_STRING.sub('""', expression)):
        for label in re.findall(r"\w+", names):
            if label not in there | OF_THE_SCRAPE:
                found.add(("", label))
    return found
