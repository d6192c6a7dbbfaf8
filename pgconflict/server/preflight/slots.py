"""Logical slots of the server to be upgraded: what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.core.capability import KEEP_SIZE_REFUSED
from pgconflict.server.preflight.finding import Finding, Item, Severity
from pgconflict.server.preflight.words import some
from pgconflict.server.statements import RELOAD, alter_system, identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgconflict.server.preflight.facts import ClusterFacts
    from pgconflict.server.subscriptions.facts import Slot

UNLIMITED: Final = "-1"


def judge(old: ClusterFacts) -> Iterator[Finding]:
    """Yield what keeps slots from being upgraded, or loses them."""
    if old.slots and not old.capability.upgraded_with_slots:
        yield _lost(old)
    for slot in old.slots:
        if slot.invalidated:
            yield _invalid(old, slot)
        elif old.capability.upgraded_with_slots and slot.name not in old.consumed:
            yield _unconsumed(old, slot)
    yield from keep_size(old)


def keep_size(cluster: ClusterFacts) -> Iterator[Finding]:
    """Yield what some minor versions of 17 refuse, as the old or the new server."""
    value = cluster.settings.get("max_slot_wal_keep_size", UNLIMITED)
    if value == UNLIMITED or cluster.server.version_num not in KEEP_SIZE_REFUSED:
        return
    yield Finding(
        node=cluster.node,
        item=Item.KEEP_SIZE,
        severity=Severity.ERROR,
        seen=f"max_slot_wal_keep_size = {value} (MB) on {cluster.server.version}",
        why='17.0 to 17.5 do not start for pg_upgrade unless it is -1 ("must be set to'
        ' -1 during binary upgrade mode"); 17.6 and later do.',
        remedy=(
            "-- install the newest minor version, or",
            alter_system("max_slot_wal_keep_size", UNLIMITED),
            RELOAD,
        ),
        pg_upgrade_refuses=True,
    )


def _drop(slot: Slot) -> str:
    return f"SELECT pg_drop_replication_slot({literal(slot.name)});"


def _lost(old: ClusterFacts) -> Finding:
    names = [identifier(slot.name) for slot in old.slots]
    return Finding(
        node=old.node,
        item=Item.SLOTS_LOST,
        severity=Severity.ERROR,
        seen=f"logical slots on {old.server.version}: {some(names)}",
        why="pg_upgrade takes logical slots along from 17 on; from here they are lost"
        " without a word, and what their subscribers have not received is lost with"
        " them.",
        remedy=(
            "-- stop writing, wait until every subscriber has everything, then drop",
            "-- the subscriptions (pgconflict subscriptions drop); after the upgrade",
            "-- make them anew WITH (copy_data = false)",
        ),
    )


def _invalid(old: ClusterFacts, slot: Slot) -> Finding:
    return Finding(
        node=old.node,
        item=Item.SLOT_INVALID,
        severity=Severity.ERROR,
        database=slot.database,
        seen=f"slot {identifier(slot.name)} is invalid: {slot.invalidated}",
        why="Its subscriber has lost changes for good: it must be copied anew."
        + (
            " pg_upgrade refuses."
            if old.capability.upgraded_with_slots
            else " pg_upgrade does not say so."
        ),
        remedy=(_drop(slot),),
        pg_upgrade_refuses=old.capability.upgraded_with_slots,
    )


def _unconsumed(old: ClusterFacts, slot: Slot) -> Finding:
    """One that has not confirmed what was written when we began.

    pg_upgrade counts any transaction of the database that has a number, published or
    not, rolled back or not, and any logical message (seen, 18 to 19).
    """
    left = None
    if old.server.written is not None and slot.confirmed_lsn is not None:
        left = old.server.written - slot.confirmed_lsn
    size = "an unknown amount" if left is None else f"up to {left} bytes"
    reader = "read by a worker" if slot.active else "read by nobody"
    return Finding(
        node=old.node,
        item=Item.SLOT_UNCONSUMED,
        severity=Severity.ERROR,
        database=slot.database,
        seen=f"slot {identifier(slot.name)}, {reader}, has not consumed {size} of WAL",
        why="pg_upgrade refuses a slot with a transaction in it that its subscriber has"
        " not confirmed, even if nothing of it is published.",
        remedy=(
            "-- enable its subscription and wait, or give the slot up:",
            _drop(slot),
        ),
        # A live slot is sent the rest when the server is shut down.
        pg_upgrade_refuses=not slot.active,
    )
