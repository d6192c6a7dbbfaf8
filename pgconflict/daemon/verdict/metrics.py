"""The metrics that say what conflicts did to the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge

from pgconflict.core.verdict import Effect
from pgconflict.daemon.gauges import NodeGauge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client import CollectorRegistry

    from pgconflict.daemon.gauges import Labels

_SUBSCRIPTION: Final = ("node", "subscription")


class VerdictMetrics:
    """Attributes are the names without the prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.conflict_effects = Counter(
            "pgconflict_conflict_effects",
            "Conflicts by what they did to the data, counted when that was decided",
            (*_SUBSCRIPTION, "effect"),
            registry=registry,
        )
        self.diverged_rows = NodeGauge(
            Gauge(
                "pgconflict_diverged_rows",
                "Rows with a conflict that differ between two nodes now",
                _SUBSCRIPTION,
                registry=registry,
            )
        )

    def know_subscription(self, node: str, subscription: str) -> None:
        """Gives a subscription its counters at 0 before its first conflict."""
        for effect in Effect:
            self.conflict_effects.labels(node, subscription, effect)

    def show_diverged(
        self, nodes: Iterable[str], numbers: Mapping[tuple[str, str], int]
    ) -> None:
        """Show how many rows differ, by node and subscription.

        `nodes` are all there are: what is no longer among the numbers goes.
        """
        for node in nodes:
            own: dict[Labels, float] = {
                (name,): n for (where, name), n in numbers.items() if where == node
            }
            self.diverged_rows.show(node, own)

    def forget_subscription(self, node: str, subscription: str) -> None:
        """Removes the counters of a subscription that is no more."""
        self.conflict_effects.remove_by_labels(
            {"node": node, "subscription": subscription}
        )
