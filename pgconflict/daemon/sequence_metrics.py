"""The metrics of sequences: how those of two nodes stand to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import Gauge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from prometheus_client import CollectorRegistry

_PAIR: Final = ("pair",)


class SequenceMetrics:
    """Three gauges; `pair` names the two nodes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sequences = Gauge(
            "pgconflict_sequences",
            "Sequences by their state, as `pgconflict sequences diff` calls it",
            (*_PAIR, "state"),
            registry=registry,
        )
        self._behind_max = Gauge(
            "pgconflict_sequence_behind_max",
            "Values that the sequence furthest behind lacks; 0 when none is behind",
            _PAIR,
            registry=registry,
        )
        self._synced = Gauge(
            "pgconflict_sequence_sync_timestamp_seconds",
            "When the sequences were last synchronised, seconds since 1970",
            _PAIR,
            registry=registry,
        )

    def show(self, pair: str, states: Mapping[str, int], behind_max: int) -> None:
        """Show how many sequences of a pair are in which state."""
        for state, number in states.items():
            self._sequences.labels(pair, state).set(number)
        self._behind_max.labels(pair).set(behind_max)

    def synced(self, pair: str, at: datetime) -> None:
        """Show when a pair was synchronised."""
        self._synced.labels(pair).set(at.timestamp())
