"""What happens to a conflict after it was logged, and finish LSNs learnt late.

A conflict that stopped apply is open until its story ends: the transaction is
applied, skipped, or the subscription disabled. A transaction that parallel apply
streams is logged without its finish LSN, which the leader, or a later attempt,
may tell. Both are kept in memory only as far as they decide what must be stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from pgconflict.conflict_log.days import days_of
from pgconflict.core.lsn import parse_lsn
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    import asyncpg

    from pgconflict.conflict_log.entry import Batch, Node, Recorded
    from pgconflict.core.conflict import FinishLsn

Transaction = tuple[int, int]  # subscription oid, remote xid


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a batch means for stories, found before anything is stored."""

    entries: Sequence[Recorded]
    learnt: dict[Transaction, int]
    streamed: frozenset[Transaction]
    new: dict[Transaction, date]  # streamed, with all their rows on this day
    passed: dict[int, tuple[int, datetime]]  # subscription: LSN seen, when
    stalls: dict[int, int]  # subscription: lowest LSN that stopped apply

    @property
    def scattered(self) -> bool:
        """Whether rows without their LSN may be on other days than the batch's."""
        return self.streamed != self.new.keys()


class Stories:
    """The open ends of one node's conflicts."""

    def __init__(self, connection: asyncpg.Connection, node: Node) -> None:
        self._connection = connection
        self._node = node
        self._streamed: dict[Transaction, int | None] = {}
        # Those that were new when their first entry came, as long as all is of a day.
        self._new: dict[Transaction, date] = {}
        self._stalled: dict[int, int] = {}

    async def load(self) -> None:
        """Reads the open ends that the conflict log holds."""
        system = self._node.system_identifier
        for row in await self._connection.fetch(query("streamed_transactions"), system):
            lsn = row["remote_commit_lsn"]
            self._streamed[row["subid"], row["remote_xid"]] = lsn and parse_lsn(lsn)
        for row in await self._connection.fetch(query("stalled"), system):
            if row["subid"] is not None and row["remote_commit_lsn"] is not None:
                self._stalled[row["subid"]] = parse_lsn(row["remote_commit_lsn"])

    async def plan(self, batch: Batch, entries: Sequence[Recorded]) -> Plan:
        """What the batch tells; entries get the finish LSNs that are known."""
        learnt = {
            key: told.remote_commit_lsn
            for told in batch.finish_lsns
            if (key := _transaction(told)) is not None
            and self._streamed.get(key) != told.remote_commit_lsn
        }
        passed: dict[int, tuple[int, datetime]] = {}
        stalls: dict[int, int] = {}
        lacking = False
        for entry in entries:
            conflict = entry.conflict
            subid, lsn = conflict.subid, conflict.remote_commit_lsn
            if subid is None:
                continue
            if lsn is None:
                lacking = lacking or conflict.remote_xid is not None
                continue
            if self._streamed and conflict.remote_xid is not None:
                key = (subid, conflict.remote_xid)
                if key in self._streamed and self._streamed[key] is None:
                    learnt[key] = lsn
            stalled = self._stalled.get(subid, stalls.get(subid))
            if stalled is not None and lsn > stalled:
                passed[subid] = (lsn, conflict.log_time)
            if conflict.stalls:
                stalls.setdefault(subid, lsn)
        streamed: frozenset[Transaction] = frozenset()
        new: dict[Transaction, date] = {}
        if lacking:
            entries, streamed = await self._complete(entries, learnt)
            new = await self._new_ones(streamed, entries)
        return Plan(
            entries=entries,
            learnt=learnt,
            streamed=streamed,
            new=new,
            passed=passed,
            stalls=stalls,
        )

    async def _complete(
        self, entries: Sequence[Recorded], learnt: dict[Transaction, int]
    ) -> tuple[Sequence[Recorded], frozenset[Transaction]]:
        """Entries with the finish LSNs that can be had, and who still lacks one."""
        known: dict[Transaction, int | None] = {}
        completed = []
        for entry in entries:
            conflict = entry.conflict
            if (
                conflict.subid is None
                or conflict.remote_xid is None
                or conflict.remote_commit_lsn is not None
            ):
                completed.append(entry)
                continue
            key = (conflict.subid, conflict.remote_xid)
            if key not in known:
                known[key] = learnt.get(key) or await self._finish_lsn(key)
            lsn = known[key]
            if lsn is not None:
                replace = msgspec.structs.replace
                conflict = replace(conflict, remote_commit_lsn=lsn)
                completed.append(replace(entry, conflict=conflict))
            else:
                completed.append(entry)
        return completed, frozenset(key for key, lsn in known.items() if lsn is None)

    async def _new_ones(
        self, streamed: frozenset[Transaction], entries: Sequence[Recorded]
    ) -> dict[Transaction, date]:
        """Which of them have no rows but on the one day of these entries."""
        days = days_of(entries)
        if len(days) != 1:
            return {}
        [day] = days
        return {
            key: day
            for key in streamed
            if self._new.get(key) == day
            or (key not in self._streamed and not await self._has_rows(key))
        }

    async def _has_rows(self, key: Transaction) -> bool:
        return bool(
            await self._connection.fetchval(
                query("streamed_known"), self._node.system_identifier, *key
            )
        )

    async def _finish_lsn(self, key: Transaction) -> int | None:
        if key in self._streamed:
            return self._streamed[key]
        lsn = await self._connection.fetchval(
            query("known_finish_lsn"), self._node.system_identifier, *key
        )
        return None if lsn is None else parse_lsn(lsn)

    def quiet(self, batch: Batch, plan: Plan) -> bool:
        """Whether the batch ends or completes no story."""
        return not (plan.learnt or plan.passed or batch.events or batch.finish_lsns)

    async def tell_before(self, plan: Plan) -> set[date]:
        """Completes rows with the LSNs learnt; the days of the rows it completed.

        Comes before the batch's rows, which must find the completed ones.
        """
        days: set[date] = set()
        system = self._node.system_identifier
        for (subid, xid), lsn in plan.learnt.items():
            key = (system, subid, xid, lsn)
            await self._connection.execute(query("streamed_merge"), *key)
            rows = await self._connection.fetch(query("streamed_learn"), *key)
            days |= {row["day"] for row in rows}
            await self._connection.execute(query("remember_streamed"), *key)
        for subid, xid in plan.streamed - self._streamed.keys():
            await self._connection.execute(
                query("remember_streamed"), system, subid, xid, None
            )
        return days

    async def tell_after(self, batch: Batch, plan: Plan) -> None:
        """Ends the stories that the batch ends; comes after the batch's rows."""
        system = self._node.system_identifier
        for subid, (lsn, at) in plan.passed.items():
            await self._connection.execute(
                query("story_applied"), system, subid, at, lsn
            )
        for event in batch.events:
            if event.what == "disabled" and event.subname is not None:
                await self._connection.execute(
                    query("story_disabled"), system, event.subname, event.log_time
                )
            elif event.what == "skip_finished" and event.lsn is not None:
                await self._connection.execute(
                    query("story_skipped"),
                    system,
                    event.subname,
                    event.log_time,
                    event.lsn,
                )

    def stored(self, plan: Plan) -> None:
        """Remembers a batch; comes after its commit."""
        for key, lsn in plan.learnt.items():
            self._streamed[key] = lsn
        for key in plan.streamed:
            self._streamed.setdefault(key, None)
            self._new.pop(key, None)
        self._new |= plan.new
        for subid in plan.passed:
            self._stalled.pop(subid, None)
        for subid, lsn in plan.stalls.items():
            self._stalled.setdefault(subid, lsn)

    async def origin_moved(self, subid: int, remote_lsn: int, at: datetime) -> bool:
        """Closes what the origin has passed; whether there was anything to close."""
        stalled = self._stalled.get(subid)
        if stalled is None or remote_lsn <= stalled:
            return False
        await self._connection.execute(
            query("story_applied"),
            self._node.system_identifier,
            subid,
            at,
            remote_lsn,
        )
        del self._stalled[subid]
        return True


def _transaction(told: FinishLsn) -> Transaction | None:
    prefix, _, number = told.remote_origin.partition("_")
    if prefix != "pg" or not number.isdecimal():
        return None
    return int(number), told.remote_xid
