"""Stores entries and the read position in one transaction, each conflict once.

Three ways in, by what the entries can be (measured in docs/adr/0003):
a few at a time go in one statement; many go by COPY straight into their day; what
may be in the log already goes through a stage that finds its row or makes one.
Whichever way fails on a duplicate, the stage sorts it out: it changes nothing for
an entry that is already stored, so replaying is harmless at every point.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Self

import asyncpg
import msgspec

from pgconflict.conflict_log import rows as table
from pgconflict.conflict_log.days import Days, days_of
from pgconflict.conflict_log.entry import Batch, Counted, LogPosition, Node
from pgconflict.conflict_log.lines import json_line
from pgconflict.conflict_log.lsn_ranges import FOREVER, LsnRanges, ranges_of, window
from pgconflict.conflict_log.row_policy import RowPolicy
from pgconflict.conflict_log.stage import Stage
from pgconflict.conflict_log.stories import Stories
from pgconflict.conflict_log.tally import Tally
from pgconflict.conflict_log.unavailable import translated
from pgconflict.core.lsn import parse_lsn
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from pgconflict.conflict_log.entry import Recorded

FEW = 100  # rows up to which one statement is quicker than COPY
CLAIM_CLASS = 0x7067636E  # "pgcn": advisory locks that say who follows a node


Destination = Literal["table", "log", "all"]


class ConflictLogWriter:
    """One connection that records what one node logs.

    All methods raise ConflictLogUnavailableError when the database is away, refuses or
    can't store; nothing is stored then, and the same call can be made of a new writer.
    """

    def __init__(
        self,
        connection: asyncpg.Connection,
        node: Node,
        policy: RowPolicy,
        retention: timedelta | None,
        destination: Destination,
    ) -> None:
        self._connection = connection
        self._node = node
        self._policy = policy
        self._destination = destination
        self._ranges = LsnRanges(connection, node)
        self._days = Days(connection, node, retention)
        self._stories = Stories(connection, node)
        self._stage = Stage(connection)
        self._recorded: Counter[tuple[int, str]] = Counter()
        self.caught_up_at = float("-inf")
        """When the node's log was last recorded to its end, by time.monotonic(); set
        by who reads it."""
        # The copier of the server's own tables writes through the tail's writer.
        self._lock = asyncio.Lock()

    @classmethod
    async def over(
        cls,
        connection: asyncpg.Connection,
        node: Node,
        *,
        policy: RowPolicy | None = None,
        retention: timedelta | None = None,
        destination: Destination = "table",
    ) -> Self:
        """A writer on this connection, with what the log knows of the node.

        Args:
            connection: To the conflict log; the writer has it for itself.
            node: Whose log is recorded.
            policy: Which values of rows may be stored; all if left out.
            retention: Days before now - retention get no partition; None: for ever.
            destination: Rows, JSON lines on standard output, or both.
        """
        policy = policy or RowPolicy()
        async with translated():
            if not policy.keeps_everything:
                key = await connection.fetchval("select key from pgconflict.digest_key")
                policy = replace(policy, digest_key=key)
            writer = cls(connection, node, policy, retention, destination)
            await writer._ranges.load()
            await writer._stories.load()
            for row in await connection.fetch(
                query("recorded_entry_counts"), node.system_identifier
            ):
                writer._recorded[row["subid"], row["counter"]] = row["entries"]
            writer._stage.native_waiting = await connection.fetchval(
                query("native_waiting"), node.system_identifier
            )
        return writer

    async def claim(self) -> bool:
        """Takes the node for this connection; False while another daemon has it.

        The lock ends with the connection, so a daemon that dies frees its nodes.
        """
        async with translated():
            return bool(
                await self._connection.fetchval(
                    "select pg_catalog.pg_try_advisory_lock($1,"
                    " pg_catalog.hashtext($2))",
                    CLAIM_CLASS,
                    f"{self._node.name}/{self._node.system_identifier}",
                )
            )

    async def position(self) -> LogPosition | None:
        """Where reading the node's log goes on; None before the first time."""
        async with translated():
            row = await self._connection.fetchrow(
                query("log_position"), self._node.name, self._node.system_identifier
            )
        if row is None:
            return None
        return LogPosition(
            log_format=row["log_format"],
            file_name=row["file_name"],
            signature=row["signature"],
            signature_length=row["signature_length"],
            byte_offset=row["byte_offset"],
            state=msgspec.json.decode(row["state"]),
        )

    async def write(self, batch: Batch) -> Counted:
        """Stores a batch and its position together, or nothing of it.

        Returns:
            What was new: conflicts, and attempts (new conflicts included).
        """
        async with self._lock, translated():
            try:
                return await self._write(batch, batch.entries)
            except (
                asyncpg.CharacterNotInRepertoireError,
                asyncpg.UntranslatableCharacterError,
            ):
                clean = [table.storable(entry) for entry in batch.entries]
                return await self._write(batch, clean)

    async def lost_a_part(self) -> None:
        """Stores that the node's log has a gap; before a position that is past it."""
        async with self._lock, translated():
            await self._connection.execute(
                query("log_incomplete"), self._node.system_identifier
            )

    @property
    def node(self) -> Node:
        """Whose log is recorded."""
        return self._node

    @property
    def recorded(self) -> Mapping[tuple[int, str], int]:
        """Entries recorded ever, by subscription and the server's counter of them."""
        return self._recorded

    async def logged_between(
        self, low: datetime, high: datetime
    ) -> Counter[tuple[datetime, bytes]]:
        """How many entries are recorded, by second of logging and identity stored."""
        async with self._lock, translated():
            rows = await self._connection.fetch(
                query("logged_between"), self._node.system_identifier, low, high
            )
        return Counter({(r["second"], r["identity"]): r["entries"] for r in rows})

    def stored_identity(self, recorded: Recorded) -> bytes:
        """The identity under which an entry is stored: the policy may change it."""
        return self._policy.applied(recorded).conflict.identity

    async def native_position(self, subid: int) -> int:
        """The finish LSN up to which the subscription's own table was copied."""
        async with translated():
            rows = await self._connection.fetch(
                query("native_position"), self._node.system_identifier
            )
        found = {row["subid"]: parse_lsn(row["remote_commit_lsn"]) for row in rows}
        return found.get(subid, 0)

    async def write_native(
        self, entries: Sequence[Recorded], subid: int, position: int
    ) -> Counted:
        """Stores rows of the server's own table and how far it was read.

        A row of which the log entry is recorded completes it; another becomes a row
        of its own with no attempt, which its log entry takes over if it comes.
        """
        async with self._lock, translated():
            entries = [self._policy.applied(entry) for entry in entries]
            rows = self._rows(entries)
            days = days_of(entries)
            await self._days.make(days)
            ranges = ranges_of(entries)
            elsewhere = self._ranges.elsewhere(ranges)
            widened = self._ranges.wider(ranges)
            async with self._connection.transaction():
                bounds = window(days | elsewhere)
                stored = await self._stage.store_native(rows, bounds)
                await self._ranges.store(widened)
                await self._connection.execute(
                    query("move_native_position"),
                    self._node.system_identifier,
                    subid,
                    position,
                )
            self._ranges.stored(widened)
            if stored.labels:
                self._stage.native_waiting = True
            return Counted(conflicts=dict(stored.labels), attempts={})

    async def origin_moved(self, subid: int, remote_lsn: int, at: datetime) -> None:
        """Closes what had stopped a subscription that has applied `remote_lsn`."""
        async with self._lock, translated():
            await self._stories.origin_moved(subid, remote_lsn, at)

    async def worker_survived(self, subid: int, at: datetime) -> None:
        """Closes what stopped the subscription in a transaction of unknown LSN."""
        async with self._lock, translated():
            await self._connection.execute(
                query("story_survived"), self._node.system_identifier, subid, at
            )

    async def close(self) -> None:
        """Ends the connection; quick even when the server does not answer."""
        try:
            await self._connection.close(timeout=1)
        except (TimeoutError, OSError, asyncpg.PostgresError):
            self._connection.terminate()

    async def _write(self, batch: Batch, given: Sequence[Recorded]) -> Counted:
        plan = await self._stories.plan(batch, self._kept(given))
        entries = plan.entries
        days = days_of(entries)
        too_old = await self._days.make(days)
        ranges = ranges_of(entries)
        elsewhere = self._ranges.elsewhere(ranges)
        widened = self._ranges.wider(ranges)
        quiet = self._stories.quiet(batch, plan) and not self._stage.native_waiting
        surely_new = (
            len(days) == 1 and not elsewhere and not plan.scattered and not too_old
        )
        day = min(days) if surely_new else None
        stored = Tally()
        only_rows = quiet and not widened and not plan.streamed
        if day is not None and only_rows and len(entries) <= FEW:
            stored = await self._days.insert(
                day, self._rows(entries), self._position(batch.position)
            )
            self._recorded += stored.counters
            if stored.labels.total() == len(entries):
                self._stories.stored(plan)
                return _counted(stored, stored)
        conflicts, attempts = Tally(), Tally()
        async with self._connection.transaction():
            days |= await self._stories.tell_before(plan)
            copied = day is not None and quiet and await self._days.copy(day, entries)
            if copied:
                conflicts = attempts = table.tally_of(entries)
            elif entries:
                # Without its LSN a transaction may have rows on any day.
                bounds = FOREVER if plan.scattered else window(days | elsewhere)
                conflicts, attempts = await self._stage.store(
                    self._rows(entries), bounds
                )
            await self._note(attempts)
            await self._ranges.store(widened)
            await self._stories.tell_after(batch, plan)
            if batch.position is not None:
                await self._connection.execute(
                    query("move_position"), *self._position(batch.position)
                )
        self._recorded += attempts.counters
        self._stories.stored(plan)
        self._ranges.stored(widened)
        attempts.add(stored)
        if conflicts is not attempts:
            conflicts.add(stored)
        return _counted(conflicts, attempts)

    def _kept(self, entries: Sequence[Recorded]) -> Sequence[Recorded]:
        """What the table is to have of the entries; prints what goes elsewhere."""
        if not self._policy.keeps_everything:
            entries = [self._policy.applied(entry) for entry in entries]
        if self._destination != "table" and entries:
            self._print(entries)
        return [] if self._destination == "log" else entries

    def _rows(self, entries: Sequence[Recorded]) -> list[table.Row]:
        return [table.row_of(self._node, entry) for entry in entries]

    async def _note(self, attempts: Tally) -> None:
        if attempts.counters:
            await self._connection.execute(
                query("note_recorded"),
                self._node.system_identifier,
                [subid for subid, _ in attempts.counters],
                [counter for _, counter in attempts.counters],
                list(attempts.counters.values()),
            )

    def _print(self, entries: Sequence[Recorded]) -> None:
        """Writes lines before their position moves: rather twice than never."""
        now = datetime.now(UTC)
        lines = b"".join(json_line(self._node, entry, now) for entry in entries)
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()

    def _position(self, position: LogPosition | None) -> tuple[object, ...]:
        """As `move_position` has it; eight nulls for none."""
        if position is None:
            return (None,) * 8
        return (
            self._node.name,
            self._node.system_identifier,
            position.log_format,
            position.file_name,
            position.signature,
            position.signature_length,
            position.byte_offset,
            msgspec.json.encode(position.state).decode(),
        )


def _counted(conflicts: Tally, attempts: Tally) -> Counted:
    return Counted(conflicts=dict(conflicts.labels), attempts=dict(attempts.labels))
