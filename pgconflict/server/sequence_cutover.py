"""Before a switchover: has the target applied everything, does the source still write?

The proof of "everything" is the slot: its receiver confirms a position of the source's
WAL only when all transactions before it are applied and flushed. Measured on 15 to 19:
it reaches the flush position within half a second, whatever the last record was.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import conninfo

from pgconflict.core.lsn import format_lsn
from pgconflict.errors import PgConflictError
from pgconflict.server.connect import translated
from pgconflict.server.sequence_reader import fetch
from pgconflict.server.statements import alter_subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pgconflict.server.sequences import SequenceNode

INTERVAL_S: Final = 0.1
SAY_EVERY_S: Final = 2.0
# A commit with synchronous_commit = off is flushed within three wal_writer_delay,
# which is 10 s at most; 200 ms unless changed.
FLUSH_S: Final = 3.0
# Sizes of the headers of a WAL page: a position just behind one is where the page
# begins, and nothing may follow there for a long time.
_PAGE_HEADERS: Final = (24, 40)

# Settings from here are not of one role or one session.
_FOR_ALL: Final = frozenset(
    {"configuration file", "command line", "database", "global"}
)


class CutoverError(PgConflictError):
    """The nodes are not ready for a switchover; nothing was changed."""

    exit_code = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A subscription of the target that takes from the source."""

    subscription: str
    slot_name: str
    enabled: bool
    active: bool
    confirmed: int
    relations_not_ready: int
    sequences: int
    """Sequences that PostgreSQL itself synchronises through it (19 and later)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """How far the target is."""

    goal: int
    applied: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What is known of writes on a node."""

    in_recovery: bool
    read_only: bool
    """New sessions can't write unless they say otherwise."""

    sees_sessions: bool
    sessions: int
    writers: Sequence[str]

    @property
    def stopped(self) -> bool:
        """Whether nothing writes, and new sessions won't by default."""
        fenced = self.in_recovery or self.read_only
        return fenced and self.sees_sessions and not self.writers

    def texts(self) -> list[str]:
        """Return what speaks against it, for people."""
        found = list(self.writers)
        if not self.sees_sessions:
            found.append(
                "our role can't see what other sessions do: GRANT pg_read_all_stats"
            )
        if not (self.in_recovery or self.read_only):
            found.append(
                "default_transaction_read_only is off:"
                f" {self.sessions} other sessions may write"
            )
        return found


async def links(source: SequenceNode, target: SequenceNode) -> list[Link]:
    """Return the target's subscriptions whose slots the source has."""
    with translated(source.who):
        slots = {row[0]: row[1:] for row in await source.fetch("cutover_slots")}
    with translated(target.who):
        rows = await target.fetch("cutover_subscriptions")
    return [
        Link(
            subscription=name,
            slot_name=slot,
            enabled=enabled,
            active=slots[slot][0],
            confirmed=slots[slot][1] or 0,
            relations_not_ready=not_ready,
            sequences=sequences,
        )
        for name, slot, enabled, not_ready, sequences in rows
        if slot in slots
    ]


async def _goal(source: SequenceNode) -> int:
    """Return the position before which everything committed on the source is."""
    deadline = time.monotonic() + FLUSH_S
    rows = await source.fetch("cutover_position")
    _, inserted, flushed, block_size = rows[0]
    behind_header = inserted % block_size
    if behind_header in _PAGE_HEADERS:
        inserted -= behind_header
    while flushed < inserted and time.monotonic() < deadline:
        await asyncio.sleep(INTERVAL_S)
        ((_, _, flushed, _),) = await source.fetch("cutover_position")
    return min(int(inserted), int(flushed))


async def wait_applied(
    source: SequenceNode,
    target: SequenceNode,
    timeout_s: float,
    say: Callable[[str], None],
) -> Waited:
    """Wait until the target has applied all that the source has written by now.

    Raises:
        CutoverError: it can't, or did not in time; the message says how far it is.
    """
    began = time.monotonic()
    with translated(source.who):
        goal = await _goal(source)
    said = 0.0
    while True:
        found = await links(source, target)
        _refuse_broken(source, target, found)
        least = min(found, key=lambda link: link.confirmed)
        waited = time.monotonic() - began
        state = (
            f"node {target.name} has applied {format_lsn(least.confirmed)} of"
            f" {format_lsn(goal)} (subscription {least.subscription})"
        )
        behind = [link for link in found if link.relations_not_ready]
        if least.confirmed >= goal and not behind:
            say(state)
            return Waited(goal=goal, applied=least.confirmed, seconds=waited)
        if behind:
            state += f"; {behind[0].relations_not_ready} tables are not ready"
        if waited > timeout_s:
            raise CutoverError(
                f"{state}; not within {timeout_s:g} s",
                hint="nothing was changed; `pgconflict subscriptions list` says what"
                " holds it up, --timeout waits longer",
            )
        if time.monotonic() - said >= SAY_EVERY_S:
            said = time.monotonic()
            say(f"waits: {state}")
        await asyncio.sleep(INTERVAL_S)


def _refuse_broken(
    source: SequenceNode, target: SequenceNode, found: Sequence[Link]
) -> None:
    if not found:
        raise CutoverError(
            f"node {target.name} has no subscription with a slot on node"
            f" {source.name} (database {source.database})",
            hint="without replication there is nothing to wait for: leave --cutover"
            " out, once all rows are on the target",
        )
    for link in found:
        if not link.enabled:
            raise CutoverError(
                f"subscription {link.subscription} of node {target.name} is disabled",
                hint=alter_subscription(link.subscription, "ENABLE"),
            )


async def writing(source: SequenceNode) -> Writing:
    """Return what writes on a node, as far as our role can see."""
    with translated(source.who):
        ((in_recovery, *_),) = await source.fetch("cutover_position")
        ((sees, sessions),) = await source.fetch("cutover_sight")
        writers = [row[0] for row in await source.fetch("cutover_writers")]
        read_only = await _read_only_for_all(source)
    return Writing(
        in_recovery=in_recovery,
        read_only=read_only,
        sees_sessions=sees,
        sessions=sessions,
        writers=writers,
    )


async def _read_only_for_all(source: SequenceNode) -> bool:
    """Ask in a session that sets nothing: ours all set it for themselves."""
    parameters = conninfo.conninfo_to_dict(source.dsn)
    parameters["application_name"] = f"pgconflict/{source.job}"
    seconds = source.limits.connect_timeout.total_seconds()
    parameters["connect_timeout"] = max(2, round(seconds))
    connection = await psycopg.AsyncConnection.connect(
        conninfo.make_conninfo("", **parameters), autocommit=True
    )
    try:
        ((read_only, source_of_it),) = await fetch(connection, "cutover_read_only")
    finally:
        connection.pgconn.finish()
    return bool(read_only) and source_of_it in _FOR_ALL
