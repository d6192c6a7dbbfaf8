"""What the old server holds that an upgrade, or a switchover, minds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.server.preflight.finding import Finding, Item, Severity
from pgconflict.server.preflight.words import some
from pgconflict.server.statements import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgconflict.core.capability import Capability
    from pgconflict.server.preflight.facts import ClusterFacts

LARGE_OBJECTS_PER_SECOND: Final = 4_000
"""Measured with pg_upgrade to 18 on two busy cores: 200,000 took 45 to 50 s."""


def prepared(cluster: ClusterFacts, *, upgrade: bool) -> Iterator[Finding]:
    """Yield prepared transactions."""
    if not cluster.prepared:
        return
    names = [f"{literal(one.gid)} ({one.database})" for one in cluster.prepared]
    yield Finding(
        node=cluster.node,
        item=Item.PREPARED_TRANSACTIONS,
        severity=Severity.ERROR,
        seen=f"prepared transactions: {some(names)}",
        why="pg_upgrade refuses."
        if upgrade
        else "What they change reaches no subscriber before they are committed.",
        remedy=tuple(
            f"COMMIT PREPARED {literal(one.gid)};  -- or ROLLBACK PREPARED, in database"
            f" {identifier(one.database)}"
            for one in cluster.prepared
        ),
        pg_upgrade_refuses=upgrade,
    )


def not_null(old: ClusterFacts, target: Capability) -> Iterator[Finding]:
    """Yield children that lack their parents' NOT NULL, where the target minds."""
    if old.capability.not_null_inherited or not target.not_null_inherited:
        return
    for database in old.databases:
        if not database.not_null:
            continue
        names = [
            f"{identifier(one.schemaname, one.relname)}.{identifier(one.attname)}"
            for one in database.not_null
        ]
        yield Finding(
            node=old.node,
            item=Item.NOT_NULL,
            severity=Severity.ERROR,
            database=database.name,
            seen=f"columns that may be null, and may not in the parent: {some(names)}",
            why="From 18 on a child has its parents' constraints. pg_upgrade refuses.",
            remedy=tuple(
                f"ALTER TABLE {identifier(one.schemaname, one.relname)} ALTER COLUMN"
                f" {identifier(one.attname)} SET NOT NULL;"
                for one in database.not_null
            ),
            pg_upgrade_refuses=True,
        )


def large_objects(old: ClusterFacts, target: Capability) -> Iterator[Finding]:
    """Yield how many there are, and how long pg_upgrade needs for them."""
    for database in old.databases:
        number = database.objects.large_objects
        if not number:
            continue
        seconds = number / LARGE_OBJECTS_PER_SECOND
        long = (
            "PostgreSQL 19 takes them along as a file: they cost next to no time."
            if target.large_objects_upgraded_at_once
            else f"pg_upgrade makes them one by one: about {seconds:.0f} s at"
            f" {LARGE_OBJECTS_PER_SECOND} a second, as measured on two busy cores."
        )
        yield Finding(
            node=old.node,
            item=Item.LARGE_OBJECTS,
            severity=Severity.NOTICE,
            database=database.name,
            seen=f"{number} large objects",
            why=f"{long} Logical replication does not carry them.",
        )


def extensions(old: ClusterFacts, new: ClusterFacts) -> Iterator[Finding]:
    """Yield extensions that the new server's installation does not have."""
    for database in old.databases:
        missing = [one for one in database.extensions if one.name not in new.available]
        if not missing:
            continue
        library = any(one.library for one in missing)
        yield Finding(
            node=new.node,
            item=Item.EXTENSIONS,
            severity=Severity.ERROR,
            database=database.name,
            seen="extensions that are not installed there: "
            + some([f"{identifier(one.name)} {one.version}" for one in missing]),
            why="What uses them does not work there."
            + (" pg_upgrade refuses what it can't load." if library else ""),
            remedy=("-- install their packages for the new version",),
            pg_upgrade_refuses=library,
        )


def unreachable(cluster: ClusterFacts) -> Iterator[Finding]:
    """Yield databases that nobody looked into: what is there is not known."""
    for database in cluster.databases:
        if database.refusal is None:
            continue
        name, role = identifier(database.name), identifier(cluster.server.role)
        yield Finding(
            node=cluster.node,
            item=Item.NOT_LOOKED_AT,
            severity=Severity.ERROR,
            database=database.name,
            seen=f"database {name} was not looked at: {database.refusal}",
            why="Whether it is safe is not known.",
            remedy=(f"GRANT CONNECT ON DATABASE {name} TO {role};",),
        )
