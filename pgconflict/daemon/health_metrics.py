"""What /readyz says, as a metric: which jobs are late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client import CollectorRegistry, Metric

    from pgconflict.daemon.health import Health

NAME: Final = "pgconflict_job_late"
TEXT: Final = (
    "1 while a job does not get its work done: the node or the conflict log is away,"
    " or something a person must mend"
)
LABELS: Final = ("node", "job")


class JobsLate(Collector):
    """Reads the health at each scrape: what hangs can't say so by itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._health: Health | None = None
        self._nodes: frozenset[str] = frozenset()
        registry.register(self)

    def watch(self, health: Health, nodes: Iterable[str]) -> None:
        """Show this from now on; titles begin with one of the nodes, or with none."""
        self._health = health
        self._nodes = frozenset(nodes)

    def describe(self) -> Iterable[Metric]:
        """Return the metric without a value."""
        return [GaugeMetricFamily(NAME, TEXT, labels=LABELS)]

    def collect(self) -> Iterator[Metric]:
        """Return the jobs as they are now; a job of no node has an empty `node`."""
        family = GaugeMetricFamily(NAME, TEXT, labels=LABELS)
        if self._health is not None:
            late = set(self._health.late())
            for title in self._health.expected():
                node, _, job = title.partition("/")
                of_node = node in self._nodes
                labels = [node, job] if of_node else ["", title]
                family.add_metric(labels, float(title in late))
        yield family
