"""One folded conflict as `scan --json` shows it: nothing that a log can't know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pgconflict.core.fields import SCAN_FIELDS
from pgconflict.core.lsn import format_lsn
from pgconflict.core.recognise import UNDATED
from pgconflict.core.row_text import split_key

if TYPE_CHECKING:
    from datetime import datetime

    from pgconflict.core.fold import Folded


def scan_record(folded: Folded, tables: set[str]) -> dict[str, Any]:
    """Field -> value, in the contract's order.

    `tables`: bare names of tables that the subscription is known to copy; they tell
    where a relation with several dots is to be cut, if only one of them fits.
    """
    conflict = folded.conflict
    lsn = folded.remote_commit_lsn
    schemaname, relname = conflict.schemaname, conflict.relname
    if relname is None and conflict.relation is not None:
        schemaname, relname = _resolved(conflict.relation, tables)
    known = msgspec.structs.asdict(conflict) | {
        "subname": folded.subname,
        "schemaname": schemaname,
        "relname": relname,
        "remote_commit_lsn": None if lsn is None else format_lsn(lsn),
        "replica_identity": None
        if conflict.replica_identity_full
        else split_key(conflict.replica_identity_text),
        "local_conflicts": [
            msgspec.structs.replace(local, key=split_key(local.key_text))
            for local in conflict.local_conflicts
        ],
        "attempts": folded.attempts,
        "first_logged_at": _dated(folded.first_logged_at),
        "last_logged_at": _dated(folded.last_logged_at),
        "status": folded.status,
        "status_at": _dated(folded.status_at),
        "truncated_columns": [],
    }
    return {name: known.get(name) for name in SCAN_FIELDS}


def _dated(time: datetime) -> datetime | None:
    return None if time == UNDATED else time


def _resolved(relation: str, tables: set[str]) -> tuple[str | None, str | None]:
    found = [
        (relation[:at], relation[at + 1 :])
        for at, letter in enumerate(relation)
        if letter == "." and at and relation[at + 1 :] in tables
    ]
    return found[0] if len(found) == 1 else (None, None)
