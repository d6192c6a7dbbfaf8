"""Whether the server's limits let replication go on, and keep what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.server.checks.finding import Check, Finding, Severity
from pgconflict.server.statements import RELOAD, RESTART, alter_system

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgconflict.server.checks.facts import Facts, Replication


def judge(facts: Facts) -> Iterator[Finding]:
    """Yield which limit is reached, or will be."""
    if facts.replication is not None:
        yield from _wal_level(facts, facts.replication)
        yield from _slots(facts, facts.replication)
        yield from _kept(facts, facts.replication)
    yield from _origins(facts)
    yield from _workers(facts)


def _wal_level(facts: Facts, used: Replication) -> Iterator[Finding]:
    level = facts.setting("wal_level")
    # From 19 on `replica` becomes `logical` with the first logical slot.
    enough = level == "logical" or (
        level == "replica" and facts.setting("effective_wal_level") is not None
    )
    if level is None or enough or not (used.publications or used.logical_slots):
        return
    yield Finding(
        node=facts.node,
        check=Check.WAL_LEVEL,
        severity=Severity.ERROR,
        seen=f"wal_level = {level}, and the database has publications",
        why="Nothing can be sent to subscribers: no logical slot can be made, and those"
        " that are there can't be read.",
        remedy=(alter_system("wal_level", "logical"), RESTART),
    )


def _slots(facts: Facts, used: Replication) -> Iterator[Finding]:
    for setting, number, what, why in (
        (
            "max_replication_slots",
            used.slots,
            "slots",
            "No subscription to this node can be made, nor a table be copied.",
        ),
        (
            "max_wal_senders",
            used.senders,
            "WAL senders",
            "A worker that has lost its connection is turned away when it comes again.",
        ),
    ):
        most = facts.number(setting)
        if most is not None and number >= most and (used.logical_slots or number):
            yield Finding(
                node=facts.node,
                check=Check.REPLICATION_SLOTS,
                severity=Severity.WARNING,
                seen=f"{setting} = {most}, and {number} {what} are there",
                why=why,
                remedy=(alter_system(setting, str(max(2 * most, 10))), RESTART),
            )


def _kept(facts: Facts, used: Replication) -> Iterator[Finding]:
    if not used.logical_slots:
        return
    if facts.setting("max_slot_wal_keep_size") == "-1":
        yield Finding(
            node=facts.node,
            check=Check.KEEP_SIZE,
            severity=Severity.NOTICE,
            seen="max_slot_wal_keep_size = -1",
            why="A subscription that stands still, by a conflict or disabled, makes"
            " this node keep WAL until its disk is full, and the server stops. With a"
            " limit the slot is lost instead, and the subscription must be made anew:"
            " choose which, and alert on both.",
            remedy=(alter_system("max_slot_wal_keep_size", "100GB"), RELOAD),
        )
    timeout = facts.number("idle_replication_slot_timeout")
    if timeout:
        yield Finding(
            node=facts.node,
            check=Check.IDLE_SLOT_TIMEOUT,
            severity=Severity.WARNING,
            seen=f"idle_replication_slot_timeout = {timeout} s",
            why="A slot that nobody reads for so long, as that of a subscription that a"
            " conflict has disabled, is invalidated: what was missed is lost, and the"
            " subscription must be made anew, with all its tables.",
            remedy=(alter_system("idle_replication_slot_timeout", "0"), RELOAD),
        )


def _origins(facts: Facts) -> Iterator[Finding]:
    setting = facts.capability.origins_setting
    most = facts.number(setting)
    number = len(facts.subscriptions)
    if most is None or not number or number < most:
        return
    yield Finding(
        node=facts.node,
        check=Check.REPLICATION_ORIGINS,
        severity=Severity.ERROR if number > most else Severity.WARNING,
        seen=f"{setting} = {most}, and the server has {number} subscriptions",
        why="Each subscription needs an origin, and each copy of a table one more: a"
        " worker without one ends at once and is started again for ever.",
        remedy=(alter_system(setting, str(max(2 * number, 10))), RESTART),
    )


def _workers(facts: Facts) -> Iterator[Finding]:
    enabled = sum(one.enabled for one in facts.subscriptions)
    most = facts.number("max_logical_replication_workers")
    processes = facts.number("max_worker_processes")
    if not enabled or most is None or processes is None:
        return
    if enabled >= most:
        yield Finding(
            node=facts.node,
            check=Check.WORKERS,
            severity=Severity.ERROR if enabled > most else Severity.WARNING,
            seen=f"max_logical_replication_workers = {most}, and {enabled}"
            " subscriptions are enabled",
            why="Each needs a worker; copies of tables and parallel apply need more."
            " Some never run, or never start to copy.",
            remedy=(
                alter_system("max_logical_replication_workers", str(2 * enabled + 2)),
                alter_system(
                    "max_worker_processes", str(max(processes, 2 * enabled + 8))
                ),
                RESTART,
            ),
        )
    elif processes <= enabled:
        # One more is the launcher.
        yield Finding(
            node=facts.node,
            check=Check.WORKERS,
            severity=Severity.ERROR,
            seen=f"max_worker_processes = {processes}, and {enabled} subscriptions are"
            " enabled",
            why="The launcher and each subscription need one: some workers never run.",
            remedy=(
                alter_system("max_worker_processes", str(2 * enabled + 8)),
                RESTART,
            ),
        )
