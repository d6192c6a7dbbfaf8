"""Which conflicts the server's version and settings show, and which they can't."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.core.capability import CAPABILITIES, NEWEST
from pgconflict.server.checks.finding import Check, Finding, Severity
from pgconflict.server.checks.log import worker_level
from pgconflict.server.checks.workers import by_owner, names, restart
from pgconflict.server.statements import (
    RESTART,
    alter_role,
    alter_subscription,
    alter_system,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgconflict.server.checks.facts import Facts, Subscription

_ORIGIN_DIFFERS: Final = "update_origin_differs"
_DEBUG: Final = frozenset({"debug1", "debug2", "debug3", "debug4", "debug5"})


def judge(facts: Facts) -> Iterator[Finding]:
    """Yield what stays unseen on a node."""
    yield from _unseen(facts)
    yield from _commit_timestamps(facts)
    if facts.capability.debug1_missing_rows:
        for level, group in by_owner(facts, "log_min_messages", worker_level):
            yield from _missing_rows(facts, level, group)
    if facts.capability.retain_dead_tuples:
        yield from _dead_tuples(facts)


def _unseen(facts: Facts) -> Iterator[Finding]:
    known = facts.capability
    # Those that a unique violation and the DEBUG1 messages stand for are recorded.
    recorded = known.counted_types
    if known.debug1_missing_rows:
        recorded = frozenset(
            {"insert_exists", "update_exists", "update_missing", "delete_missing"}
        )
    unseen = sorted(CAPABILITIES[NEWEST].counted_types - recorded)
    if unseen:
        yield Finding(
            node=facts.node,
            check=Check.UNSEEN_TYPES,
            severity=Severity.NOTICE,
            seen=f"PostgreSQL {facts.server.version} does not report"
            f" {', '.join(unseen)}",
            why="On this version these conflicts happen without a word in any log:"
            " rows may differ between nodes, and nothing recorded says so.",
        )


def _commit_timestamps(facts: Facts) -> Iterator[Finding]:
    reported = _ORIGIN_DIFFERS in facts.capability.counted_types
    if facts.setting("track_commit_timestamp") != "off":
        if reported and facts.subscriptions and facts.timestamps_since is not None:
            yield Finding(
                node=facts.node,
                check=Check.TIMESTAMPS_SINCE,
                severity=Severity.NOTICE,
                seen="commit timestamps are known since"
                f" {facts.timestamps_since:%Y-%m-%d %H:%M:%S%z}",
                why="A row that was last changed before has no known origin: whoever"
                " changed it, no conflict of origins is detected when a change to it"
                " arrives.",
            )
        return
    yield Finding(
        node=facts.node,
        check=Check.TRACK_COMMIT_TIMESTAMP,
        severity=Severity.WARNING if reported else Severity.NOTICE,
        seen="track_commit_timestamp = off",
        why=(
            "update_origin_differs and delete_origin_differs are not detected at all,"
            " and no conflict says who wrote the local row, or when. Rows written"
            " before it is on stay without origin."
            if reported
            else "When a transaction was committed can't be looked up on this node."
        ),
        remedy=(alter_system("track_commit_timestamp", "on"), RESTART),
    )


def _missing_rows(
    facts: Facts, level: str | None, group: Sequence[Subscription]
) -> Iterator[Finding]:
    exposed = _exposed(facts, group)
    passfile = [statement for one in exposed for statement in _to_passfile(one)]
    if level in _DEBUG and (exposed or facts.passwords is None):
        known = facts.passwords is not None
        yield Finding(
            node=facts.node,
            check=Check.PASSWORD_LOGGED,
            severity=Severity.ERROR if known else Severity.NOTICE,
            seen=f"log_min_messages = {level} for {names(exposed or group)}"
            + (", whose connection string holds a password" if known else ""),
            why="At this level a worker logs the publisher's connection string when it"
            " starts, with the password in clear. "
            + (
                "Give the password in a passfile of the server's account, change it,"
                " and remove the old log files."
                if known
                else "Whether it holds one can't be seen: the role may not read"
                " pg_subscription.subconninfo, which is as it should be."
            ),
            remedy=tuple(passfile),
        )
    if level is None or level in _DEBUG:
        return
    yield Finding(
        node=facts.node,
        check=Check.MISSING_ROWS,
        severity=Severity.WARNING,
        seen=f"log_min_messages = {level} for {names(group)}",
        why="Before 18 an update or delete whose row is missing is logged at DEBUG1"
        " only: update_missing and delete_missing are not seen. Set for the owner's"
        " role, it counts for its apply workers (and that role's own sessions). The"
        f" price: {_price(facts, exposed)}",
        remedy=(
            *passfile,
            alter_role(group[0].owner, "log_min_messages", "debug1"),
            *restart(group),
        ),
    )


def _exposed(facts: Facts, group: Sequence[Subscription]) -> list[Subscription]:
    held = {(one.name, one.database) for one in facts.passwords or ()}
    return [one for one in group if (one.name, one.database) in held]


def _to_passfile(subscription: Subscription) -> list[str]:
    statements = [
        (
            "-- the same connection string, without password, with"
            " passfile=FILE (mode 0600, of the server's account):"
        ),
        alter_subscription(subscription.name, "CONNECTION '...'"),
    ]
    if subscription.password_required and not subscription.owner_superuser:
        # Else the server refuses a connection without password in its string.
        statements.insert(
            0,
            alter_subscription(subscription.name, "SET (password_required = false)"),
        )
    return statements


def _price(facts: Facts, exposed: Sequence[Subscription]) -> str:
    logged = "a worker then logs its connection string when it starts"
    if facts.passwords is None:
        return (
            f"{logged}. If it holds a password (the role may not look), move that into"
            " a passfile of the server's account first."
        )
    if exposed:
        return (
            f"{logged}, and it holds a password: move that into a passfile of the"
            " server's account first."
        )
    return f"more log; {logged}, and it holds no password."


def _dead_tuples(facts: Facts) -> Iterator[Finding]:
    for subscription in facts.subscriptions:
        if subscription.retain_dead_tuples is False:
            yield Finding(
                node=facts.node,
                check=Check.RETAIN_DEAD_TUPLES,
                severity=Severity.NOTICE,
                seen=f"retain_dead_tuples = false for {names([subscription])}",
                why="An update of a row that was deleted here is reported as"
                " update_missing: update_deleted, with who deleted it and when, needs"
                " the dead rows. They cost space until every peer has caught up.",
                remedy=(
                    alter_subscription(subscription.name, "DISABLE"),
                    alter_subscription(
                        subscription.name, "SET (retain_dead_tuples = true)"
                    ),
                    alter_subscription(subscription.name, "ENABLE"),
                ),
                database=subscription.database,
            )
