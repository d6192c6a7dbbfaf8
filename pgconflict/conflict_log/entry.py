"""What the conflict log is given: entries with their names resolved, and a position.

The daemon's tail makes these; `writer` stores them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pgconflict.core.conflict import (
    Conflict,
    FinishLsn,
    LocalConflict,
    StoryEvent,
    Values,
)


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """The node whose log is recorded: the operator's name and the server's own."""

    name: str
    system_identifier: int


class Resolution(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the node's catalogs add to an entry; None where they could not say."""

    database: str | None = None
    subname: str | None = None
    relid: int | None = None
    schemaname: str | None = None
    relname: str | None = None
    replica_identity: Values | None = None
    remote_tuple: Values | None = None
    local_conflicts: tuple[LocalConflict, ...] = ()
    truncated_columns: tuple[str, ...] = ()
    remote_commit_ts: str | None = None  # ISO 8601 with a numeric zone


class Recorded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One log entry ready to be stored."""

    conflict: Conflict
    resolution: Resolution


class LogPosition(msgspec.Struct, frozen=True, kw_only=True):
    """How far a node's log has been read: everything before is in the conflict log.

    `signature` is a digest of the file's first `signature_length` bytes, so that
    a reused name or a truncated file is seen. `state` is the recogniser's.
    """

    log_format: str
    file_name: str
    signature: bytes
    signature_length: int
    byte_offset: int
    state: dict[str, object]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one transaction of the conflict log holds: rows and the new position."""

    entries: Sequence[Recorded] = ()
    finish_lsns: Sequence[FinishLsn] = ()
    events: Sequence[StoryEvent] = ()
    position: LogPosition | None = None


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch added: (subscription, kind, conflict type or '') -> number.

    `conflicts` are new rows, `attempts` entries not seen before (new rows included).
    """

    conflicts: dict[tuple[str, str, str], int]
    attempts: dict[tuple[str, str, str], int]
