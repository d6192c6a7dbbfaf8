"""How subscriptions and their tables bear on what can be seen and undone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pgconflict.server.checks.finding import Check, Finding, Severity
from pgconflict.server.checks.workers import names
from pgconflict.server.statements import (
    RESTART,
    alter_subscription,
    alter_system,
    identifier,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgconflict.server.checks.contents import Contents
    from pgconflict.server.checks.facts import Facts, Subscription


def judge(facts: Facts) -> Iterator[Finding]:
    """Yield what is worth knowing about a node's subscriptions."""
    if not facts.subscriptions and not facts.server.in_recovery:
        yield Finding(
            node=facts.node,
            check=Check.NO_SUBSCRIPTION,
            severity=Severity.NOTICE,
            seen="the server has no subscription",
            why="Conflicts happen where a subscription applies changes: here none can.",
        )
    for subscription in facts.subscriptions:
        yield from _owner(facts, subscription)
        for found in _options(facts, subscription):
            yield replace(found, database=subscription.database)
    for contents in facts.databases:
        for found in _tables(facts, contents):
            yield replace(found, database=contents.database)


def _tables(facts: Facts, contents: Contents) -> Iterator[Finding]:
    for constraint in contents.deferrable:
        table = identifier(constraint.schemaname, constraint.relname)
        yield Finding(
            node=facts.node,
            check=Check.DEFERRABLE_UNIQUE,
            severity=Severity.NOTICE,
            seen=f"constraint {identifier(constraint.name)} of {table} is deferrable",
            why="Apply does not enforce it: two rows with the same key are stored, and"
            " nothing is logged.",
            remedy=(
                f"ALTER TABLE {table} DROP CONSTRAINT {identifier(constraint.name)};",
                "-- then add it again without DEFERRABLE",
            ),
        )
    for unidentified in contents.unidentified:
        table = identifier(unidentified.schemaname, unidentified.relname)
        yield Finding(
            node=facts.node,
            check=Check.REPLICA_IDENTITY,
            severity=Severity.NOTICE,
            seen=f"table {table} has neither a primary key nor a replica identity"
            " index",
            why="Apply looks for the whole row as it was on the publisher: a row that"
            " was changed here is not found, and reported as missing."
            + (
                ""
                if unidentified.has_unique
                else " Nor has it a unique index: the same row inserted on two nodes"
                " is stored twice, and nothing is logged."
            ),
            remedy=(
                f"-- ALTER TABLE {table} ADD PRIMARY KEY (the columns of its key)",
            ),
        )


def _owner(facts: Facts, subscription: Subscription) -> Iterator[Finding]:
    if not subscription.owner_can_login:
        owner = identifier(subscription.owner)
        yield Finding(
            node=facts.node,
            check=Check.OWNER_LOGIN,
            severity=Severity.ERROR,
            seen=f"role {owner} may not log in, and owns {names([subscription])}",
            why="The apply worker ends as soon as it starts, and is started again for"
            " ever.",
            remedy=(f"ALTER ROLE {owner} LOGIN;",),
        )


def _options(facts: Facts, subscription: Subscription) -> Iterator[Finding]:
    if not subscription.disable_on_error:
        yield Finding(
            node=facts.node,
            check=Check.DISABLE_ON_ERROR,
            severity=Severity.NOTICE,
            seen=f"disable_on_error = false for {names([subscription])}",
            why="A conflict that stops apply is tried again every"
            " wal_retrieve_retry_interval, and logged each time, until somebody acts."
            " With true the subscription is disabled once, and stays so until"
            " somebody enables it: choose which of the two your alerts see first.",
            remedy=(
                alter_subscription(subscription.name, "SET (disable_on_error = true)"),
            ),
        )
    if subscription.run_as_owner:
        yield Finding(
            node=facts.node,
            check=Check.RUN_AS_OWNER,
            severity=Severity.WARNING
            if subscription.owner_superuser
            else Severity.NOTICE,
            seen=f"run_as_owner = true for {names([subscription])}",
            why="Changes are applied with the rights of the subscription's owner, not"
            " of each table's: who owns a table can have its triggers and functions"
            " run with them.",
            remedy=(
                alter_subscription(subscription.name, "SET (run_as_owner = false)"),
            ),
        )
    if subscription.two_phase and facts.number("max_prepared_transactions") == 0:
        yield Finding(
            node=facts.node,
            check=Check.TWO_PHASE,
            severity=Severity.ERROR,
            seen=f"two_phase = true for {names([subscription])}, and"
            " max_prepared_transactions = 0",
            why="The first transaction that is prepared on the publisher stops apply.",
            remedy=(alter_system("max_prepared_transactions", "100"), RESTART),
        )
    if subscription.streaming == "parallel":
        yield Finding(
            node=facts.node,
            check=Check.STREAMING_PARALLEL,
            severity=Severity.NOTICE,
            seen=f"streaming = parallel for {names([subscription])}",
            why="A conflict in a large transaction is logged without the LSN that"
            " ALTER SUBSCRIPTION ... SKIP needs; it may come later, or never.",
            remedy=(alter_subscription(subscription.name, "SET (streaming = on)"),),
        )
