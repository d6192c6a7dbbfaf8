"""Which rows conflicts are about, by the keys that were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from pgconflict.core.conflict import Kind, Values
from pgconflict.core.evidence import Cause

if TYPE_CHECKING:
    from collections.abc import Container

    from pgconflict.conflict_log.stored import StoredConflict


class About(msgspec.Struct, frozen=True, kw_only=True):
    """A conflict of a row, as far as its effect depends on it."""

    conflict_id: int
    conflict_type: str | None
    stalls: bool
    status: str
    cause_known: Cause | None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One row, by the keys that it has or had, and the conflicts about it."""

    node: str
    names: tuple[str, str] | None
    keys: Sequence[Values]
    conflicts: Sequence[About]
    obstacle: str | None = None


def wanted_rows(conflicts: Sequence[StoredConflict]) -> list[Wanted]:
    """Return the rows that these conflicts are about, each once."""
    rows: dict[object, Wanted] = {}
    for conflict in conflicts:
        row = _wanted(conflict)
        keys = tuple(tuple(key.items()) for key in row.keys)
        place = (row.names, keys) if row.names else conflict.conflict_id
        known = rows.get(place)
        if known is not None:
            row = msgspec.structs.replace(
                known, conflicts=[*known.conflicts, *row.conflicts]
            )
        rows[place] = row
    return list(rows.values())


def _wanted(conflict: StoredConflict) -> Wanted:
    about = About(
        conflict_id=conflict.conflict_id,
        conflict_type=conflict.conflict_type,
        stalls=conflict.stalls,
        status=conflict.status,
        cause_known=Cause(conflict.cause) if conflict.cause else None,
    )
    names = (conflict.schemaname, conflict.relname)
    obstacle = None
    keys: list[Values] = []
    if conflict.kind not in (Kind.CONFLICT, Kind.DIFFERENCE) or None in names:
        obstacle = "the row is not known: no table or no conflict about a row"
    elif conflict.stalls and conflict.status in ("open", "disabled"):
        obstacle = (
            f"apply has stopped on it: `pgconflict conflicts repair"
            f" {conflict.conflict_id}`, without --winner, shows the ways out"
        )
    else:
        keys = _keys(conflict)
        if not keys:
            obstacle = (
                "the row's key is not recorded in full: `pgconflict conflicts verify"
                f" {conflict.table}` finds the row if it differs, by a number of its"
                " own that can be repaired"
            )
    return Wanted(
        node=conflict.node,
        names=None if obstacle else (names[0] or "", names[1] or ""),
        keys=keys,
        conflicts=[about],
        obstacle=obstacle,
    )


def _keys(conflict: StoredConflict) -> list[Values]:
    """What the change came by, and what it leaves the row with.

    Under REPLICA IDENTITY FULL it came by the whole row: what is certain of that, in
    which an index may find its key.
    """
    cut = set(conflict.truncated_columns)
    known = conflict.replica_identity
    if known is None:
        keys = [local.key for local in conflict.local_conflicts if local.key]
        known = keys[0] if len(keys) == 1 else None
    elif conflict.replica_identity_full:
        known = {
            name: value
            for name, value in known.items()
            if value not in (None, "null") and not _is_cut(name, value, cut)
        }
    if not known or None in known.values():
        return []
    new = conflict.remote_tuple or {}
    moved = {name: _new(conflict, known, name) for name in known if name in new}
    if all(known[name] == value for name, value in moved.items()):
        return [dict(known)]
    return [dict(known), moved]


def _new(conflict: StoredConflict, known: Values, column: str) -> str | None:
    """A column's new value; None: none, or not known."""
    value = (conflict.remote_tuple or {})[column]
    if value is None or (value == "null" and conflict.replica_identity_full):
        return None
    if not _is_cut(column, value, set(conflict.truncated_columns)):
        return value
    old = known[column]
    return old if old is not None and old.startswith(value[:-3]) else None


def _is_cut(column: str, value: str, cut: Container[str]) -> bool:
    """Whether a row was shown without the end of this value."""
    return column in cut and value.endswith("...")
