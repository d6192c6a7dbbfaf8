"""After a synchronisation: is every next value of the target a new one?

Nothing here trusts the plan or what the server said to a change. It compares what
both nodes say when they are asked again.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.sequence import SequenceName, SequenceState, same_definition
from pgconflict.core.sequence_change import Outcome, Result
from pgconflict.core.sequence_plan import Obstacle, Plan
from pgconflict.core.sequence_position import not_proved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pgconflict.core.sequence_plan import Advance

_Told = tuple[str, bool, bool, bool]
_UNCHANGED: Final = ("unchanged", False, False, False)
"""`reason`, `moved`, `blocked` and `unreadable` of a line, in this order."""


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
    told: dict[SequenceName, _Told] = {
        one.name: (
            f"{one.obstacle}: {one.detail}",
            False,
            True,
            one.obstacle is Obstacle.UNREADABLE,
        )
        for one in plan.blocked
    }
    done = {result.change.before.name: result for result in results}
    for advance in plan.advances:
        name = advance.target.name
        told[name] = _told(advance, done.get(name))
    gone = [name for name in told if name not in sources]
    # Without a function of our own for each: 100,000 times a run.
    return Proof(
        tuple(
            Line(
                name,
                source := sources.get(name),
                before.get(name),
                target := targets.get(name),
                value := columns.get(name),
                *told.get(name, _UNCHANGED),
                _doubt(source, target, value),
            )
            for name in chain(sources, gone)
        )
    )


def _told(advance: Advance, result: Result | None) -> _Told:
    reason = advance.reason.value
    if advance.note is not None:
        reason = f"{reason}; {advance.note}"
    short = advance.note is not None
    if result is None:
        return reason, False, short, False
    outcome = result.outcome
    if outcome is Outcome.SET or outcome is Outcome.AHEAD:
        if result.detail:
            reason = f"{reason}; {result.detail}"
        return reason, outcome is Outcome.SET, short, False
    reason = f"{outcome}: {result.detail or 'run it again'}"
    return reason, False, True, outcome is Outcome.DENIED


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
