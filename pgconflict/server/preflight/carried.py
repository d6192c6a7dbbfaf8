"""A switchover: has the new node everything, and what never comes by replication?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.server.preflight.finding import Finding, Item, Severity
from pgconflict.server.preflight.words import some
from pgconflict.server.statements import identifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgconflict.core.sequence_plan import Plan
    from pgconflict.server.preflight.facts import ClusterFacts, Database, Table
    from pgconflict.server.subscriptions.facts import Subscription


def subscribed(
    old: ClusterFacts, new: ClusterFacts, paths: Sequence[Subscription]
) -> Iterator[Finding]:
    """Yield what is wrong with the way from the old node to the new one."""
    if not paths:
        yield Finding(
            node=new.node,
            item=Item.NOT_SUBSCRIBED,
            severity=Severity.ERROR,
            seen=f"no subscription of node {new.node} reads a slot of node {old.node}",
            why="Nothing goes from one to the other.",
        )
    slots = {slot.name: slot for slot in old.slots}
    for path in paths:
        name = identifier(path.name)
        slot = slots.get(path.slot_name or "")
        if not path.enabled or path.worker_pid is None:
            state = "is disabled" if not path.enabled else "has no worker"
            yield _behind(new, path, f"subscription {name} {state}")
        elif slot is None or slot.name not in old.consumed:
            yield _behind(
                new, path, f"subscription {name} has not confirmed what was written"
            )


def _behind(new: ClusterFacts, path: Subscription, seen: str) -> Finding:
    return Finding(
        node=new.node,
        item=Item.NOT_CAUGHT_UP,
        severity=Severity.ERROR,
        database=path.database,
        seen=seen,
        why="What the old node has written is not all there.",
        remedy=(
            "-- stop writing on the old node, then run this again; see",
            "pgconflict subscriptions list",
        ),
    )


def tables(
    old: ClusterFacts, new: ClusterFacts, databases: Sequence[tuple[str, str]]
) -> Iterator[Finding]:
    """Yield tables that the new node lacks or has otherwise, and unpublished ones.

    Args:
        old: The node to be given up.
        new: The node that takes over.
        databases: Pairs of databases, of the old and of the new node.
    """
    of_old = {one.name: one for one in old.databases}
    of_new = {one.name: one for one in new.databases}
    for source, target in databases:
        before, after = of_old.get(source), of_new.get(target)
        if before is None or after is None or before.refusal or after.refusal:
            continue
        yield from _compared(old, new, before, after)


def _named(tables_: Sequence[Table]) -> dict[tuple[str, str], Table]:
    return {(one.schemaname, one.relname): one for one in tables_}


def _compared(
    old: ClusterFacts, new: ClusterFacts, before: Database, after: Database
) -> Iterator[Finding]:
    there = _named(after.tables)
    missing, otherwise, silent = [], [], []
    for name, table in _named(before.tables).items():
        shown = identifier(*name)
        if name not in there:
            missing.append(shown)
        elif there[name].columns != table.columns:
            otherwise.append(shown)
        if not table.published:
            silent.append(shown)
    for names, what in ((missing, "missing"), (otherwise, "with other columns")):
        if names:
            yield Finding(
                node=new.node,
                item=Item.TABLES_MISSING,
                severity=Severity.ERROR,
                database=after.name,
                seen=f"tables {what}: {some(names)}",
                why="Logical replication does not carry definitions.",
                remedy=("-- compare pg_dump --schema-only of both nodes",),
            )
    if silent:
        yield Finding(
            node=old.node,
            item=Item.TABLES_UNPUBLISHED,
            severity=Severity.ERROR,
            database=before.name,
            seen=f"tables that the new node is not sent: {some(silent)}",
            why="Their rows are not there.",
            remedy=tuple(
                f"ALTER PUBLICATION name ADD TABLE {table};" for table in silent[:5]
            ),
        )
    if fresh := [
        identifier(*name) for name, one in there.items() if one.never_analyzed
    ]:
        yield Finding(
            node=new.node,
            item=Item.STATISTICS,
            severity=Severity.NOTICE,
            database=after.name,
            seen=f"tables without statistics: {some(fresh)}",
            why="Queries may be slow there until ANALYZE is done.",
            remedy=("ANALYZE;",),
        )


def objects(
    old: ClusterFacts, new: ClusterFacts, databases: Sequence[tuple[str, str]]
) -> Iterator[Finding]:
    """Yield what logical replication never carries, where the old node has it."""
    of_new = {one.name: one for one in new.databases}
    of_old = {one.name: one for one in old.databases}
    for source, target in databases:
        before, after = of_old.get(source), of_new.get(target)
        if before is None or after is None:
            continue
        if before.objects.large_objects:
            yield Finding(
                node=new.node,
                item=Item.LARGE_OBJECTS,
                severity=Severity.WARNING,
                database=after.name,
                seen=f"{after.objects.large_objects} large objects, and"
                f" {before.objects.large_objects} on node {old.node}",
                why="Logical replication does not carry large objects: they must be"
                " copied, and only a comparison tells whether they were.",
                remedy=("-- copy them: pg_dump --large-objects --table=none, restore",),
            )
        for number, what, remedy in (
            (before.objects.unlogged_tables, "unlogged tables", "-- copy them"),
            (
                before.objects.materialized_views,
                "materialized views",
                "-- REFRESH MATERIALIZED VIEW on the new node",
            ),
        ):
            if number:
                yield Finding(
                    node=old.node,
                    item=Item.NOT_CARRIED,
                    severity=Severity.WARNING,
                    database=before.name,
                    seen=f"{number} {what}",
                    why="Logical replication does not carry their rows.",
                    remedy=(remedy,),
                )


def sequences(
    old: ClusterFacts, new: ClusterFacts, database: str, plan: Plan
) -> Iterator[Finding]:
    """Yield sequences of the new node that would give out values a second time."""
    behind = [str(one.name) for one in plan.advances]
    blocked = [f"{one.name} ({one.obstacle})" for one in plan.blocked]
    for names, what in ((behind, "behind"), (blocked, "that can't be compared")):
        if names:
            yield Finding(
                node=new.node,
                item=Item.SEQUENCES,
                severity=Severity.ERROR,
                database=database,
                seen=f"{len(names)} sequences {what}: {some(names)}",
                why="They would give out values that the old node has given out.",
                remedy=(
                    f"pgconflict sequences sync --from {old.node} --to {new.node}",
                ),
            )
