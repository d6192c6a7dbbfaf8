"""Rows that differ are shown for all subscriptions of a node, and no longer than so."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from pgconflict.daemon.verdict.metrics import VerdictMetrics


def test_rows_that_differ_are_shown_for_each_subscription_until_none_is_looked_at() -> (
    None
):
    registry = CollectorRegistry()
    metrics = VerdictMetrics(registry)

    def shown() -> dict[tuple[str, str], float]:
        return {
            (sample.labels["node"], sample.labels["subscription"]): sample.value
            for metric in registry.collect()
            for sample in metric.samples
            if sample.name == "pgconflict_diverged_rows"
        }

    both = {("b", "from_a"): 3, ("b", "from_c"): 0, ("a", "from_b"): 1}
    metrics.show_diverged(["a", "b"], both)
    assert shown() == both

    metrics.show_diverged(["a", "b"], {("b", "from_c"): 0})
    assert shown() == {("b", "from_c"): 0}
