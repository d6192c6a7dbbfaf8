"""All of it together, the worst first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pgconflict.server.preflight import (
    carried,
    contents,
    kept,
    recorded,
    slots,
    subscriptions,
    target,
)
from pgconflict.server.preflight.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pgconflict.core.capability import Capability
    from pgconflict.core.sequence_plan import Plan
    from pgconflict.server.preflight.facts import ClusterFacts
    from pgconflict.server.preflight.recorded import Recorded
    from pgconflict.server.subscriptions.facts import Subscription

_ORDER: Final = list(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """How the new node gets what the old one writes."""

    subscriptions: Sequence[Subscription]
    databases: Sequence[tuple[str, str]]
    """Pairs of databases, of the old and of the new node."""

    sequences: Mapping[str, Plan]
    """What would move, by database of the new node."""


def upgrade(
    old: ClusterFacts,
    new: ClusterFacts | None,
    to: Capability,
    known: Sequence[Recorded],
) -> list[Finding]:
    """Return what stands against pg_upgrade of `old` to `new`, or to a version."""
    found: list[Finding] = [
        *contents.unreachable(old),
        *slots.judge(old),
        *subscriptions.judge(old, upgrade=True),
        *contents.prepared(old, upgrade=True),
        *contents.not_null(old, to),
        *contents.large_objects(old, to),
        *kept.judge(old, to),
        *_recorded(known),
    ]
    if new is not None:
        found += target.judge(old, new)
    return _sorted(found)


def switchover(
    old: ClusterFacts, new: ClusterFacts, path: Path, known: Sequence[Recorded]
) -> list[Finding]:
    """Return what stands against letting `new` take over from `old`."""
    found: list[Finding] = [
        *contents.unreachable(old),
        *contents.unreachable(new),
        *carried.subscribed(old, new, path.subscriptions),
        *(each for each in slots.judge(old) if each.item in _OF_BOTH),
        *subscriptions.judge(old, upgrade=False),
        *subscriptions.judge(new, upgrade=False),
        *contents.prepared(old, upgrade=False),
        *contents.prepared(new, upgrade=False),
        *contents.extensions(old, new),
        *carried.tables(old, new, path.databases),
        *carried.objects(old, new, path.databases),
        *target.workers(old, new),
        *target.commit_timestamps(old, new),
        *_recorded(known),
    ]
    for database, plan in path.sequences.items():
        found += carried.sequences(old, new, database, plan)
    return _sorted(found)


_OF_BOTH: Final = frozenset({"slot_invalid"})
"""Of the old server's slots: the rest is pg_upgrade's business."""


def _recorded(known: Sequence[Recorded]) -> Iterable[Finding]:
    return (finding for one in known for finding in recorded.judge(one))


def _sorted(found: Iterable[Finding]) -> list[Finding]:
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))
