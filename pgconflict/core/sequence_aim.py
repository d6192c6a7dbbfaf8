"""Where one sequence of a target must stand, and what is to be said of the place.

The furthest of: what the source has given out plus the margin, what the target has
given out, what the target's column holds; then the first value from there on that the
target could have reached itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.core.sequence_policy import Policy, Reason
from pgconflict.core.sequence_position import Moved, at, position_beyond, reaches

if TYPE_CHECKING:
    from pgconflict.core.sequence import SequenceState


def furthest(
    source: SequenceState,
    target: SequenceState,
    shape: SequenceState,
    policy: Policy,
    column_value: int | None,
) -> tuple[Moved | None, Reason, str | None] | None:
    """Return where the target must be, why, and a note; None: it is there already.

    The position is None when its bounds have no such place; the note says so then.
    The reason is then MARGIN if it is only the margin that has no place.
    """
    # What it has given out binds the target, but for two cases: it was named for
    # going back, or a new definition turns it round.
    free = target.name in policy.allow_backwards or shape.direction != target.direction
    stays = not free and shape.increment == target.increment
    aims = _aims(source, target, policy, column_value, free=free, stays=stays)
    if aims is None:
        return None
    far, ideal, least, reason = aims
    short = no_room(ideal, shape)
    for note, aim in ((None, far), (None, ideal), (short, least)):
        moved = position_beyond(source, shape, aim)
        if moved is None:
            continue
        then = at(shape, *moved)
        ahead = (then.used - target.used) * shape.direction
        if moved == (target.last_value, target.is_called) or (stays and ahead <= 0):
            # It has passed the source, but not by the margin.
            return (None, Reason.MARGIN, note) if note is not None else None
        if free or reaches(then, target.used):
            return moved, reason, note
    if reason is not Reason.MARGIN:
        return None, reason, _outside(least, shape)
    if least == target.used:
        return None, reason, short
    return None, Reason.COLUMN, _outside(least, shape)


def _aims(
    source: SequenceState,
    target: SequenceState,
    policy: Policy,
    column_value: int | None,
    *,
    free: bool,
    stays: bool,
) -> tuple[int, int, int, Reason] | None:
    """Return what to get beyond: with a stride, with the margin, without; and why."""
    direction = source.direction
    distance = policy.distance(source) * direction
    far, ideal, least = [], [], []
    reason = Reason.BACKWARDS if free else Reason.BEHIND
    if not (stays and reaches(target, source.used + distance)):
        if stays and reaches(target, source.used):
            reason = Reason.MARGIN
        far.append(source.used + distance * policy.stride)
        ideal.append(source.used + distance)
        least.append(source.used)
    if column_value is not None and not (stays and reaches(target, column_value)):
        if all((column_value - aim) * direction > 0 for aim in far):
            reason = Reason.COLUMN
        for aims in (far, ideal, least):
            aims.append(column_value)
    if not least:
        return None
    if not free:
        for aims in (far, ideal, least):
            aims.append(target.used)
    choose = max if direction > 0 else min
    return choose(far), choose(ideal), choose(least), reason


def kept(
    shape: SequenceState, target: SequenceState
) -> tuple[Moved | None, Reason, str | None]:
    """Return the target's own position, if the new definition can hold it."""
    assert target.last_value is not None  # noqa: S101  # who plans has looked
    if shape.minimum <= target.last_value <= shape.maximum:
        return (target.last_value, target.is_called), Reason.DEFINITION, None
    return None, Reason.DEFINITION, _outside(target.last_value, shape)


def no_room(aim: int, shape: SequenceState) -> str:
    """Say that the margin does not fit, and what would make it fit."""
    end = "MAXVALUE" if shape.direction > 0 else "MINVALUE"
    return (
        f"the margin would reach {aim}, beyond its {end} {shape.bound}: a smaller"
        f" --margin, or ALTER SEQUENCE ... {end} on both nodes"
    )


def _outside(value: int, shape: SequenceState) -> str:
    return f"{value} is not between {shape.minimum} and {shape.maximum}"
