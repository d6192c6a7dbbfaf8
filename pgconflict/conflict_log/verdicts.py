"""The conflicts that are looked at, and what looking found, in the conflict log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from pgconflict.conflict_log.unavailable import translated
from pgconflict.core.conflict import LocalConflict, Values
from pgconflict.core.event import Joined, Member, joined
from pgconflict.core.evidence import Cause
from pgconflict.core.row_entry import RowEntry
from pgconflict.core.verdict import Effect, Reason, Verdict
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

_values = msgspec.json.Decoder(Values).decode
_locals = msgspec.json.Decoder(list[LocalConflict]).decode
_encode = msgspec.json.Encoder().encode


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A conflict whose turn it is."""

    entry: RowEntry
    kind: str
    node: str
    subname: str
    schemaname: str | None
    relname: str | None
    looks: int
    verdict: str | None
    cause: Cause | None
    effect: Effect | None


class Skipped(msgspec.Struct, frozen=True):
    """A transaction that a subscriber has skipped, by its clock at `skipped_at`."""

    remote_xid: int | None
    committed: datetime | None
    """By the publisher's clock; None where it is not known."""

    skipped_at: datetime
    applied: bool = False
    """Some of its changes were, and what was logged of them is not looked for."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What looking at one conflict found."""

    due: Due
    verdict: Verdict
    reason: Reason | None
    columns: tuple[str, ...] | None
    row_values: Mapping[str, Values | None] | None
    """By node, as they may be stored."""

    cause: Cause | None
    effect: Effect | None
    evidence: Mapping[str, object] | None
    again: float | None
    """Seconds until it is looked at again; None: it is done."""

    row_digest: bytes | None
    event: tuple[Member, ...] = ()
    """The conflicts that are one event with it, itself included; empty: none known."""


class Verdicts:
    """One connection to the conflict log; the job has it for itself.

    All methods raise ConflictLogUnavailableError when the database is away.
    """

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def take(self, most: int) -> int:
        """Take new conflicts among those to be looked at; how many were taken."""
        return len(await self._fetch("verdict_take", most))

    async def due(
        self, most: int, held: Sequence[int], nodes: Sequence[str]
    ) -> list[Due]:
        """Return conflicts whose turn it is, without those that are held already.

        Args:
            most: At most so many.
            held: Numbers of these.
            nodes: Only of these: another daemon may look after others.
        """
        rows = await self._fetch("verdict_due", most, list(held), list(nodes))
        return [
            Due(
                entry=_entry(row),
                kind=row["kind"],
                node=row["node"],
                subname=row["subname"] or "",
                schemaname=row["schemaname"],
                relname=row["relname"],
                looks=row["looks"],
                verdict=row["verdict"],
                cause=Cause(row["cause"]) if row["cause"] else None,
                effect=Effect(row["effect"]) if row["effect"] else None,
            )
            for row in rows
        ]

    async def around(
        self,
        systems: Sequence[int],
        table: tuple[str, str],
        since: datetime,
        keys: Sequence[str],
    ) -> list[RowEntry]:
        """Return the entries of these nodes that may be about rows of these keys.

        Args:
            systems: System identifiers.
            table: Schema and name.
            since: Logged not before.
            keys: As the server printed them.
        """
        rows = await self._fetch(
            "verdict_around", list(systems), *table, since, list(keys)
        )
        return [_entry(row) for row in rows]

    async def skipped(
        self, systems: Sequence[int], since: datetime
    ) -> dict[tuple[int, int], list[Skipped]]:
        """Return transactions that were skipped, by system and subscription."""
        found: dict[tuple[int, int], list[Skipped]] = defaultdict(list)
        for row in await self._fetch("verdict_skipped", list(systems), since):
            found[row["system_identifier"], row["subid"]].append(
                Skipped(
                    row["remote_xid"],
                    row["committed"],
                    row["skipped_at"],
                    row["applied"],
                )
            )
        return found

    async def complete_since(
        self, system_identifier: int, node: str, now: datetime, *, gap: bool
    ) -> datetime:
        """Return since when a node's log is recorded without a gap, by its clock."""
        (row,) = await self._fetch("log_complete", system_identifier, node, now, gap)
        since: datetime = row["since"]
        return since

    async def store(self, found: Sequence[Found], at: datetime) -> None:
        """Store what was found, and when each is looked at again."""
        if not found:
            return
        columns: list[list[object]] = [
            [one.due.entry.conflict_id for one in found],
            [one.due.entry.first_logged_at for one in found],
            [one.verdict for one in found],
            [one.reason for one in found],
            [_json(one.columns) for one in found],
            [_json(one.row_values) for one in found],
            [one.cause for one in found],
            [one.effect for one in found],
            [_json(one.evidence) for one in found],
            [one.again for one in found],
            [one.row_digest for one in found],
        ]
        groups = [one.event for one in found if one.event]
        async with translated(), self._connection.transaction():
            await self._fetch("verdict_store", *columns, at)
            if groups:
                await self._join(groups)

    async def _join(self, groups: Sequence[Sequence[Member]]) -> None:
        """Store which conflicts are one event."""
        members = [member for group in groups for member in group]
        numbers = [member.conflict_id for member in members]
        writes = [write for member in members for write in member.writes]
        rows = await self._fetch("event_known", numbers, writes)
        known = [
            Joined(
                Member(
                    row["conflict_id"], row["first_logged_at"], tuple(row["writes"])
                ),
                row["event_id"],
            )
            for row in rows
        ]
        changed = joined(groups, known)
        await self._fetch(
            "event_put",
            [each.member.conflict_id for each in changed],
            [each.event_id for each in changed],
            [each.member.first_logged_at for each in changed],
            ["{" + ",".join(map(str, each.member.writes)) + "}" for each in changed],
        )

    async def diverged(self) -> dict[tuple[str, str], int]:
        """Return how many rows differ now, by node and subscription."""
        rows = await self._fetch("verdict_diverged")
        return {(row["node"], row["subname"]): row["number"] for row in rows}

    async def _fetch(self, name: str, *values: object) -> list[asyncpg.Record]:
        async with translated():
            return list(await self._connection.fetch(query(name), *values))


def _json(value: object) -> str | None:
    return None if value is None else _encode(value).decode()


def _entry(row: asyncpg.Record) -> RowEntry:
    identity, remote = row["replica_identity"], row["remote_tuple"]
    return RowEntry(
        conflict_id=row["conflict_id"],
        system_identifier=row["system_identifier"],
        subid=row["subid"],
        conflict_type=row["conflict_type"] or "",
        stalls=row["stalls"],
        status=row["status"],
        first_logged_at=row["first_logged_at"],
        last_logged_at=row["last_logged_at"],
        attempts=row["attempts"],
        operation=row["operation"],
        remote_xid=row["remote_xid"],
        remote_at=row["remote_commit_ts"],
        remote_lsn=row["remote_lsn"],
        replica_identity=None if identity is None else _values(identity),
        replica_identity_text=row["replica_identity_text"],
        remote_tuple=None if remote is None else _values(remote),
        truncated_columns=tuple(row["truncated_columns"] or ()),
        local_conflicts=tuple(_locals(f"[{','.join(row['local_conflicts'] or ())}]")),
        cause=row["cause"],
    )
