"""Follows a node's subscription statistics: the server's own count of trouble.

One query a second or so. The counters are mirrored: what the server adds is added
here, and a counter that falls (statistics reset, crash of the server) begins anew
without the mirror falling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import is_
from typing import TYPE_CHECKING, Final

from pgconflict.core.capability import capability

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from pgconflict.daemon.metrics import Metrics
    from pgconflict.server.session import NodeSession

CONFLICTS: Final = "confl_"
"""What the server's names of its counters of conflicts begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionStatistics:
    """One subscription as its server describes it now.

    `conflicts` is empty before PostgreSQL 18, `sync_errors` has the kinds `table` and,
    from 19 on, `sequence`. LSNs are numbers; times are aware.
    """

    subid: int
    name: str
    database: str
    enabled: bool
    worker_up: bool
    last_message: datetime | None
    latest_end_lsn: int | None
    apply_errors: int
    sync_errors: Mapping[str, int]
    conflicts: Mapping[str, int]
    stats_reset: datetime | None
    statistics_began: datetime | None = None
    """Of the whole server."""

    @classmethod
    def from_row(cls, row: asyncpg.Record) -> SubscriptionStatistics:
        """A row of the query `statistics`."""
        kinds = {
            "table": row["sync_table_errors"],
            "sequence": row["sync_sequence_errors"],
        }
        return cls(
            subid=row["subid"],
            name=row["name"],
            database=row["database"],
            enabled=row["enabled"],
            worker_up=row["worker_up"],
            last_message=row["last_message"],
            latest_end_lsn=row["latest_end_lsn"],
            apply_errors=row["apply_errors"] or 0,
            sync_errors={k: v for k, v in kinds.items() if v is not None},
            conflicts={
                name.removeprefix(CONFLICTS): number or 0
                for name, number in row.items()
                if name.startswith(CONFLICTS)
            },
            stats_reset=row["stats_reset"],
            statistics_began=row["statistics_began"],
        )


class StatisticsReader:
    """Reads all subscriptions of a server, again and again.

    What did not change comes as the same object: whoever shows it can pass it over.
    """

    def __init__(self) -> None:
        self._read: dict[int, tuple[asyncpg.Record, SubscriptionStatistics]] = {}

    async def read(self, session: NodeSession) -> list[SubscriptionStatistics]:
        """Return them as they are now.

        Raises:
            NodeUnavailableError: the node can't be asked now.
        """
        read = {}
        for row in await session.rows("statistics"):
            before = self._read.get(row["subid"])
            if before is None or before[0] != row:
                before = (row, SubscriptionStatistics.from_row(row))
            read[row["subid"]] = before
        self._read = read
        return [one for _, one in read.values()]


async def read_origin_progress(session: NodeSession) -> dict[int, int]:
    """Subscription oid to the finish LSN of the last transaction that it applied.

    Empty where the role may not see it: not even pg_monitor may (15 to 19), it
    takes GRANT EXECUTE ON FUNCTION pg_show_replication_origin_status().

    Raises:
        NodeUnavailableError: the node can't be asked now.
    """
    if not (await session.row("may_see_origins"))["may"]:
        return {}
    rows = await session.rows("origin_progress")
    return {int(row["origin"][3:]): row["remote_lsn"] for row in rows}


@dataclass(slots=True)
class Mirror:
    """The server's counters as metrics, for one node.

    Subscriptions of one name in several databases are one series: what counts is
    added up, and of what is on or off the worse is shown.
    """

    node: str
    metrics: Metrics
    _last: dict[tuple[int, str, str], int] = field(default_factory=dict)
    _known: dict[str, set[int]] = field(default_factory=dict)
    _shown: dict[str, list[SubscriptionStatistics]] = field(default_factory=dict)

    def show(self, major: int, subscriptions: list[SubscriptionStatistics]) -> None:
        """Brings the metrics up to what was just read; drops what is no more."""
        named: dict[str, list[SubscriptionStatistics]] = {}
        for one in subscriptions:
            named.setdefault(one.name, []).append(one)
        for name, subids in list(self._known.items()):
            if subids.isdisjoint(one.subid for one in named.get(name, ())):
                self.metrics.forget_subscription(self.node, name)
                del self._known[name]
                self._shown.pop(name, None)
        for name, same in named.items():
            if name not in self._known:
                self.metrics.know_subscription(
                    self.node, name, sorted(capability(major).counted_types)
                )
            if unchanged(same, self._shown.get(name, ())):
                continue
            self._shown[name] = same
            self._known[name] = {one.subid for one in same}
            self._show(name, same)
            for one in same:
                self._count(one)
        present = {one.subid for one in subscriptions}
        for key in [key for key in self._last if key[0] not in present]:
            del self._last[key]

    def _show(self, name: str, same: list[SubscriptionStatistics]) -> None:
        metrics, labels = self.metrics, (self.node, name)
        metrics.subscription_enabled.labels(*labels).set(all(o.enabled for o in same))
        metrics.subscription_worker_up.labels(*labels).set(
            all(one.worker_up for one in same)
        )
        if heard := [one.last_message for one in same if one.last_message is not None]:
            metrics.subscription_last_message.labels(*labels).set(
                min(heard).timestamp()
            )

    def _count(self, one: SubscriptionStatistics) -> None:
        metrics, labels = self.metrics, (self.node, one.name)
        for conflict_type, number in one.conflicts.items():
            added = self._added((one.subid, "conflict", conflict_type), number)
            metrics.server_conflicts.labels(*labels, conflict_type).inc(added)
        for kind, number in one.sync_errors.items():
            added = self._added((one.subid, "sync", kind), number)
            metrics.sync_errors.labels(*labels, kind).inc(added)
        added = self._added((one.subid, "apply", ""), one.apply_errors)
        metrics.apply_errors.labels(*labels).inc(added)

    def _added(self, counter: tuple[int, str, str], number: int) -> int:
        last = self._last.get(counter, 0)
        self._last[counter] = number
        return number - last if number >= last else number


def unchanged(
    ones: Sequence[SubscriptionStatistics], others: Sequence[SubscriptionStatistics]
) -> bool:
    """Whether they are the same objects: quicker than to compare what is in them."""
    return len(ones) == len(others) and all(map(is_, ones, others))
