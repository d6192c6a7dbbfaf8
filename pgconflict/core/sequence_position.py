"""Positions of one sequence: whether it is beyond a value, where it would be."""

from __future__ import annotations

import msgspec

from pgconflict.core.sequence import SequenceState, step_up

Moved = tuple[int, bool]
"""last_value and is_called, as setval() takes them."""


def at(state: SequenceState, last_value: int, is_called: bool) -> SequenceState:  # noqa: FBT001  # as setval() has it
    """Return the state with another position."""
    return msgspec.structs.replace(state, last_value=last_value, is_called=is_called)


def reaches(state: SequenceState, value: int) -> bool:
    """Whether everything that it still gives out is beyond the value."""
    return (state.used + state.increment - value) * state.direction > 0


def position_beyond(
    source: SequenceState, shape: SequenceState, aim: int
) -> Moved | None:
    """Return the position whose next value, on the target's residue, is beyond."""
    assert source.last_value is not None  # noqa: S101  # plan_one has looked
    assert shape.last_value is not None  # noqa: S101
    anchor = shape.last_value
    if aim == source.used and (source.last_value - anchor) % shape.increment == 0:
        copied = source.last_value, source.is_called
        if shape.minimum <= copied[0] <= shape.maximum:
            return copied
    nearest = aim - shape.increment + shape.direction
    last = step_up(nearest, anchor=anchor, increment=shape.increment)
    if shape.minimum <= last <= shape.maximum:
        return last, True
    following = last + shape.increment
    if shape.minimum <= following <= shape.maximum:
        # Nothing was given out yet: `last` would be before the first value.
        return following, False
    if shape.cycle and shape.is_beyond_bound(last):
        # What comes after its end is its beginning, so it is put at its end.
        over = (last - shape.bound) * shape.direction
        end = last - -(-over // abs(shape.increment)) * shape.increment
        if shape.minimum <= end <= shape.maximum:
            return end, True
    return None


def not_proved(
    source: SequenceState, target: SequenceState, column_value: int | None = None
) -> str | None:
    """Say why the target's next values are not all beyond the source's past.

    None is the proof: whatever the target gives out from now on, the source has not
    given out when it was read, and the target's column does not hold it. A sequence
    that cycles is proved for its present round.
    """
    if source.last_value is None or target.last_value is None:
        return "unreadable"
    if source.direction != target.direction:
        return "the directions differ"
    following = target.next_value
    if following is None:
        return None  # it gives out nothing at all
    if not reaches(target, source.used):
        gone = source.used
        return f"the next value is {following}, the source has given out {gone}"
    if column_value is not None and not reaches(target, column_value):
        return f"the next value is {following}, its column holds {column_value}"
    return None
