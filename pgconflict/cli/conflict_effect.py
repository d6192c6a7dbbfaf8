"""What a conflict did to the data, in plain words, and which write is lost."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from pgconflict.cli.conflict_access import utc
from pgconflict.core.conflict import Status
from pgconflict.core.evidence import Cause
from pgconflict.core.lost import Lost
from pgconflict.core.verdict import Effect, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgconflict.conflict_log.looks import Look
    from pgconflict.conflict_log.stored import StoredConflict
    from pgconflict.core.conflict import Values

_WHY_NOT: Final = {
    Reason.PEER_AWAY: "the other node could not be asked",
    Reason.NO_KEY: "the table has no unique index that both nodes have and whose"
    " columns were logged",
    Reason.HIDDEN: "row security hides rows from pgconflict's role, or"
    " conflict_log.row_data keeps no key",
    Reason.AMBIGUOUS: "the key that was logged is not whole or not in ISO style, or"
    " several rows have it",
    Reason.NO_PRIVILEGE: "pgconflict's role may not read the table (`pgconflict init"
    " --grants ROLE` prints what it needs)",
    Reason.NO_TABLE: "a node has no such table now",
    Reason.ROW_FILTER: "the nodes differ, and a row filter of a publication may be why",
    Reason.TYPES_DIFFER: "the nodes differ only in columns that have other types there",
    Reason.NOT_PUBLISHED: "the nodes differ, and a publication that leaves out inserts,"
    " updates or deletes may be why",
}
_STILL: Final = {
    Reason.APPLY_BEHIND: "apply has not brought everything yet that was written then",
    Reason.BUSY: "the row is written faster than it can be compared",
}


_AT_ONCE: Final = "The row was written on two nodes at once"


def what_it_did(conflict: StoredConflict, looks: Sequence[Look]) -> list[str]:
    """Paragraphs; none where nobody looked.

    Args:
        conflict: The conflict.
        looks: What looking at its row found, newest first.
    """
    if conflict.stalls and conflict.status in {Status.OPEN, Status.DISABLED}:
        told = (
            f"Apply of subscription {conflict.subname} on node {conflict.node} stands"
            " still on it: nothing that the publisher committed later is here."
        )
        return [told]
    if not looks:
        return []
    look = looks[0]
    match look.effect:
        case Effect.DIVERGED:
            said = _differs(look)
        case Effect.WRITE_LOST:
            said = [*_lost(conflict, looks), "Both nodes agree on the row"]
            if look.verdict != Verdict.CONVERGED:
                said.pop()
        case Effect.NONE:
            said = [_harmless(conflict, look)]
        case Effect.UNKNOWN:
            said = [_unknown(look)]
        case _:
            why = _words(_STILL, look.reason)
            said = ["It is still to be seen" + (f": {why}" if why else "")]
    said[-1] += f", as of {utc(conflict.verdict_at or look.looked_at)} UTC."
    return said


def _differs(look: Look) -> list[str]:
    nodes = " and ".join(f"node {name}" for name in look.row_values or {})
    between = f" between {nodes}" if nodes else ""
    said = [f"The row differs{between} now" + _in_columns(look)]
    if look.cause == Cause.CONCURRENT:
        said.insert(0, f"{_AT_ONCE}.")
    return [" ".join(said)]


def _in_columns(look: Look) -> str:
    if look.columns:
        return f", in {', '.join(look.columns)}"
    gone = [name for name, row in (look.row_values or {}).items() if row is None]
    return f": there is none on node {gone[0]}" if gone else ""


def _lost(conflict: StoredConflict, looks: Sequence[Look]) -> list[str]:
    """Which write is gone, with its values."""
    if conflict.stalls and conflict.status == Status.SKIPPED:
        return ["The transaction was skipped: all of its changes are lost on this node"]
    came, met = _incoming(conflict), _local(conflict)
    known = [look.evidence for look in looks if look.evidence]
    if repair := next((one for one in known if "repair" in one), None):
        kept = (
            f": node {repair['winner']}'s version stayed" if "winner" in repair else ""
        )
        return [
            f"{_AT_ONCE}: one write is {came}, the other {met}.",
            f"Repair {repair['repair']} made the row equal{kept}.",
        ]
    found = next((one["lost"] for one in known if "lost" in one), None)
    begun = f"{_AT_ONCE}, and one write is lost: "
    if found == Lost.INCOMING:
        return [f"{begun}{came}. It is in neither node."]
    if found == Lost.LOCAL:
        return [f"{begun}{met}. It is in neither node."]
    why = "What is there now is a later version, or their values are not kept."
    return [f"{begun}{came}, or {met}. {why}"]


def _incoming(conflict: StoredConflict) -> str:
    who = f"transaction {conflict.remote_xid}" if conflict.remote_xid else "the one"
    at = conflict.remote_commit_ts
    when = f", committed {utc(at)} UTC" if at else ""
    return f"that of {who} of the publisher{when}{_values(conflict.remote_tuple)}"


def _local(conflict: StoredConflict) -> str:
    local = conflict.local_conflicts[0] if conflict.local_conflicts else None
    if local is None:
        return f"what node {conflict.node} had done to the row before"
    who = f"transaction {local.xid}" if local.xid is not None else "the version"
    when = f", committed {local_time(local.commit_ts)}" if local.commit_ts else ""
    return f"that of {who} of node {conflict.node}{when}{_values(local.tuple)}"


def local_time(text: str) -> str:
    """A local version's commit time as other times are shown.

    >>> local_time("2026-11-20T11:59:00.123456+00:00")
    '2026-11-20 11:59:00.123 UTC'
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{utc(at)} UTC" if at.tzinfo else text


def _values(values: Values | None) -> str:
    if not values:
        return ""
    told = (f"{name}={'null' if v is None else v}" for name, v in values.items())
    return f" ({', '.join(told)})"


def _harmless(conflict: StoredConflict, look: Look) -> str:
    if look.cause == Cause.HAND_OVER:
        return (
            "Nothing: the row was written on one node after the other, and the later"
            " write had seen the earlier one"
        )
    if look.cause == Cause.CONCURRENT and conflict.operation == "DELETE":
        return "Nothing: both nodes deleted the row"
    if look.cause == Cause.CONCURRENT:
        return "Nothing: both nodes wrote the same values at once"
    if conflict.stalls:
        return "Nothing: it stopped apply, and its transaction was applied later"
    return "Nothing: the nodes agree on the row"


def _unknown(look: Look) -> str:
    why = (look.evidence or {}).get("reason")
    if look.verdict == Verdict.UNVERIFIABLE:
        reason = _words(_WHY_NOT, look.reason) or look.reason
        whether = "whether the nodes agree on it can't be found out"
        if look.cause == Cause.CONCURRENT:
            return f"{_AT_ONCE}; {whether}: {reason}"
        return f"{whether.capitalize().replace(' it ', ' the row ')}: {reason}"
    agree = "The nodes agree on the row; whether a write was lost can't be told"
    return f"{agree}: {why}" if why else agree


def _words(words: Mapping[Reason, str], reason: str | None) -> str | None:
    """What a reason means; None for one that came after this pgconflict."""
    return next((said for known, said in words.items() if known == reason), None)
