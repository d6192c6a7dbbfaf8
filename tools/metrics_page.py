"""Writes the tables of docs/metrics.md from the metrics that the daemon exports.

    python tools/metrics_page.py

Which table a metric stands in is up to the page: a new one gets a row there with its
name, and this fills in the rest. A test compares the page with what this writes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgconflict.daemon.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"

_ROW = re.compile(r"\| `(pgconflict_\w+)` \|")

Metric = tuple[str, str, tuple[str, ...], str]
"""Name, type, labels, help."""


def exported() -> Iterator[Metric]:
    """Yield every metric there can be."""
    collectors: list[Any] = list(Metrics().registry._collector_to_names)  # noqa: SLF001
    for collector in collectors:
        for metric in collector.describe():
            labels = getattr(collector, "_labelnames", ())
            labels = labels or getattr(metric, "_labelnames", ())
            name = metric.name + ("_total" if metric.type == "counter" else "")
            yield name, metric.type, tuple(labels), metric.documentation


def page(text: str) -> str:
    """Return the page with the rows of its tables as they must be.

    Raises:
        SystemExit: a metric has no row.
    """
    rows = {one[0]: _row(one) for one in exported()}
    lines = []
    for line in text.splitlines():
        named = _ROW.match(line)
        if named is None:
            lines.append(line)
        elif named[1] in rows:
            lines.append(rows.pop(named[1]))
    if rows:
        raise SystemExit(f"no table of {PAGE.name} has a row of " + ", ".join(rows))
    return "\n".join(lines) + "\n"


def _row(metric: Metric) -> str:
    name, kind, labels, text = metric
    listed = ", ".join(f"`{label}`" for label in labels)
    return " | ".join([f"| `{name}`", kind, listed, f"{text} |"]).replace("|  |", "| |")


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
