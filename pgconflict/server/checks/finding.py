"""One thing that is not as it should be, in words and statements."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pgconflict.server.statements import identifier

if TYPE_CHECKING:
    from collections.abc import Sequence


class Severity(StrEnum):
    """What a finding means: nothing works, something is not seen, worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


class Check(StrEnum):
    """Every check; the names are stable, and headings of docs/checks.md."""

    CONNECTION = "connection"
    SERVER_VERSION = "server_version"
    STANDBY = "standby"
    PRIVILEGE = "privilege"
    DATABASE_UNREAD = "database_unread"
    ROWS_UNREAD = "rows_unread"
    LOGGING_COLLECTOR = "logging_collector"
    LOG_DESTINATION = "log_destination"
    LOG_ACCESS = "log_access"
    LOG_RETENTION = "log_retention"
    LOG_MIN_MESSAGES = "log_min_messages"
    LOG_ERROR_VERBOSITY = "log_error_verbosity"
    LOG_LINE_PREFIX = "log_line_prefix"
    LC_MESSAGES = "lc_messages"
    MISSING_ROWS = "missing_rows"
    PASSWORD_LOGGED = "password_logged"  # noqa: S105 - a check's name
    UNSEEN_TYPES = "unseen_types"
    TRACK_COMMIT_TIMESTAMP = "track_commit_timestamp"
    TIMESTAMPS_SINCE = "timestamps_since"
    RETAIN_DEAD_TUPLES = "retain_dead_tuples"
    NO_SUBSCRIPTION = "no_subscription"
    OWNER_LOGIN = "owner_login"
    WAL_LEVEL = "wal_level"
    REPLICATION_SLOTS = "replication_slots"
    REPLICATION_ORIGINS = "replication_origins"
    WORKERS = "workers"
    KEEP_SIZE = "keep_size"
    IDLE_SLOT_TIMEOUT = "idle_slot_timeout"
    DISABLE_ON_ERROR = "disable_on_error"
    RUN_AS_OWNER = "run_as_owner"
    TWO_PHASE = "two_phase"
    STREAMING_PARALLEL = "streaming_parallel"
    COLUMNS_UNPUBLISHED = "columns_unpublished"
    GENERATED_PUBLISHED = "generated_published"
    ROW_FILTER = "row_filter"
    TRIGGER_FIRES = "trigger_fires"
    DEFERRABLE_UNIQUE = "deferrable_unique"
    REPLICA_IDENTITY = "replica_identity"
    VERSIONS_DIFFER = "versions_differ"
    CLOCK = "clock"
    ORIGIN_ANY = "origin_any"
    TABLE_MISSING = "table_missing"
    TABLE_UNSUBSCRIBED = "table_unsubscribed"
    DEFINITIONS_DIFFER = "definitions_differ"
    SEQUENCES_COLLIDE = "sequences_collide"
    CONFLICT_LOG = "conflict_log"
    UNACCOUNTED = "unaccounted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found; `remedy` are statements to run as they stand."""

    node: str | None
    """None for the conflict log."""

    check: Check
    severity: Severity
    seen: str
    why: str
    remedy: tuple[str, ...] = ()
    database: str | None = None
    """Where the remedy belongs; None: in any database, or in none."""

    @property
    def doc(self) -> str:
        """Where the documentation speaks of it."""
        return f"docs/checks.md#{self.check}"

    @property
    def counts(self) -> bool:
        """Whether it is more than worth knowing."""
        return self.severity is not Severity.NOTICE


def some_of(tables: Sequence[tuple[str, str]], most: int = 5) -> str:
    """Return the first tables by name, and how many more there are.

    >>> some_of([("s", "a"), ("s", "b"), ("s", "c")], most=2)
    '"s"."a", "s"."b" and 1 more'
    """
    names = ", ".join(identifier(*key) for key in tables[:most])
    more = len(tables) - most
    return f"{names} and {more} more" if more > 0 else names
