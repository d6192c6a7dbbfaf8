"""The job `verdict`: looks at the rows of conflicts on both nodes, finds the cause.

Beside the capture, over connections of its own, a bounded number of rows a second.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import asyncpg

from pgconflict.conflict_log.row_policy import RowPolicy
from pgconflict.conflict_log.tables_seen import put_tables, tables_seen
from pgconflict.conflict_log.verdicts import Verdicts
from pgconflict.core.conflict import Kind
from pgconflict.core.evidence import undecided
from pgconflict.core.verdict import Reason, Verdict
from pgconflict.daemon.conflict_log import connect, policy_from
from pgconflict.daemon.verdict.causes import Causes, complete
from pgconflict.daemon.verdict.history import Arrivals, Progress
from pgconflict.daemon.verdict.keys import readable
from pgconflict.daemon.verdict.links import doubts, read_sides
from pgconflict.daemon.verdict.nodes import AWAY, Nodes
from pgconflict.daemon.verdict.positions import Sampling
from pgconflict.daemon.verdict.rows import compare_rows
from pgconflict.daemon.verdict.tables import NEVER, Tables
from pgconflict.daemon.verdict.watch import Mark, Watch
from pgconflict.errors import PrivilegeMissingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pgconflict.config import Config
    from pgconflict.core.row_entry import KeyValues, RowEntry
    from pgconflict.core.verdict import Row
    from pgconflict.daemon.job import Job
    from pgconflict.daemon.tail import Tail
    from pgconflict.daemon.verdict.links import Sides
    from pgconflict.daemon.verdict.nodes import NodeView
    from pgconflict.server.row_reader import RowTable

ROUND_S: Final = 0.5
IDLE_S: Final = 1.5
"""Between two rounds while nothing waits for a verdict."""

LOOK_S: Final = 5.0
"""Between two looks at the nodes then."""

WITHIN_S: Final = 120.0

HELD: Final = 5000
"""Conflicts in memory at most; the others wait in the conflict log."""

PATIENCE_S: Final = 20.0
"""After so long without getting on, a conflict is put back and another taken."""

LONG_AGO_S: Final = float("-inf")

Place = tuple[str, int | None, str | None, str | None]
"""Node, subscription, schema and table of a conflict."""


class VerdictJob:
    """The job, for all nodes: a verdict takes two of them."""

    def __init__(self, config: Config, job: Job, tails: Mapping[str, Tail]) -> None:
        self._config = config
        self._job = job
        self._tails = tails
        self._rate = config.verdict.rate
        self._watches: dict[int, Watch] = {}
        self._tables = Tables()
        self._arrivals = Arrivals()
        self._progress = Progress()
        self._budget = 0.0
        self._looked_at = 0.0
        self._policy = RowPolicy()
        self._causes = Causes(self._progress, self._tables)

    async def run(self) -> None:
        """Look round after round, until the conflict log is away.

        Raises:
            ConflictLogUnavailableError: it is.
        """
        connection = await connect(self._config, self._job.title)
        self._policy = policy_from(self._config)
        nodes = Nodes(self._config, self._tails, self._job)
        sampling = Sampling(self._config, self._job.title, nodes, self._progress)
        verdicts = Verdicts(connection)
        self._watches.clear()
        self._looked_at = time.monotonic() - LOOK_S
        try:
            self._tables.load(await tables_seen(connection))
            async with sampling.running():
                while True:
                    sampling.busy = await self._round(verdicts, nodes)
                    await put_tables(connection, self._tables.unsaved())
                    sampling.check()
                    self._job.passed()
                    await asyncio.sleep(ROUND_S if sampling.busy else IDLE_S)
        finally:
            connection.terminate()
            nodes.close()

    async def _round(self, verdicts: Verdicts, nodes: Nodes) -> bool:
        await verdicts.take(HELD)
        space = min(HELD - len(self._watches), max(10 * self._rate, 100))
        if space > 0:
            names = [node.name for node in self._config.nodes]
            for due in await verdicts.due(space, list(self._watches), names):
                self._watches[due.entry.conflict_id] = Watch(due)
        now = time.monotonic()
        since = now - self._looked_at
        if self._watches or since >= LOOK_S:
            self._looked_at = now
            self._budget = min(self._budget + self._rate * since, float(self._rate))
            await self._look_at_nodes(verdicts, nodes)
            self._job.metrics.verdicts.show_diverged(
                [node.name for node in self._config.nodes], await verdicts.diverged()
            )
        places: dict[Place, list[Watch]] = defaultdict(list)
        for watch in self._watches.values():
            due = watch.due
            places[due.node, due.entry.subid, due.schemaname, due.relname].append(watch)
        for watches in places.values():
            await self._look(verdicts, nodes, watches)
        await self._store(verdicts, nodes)
        return bool(self._watches)

    async def _look_at_nodes(self, verdicts: Verdicts, nodes: Nodes) -> None:
        for node in await nodes.look(verdicts):
            self._arrivals.forget(node)
        self._arrivals.note(nodes.views.values())
        for view in nodes.views.values():
            self._tables.note_round(view)

    async def _look(
        self, verdicts: Verdicts, nodes: Nodes, watches: Sequence[Watch]
    ) -> None:
        """Get on with conflicts of one table and subscription."""
        due = watches[0].due
        here = nodes.by_system(due.entry.system_identifier, due.node)
        subscription = (
            here.subscriptions.get(due.entry.subid or 0) if here is not None else None
        )
        there = nodes.views.get(subscription.publisher or "") if subscription else None
        table = (due.schemaname or "", due.relname or "")
        about_a_row = due.kind in (Kind.CONFLICT, Kind.DIFFERENCE)
        if not about_a_row or due.schemaname is None or due.relname is None:
            reason = Reason.NO_TABLE if about_a_row else Reason.NO_KEY
            for watch in watches:
                watch.give_up(Verdict.UNVERIFIABLE, reason)
                watch.decision = undecided("the row is not known")
            return
        if here is None or there is None or subscription is None or not there.known:
            gone = here is not None and subscription is None
            lose_patience(watches, here.facts_at if here and gone else LONG_AGO_S)
            return
        try:
            sides = await read_sides(here, there, subscription, table)
            moment = time.monotonic()
            there_since = self._since(sides)
            for watch in watches:
                self._advance(watch, sides, moment, there_since, nodes.views)
            # After marking: a transaction that had not committed is marked later.
            await complete(there, watches)
            await self._causes.decide(verdicts, sides, watches, nodes.views)
            await self._read(sides, nodes.views, watches)
        except PrivilegeMissingError:
            for watch in watches:
                watch.give_up(Verdict.UNVERIFIABLE, Reason.NO_PRIVILEGE)
        except AWAY:
            # The next round opens it again, or finds it away.
            lose_patience(watches)

    def _since(self, sides: Sides) -> datetime:
        """Since when the publisher's table is known to be as it is."""
        for view, table in (
            (sides.there, sides.there_table),
            (sides.here, sides.here_table),
        ):
            if table is not None:
                self._tables.note(view, table)
        return self._tables.same_since(sides.there, sides.there_table)

    def _vacuumed(self, entry: RowEntry, sides: Sides) -> bool:
        """Whether the version that the change met there may have been frozen by then.

        A frozen row has no origin, and its conflict is not logged.
        """
        there, table = sides.there, sides.there_table
        if table is None or entry.remote_at is None:
            return True
        until = self._progress.arrived(entry, sides)
        if until is None and sides.back is not None and entry.local_at is not None:
            known = there.subscriptions.get(sides.back.subid)
            if known is not None and known.slot_name is not None:
                until = self._arrivals.applied_by(
                    sides.here.name, known.slot_name, entry.local_at
                )
        return self._tables.vacuumed(there, table, entry.remote_at, until or NEVER)

    def _advance(
        self,
        watch: Watch,
        sides: Sides,
        moment: float,
        there_since: datetime,
        views: Mapping[str, NodeView],
    ) -> None:
        """Mark, or see that the mark was passed; `moment` is after `sides` was read."""
        if watch.keys is None:
            watch.keys = self._keys(watch, sides)
        if watch.mark is None:
            # Parallel apply logs before the transaction has committed there.
            if _has_committed(watch, sides.there) or watch.idle_s > PATIENCE_S:
                watch.marked(Mark.of(sides.here, sides.there, views.values()))
        elif watch.passed_at is None and watch.passes(sides):
            vacuumed = self._vacuumed(watch.due.entry, sides)
            watch.passed(
                moment, doubts(watch.due.entry, sides, there_since, vacuumed=vacuumed)
            )
        elif watch.idle_s > PATIENCE_S and watch.waits_for_apply:
            watch.give_up(Verdict.PENDING, Reason.APPLY_BEHIND)

    def _keys(self, watch: Watch, sides: Sides) -> list[KeyValues]:
        """The keys of the row: before the change, and after it if that differs."""
        entry, columns = watch.due.entry, sides.key
        reason = sides.unreadable()
        if reason is None and columns is not None:
            key, new = entry.key(columns), entry.new_key(columns)
            known = key is not None and self._may_read(watch, columns)
            if key is not None and known and readable(sides, key):
                return [key] if new is None or new == key else [key, new]
            if known:
                watch.decision = undecided("the key is not printed in ISO style")
            hidden = entry.replica_identity_text is None
            reason = Reason.HIDDEN if hidden else Reason.AMBIGUOUS
        watch.give_up(Verdict.UNVERIFIABLE, reason or Reason.NO_KEY)
        return []

    def _may_read(self, watch: Watch, columns: Sequence[str]) -> bool:
        """Whether the key that is recorded is the key, and not a digest of it."""
        probe: dict[str, str | None] = dict.fromkeys(columns, "")
        return self._policy.values(*watch.table, probe, key=True) == probe

    async def _read(
        self, sides: Sides, views: Mapping[str, NodeView], watches: Sequence[Watch]
    ) -> None:
        """Read rows of both nodes, as many as there is budget for."""
        ready = []
        wanted: dict[KeyValues, None] = {}
        for watch in watches:
            if self._budget <= len(wanted):
                break
            if watch.keys and watch.may_be_read(sides):
                wanted.update(dict.fromkeys(watch.keys))
                ready.append(watch)
        self._budget -= len(wanted)
        if not ready or sides.key is None:
            return
        here_table, there_table = sides.here_table, sides.there_table
        if here_table is None or there_table is None:
            return
        keys = list(wanted)
        try:
            one = await _rows(sides.here, here_table, sides, keys)
            two = await _rows(sides.there, there_table, sides, keys)
        except asyncpg.DataError:
            # A value that was recorded is none of the type that the column has now.
            for watch in ready:
                watch.give_up(Verdict.UNVERIFIABLE, Reason.AMBIGUOUS)
            return
        await compare_rows(sides, views, ready, one, two)

    async def _store(self, verdicts: Verdicts, nodes: Nodes) -> None:
        finished = [
            watch
            for watch in self._watches.values()
            if watch.done
            or watch.verdict is Verdict.PENDING
            or watch.reason is Reason.PEER_AWAY
        ]
        found = []
        for watch in finished:
            view = nodes.views.get(watch.due.node)
            subscription = (
                view.subscriptions.get(watch.due.entry.subid or 0) if view else None
            )
            peer = (subscription.publisher if subscription else None) or "publisher"
            found.append(watch.found(self._policy, (watch.due.node, peer)))
        await verdicts.store(found, datetime.now(UTC))
        for one in found:
            del self._watches[one.due.entry.conflict_id]
            if one.effect is not None and one.effect is not one.due.effect:
                self._job.metrics.verdicts.conflict_effects.labels(
                    one.due.node, one.due.subname, one.effect
                ).inc()


def _has_committed(watch: Watch, publisher: NodeView) -> bool:
    """Whether the change is known to have committed there; its time is looked up."""
    entry = watch.due.entry
    if watch.due.kind == Kind.DIFFERENCE or entry.remote_at is not None:
        return True
    # There is no time to wait for. A finish LSN was sent with the commit.
    return publisher.commits_since is None and entry.remote_lsn is not None


async def _rows(
    view: NodeView, table: RowTable, sides: Sides, wanted: Sequence[KeyValues]
) -> dict[KeyValues, list[Row]]:
    columns = sides.key or ()
    found = await view.reader.rows(table, columns, sides.columns, wanted)
    return dict(zip(wanted, found, strict=True))


def lose_patience(watches: Iterable[Watch], gone_as_of: float = LONG_AGO_S) -> None:
    """Give up those that wait for long, or whose subscription is gone.

    Args:
        watches: Of one subscription.
        gone_as_of: When it was seen that there is none, by time.monotonic().
    """
    for watch in watches:
        if watch.idle_s > PATIENCE_S or gone_as_of > watch.moved_at:
            watch.give_up(Verdict.UNVERIFIABLE, Reason.PEER_AWAY)
