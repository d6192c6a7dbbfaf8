"""The fields of one conflict as scripts see them, in their order."""

from __future__ import annotations

from typing import Final

FIELDS: Final = (
    "conflict_id",
    "kind",
    "conflict_type",
    "severity",
    "sqlstate",
    "stalls",
    "node",
    "system_identifier",
    "database",
    "subid",
    "subname",
    "relid",
    "schemaname",
    "relname",
    "operation",
    "index_names",
    "remote_origin",
    "remote_xid",
    "remote_commit_lsn",
    "remote_commit_ts",
    "replica_identity_full",
    "replica_identity",
    "remote_tuple",
    "local_conflicts",
    "replica_identity_text",
    "remote_tuple_text",
    "message",
    "detail",
    "context",
    "attempts",
    "first_logged_at",
    "last_logged_at",
    "ingested_at",
    "source",
    "status",
    "status_at",
    "verdict",
    "verdict_at",
    "cause",
    "effect",
    "acknowledged_at",
    "acknowledged_by",
    "note",
    "relation",
    "truncated_columns",
)
"""What the conflict log and `conflicts ... --json` have. The last two are additions:
the relation as the server printed it, and the columns whose values it cut."""

SCAN_FIELDS: Final = FIELDS[1:]
"""What `scan --json` has: no number, for nothing was stored."""
