"""What happened in a conflict, in plain words: what PostgreSQL did with the change.

Source: Conflicts in the chapter on logical replication, and worker.c, 15 to 19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.cli.conflict_access import utc
from pgconflict.cli.conflict_effect import local_time
from pgconflict.core.conflict import ConflictType, Kind, Source, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.conflict_log.reader import Companion
    from pgconflict.conflict_log.stored import StoredConflict
    from pgconflict.core.conflict import LocalConflict

_DID: Final = {
    "INSERT": "inserted a row into",
    "UPDATE": "updated a row of",
    "DELETE": "deleted a row of",
    "TRUNCATE": "truncated",
}
_FULL: Final = (
    "The table has REPLICA IDENTITY FULL: a row counts as missing as soon as one of its"
    " columns differs here, so it may be here with other values."
)


def what_happened(
    conflict: StoredConflict, transaction: Sequence[Companion] = ()
) -> list[str]:
    """Paragraphs: the change, what was done with it, what became of it."""
    told = [_change(conflict), _done(conflict)]
    missing = conflict.conflict_type in {
        ConflictType.UPDATE_MISSING,
        ConflictType.DELETE_MISSING,
    }
    if missing and conflict.replica_identity_full:
        told.append(_FULL)
    told.append(_story(conflict) if conflict.stalls else _fate(transaction))
    if older_server(conflict):
        told.append(
            "This server reports no conflicts as such (PostgreSQL 18 and later do):"
            " what is known is what its error or debug message holds."
        )
    if conflict.acknowledged_at is not None:
        note = f": {conflict.note}" if conflict.note else "."
        at = utc(conflict.acknowledged_at)
        told.append(f"Acknowledged by {conflict.acknowledged_by} at {at} UTC{note}")
    return [paragraph for paragraph in told if paragraph]


def older_server(conflict: StoredConflict) -> bool:
    """Whether the entry is of a server without conflict reports (15 to 17).

    The type's word is in the message of the others, in every language.
    """
    return (
        conflict.conflict_type is not None
        and conflict.source != Source.NATIVE
        and conflict.conflict_type not in (conflict.message or "")
    )


def _change(conflict: StoredConflict) -> str:
    """Who changed what."""
    if conflict.kind == Kind.DIFFERENCE:
        return (
            f"`conflicts verify` compared {conflict.table} and found that a row is not"
            " the same on two nodes."
        )
    if conflict.kind == Kind.SYNC_ERROR:
        return "The initial copy of a table, or of sequences, failed on this node."
    did = _DID.get(conflict.operation or "", "changed")
    table = conflict.table or "a table whose name was not logged"
    if conflict.kind == Kind.APPLY_ERROR and conflict.relation is None:
        return "A remote transaction could not be applied on this node."
    return f"The publisher {did} {table}."


_STOPPED: Final = (
    "PostgreSQL applied nothing of the transaction and stopped: the apply worker ended"
    " with an error."
)
# What PostgreSQL did with the change; {holder} and {by} say whose the local row is.
_DONE: Final[dict[str, str]] = {
    ConflictType.INSERT_EXISTS: "A row with this key is here already{holder}. "
    + _STOPPED,
    ConflictType.UPDATE_EXISTS: "The updated row would have a key that another row has"
    " here{holder}. " + _STOPPED,
    ConflictType.MULTIPLE_UNIQUE_CONFLICTS: "The row would break several unique indexes"
    " at once ({number} local rows or keys are in the way). " + _STOPPED,
    ConflictType.UPDATE_ORIGIN_DIFFERS: "Here the row was last changed{by}. PostgreSQL"
    " applied the update all the same: the local version is overwritten, and nothing"
    " compared their times.",
    ConflictType.DELETE_ORIGIN_DIFFERS: "Here the row was last changed{by}. PostgreSQL"
    " deleted it all the same, with that change.",
    ConflictType.UPDATE_MISSING: "The row is not here. PostgreSQL dropped the update"
    " and went on: nothing was written, and the row is missing here unless somebody"
    " deleted it on purpose.",
    ConflictType.UPDATE_DELETED: "The row was deleted here shortly before{by}."
    " PostgreSQL dropped the update and went on: nothing was written.",
    ConflictType.DELETE_MISSING: "The row is not here. PostgreSQL dropped the deletion"
    " and went on: there was nothing to delete.",
}


def _done(conflict: StoredConflict) -> str:
    """What PostgreSQL did with the change."""
    form = _DONE.get(conflict.conflict_type or "")
    if form is None:
        return _other(conflict)
    return form.format(
        holder=_holder(conflict),
        by=_by(conflict),
        number=len(conflict.local_conflicts) or "several",
    )


def _other(conflict: StoredConflict) -> str:
    """What is no conflict, or one that came after this pgconflict."""
    if conflict.kind == Kind.DIFFERENCE:
        return f"What was found: {conflict.message}. No log entry tells why."
    said = f"{conflict.message} (SQLSTATE {conflict.sqlstate})"
    if conflict.kind == Kind.SYNC_ERROR:
        return f"The server said: {said}"
    if conflict.kind == Kind.APPLY_ERROR:
        return f"The apply worker ended with an error: {said}"
    if conflict.stalls:
        return f"The server calls it {conflict.conflict_type}. {_STOPPED}"
    return f"The server calls it {conflict.conflict_type} and went on after it."


def _holder(conflict: StoredConflict) -> str:
    """In which index, and whose row it is."""
    if not conflict.local_conflicts:
        names = ", ".join(conflict.index_names)
        return f", in unique index {names}" if names else ""
    local = conflict.local_conflicts[0]
    index = local.index or ", ".join(conflict.index_names)
    where = f", in unique index {index}" if index else ""
    who = _writer(local)
    return f"{where}, last changed{who}" if who else where


def _by(conflict: StoredConflict) -> str:
    return _writer(conflict.local_conflicts[0]) if conflict.local_conflicts else ""


def _writer(local: LocalConflict) -> str:
    """Who changed a local row, and when, as far as the server knows."""
    if local.origin_kind == "local":
        who = " by a session of this node"
    elif local.origin_kind == "gone":
        who = " by an origin that is gone (a table's initial copy has such a one)"
    elif local.origin is not None:
        who = f" by origin {local.origin}"
    else:
        who = ""
    xid = f" in transaction {local.xid}" if local.xid is not None else ""
    at = f" at {local_time(local.commit_ts)}" if local.commit_ts else ""
    return who + xid + at


def _story(conflict: StoredConflict) -> str:
    """What became of something that stopped apply."""
    at = utc(conflict.status_at)
    match conflict.status:
        case Status.APPLIED:
            return (
                f"It is over: the transaction was applied later (seen at {at} UTC),"
                " as what stood in its way was gone, or without this change"
                " (`conflicts repair --keep ours`)."
            )
        case Status.SKIPPED:
            return (
                f"It is over: the transaction was skipped (at {at} UTC). None of its"
                " changes is on this node, those without a conflict neither."
            )
        case Status.DISABLED:
            return (
                f"The subscription was disabled because of it (at {at} UTC): nothing"
                " is applied until it is enabled again."
            )
    if conflict.kind == Kind.SYNC_ERROR:
        return "The server tries again until it succeeds."
    return (
        "The worker is started again and fails again (every 5 s by default):"
        " nothing that the publisher sent after it arrives until this is solved."
    )


def _fate(transaction: Sequence[Companion]) -> str:
    """What became of the transaction of something that did not stop apply itself."""
    for other in transaction:
        if other.stalls and other.status == Status.SKIPPED:
            return (
                f"Its transaction was skipped because of conflict {other.conflict_id}:"
                " whatever it did to this row was undone."
            )
        if other.stalls and other.status in {Status.OPEN, Status.DISABLED}:
            return (
                f"Its transaction stopped at conflict {other.conflict_id}: whatever it"
                " did to this row is undone until that is solved."
            )
    return ""
