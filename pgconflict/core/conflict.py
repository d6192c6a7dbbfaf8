"""What a server said about one conflict or apply error, and the words for it.

The field names are the conflict log's columns (and PostgreSQL 20's, where those
exist). `None` means that the server did not say. Nothing here knows where an entry
was read from or where it goes.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Literal

import msgspec


class Kind(StrEnum):
    """What sort of trouble an entry reports."""

    CONFLICT = "conflict"
    APPLY_ERROR = "apply_error"
    SYNC_ERROR = "sync_error"
    DIFFERENCE = "difference"
    """Of no log entry: two nodes differ in a row, found by looking."""


class ConflictType(StrEnum):
    """PostgreSQL's own names. Source: conflict.c, ConflictTypeNames, 18 and 19."""

    INSERT_EXISTS = "insert_exists"
    UPDATE_ORIGIN_DIFFERS = "update_origin_differs"
    UPDATE_EXISTS = "update_exists"
    UPDATE_MISSING = "update_missing"
    DELETE_ORIGIN_DIFFERS = "delete_origin_differs"
    DELETE_MISSING = "delete_missing"
    MULTIPLE_UNIQUE_CONFLICTS = "multiple_unique_conflicts"
    UPDATE_DELETED = "update_deleted"  # since 19


class Status(StrEnum):
    """Where an entry's story stands."""

    OPEN = "open"
    APPLIED = "applied"
    SKIPPED = "skipped"
    DISABLED = "disabled"


class Source(StrEnum):
    """Where an entry was read."""

    JSONLOG = "jsonlog"
    CSVLOG = "csvlog"
    STDERR = "stderr"
    NATIVE = "native"
    VERIFY = "verify"


OriginKind = Literal["local", "origin", "gone"]
Values = dict[str, str | None]


class LocalConflict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """One local row that stood in the way.

    `commit_ts` is the server's text made ISO 8601 with its numeric zone: its
    microseconds and zone are kept as printed.
    """

    xid: int | None = None
    commit_ts: str | None = None
    origin: str | None = None
    origin_kind: OriginKind | None = None
    index: str | None = None
    key: Values | None = None
    tuple: Values | None = None
    key_text: str | None = None
    tuple_text: str | None = None


class Conflict(msgspec.Struct, frozen=True, gc=False):
    """One log entry about a conflict or apply error, as one attempt logged it.

    Two entries with equal `identity` are the same conflict (the contract's rule,
    without the place among equals, which only the conflict log can count). Two with
    equal `session_id` and `line_num` are the same entry, whatever file or format
    they were read from; (`log_time`, `pid`) helps where stderr has neither.

    Fields are given by name, but for `quick`, which makes 250,000 a second: each
    name costs it 25 ns.
    """

    kind: Kind
    conflict_type: str | None
    severity: str  # English: LOG, ERROR; DEBUG is kept as DEBUG
    sqlstate: str | None
    stalls: bool
    subid: int | None  # from the origin's name, pg_<subid> or pg_<subid>_<relid>
    subname: str | None  # from the worker's own start message, else None
    relation: str | None  # as logged: schema.table, raw, or the bare table name
    schemaname: str | None  # None until certain
    relname: str | None  # None until certain
    operation: str | None
    index_names: tuple[str, ...]
    remote_origin: str | None
    remote_xid: int | None
    remote_commit_lsn: int | None
    replica_identity_full: bool | None
    replica_identity_text: str | None
    remote_tuple_text: str | None
    local_conflicts: tuple[LocalConflict, ...]
    message: str
    detail: str | None
    context: str | None
    log_time: datetime  # aware
    source: Source
    pid: int | None
    session_id: str
    line_num: int
    identity: bytes  # 16 bytes


def identity_of(
    *,
    kind: str,
    origin: str,
    remote_xid: int | None,
    conflict_type: str,
    relation: str,
    key: str,
) -> bytes:
    """16 bytes that are equal for entries about the same conflict.

    The system identifier is not in it (a log does not name it) and neither is the
    finish LSN (parallel apply learns it later): the conflict log keeps both beside
    it. For entries without a remote transaction the caller puts the UTC day in
    `key`, so that one outage is one row a day and not one row for ever.
    """
    begin = identity_begin(
        kind=kind,
        origin=origin,
        remote_xid=remote_xid,
        conflict_type=conflict_type,
        relation=relation,
    )
    return identity_with(begin, key)


def identity_begin(
    *,
    kind: str,
    origin: str,
    remote_xid: int | None,
    conflict_type: str,
    relation: str,
) -> bytes:
    """What the identities of a transaction's entries have in common but the key."""
    parts = (kind, origin, str(remote_xid), conflict_type, relation, "")
    return "\0".join(parts).encode("utf-8", "surrogatepass")


def identity_with(begin: bytes, key: str) -> bytes:
    """The identity, 16 bytes, from `identity_begin` and the key."""
    joined = begin + key.encode("utf-8", "surrogatepass")
    return blake2b(joined, digest_size=16).digest()


class WorkerStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A worker said which subscription it serves: the only link from its pid."""

    log_time: datetime
    pid: int | None
    session_id: str
    subname: str
    worker: Literal["apply", "parallel apply", "table sync", "sequence sync"]
    relname: str | None = None  # table sync: the unqualified table


class FinishLsn(msgspec.Struct, frozen=True, kw_only=True):
    """The leader told the finish LSN of a transaction a parallel worker applied."""

    log_time: datetime
    remote_origin: str
    remote_xid: int
    remote_commit_lsn: int


class StoryEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A worker message that changes the status of a conflict that stopped apply.

    `disabled`: the subscription was disabled because of an error. `skip_started`,
    `skip_finished`: ALTER SUBSCRIPTION SKIP at work on the transaction at `lsn`.
    `skip_cleared`: the skip LSN was reset without having been met.
    """

    what: Literal["disabled", "skip_started", "skip_finished", "skip_cleared"]
    log_time: datetime
    subname: str | None
    lsn: int | None
    pid: int | None


Entry = Conflict | WorkerStarted | FinishLsn | StoryEvent
