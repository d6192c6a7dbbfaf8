"""Subscriptions of the server to be upgraded or given up: are they at rest?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.core.lsn import format_lsn
from pgconflict.server.preflight.finding import Finding, Item, Severity
from pgconflict.server.preflight.words import some
from pgconflict.server.statements import alter_subscription, identifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgconflict.server.preflight.facts import ClusterFacts

_BEFORE_COPY = "i"
"""State of a table whose copy has not begun: pg_upgrade takes it along."""


def judge(cluster: ClusterFacts, *, upgrade: bool) -> Iterator[Finding]:
    """Yield what is unfinished in subscriptions, and what an upgrade loses of them."""
    if upgrade:
        yield from _lost(cluster)
        yield from _origins(cluster)
    yield from _copies(cluster, upgrade=upgrade)
    yield from _skips(cluster)
    yield from _stopped(cluster)


def _lost(cluster: ClusterFacts) -> Iterator[Finding]:
    if not cluster.subscriptions or cluster.capability.upgraded_with_slots:
        return
    names = [identifier(one.name) for one in cluster.subscriptions]
    yield Finding(
        node=cluster.node,
        item=Item.SUBSCRIPTIONS_LOST,
        severity=Severity.ERROR,
        seen=f"subscriptions on {cluster.server.version}: {some(names)}",
        why="pg_upgrade takes the state of subscriptions along from 17 on. From here"
        " they come out disabled, without their tables and without their position:"
        " enabled as they are they would drop every change (seen, 16 to 18).",
        remedy=(
            "-- stop writing, wait until each has everything, then drop them with",
            *(
                f"pgconflict subscriptions drop {identifier(one.name)}"
                f" --node {cluster.node}"
                for one in cluster.subscriptions
            ),
            "-- and after the upgrade make them anew WITH (copy_data = false)",
        ),
    )


def _origins(cluster: ClusterFacts) -> Iterator[Finding]:
    if not cluster.capability.upgraded_with_slots:
        return
    for one in cluster.subscriptions:
        if one.subid in cluster.origins:
            continue
        yield Finding(
            node=cluster.node,
            item=Item.ORIGIN_MISSING,
            severity=Severity.ERROR,
            database=one.database,
            seen=f"subscription {identifier(one.name)} has no replication origin"
            f" pg_{one.subid}",
            why="Its position is lost. pg_upgrade refuses.",
            # Nobody may make one of this name by hand: names with pg_ are reserved.
            remedy=(
                "-- its worker makes the origin anew, and goes on from the slot:",
                alter_subscription(one.name, "ENABLE"),
                "-- or drop it",
            ),
            pg_upgrade_refuses=True,
        )


def _copies(cluster: ClusterFacts, *, upgrade: bool) -> Iterator[Finding]:
    migrates = upgrade and cluster.capability.upgraded_with_slots
    for database in cluster.databases:
        if not database.copies:
            continue
        names = [
            f"{identifier(one.schemaname, one.relname)} ({one.state})"
            for one in database.copies
        ]
        begun = any(one.state != _BEFORE_COPY for one in database.copies)
        yield Finding(
            node=cluster.node,
            item=Item.COPIES_UNFINISHED,
            severity=Severity.ERROR,
            database=database.name,
            seen=f"tables not copied to the end (state): {some(names)}",
            why="Their rows are not complete here."
            + (
                " pg_upgrade refuses any state but i and r."
                if migrates and begun
                else ""
            ),
            remedy=("-- wait; the server log says what stops a copy",),
            pg_upgrade_refuses=migrates and begun,
        )


def _skips(cluster: ClusterFacts) -> Iterator[Finding]:
    for one in cluster.subscriptions:
        if not one.skip_lsn:
            continue
        yield Finding(
            node=cluster.node,
            item=Item.SKIP_LSN,
            severity=Severity.ERROR,
            database=one.database,
            seen=f"subscription {identifier(one.name)} is to skip the transaction at"
            f" {format_lsn(one.skip_lsn)} and has not met it",
            why="pg_upgrade forgets it and does not say so: the transaction would stop"
            " apply again, or the skip was wrong.",
            remedy=(alter_subscription(one.name, "SKIP (lsn = NONE)"),),
        )


def _stopped(cluster: ClusterFacts) -> Iterator[Finding]:
    """Yield what does not apply, whether or not a daemon has recorded why."""
    for one in cluster.subscriptions:
        if not one.enabled or one.worker_pid is not None or not one.apply_errors:
            continue
        yield Finding(
            node=cluster.node,
            item=Item.APPLY_STOPPED,
            severity=Severity.ERROR,
            database=one.database,
            seen=f"subscription {identifier(one.name)} is enabled and has no apply"
            f" worker; its apply has failed {one.apply_errors} times",
            why="What the publisher sends is not here, and does not come by itself.",
            remedy=("-- the server's log says what stops it: pgconflict scan FILE",),
        )
