"""What a batch added, as the statements that stored it counted it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pgconflict.core.conflict import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

Labels = tuple[str, str, str]  # subscription, kind, conflict type or ''
Counted = tuple[int, str]  # subscription oid, counter of pg_stat_subscription_stats

APPLY_ERROR = "apply_error"


@dataclass(slots=True)
class Tally:
    """Entries by what they are called in metrics, and by what the server counts."""

    labels: Counter[Labels] = field(default_factory=Counter)
    counters: Counter[Counted] = field(default_factory=Counter)

    @classmethod
    def of(cls, rows: Iterable[asyncpg.Record]) -> Tally:
        """From rows with subname, kind, type, subid, failed and number."""
        tally = cls()
        for row in rows:
            kind, type_, number = row["kind"], row["type"], row["number"]
            tally.labels[row["subname"], kind, type_] += number
            if row["subid"] is not None:
                tally.count(row["subid"], kind, type_, number, failed=row["failed"])
        return tally

    def count(
        self, subid: int, kind: str, type_: str, number: int, *, failed: bool
    ) -> None:
        """Adds to what the server counts. Source: facts measured on 15 to 19."""
        if kind == Kind.CONFLICT and type_:
            self.counters[subid, type_] += number
        if failed and kind != Kind.SYNC_ERROR:
            self.counters[subid, APPLY_ERROR] += number

    def add(self, other: Tally) -> None:
        """Adds another tally to this one."""
        self.labels += other.labels
        self.counters += other.counters
