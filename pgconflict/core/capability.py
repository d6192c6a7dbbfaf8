"""What each PostgreSQL major version can do: the one table of differences.

No other module compares a version number; a test looks. A server newer than the
table is taken for the newest one known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_APPLY_18 = frozenset(
    {
        "insert_exists",
        "update_origin_differs",
        "update_exists",
        "update_missing",
        "delete_origin_differs",
        "delete_missing",
        "multiple_unique_conflicts",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One major version's row."""

    major: int

    conflict_message: bool
    """The log says "conflict detected on relation" (seen from 18.4 on)."""

    counted_types: frozenset[str]
    """Types with a confl_ column in pg_stat_subscription_stats."""

    debug1_missing_rows: bool
    """Missing rows are logged at DEBUG1 only (15-17), not at all from 18 on."""

    origin_option: bool
    """CREATE SUBSCRIPTION ... origin = none: two-way replication without loops."""

    parallel_apply: bool
    """streaming = parallel exists."""

    sequence_sync: bool
    """FOR ALL SEQUENCES and REFRESH SEQUENCES, from a publisher that has it too."""

    sequence_data_function: bool
    """pg_get_sequence_data() reads many sequences without keeping their locks."""

    retain_dead_tuples: bool
    """update_deleted can be told from update_missing."""

    skip_by_owner: bool
    """The owner may skip a transaction; before, superusers only."""

    upgraded_with_slots: bool
    """pg_upgrade from it keeps logical slots and the state of subscriptions."""

    not_null_inherited: bool
    """A child table has the NOT NULL constraints of its parents, or is refused."""

    statistics_upgraded: bool
    """pg_upgrade to it keeps the planner's statistics."""

    large_objects_upgraded_at_once: bool
    """pg_upgrade to it moves large objects as a file, not one by one."""

    slots_upgraded_at: frozenset[str]
    """Values of the new cluster's wal_level with which pg_upgrade takes slots along."""

    checksums_by_default: bool
    """initdb makes a cluster with data checksums unless told otherwise."""

    origins_setting: str
    """The setting that limits how many replication origins are in use."""


CAPABILITIES: Final = {
    15: Capability(
        major=15,
        conflict_message=False,
        counted_types=frozenset(),
        debug1_missing_rows=True,
        origin_option=False,
        parallel_apply=False,
        sequence_sync=False,
        sequence_data_function=False,
        retain_dead_tuples=False,
        skip_by_owner=False,
        upgraded_with_slots=False,
        not_null_inherited=False,
        statistics_upgraded=False,
        checksums_by_default=False,
        origins_setting="max_replication_slots",
        large_objects_upgraded_at_once=False,
        slots_upgraded_at=frozenset(),
    ),
    16: Capability(
        major=16,
        conflict_message=False,
        counted_types=frozenset(),
        debug1_missing_rows=True,
        origin_option=True,
        parallel_apply=True,
        sequence_sync=False,
        sequence_data_function=False,
        retain_dead_tuples=False,
        skip_by_owner=True,
        upgraded_with_slots=False,
        not_null_inherited=False,
        statistics_upgraded=False,
        checksums_by_default=False,
        origins_setting="max_replication_slots",
        large_objects_upgraded_at_once=False,
        slots_upgraded_at=frozenset(),
    ),
    17: Capability(
        major=17,
        conflict_message=False,
        counted_types=frozenset(),
        debug1_missing_rows=True,
        origin_option=True,
        parallel_apply=True,
        sequence_sync=False,
        sequence_data_function=False,
        retain_dead_tuples=False,
        skip_by_owner=True,
        upgraded_with_slots=True,
        not_null_inherited=False,
        statistics_upgraded=False,
        checksums_by_default=False,
        origins_setting="max_replication_slots",
        large_objects_upgraded_at_once=False,
        slots_upgraded_at=frozenset({"logical"}),
    ),
    18: Capability(
        major=18,
        conflict_message=True,
        counted_types=_APPLY_18,
        debug1_missing_rows=False,
        origin_option=True,
        parallel_apply=True,
        sequence_sync=False,
        sequence_data_function=True,
        retain_dead_tuples=False,
        skip_by_owner=True,
        upgraded_with_slots=True,
        not_null_inherited=True,
        statistics_upgraded=True,
        checksums_by_default=True,
        origins_setting="max_active_replication_origins",
        large_objects_upgraded_at_once=False,
        slots_upgraded_at=frozenset({"logical"}),
    ),
    19: Capability(
        major=19,
        conflict_message=True,
        counted_types=_APPLY_18 | {"update_deleted"},
        debug1_missing_rows=False,
        origin_option=True,
        parallel_apply=True,
        sequence_sync=True,
        sequence_data_function=True,
        retain_dead_tuples=True,
        skip_by_owner=True,
        upgraded_with_slots=True,
        not_null_inherited=True,
        statistics_upgraded=True,
        checksums_by_default=True,
        origins_setting="max_active_replication_origins",
        large_objects_upgraded_at_once=True,
        slots_upgraded_at=frozenset({"replica", "logical"}),
    ),
}

OLDEST: Final = min(CAPABILITIES)
NEWEST: Final = max(CAPABILITIES)


KEEP_SIZE_REFUSED: Final = range(170000, 170006)
"""Versions that, as started by pg_upgrade, refuse any max_slot_wal_keep_size but -1.

Seen: 17.5 does not start ("must be set to -1 during binary upgrade mode"), 17.6 does.
"""


def capability(major: int) -> Capability:
    """The row of this major version; of the newest known for a newer server.

    Raises:
        LookupError: older than PostgreSQL 15.
    """
    if major < OLDEST:
        raise LookupError(
            f"PostgreSQL {major} is not supported; {OLDEST} is the oldest that is"
        )
    return CAPABILITIES[min(major, NEWEST)]
