"""Gauges that show what is there now, and nothing that was there before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import Gauge

Labels = tuple[str, ...]


class NodeGauge:
    """A gauge with the label `node` first: each showing replaces the node's last one.

    A value that is not known any more leaves no series behind that says otherwise.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._shown: dict[str, set[Labels]] = {}

    def show(self, node: str, series: Mapping[Labels, float]) -> None:
        """Show exactly these series of a node; keys are the labels after `node`."""
        for labels, value in series.items():
            self._gauge.labels(node, *labels).set(value)
        # After the new ones: a scrape in between sees too much rather than nothing.
        for labels in self._shown.get(node, set()) - series.keys():
            self._gauge.remove(node, *labels)
        self._shown[node] = set(series)

    def show_one(self, node: str, value: float | None) -> None:
        """Show the only series of a node; None removes it."""
        self.show(node, {} if value is None else {(): value})

    def clear(self, node: str) -> None:
        """Remove every series of a node."""
        self.show(node, {})
