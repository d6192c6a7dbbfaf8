"""Entries as JSON lines: the destination `log`, for journald and log shippers.

A line is one log entry of a server, so a retry is a line of its own: who stores
nothing can't tell a retry from a new conflict. A line may come twice when the
conflict log could not be written in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pgconflict.conflict_log.rows import COLUMNS, row_of
from pgconflict.core.fields import SCAN_FIELDS
from pgconflict.core.lsn import format_lsn

if TYPE_CHECKING:
    from datetime import datetime

    from pgconflict.conflict_log.entry import Node, Recorded


def json_line(node: Node, recorded: Recorded, now: datetime) -> bytes:
    """One entry as a JSON object with the fields of the conflict log, and a newline."""
    row = dict(zip(COLUMNS, row_of(node, recorded), strict=True))
    lsn = recorded.conflict.remote_commit_lsn
    row |= {
        "remote_commit_lsn": None if lsn is None else format_lsn(lsn),
        "replica_identity": recorded.resolution.replica_identity,
        "remote_tuple": recorded.resolution.remote_tuple,
        "local_conflicts": recorded.resolution.local_conflicts
        or recorded.conflict.local_conflicts,
        "attempts": 1,
        "ingested_at": now,
    }
    ordered = {name: row.get(name) for name in SCAN_FIELDS}
    return msgspec.json.encode(ordered) + b"\n"
