"""What to do about a conflict: the statements themselves, and what each costs.

Every statement names the node to run it on, quotes what it names, and changes nothing
that its reason does not say. Where something is not known the step says how to learn
it, instead of a statement with a guess in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.cli.conflict_missing import (
    statement_of_entry,
    statement_of_publisher,
)
from pgconflict.cli.sql_text import condition, identifier, literal
from pgconflict.core.conflict import ConflictType, Kind, Status
from pgconflict.core.repair import ORIGIN
from pgconflict.core.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgconflict.conflict_log.reader import Companion
    from pgconflict.conflict_log.stored import StoredConflict
    from pgconflict.core.conflict import LocalConflict, Values


UNIQUE_VIOLATION: Final = "23505"
NOT_COPIED: Final = (
    "SELECT s.subname, r.srrelid::regclass FROM pg_subscription_rel r"
    " JOIN pg_subscription s ON s.oid = r.srsubid WHERE r.srsubstate NOT IN ('r', 's');"
)


class Step(msgspec.Struct, frozen=True):
    """One thing that can be done; without statements it is a fact to know."""

    what: str
    statements: list[str] = []


def next_steps(
    conflict: StoredConflict, transaction: Sequence[Companion] = ()
) -> list[Step]:
    """What can be done, in the order in which to think of it."""
    if conflict.kind == Kind.SYNC_ERROR:
        steps = _sync(conflict)
    elif conflict.stalls and conflict.status in {Status.OPEN, Status.DISABLED}:
        steps = _stopped(conflict, transaction)
    else:
        steps = _compare(conflict)
    if conflict.acknowledged_at is None:
        command = f"pgconflict conflicts ack {conflict.conflict_id} --note '...'"
        steps.append(Step("Say that it was seen, and what came of it:", [command]))
    return steps


def _stopped(conflict: StoredConflict, transaction: Sequence[Companion]) -> list[Step]:
    steps = []
    if conflict.kind == Kind.CONFLICT:
        steps += _make_way(conflict)
        steps.append(_planned(conflict))
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
        "Or see what each way out does to every row of the transaction; --keep with"
        " --apply and --reason takes one, in one transaction, and sees apply run"
        " again:",
        [f"pgconflict conflicts repair {conflict.conflict_id}"],
    )


def _make_way(conflict: StoredConflict) -> list[Step]:
    """Look at the local rows; delete them, or keep them under another key.

    Not by an update of the key: it would be replicated, find the remote row under the
    old key on the other node, and overwrite it.
    """
    table, keys = _table(conflict), _local_keys(conflict)
    if table is None or not keys:
        return [Step(_unknown(conflict))]
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
            _under_origin([f"DELETE FROM {table} WHERE {where};" for where in wheres]),
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


def _under_origin(statements: Sequence[str]) -> list[str]:
    return [
        (
            f"SELECT pg_replication_origin_create({literal(ORIGIN)})"
            " WHERE NOT EXISTS (SELECT FROM pg_replication_origin"
            f" WHERE roname = {literal(ORIGIN)});"
        ),
        f"SELECT pg_replication_origin_session_setup({literal(ORIGIN)});",
        *statements,
        "SELECT pg_replication_origin_session_reset();",
    ]


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


def _sync(conflict: StoredConflict) -> list[Step]:
    steps = [Step("Remove the cause that the message names; the server tries again.")]
    table = _table(conflict)
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


def _compare(conflict: StoredConflict) -> list[Step]:
    """The row on both nodes, for what did not stop apply or is over."""
    table, key = _table(conflict), _row_key(conflict)
    if conflict.kind not in (Kind.CONFLICT, Kind.DIFFERENCE):
        return []
    if table is None or not key:
        return [Step(_unknown(conflict))]
    steps = []
    if conflict.verdict == Verdict.DIVERGED:
        repair = f"pgconflict conflicts repair {conflict.conflict_id} --winner latest"
        steps.append(
            Step(
                "See what would make the nodes agree; --apply does it, --winner NODE"
                " takes that node's version.",
                [repair],
            )
        )
    steps += [
        Step(
            f"Compare the row: on node {conflict.node} and on the publisher.",
            [f"SELECT * FROM {table} WHERE {condition(key)};"],
        )
    ]
    if conflict.replica_identity_full:
        steps.append(
            Step(
                "REPLICA IDENTITY FULL: the condition names all columns that were"
                " logged whole. Leave out those whose type has no equality (json)."
            )
        )
    steps += _agree(conflict, table, key)
    return steps


def _agree(conflict: StoredConflict, table: str, key: Values) -> list[Step]:
    """How the nodes come to agree on the row, if they do not."""
    match conflict.conflict_type:
        case ConflictType.UPDATE_MISSING | ConflictType.UPDATE_DELETED:
            return _put_there(conflict, table, key)
        case ConflictType.UPDATE_ORIGIN_DIFFERS:
            return [
                Step(
                    "If both nodes wrote the row at once, each has the other's version"
                    " now. An update on one of them, of every column that differs,"
                    " makes them agree."
                )
            ]
        case ConflictType.DELETE_ORIGIN_DIFFERS:
            return [
                Step(
                    "If the change that was deleted here matters, and the row is gone"
                    " on both nodes: insert it again on one of them."
                )
            ]
    return []


def _put_there(conflict: StoredConflict, table: str, key: Values) -> list[Step]:
    """The row that an update did not find: delete it on the publisher too, or copy it.

    Not by an ordinary insert: it would travel to the publisher, meet the row there
    and stop apply there.
    """
    sent = statement_of_entry(table, conflict)
    if sent is None:
        said = " The entry does not tell the row's values."
    elif sent.startswith("--"):
        said = (
            " This is what the entry tells of the row: not all of it, so it is a"
            " comment."
        )
    else:
        said = (
            " This is the row as the update sent it; use it only where the publisher"
            " can't be asked. Columns that were not sent are not in it."
        )
    insert = sent or "-- the statement that the publisher printed"
    return [
        Step(
            "If the deletion was meant: delete the row on the publisher. If the row"
            " should be here: have the publisher print the statement that inserts its"
            " row, all of it and as it is now.",
            [statement_of_publisher(table, key)],
        ),
        Step(
            f"Run that on node {conflict.node} as superuser, under an origin: an"
            " ordinary insert would travel to the publisher, meet the row there and"
            f" stop apply there.{said}",
            _under_origin([insert]),
        ),
    ]


def _table(conflict: StoredConflict) -> str | None:
    """The quoted name, if it is certain."""
    if conflict.schemaname is None or conflict.relname is None:
        return None
    return identifier(conflict.schemaname, conflict.relname)


def _local_keys(conflict: StoredConflict) -> list[Values]:
    keys: list[Values] = []
    for local in conflict.local_conflicts:
        key = _of_columns(local.key, conflict, local)
        if key and key not in keys:
            keys.append(key)
    return keys


def _row_key(conflict: StoredConflict) -> Values | None:
    whole = {
        name: value
        for name, value in (conflict.replica_identity or {}).items()
        if name not in conflict.truncated_columns
    }
    if whole:
        return whole
    keys = _local_keys(conflict)
    return keys[0] if keys else None


def _of_columns(
    key: Values | None, conflict: StoredConflict, local: LocalConflict
) -> Values | None:
    """The key, unless one of its parts is an expression of the index."""
    columns: Mapping[str, object] = local.tuple or conflict.remote_tuple or {}
    for name in key or ():
        if name not in columns and "(" in name:
            return None
    return key


def _unknown(conflict: StoredConflict) -> str:
    table = conflict.table or "unknown"
    key = conflict.key or "not logged"
    return (
        "No statement can be made without guessing: the table or the key is not known"
        f" for certain. As logged: table {table}, key {key}."
    )
