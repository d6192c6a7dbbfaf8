"""One change to one sequence, and what became of it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pgconflict.core.sequence import (
    SequenceColumn,
    SequenceName,
    SequenceState,
    same_definition,
)


class Change(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Where a sequence is to stand, and what must still be true of it then."""

    before: SequenceState
    """As it was when the change was planned."""

    last_value: int
    is_called: bool
    backwards: bool = False
    """It may move against its direction."""

    definition: SequenceState | None = None
    """The definition to give it; its position counts for nothing."""

    frontier: int | None = None
    """Refuse if it has given out a value beyond this one by now."""

    stays: bool = False
    """With `definition`: its position is its own affair."""

    create: bool = False
    column: SequenceColumn | None = None
    """With `create`: the column that is to own it, if the node has that."""

    @property
    def name(self) -> SequenceName:
        """Schema and name."""
        return self.before.name

    @property
    def light(self) -> bool:
        """Whether to lock, compare and set is all there is to do.

        Sessions that have values reserved (cache) keep them through setval(): only a
        rewrite of the sequence makes them drop those. Measured on 15 to 19.
        """
        return not (
            self.definition or self.backwards or self.create or self.before.cache > 1
        )


class Outcome(StrEnum):
    """What became of a change."""

    SET = "set"
    AHEAD = "ahead"
    """It had moved as far by itself."""

    CHANGED = "changed"
    OVERTAKEN = "overtaken"
    BUSY = "busy"
    DENIED = "denied"
    GONE = "gone"
    FAILED = "failed"

    @property
    def done(self) -> bool:
        """Whether the sequence is where it should be."""
        return self is Outcome.SET or self is Outcome.AHEAD


class Result(msgspec.Struct, frozen=True, gc=False):
    """A change and its outcome."""

    change: Change
    outcome: Outcome
    detail: str | None = None


def verdict(change: Change, now: SequenceState) -> Outcome:
    """Say what to do with a sequence whose lock is held; SET: go on.

    Args:
        change: What was planned.
        now: The sequence under its lock.
    """
    before = change.before
    if not same_definition(before, now) or before.cache != now.cache:
        return Outcome.CHANGED
    direction = before.direction
    if change.frontier is not None and (now.used - change.frontier) * direction > 0:
        return Outcome.OVERTAKEN
    shape = change.definition or before
    turned = shape.direction != direction
    if change.backwards or turned or change.frontier is not None:
        return Outcome.SET
    step = shape.increment
    following = change.last_value + (step if change.is_called else 0)
    if change.definition is None:
        behind = (following - now.used - step) * direction > 0
        return Outcome.SET if behind else Outcome.AHEAD
    # It was planned for the position that was seen; it may have passed that.
    beyond = (following - now.used) * direction > 0
    return Outcome.SET if beyond else Outcome.CHANGED
