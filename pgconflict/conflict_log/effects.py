"""What conflicts did to the data, in numbers: hours' counts, and what is one event."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from pgconflict.conflict_log import statements
from pgconflict.core.evidence import Cause
from pgconflict.core.verdict import Effect
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from pgconflict.conflict_log.filters import Filters
    from pgconflict.conflict_log.reader import ConflictLogReader

UNDECIDED = "undecided"


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """Each event is counted once, under the worst that it did.

    The order of the fields is that of `--json`.
    """

    hand_overs: int = 0
    """Conflicts: a hand-over is logged by one node."""

    harmless: int = 0
    """At once, and all the same: both deleted the row, or wrote the same."""

    writes_lost: int = 0
    rows_differing: int = 0
    """Rows of tables, however many conflicts are about one."""

    apply_stopped: int = 0
    unknown: int = 0
    undecided: int = 0
    events: int = 0
    """All of them; what is joined to nothing is one too."""

    joined_events: int = 0
    """Those that several conflicts are."""

    joined_conflicts: int = 0
    """The conflicts that these are."""


def effects(
    reader: ConflictLogReader, filters: Filters, conflicts: int
) -> Effects | None:
    """Return what conflicts did; None where nobody looked at any.

    Args:
        reader: Of the conflict log.
        filters: Of full hours, without status and key.
        conflicts: How many pass them, without errors that are no conflicts.
    """
    if not reader.fetch(query("effects_known"), ())[0][0]:
        return None
    values = filters.values()
    counted = reader.fetch(query("conflict_effects"), values[:8])
    joined = reader.fetch(
        statements.filtered("conflict_event_sums"), values, by_row=True
    )
    differing = reader.fetch(statements.filtered("conflict_rows_differing"), values)
    return summed(conflicts, counted, joined, differing[0][0])


def summed(
    conflicts: int,
    counted: Iterable[Sequence[Any]],
    joined: Iterable[Sequence[Any]],
    differing: int,
) -> Effects:
    """Put numbers together.

    Args:
        conflicts: All of them.
        counted: Cause, effect and conflicts of those that were looked at.
        joined: Effect, conflicts and events of those that are one event with others.
        differing: Rows of tables.

    >>> told = summed(9, [("hand_over", "none", 5), ("concurrent", "write_lost", 3)],
    ...               [("write_lost", 2, 0), ("write_lost", 0, 1)], 0)
    >>> told.hand_overs, told.writes_lost, told.undecided, told.events
    (5, 2, 1, 8)
    """
    of_effect: dict[str, int] = defaultdict(int)
    hand_overs = looked_at = joined_conflicts = joined_events = 0
    for cause, effect, number in counted:
        looked_at += number
        if effect == Effect.NONE and cause == Cause.HAND_OVER:
            hand_overs += number
        of_effect[effect or UNDECIDED] += number
    of_effect[UNDECIDED] += max(0, conflicts - looked_at)
    for effect, number, events in joined:
        of_effect[effect] += events - number
        joined_conflicts += number
        joined_events += events
    return Effects(
        hand_overs=hand_overs,
        harmless=of_effect[Effect.NONE] - hand_overs,
        writes_lost=of_effect[Effect.WRITE_LOST],
        rows_differing=differing,
        apply_stopped=of_effect[Effect.APPLY_STOPPED],
        unknown=of_effect[Effect.UNKNOWN],
        undecided=of_effect[UNDECIDED],
        events=conflicts - joined_conflicts + joined_events,
        joined_events=joined_events,
        joined_conflicts=joined_conflicts,
    )
