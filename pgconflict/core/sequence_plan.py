"""Where a target's sequences must stand so that no value comes twice.

The value of a plan is the furthest of: what the source has given out plus the margin,
what the target has given out, what the target's column holds; then the first value
from there on that the target could have reached itself. Never backwards, unless the
sequence was named for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from pgconflict.core.sequence import (
    SequenceColumn,
    SequenceName,
    SequenceState,
    differences,
    same_definition,
    step_up,
)
from pgconflict.core.sequence_change import Change


class Reason(StrEnum):
    """Why a sequence is to move."""

    BEHIND = "behind the source"
    MARGIN = "within the margin of the source"
    COLUMN = "below its column"
    BACKWARDS = "backwards, as asked"
    DEFINITION = "its definition"
    MISSING = "missing"


class Obstacle(StrEnum):
    """Why a sequence can't be planned."""

    DEFINITION = "definition differs"
    MISSING = "missing on the target"
    BOUNDS = "out of the target's bounds"
    UNREADABLE = "unreadable"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asked for."""

    margin: int = 0
    """How many of the source's values the target is to be ahead of the source."""

    distances: Mapping[SequenceName, int] | None = None
    """A margin of each sequence's own, as a distance between values, instead."""

    stride: int = 1
    """A move goes this many margins ahead, so that not every look makes a move."""

    allow_backwards: frozenset[SequenceName] = frozenset()
    with_definition: bool = False
    create_missing: bool = False

    def distance(self, source: SequenceState) -> int:
        """The margin as a distance between two values; never negative."""
        if self.distances is not None:
            return self.distances.get(source.name, 0)
        return self.margin * abs(source.increment)


class Advance(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One sequence of the target, and where it is to stand."""

    target: SequenceState
    """As it was when the plan was made; of a missing one, as it will be made."""

    source: SequenceState
    last_value: int
    is_called: bool
    reason: Reason
    column_value: int | None = None
    backwards: bool = False
    """It may move against its direction."""

    definition: SequenceState | None = None
    """Take this one's definition first."""

    create: bool = False
    column: SequenceColumn | None = None
    """With `create`: the column that owns it on the source."""

    note: str | None = None

    @property
    def name(self) -> SequenceName:
        """Schema and name."""
        return self.target.name

    @property
    def planned(self) -> SequenceState:
        """The target's state once it has moved."""
        return at(self.definition or self.target, self.last_value, self.is_called)

    @property
    def change(self) -> Change:
        """What is to be done to the target."""
        return Change(
            before=self.target,
            last_value=self.last_value,
            is_called=self.is_called,
            backwards=self.backwards,
            definition=self.definition,
            create=self.create,
            column=self.column,
        )


class Blocked(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One sequence that the plan leaves as it is, against what was asked."""

    name: SequenceName
    obstacle: Obstacle
    detail: str
    node: str | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done on one target."""

    advances: tuple[Advance, ...]
    blocked: tuple[Blocked, ...]
    unchanged: int
    extra: tuple[SequenceName, ...]
    """Sequences that only the target has."""


def at(state: SequenceState, last_value: int, is_called: bool) -> SequenceState:  # noqa: FBT001  # as setval() has it
    """Return the state with another position."""
    return msgspec.structs.replace(state, last_value=last_value, is_called=is_called)


def plan(
    sources: Mapping[SequenceName, SequenceState],
    targets: Mapping[SequenceName, SequenceState],
    policy: Policy,
    column_values: Mapping[SequenceName, int] | None = None,
    owners: Mapping[int, SequenceColumn] | None = None,
) -> Plan:
    """Return what must move on the target; in the order of the source's names.

    Args:
        sources: Every chosen sequence of the source.
        targets: Every chosen sequence of the target.
        policy: What was asked for.
        column_values: The furthest value in the target's columns, of those that the
            sequence could give out again; None when columns were not asked.
        owners: The columns that own the source's sequences, by oid; to create them.
    """
    columns = column_values or {}
    advances: list[Advance] = []
    blocked: list[Blocked] = []
    unchanged = 0
    for name, source in sources.items():
        target = targets.get(name)
        found = (
            _missing(source, policy, (owners or {}).get(source.oid))
            if target is None
            else plan_one(source, target, policy, columns.get(name))
        )
        if found is None:
            unchanged += 1
        elif isinstance(found, Advance):
            advances.append(found)
        else:
            blocked.append(found)
    extra = tuple(name for name in targets if name not in sources)
    return Plan(
        advances=tuple(advances),
        blocked=tuple(blocked),
        unchanged=unchanged,
        extra=extra,
    )


def plan_one(
    source: SequenceState,
    target: SequenceState,
    policy: Policy,
    column_value: int | None = None,
) -> Advance | Blocked | None:
    """Return the move of one sequence, or what is in its way; None: it stays."""
    name = target.name
    if source.last_value is None or target.last_value is None:
        which = "source" if source.last_value is None else "target"
        return Blocked(
            name=name, obstacle=Obstacle.UNREADABLE, detail=f"on the {which}"
        )
    shape, definition = target, None
    if not same_definition(source, target):
        if not policy.with_definition:
            detail = "; ".join(differences(source, target))
            return Blocked(name=name, obstacle=Obstacle.DEFINITION, detail=detail)
        shape = definition = _redefined(source, target)
    position = _furthest(source, target, shape, policy, column_value)
    if position is None:
        if definition is None:
            return None
        position = _kept(shape, target)
    moved, reason, note = position
    if moved is None:
        assert note is not None  # noqa: S101  # _furthest says why
        return Blocked(name=name, obstacle=Obstacle.BOUNDS, detail=note)
    return Advance(
        target=target,
        source=source,
        last_value=moved[0],
        is_called=moved[1],
        reason=reason,
        column_value=column_value,
        backwards=name in policy.allow_backwards,
        definition=definition,
        note=note,
    )


Moved = tuple[int, bool]


def _redefined(source: SequenceState, target: SequenceState) -> SequenceState:
    """Return the target with the source's definition, still on its own residue.

    Another increment has other residues: then it is on the source's.
    """
    anchor = target if source.increment == target.increment else source
    return msgspec.structs.replace(
        source,
        oid=target.oid,
        owner=target.owner,
        unlogged=target.unlogged,
        last_value=anchor.last_value,
        is_called=anchor.is_called,
    )


def _kept(
    shape: SequenceState, target: SequenceState
) -> tuple[Moved | None, Reason, str | None]:
    """Return the target's own position, if the new definition can hold it."""
    assert target.last_value is not None  # noqa: S101  # plan_one has looked
    if shape.minimum <= target.last_value <= shape.maximum:
        return (target.last_value, target.is_called), Reason.DEFINITION, None
    return None, Reason.DEFINITION, _outside(target.last_value, shape)


def _outside(value: int, shape: SequenceState) -> str:
    return f"{value} is not between {shape.minimum} and {shape.maximum}"


def _furthest(
    source: SequenceState,
    target: SequenceState,
    shape: SequenceState,
    policy: Policy,
    column_value: int | None,
) -> tuple[Moved | None, Reason, str | None] | None:
    """Return where the target must be, why, and a note; None: it is there already.

    The position is None when its bounds have no such place; the note says so then.
    """
    # What it has given out binds the target, but for two cases: it was named for
    # going back, or a new definition turns it round.
    free = target.name in policy.allow_backwards or shape.direction != target.direction
    stays = not free and shape.increment == target.increment
    aims = _aims(source, target, policy, column_value, free=free, stays=stays)
    if aims is None:
        return None
    ideal, least, reason = aims
    for note, aim in ((None, ideal), ("without the margin: out of bounds", least)):
        moved = _position(source, shape, aim)
        if moved is None:
            continue
        present = target.last_value, target.is_called
        ahead = (at(shape, *moved).used - target.used) * shape.direction
        if moved == present or (stays and ahead <= 0):
            return None
        if free or ahead >= 0:
            return moved, reason, note
    return None, reason, _outside(least, shape)


def _aims(
    source: SequenceState,
    target: SequenceState,
    policy: Policy,
    column_value: int | None,
    *,
    free: bool,
    stays: bool,
) -> tuple[int, int, Reason] | None:
    """Return the value to get beyond, the same without the margin, and why."""
    direction = source.direction
    distance = policy.distance(source) * direction
    ideal, least = [], []
    reason = Reason.BACKWARDS if free else Reason.BEHIND
    if not (stays and _reaches(target, source.used + distance)):
        if stays and _reaches(target, source.used):
            reason = Reason.MARGIN
        ideal.append(source.used + distance * policy.stride)
        least.append(source.used)
    if column_value is not None and not (stays and _reaches(target, column_value)):
        if all((column_value - aim) * direction > 0 for aim in ideal):
            reason = Reason.COLUMN
        ideal.append(column_value)
        least.append(column_value)
    if not ideal:
        return None
    if not free:
        ideal.append(target.used)
        least.append(target.used)
    choose = max if direction > 0 else min
    return choose(ideal), choose(least), reason


def _reaches(state: SequenceState, value: int) -> bool:
    """Whether everything that it still gives out is beyond the value."""
    return (state.used + state.increment - value) * state.direction > 0


def _position(source: SequenceState, shape: SequenceState, aim: int) -> Moved | None:
    """Return the position on the target's residue whose next value is beyond `aim`."""
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


def _missing(
    source: SequenceState, policy: Policy, owner: SequenceColumn | None
) -> Advance | Blocked:
    name = source.name
    detail = None
    if source.last_value is None:
        return Blocked(
            name=name, obstacle=Obstacle.UNREADABLE, detail="on the source, and missing"
        )
    if owner is not None and owner.identity:
        detail = f"it comes with the identity column {owner}"
    elif not policy.create_missing:
        detail = "--create-missing creates it"
    if detail is not None:
        return Blocked(name=name, obstacle=Obstacle.MISSING, detail=detail)
    # Nothing has this oid.
    fresh = msgspec.structs.replace(source, oid=0)
    aim = source.used + policy.distance(source) * source.direction
    moved = _position(source, fresh, aim) or (source.last_value, source.is_called)
    return Advance(
        target=fresh,
        source=source,
        last_value=moved[0],
        is_called=moved[1],
        reason=Reason.MISSING,
        create=True,
        column=owner,
    )


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
    if not _reaches(target, source.used):
        gone = source.used
        return f"the next value is {following}, the source has given out {gone}"
    if column_value is not None and not _reaches(target, column_value):
        return f"the next value is {following}, its column holds {column_value}"
    return None
