"""After a synchronisation: is every next value of the target a new one?

Nothing here trusts the plan or what the server said to a change. It compares what
both nodes say when they are asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pgconflict.core.sequence import SequenceName, SequenceState, same_definition
from pgconflict.core.sequence_change import Outcome, Result
from pgconflict.core.sequence_plan import Blocked, Obstacle, Plan
from pgconflict.core.sequence_position import not_proved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Line(msgspec.Struct, frozen=True, gc=False):
    """One sequence: what was, what was done, what is, and whether that is proved."""

    name: SequenceName
    source: SequenceState | None
    """Read again with the target; None: it is gone."""

    before: SequenceState | None
    after: SequenceState | None
    column_value: int | None
    reason: str
    """Why it was moved or was not: `unchanged`, or words for people."""

    moved: bool
    blocked: bool
    """Something kept it from being what was asked for."""

    unreadable: bool
    doubt: str | None
    """Why it is not proved; None: it is."""

    @property
    def proved(self) -> bool:
        """Whether the target's next values are new ones."""
        return self.doubt is None


class Proof(msgspec.Struct, frozen=True):
    """All sequences of a source, by name."""

    lines: tuple[Line, ...]

    @property
    def moved(self) -> int:
        """How many were moved."""
        return sum(line.moved for line in self.lines)

    @property
    def doubts(self) -> list[Line]:
        """Those that are not proved."""
        return [line for line in self.lines if line.doubt is not None]

    @property
    def blocked(self) -> list[Line]:
        """Those that something kept from being what was asked for."""
        return [line for line in self.lines if line.blocked]

    @property
    def unreadable(self) -> list[Line]:
        """Those that our role may not read or move."""
        return [line for line in self.lines if line.unreadable]


def prove(
    plan: Plan,
    results: Iterable[Result],
    *,
    before: Mapping[SequenceName, SequenceState],
    sources: Mapping[SequenceName, SequenceState],
    targets: Mapping[SequenceName, SequenceState],
    column_values: Mapping[SequenceName, int] | None = None,
) -> Proof:
    """Compare two nodes that were read again.

    Args:
        plan: What was to be done.
        results: What was done of it.
        before: The target when the plan was made.
        sources: The source, read again after the changes.
        targets: The target, read at the same time.
        column_values: The target's columns, asked after the changes.
    """
    columns = column_values or {}
    planned = {one.name: one for one in plan.advances}
    done = {result.change.name: result for result in results}
    obstacles = {one.name: one for one in plan.blocked}
    special = planned.keys() | obstacles.keys()
    gone = [name for name in (*planned, *obstacles) if name not in sources]
    lines = []
    for name in (*sources, *gone):
        source, target = sources.get(name), targets.get(name)
        if name not in special:
            # Nearly all of 100,000: the shorter, the sooner it is proved.
            value = columns.get(name)
            doubt = _doubt(source, target, value)
            lines.append(
                Line(
                    name,
                    source,
                    before.get(name),
                    target,
                    value,
                    "unchanged",
                    False,
                    False,
                    False,
                    doubt,
                )
            )
            continue
        advance, result = planned.get(name), done.get(name)
        obstacle = obstacles.get(name)
        reason, blocked = "unchanged", obstacle is not None
        if obstacle is not None:
            reason = f"{obstacle.obstacle}: {obstacle.detail}"
        elif advance is not None:
            reason = advance.reason.value
            if result is not None and not result.outcome.done:
                blocked = True
                reason = f"{result.outcome}: {result.detail or 'run it again'}"
            elif result is not None and result.detail:
                reason = f"{reason}; {result.detail}"
        lines.append(
            Line(
                name,
                source,
                before.get(name),
                target,
                columns.get(name),
                reason,
                result is not None and result.outcome is Outcome.SET,
                blocked,
                _unreadable(obstacle, result),
                _doubt(source, target, columns.get(name)),
            )
        )
    return Proof(tuple(lines))


def _unreadable(obstacle: Blocked | None, result: Result | None) -> bool:
    if obstacle is not None:
        return obstacle.obstacle is Obstacle.UNREADABLE
    return result is not None and result.outcome is Outcome.DENIED


def _doubt(
    source: SequenceState | None,
    target: SequenceState | None,
    column_value: int | None,
) -> str | None:
    if target is None:
        return "missing on the target"
    if source is None:
        return "gone from the source"
    if column_value is None and _is_beyond(source, target):
        return None
    if not same_definition(source, target) and source.increment != target.increment:
        return "the increments differ"
    return not_proved(source, target, column_value)


def _is_beyond(source: SequenceState, target: SequenceState) -> bool:
    """Whether the plain comparison proves it; asked 100,000 times a run."""
    last, present, step = source.last_value, target.last_value, source.increment
    if last is None or present is None or step != target.increment:
        return False
    lead = present if target.is_called else present - step
    lead -= last if source.is_called else last - step
    return (lead >= 0) if step > 0 else (lead <= 0)
