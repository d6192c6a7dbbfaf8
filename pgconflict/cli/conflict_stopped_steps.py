"""What to do about what stops apply, or the copy of a table.

Make way for the remote row, remove the cause, or skip the transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.cli.conflict_step import (
    Step,
    local_keys,
    table_of,
    under_origin,
    unknown,
)
from pgconflict.cli.sql_text import condition, identifier
from pgconflict.core.conflict import Kind, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.conflict_log.reader import Companion
    from pgconflict.conflict_log.stored import StoredConflict
    from pgconflict.core.conflict import LocalConflict


UNIQUE_VIOLATION: Final = "23505"
NOT_COPIED: Final = (
    "SELECT s.subname, r.srrelid::regclass FROM pg_subscription_rel r"
    " JOIN pg_subscription s ON s.oid = r.srsubid WHERE r.srsubstate NOT IN ('r', 's');"
)


def stopped_steps(
    conflict: StoredConflict, transaction: Sequence[Companion]
) -> list[Step]:
    """What lets apply go on; `transaction` is all that is known of it."""
    steps = []
    if conflict.kind == Kind.CONFLICT:
        steps.append(_planned(conflict))
        steps += _make_way(conflict)
    else:
        steps.append(_remove_cause(conflict))
    steps.append(_skip(conflict, transaction))
    if conflict.status == Status.DISABLED and conflict.subname is not None:
        steps.append(
            Step(
                f"After either, on node {conflict.node}: let it apply again.",
                [f"ALTER SUBSCRIPTION {identifier(conflict.subname)} ENABLE;"],
            )
        )
    return steps


def _planned(conflict: StoredConflict) -> Step:
    """The command that does any of it."""
    return Step(
        "See what each way out does to every row of the transaction; --keep"
        " ours|theirs|both|skip with --apply and --reason takes one, in one"
        " transaction, and sees apply run again. What follows is the same by hand.",
        [f"pgconflict conflicts repair {conflict.conflict_id}"],
    )


def _make_way(conflict: StoredConflict) -> list[Step]:
    """Look at the local rows; delete them, or keep them under another key.

    Not by an update of the key: it would be replicated, find the remote row under the
    old key on the other node, and overwrite it.
    """
    table, keys = table_of(conflict), local_keys(conflict)
    if table is None or not keys:
        return [Step(unknown(conflict))]
    on = f"on node {conflict.node}, database {conflict.database or '?'}"
    wheres = [condition(key) for key in keys]
    return [
        Step(
            f"Look at what is in the way, {on}:",
            [f"SELECT * FROM {table} WHERE {where};" for where in wheres],
        ),
        Step(
            "The remote row shall win: delete the local one as superuser, under an"
            " origin, so that subscriptions with origin = none (16 and later) do not"
            " carry the deletion to the other nodes, where it would hit the remote row."
            " The next attempt applies the transaction.",
            under_origin([f"DELETE FROM {table} WHERE {where};" for where in wheres]),
        ),
        Step(
            "Both rows shall stay: first copy the local one, in an ordinary session. It"
            " gets its key from the column's default, or one that you put in, and goes"
            " to the other nodes as any insert does. Then delete the old one as above.",
            [
                _copy(table, local)
                for local in conflict.local_conflicts
                if local.key in keys and _others(local)
            ],
        ),
    ]


def _copy(table: str, local: LocalConflict) -> str:
    """The statement that copies a local row, but for its key."""
    columns = ", ".join(map(identifier, _others(local)))
    return (
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}"
        f" WHERE {condition(local.key or {})};"
    )


def _others(local: LocalConflict) -> list[str]:
    """Its columns but for the key's, as far as they are known."""
    return [name for name in local.tuple or () if name not in (local.key or ())]


_CAUSES: Final = {
    "23514": "the row breaks a CHECK constraint that this node has",
    "23502": "a column is NOT NULL here and has no value in the row",
    "23503": "the row breaks a foreign key whose trigger fires in replication",
    "23P01": "a row is here that the exclusion constraint does not let in beside it",
    "42501": "the subscription's owner may not write here",
    "22P02": "the column's type here can't read the value",
}
_SCHEMA: Final = "55000"


def _remove_cause(conflict: StoredConflict) -> Step:
    what = "Remove the cause on this node; the next attempt applies the transaction."
    cause = _CAUSES.get(conflict.sqlstate or "")
    if cause:
        return Step(f"{what} The SQLSTATE says: {cause}.")
    if conflict.sqlstate == _SCHEMA and conflict.subname is not None:
        return Step(
            f"{what} If a table or column is missing: create it as the publisher has"
            " it; a new table joins with",
            [f"ALTER SUBSCRIPTION {identifier(conflict.subname)} REFRESH PUBLICATION;"],
        )
    return Step(what)


def _skip(conflict: StoredConflict, transaction: Sequence[Companion]) -> Step:
    known = transaction[0].conflicts if transaction else 1
    xid = "" if conflict.remote_xid is None else f" {conflict.remote_xid}"
    lost = (
        f"Or skip it: the WHOLE transaction{xid} is dropped on this node, every change"
        f" in every table, not only what conflicts ({known} known). The nodes differ by"
        " it from then on."
    )
    lsn = conflict.remote_commit_lsn
    if conflict.subname is None:
        skip = f"ALTER SUBSCRIPTION ... SKIP (lsn = '{lsn or '...'}')"
        return Step(f"{lost} With the name of the subscription: {skip}")
    name = identifier(conflict.subname)
    if lsn is None:
        return Step(
            f"{lost} That takes its finish LSN, which a parallel apply worker does not"
            " log. Without streaming in parallel the next attempt logs it: run this on"
            f" node {conflict.node}, wait for the attempt, and ask for this conflict"
            " again.",
            [f"ALTER SUBSCRIPTION {name} SET (streaming = on);"],
        )
    return Step(
        f"{lost} On node {conflict.node}, as superuser (from 16 as the subscription's"
        " owner):",
        [f"ALTER SUBSCRIPTION {name} SKIP (lsn = '{lsn}');"],
    )


def sync_steps(conflict: StoredConflict) -> list[Step]:
    """What lets the copy of a table go on."""
    steps = [Step("Remove the cause that the message names; the server tries again.")]
    table = table_of(conflict)
    if conflict.sqlstate != UNIQUE_VIOLATION:
        return steps
    right = "If the publisher's are right, empty it (a publication of this node carries"
    on = f"on node {conflict.node}, database {conflict.database or '?'}"
    if table is not None:
        steps.append(
            Step(
                f"The copy meets rows that {table} has already. {right} it on), {on}:",
                [f"TRUNCATE {table};"],
            )
        )
    else:
        steps.append(
            Step(
                "The copy meets rows that the table has already. Its log entry names"
                " the table without its schema; this lists the tables whose copy is"
                f" not done, {on}:",
                [NOT_COPIED],
            )
        )
        steps.append(Step(f"{right} it on): TRUNCATE with the name found."))
    return steps
