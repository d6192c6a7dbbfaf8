"""Completes conflicts with their commit time on the publisher, which no log holds.

The publisher of a subscription is the one configured node that has its slot; it
knows when the transaction committed, if it tracks commit timestamps. Done beside the
capture, some rows at a time: a conflict is recorded first and completed later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pgconflict.core.lsn import parse_lsn
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from pgconflict.server.session import NodeSession

LOOK_BACK: Final = timedelta(hours=1)
"""How old a conflict may be that is still completed after a start."""

LATE: Final = timedelta(minutes=1)
"""How long after its logging an entry may come to be stored, or learn its LSN."""

PAGE: Final = 2000
"""Rows completed in one statement; the number stands in the statement too."""

Transaction = tuple[int, int, int]  # subscription oid, remote xid, finish LSN


def publisher_of(
    slot_name: str | None, subscriber: str, slots: Mapping[str, Sequence[str]]
) -> str | None:
    """The configured node that publishes to a subscription; None if none surely does.

    `slots` maps slot names to the nodes that have one of that name. Two nodes with
    the same slot name can't be told apart, so that neither is taken.

    >>> publisher_of("s", "b", {"s": ["a"]})
    'a'
    >>> publisher_of("s", "b", {"s": ["a", "c"]}) is None
    True
    """
    if slot_name is None:
        return None
    nodes = [node for node in slots.get(slot_name, ()) if node != subscriber]
    return nodes[0] if len(nodes) == 1 else None


@dataclass(slots=True)
class CommitTimes:
    """What is left to complete for one subscriber."""

    system_identifier: int
    _since: datetime = field(default_factory=lambda: datetime.now(UTC) - LOOK_BACK)

    async def complete(
        self, log: asyncpg.Connection, publishers: Mapping[int, NodeSession | None]
    ) -> int:
        """Completes what was recorded since the last round; the number of rows.

        Args:
            log: To the conflict log.
            publishers: Subscription oid to its publisher; None: not known or away.

        Raises:
            NodeUnavailableError, asyncpg.PostgresError: the next round tries again.
        """
        until = datetime.now(UTC) - LATE
        rows = await log.fetch(
            query("lacking_commit_time"), self.system_identifier, self._since
        )
        wanted: dict[int, list[Transaction]] = {}
        for row in rows:
            lsn = parse_lsn(row["remote_commit_lsn"])
            transaction = (row["subid"], row["remote_xid"], lsn)
            wanted.setdefault(row["subid"], []).append(transaction)
        completed = 0
        for subid, transactions in wanted.items():
            publisher = publishers.get(subid)
            if publisher is not None:
                completed += await self._complete(log, publisher, transactions)
        self._since = max(self._since, until)
        return completed

    async def _complete(
        self,
        log: asyncpg.Connection,
        publisher: NodeSession,
        transactions: Sequence[Transaction],
    ) -> int:
        xids = sorted({xid for _, xid, _ in transactions})
        rows = await publisher.rows("commit_times", xids)
        times = {row["xid"]: row["committed"] for row in rows if row["committed"]}
        completed = 0
        for subid, xid, lsn in transactions:
            if xid not in times:
                continue
            done = PAGE
            while done == PAGE:
                done = len(
                    await log.fetch(
                        query("set_commit_time"),
                        self.system_identifier,
                        subid,
                        lsn,
                        xid,
                        times[xid],
                    )
                )
                completed += done
        return completed


async def slots_of(nodes: Mapping[str, NodeSession]) -> dict[str, list[str]]:
    """Slot names to the nodes that have them.

    Raises:
        NodeUnavailableError: a node can't be asked now.
    """
    found: dict[str, list[str]] = {}
    for node, session in nodes.items():
        for row in await session.rows("logical_slots"):
            found.setdefault(row["slot_name"], []).append(node)
    return found
