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
)
from pgconflict.core.sequence_change import Change
from pgconflict.core.sequence_position import Moved, at, position_beyond, reaches


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
    MARGIN = "no room for the margin"
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

    @property
    def is_plain(self) -> bool:
        """Whether a copy of the source is as far as the target has to be."""
        return self.margin == 0 and self.distances is None

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
        found: Advance | Blocked | None
        if target is None:
            found = _missing(source, policy, (owners or {}).get(source.oid))
        elif policy.is_plain and name not in columns:
            found = _copy(source, target, policy)
        else:
            found = plan_one(source, target, policy, columns.get(name))
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


def _copy(
    source: SequenceState, target: SequenceState, policy: Policy
) -> Advance | Blocked | None:
    """Do as `plan_one` does, in a third of the time where nothing is special.

    That is nearly everywhere: the same definition and residue, no margin, no column.
    """
    last, present, step = source.last_value, target.last_value, source.increment
    if (
        last is None
        or present is None
        or not same_definition(source, target)
        or (last - present) % step
        or target.name in policy.allow_backwards
    ):
        return plan_one(source, target, policy)
    lead = last if source.is_called else last - step
    lead -= present if target.is_called else present - step
    if (lead <= 0) if step > 0 else (lead >= 0):
        return None
    return Advance(
        target=target,
        source=source,
        last_value=last,
        is_called=source.is_called,
        reason=Reason.BEHIND,
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
    is_far_enough = position is None or position[:2] == (None, Reason.MARGIN)
    if definition is not None and is_far_enough:
        kept, why, outside = _kept(shape, target)
        position = kept, why, outside or (position and position[2])
    if position is None:
        return None
    moved, reason, note = position
    if moved is None:
        assert note is not None  # noqa: S101  # _furthest says why
        short = reason is Reason.MARGIN
        obstacle = Obstacle.MARGIN if short else Obstacle.BOUNDS
        return Blocked(name=name, obstacle=obstacle, detail=note)
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


def _no_room(aim: int, shape: SequenceState) -> str:
    end = "MAXVALUE" if shape.direction > 0 else "MINVALUE"
    return (
        f"the margin would reach {aim}, beyond its {end} {shape.bound}: a smaller"
        f" --margin, or ALTER SEQUENCE ... {end} on both nodes"
    )


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
    no_room = _no_room(ideal, shape)
    for note, aim in ((None, far), (None, ideal), (no_room, least)):
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
        return None, reason, no_room
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
    moved = position_beyond(source, fresh, aim)
    note = None if moved else _no_room(aim, fresh)
    moved = moved or (source.last_value, source.is_called)
    return Advance(
        target=fresh,
        source=source,
        last_value=moved[0],
        is_called=moved[1],
        reason=Reason.MISSING,
        create=True,
        column=owner,
        note=note,
    )
