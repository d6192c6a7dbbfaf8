"""One thing that makes an upgrade or a switchover unsafe, or is worth knowing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pgconflict.server.checks.finding import Severity

__all__ = ["Finding", "Item", "Severity"]


class Item(StrEnum):
    """Everything looked at; the names are stable, and headings of docs/preflight.md."""

    NOT_LOOKED_AT = "not_looked_at"
    TARGET_VERSION = "target_version"
    SLOT_UNCONSUMED = "slot_unconsumed"
    SLOT_INVALID = "slot_invalid"
    SLOTS_LOST = "slots_lost"
    KEEP_SIZE = "keep_size"
    SUBSCRIPTIONS_LOST = "subscriptions_lost"
    COPIES_UNFINISHED = "copies_unfinished"
    ORIGIN_MISSING = "origin_missing"
    SKIP_LSN = "skip_lsn"
    APPLY_STOPPED = "apply_stopped"
    PREPARED_TRANSACTIONS = "prepared_transactions"
    NOT_NULL = "not_null"
    LARGE_OBJECTS = "large_objects"
    EXTENSIONS = "extensions"
    TARGET_SLOTS = "target_slots"
    TARGET_WAL_LEVEL = "target_wal_level"
    TARGET_ORIGINS = "target_origins"
    TARGET_PLUGINS = "target_plugins"
    TARGET_WORKERS = "target_workers"
    TARGET_COMMIT_TIMESTAMPS = "target_commit_timestamps"
    CHECKSUMS = "checksums"
    COMMIT_TIMESTAMPS = "commit_timestamps"
    STATISTICS = "statistics"
    OPEN_CONFLICTS = "open_conflicts"
    UNACCOUNTED = "unaccounted"
    NOT_SUBSCRIBED = "not_subscribed"
    NOT_CAUGHT_UP = "not_caught_up"
    TABLES_MISSING = "tables_missing"
    TABLES_UNPUBLISHED = "tables_unpublished"
    SEQUENCES = "sequences"
    NOT_CARRIED = "not_carried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found; `remedy` are statements and commands to run as they stand."""

    node: str | None
    """None for the conflict log."""

    item: Item
    severity: Severity
    seen: str
    why: str
    remedy: tuple[str, ...] = ()
    database: str | None = None
    pg_upgrade_refuses: bool = False
    """Whether pg_upgrade --check of stopped servers stops at it, too."""

    @property
    def doc(self) -> str:
        """Where the documentation speaks of it."""
        return f"docs/preflight.md#{self.item}"

    @property
    def counts(self) -> bool:
        """Whether it is more than worth knowing."""
        return self.severity is not Severity.NOTICE
