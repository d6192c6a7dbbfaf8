"""The new, still empty cluster: can it take what the old one has?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.server.preflight import contents, slots
from pgconflict.server.preflight.finding import Finding, Item, Severity
from pgconflict.server.preflight.words import some
from pgconflict.server.statements import RESTART, alter_system, identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgconflict.server.preflight.facts import ClusterFacts


def judge(old: ClusterFacts, new: ClusterFacts) -> Iterator[Finding]:
    """Yield what pg_upgrade refuses about the new cluster, and what would not work."""
    yield from _version(old, new)
    if old.capability.upgraded_with_slots and old.slots:
        yield from _slots(old, new)
        yield from _wal_level(new)
        yield from _plugins(old, new)
    if old.capability.upgraded_with_slots and old.subscriptions:
        yield from _origins(old, new)
    yield from slots.keep_size(new)
    yield from contents.prepared(new, upgrade=True)
    yield from contents.extensions(old, new)
    yield from _checksums(old, new)
    yield from workers(old, new)
    yield from commit_timestamps(old, new)


def _version(old: ClusterFacts, new: ClusterFacts) -> Iterator[Finding]:
    if new.server.major > old.server.major:
        return
    yield Finding(
        node=new.node,
        item=Item.TARGET_VERSION,
        severity=Severity.ERROR,
        seen=f"PostgreSQL {new.server.version}, and the old server is"
        f" {old.server.version}",
        why="It is no newer major version.",
        pg_upgrade_refuses=new.server.version_num < old.server.version_num,
    )


def _setting(
    new: ClusterFacts, item: Item, name: str, need: int, what: str, *, refused: bool
) -> Iterator[Finding]:
    have = new.number(name)
    if have is None or have >= need:
        return
    yield Finding(
        node=new.node,
        item=item,
        severity=Severity.ERROR if refused else Severity.WARNING,
        seen=f"{name} = {have}, and {what}: {need}",
        why="pg_upgrade refuses."
        if refused
        else "Not all of it can run at the same time; something waits for ever.",
        remedy=(alter_system(name, str(need)), RESTART),
        pg_upgrade_refuses=refused,
    )


def _slots(old: ClusterFacts, new: ClusterFacts) -> Iterator[Finding]:
    yield from _setting(
        new,
        Item.TARGET_SLOTS,
        "max_replication_slots",
        len(old.slots),
        "the old server has so many logical slots",
        refused=True,
    )
    if new.slots:
        yield Finding(
            node=new.node,
            item=Item.TARGET_SLOTS,
            severity=Severity.ERROR,
            seen="it has logical slots of its own: "
            + some([identifier(slot.name) for slot in new.slots]),
            why="pg_upgrade refuses.",
            remedy=tuple(
                f"SELECT pg_drop_replication_slot({literal(slot.name)});"
                for slot in new.slots
            ),
            pg_upgrade_refuses=True,
        )


def _wal_level(new: ClusterFacts) -> Iterator[Finding]:
    level = new.settings.get("wal_level")
    if level in new.capability.slots_upgraded_at:
        return
    yield Finding(
        node=new.node,
        item=Item.TARGET_WAL_LEVEL,
        severity=Severity.ERROR,
        seen=f"wal_level = {level}",
        why="pg_upgrade refuses: the old server's logical slots need more.",
        remedy=(alter_system("wal_level", "logical"), RESTART),
        pg_upgrade_refuses=True,
    )


def _plugins(old: ClusterFacts, new: ClusterFacts) -> Iterator[Finding]:
    listed = new.settings.get("output_plugin_libraries")
    if listed is None:  # The version has no such setting: every plugin may be used.
        return
    allowed = {name.strip().strip('"') for name in listed.split(",")}
    used = sorted({slot.plugin for slot in old.slots} - allowed)
    if used:
        yield Finding(
            node=new.node,
            item=Item.TARGET_PLUGINS,
            severity=Severity.ERROR,
            seen=f"output_plugin_libraries = {listed}; slots use {some(used)}",
            why="pg_upgrade refuses slots whose plugin is not listed there.",
            remedy=(
                alter_system("output_plugin_libraries", ",".join([*allowed, *used])),
                RESTART,
            ),
            pg_upgrade_refuses=True,
        )


def _origins(old: ClusterFacts, new: ClusterFacts) -> Iterator[Finding]:
    yield from _setting(
        new,
        Item.TARGET_ORIGINS,
        new.capability.origins_setting,
        len(old.subscriptions),
        "the old server has so many subscriptions",
        refused=True,
    )


def _checksums(old: ClusterFacts, new: ClusterFacts) -> Iterator[Finding]:
    before, after = (one.settings.get("data_checksums") for one in (old, new))
    if before == after or None in (before, after):
        return
    why = "pg_upgrade refuses clusters that differ in it."
    if new.capability.checksums_by_default and after == "on":
        why += " From 18 on initdb makes checksums unless told otherwise."
    yield Finding(
        node=new.node,
        item=Item.CHECKSUMS,
        severity=Severity.ERROR,
        seen=f"data_checksums = {after}, and {before} on the old server",
        why=why,
        remedy=(
            "-- make it anew with initdb "
            + ("--no-data-checksums" if before == "off" else "--data-checksums"),
            "-- or change the old one while it is down: pg_checksums "
            + ("--enable" if after == "on" else "--disable"),
        ),
        pg_upgrade_refuses=True,
    )


def workers(old: ClusterFacts, new: ClusterFacts) -> Iterator[Finding]:
    """Yield limits below what the old server's replication uses."""
    subscriptions = len(old.subscriptions)
    if subscriptions:
        for name, need in (
            ("max_logical_replication_workers", subscriptions),
            # And the launcher.
            ("max_worker_processes", subscriptions + 1),
        ):
            what = "so many does the old server's replication use"
            yield from _setting(
                new, Item.TARGET_WORKERS, name, need, what, refused=False
            )
    if old.slots:
        yield from _setting(
            new,
            Item.TARGET_WORKERS,
            "max_wal_senders",
            len(old.slots),
            "so many logical slots are read",
            refused=False,
        )


def commit_timestamps(old: ClusterFacts, new: ClusterFacts) -> Iterator[Finding]:
    """Yield a new server that would not see which node changed a row."""
    name = "track_commit_timestamp"
    if old.settings.get(name) == "on" and new.settings.get(name) == "off":
        yield Finding(
            node=new.node,
            item=Item.TARGET_COMMIT_TIMESTAMPS,
            severity=Severity.WARNING,
            seen=f"{name} = off, and on on the old server",
            why="Conflicts of origins are neither logged nor counted there.",
            remedy=(alter_system(name, "on"), RESTART),
        )
