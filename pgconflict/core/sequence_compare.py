"""The same sequence on several nodes: who is behind whom, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.sequence import (
    SequenceColumn,
    SequenceName,
    SequenceState,
    differences,
    same_definition,
)
from pgconflict.core.sequence_overlap import Overlap, future, overlaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NEARLY_EXHAUSTED: Final = 0.9
"""Part of its values that is gone."""


class State(StrEnum):
    """How a sequence of one node stands to that of the first; the worst first."""

    UNREADABLE = "unreadable"
    MISSING = "missing"
    OVERLAPPING = "overlapping"
    BELOW_COLUMN = "below_column"
    DEFINITION_DIFFERS = "definition_differs"
    BEHIND = "behind"
    NEARLY_EXHAUSTED = "nearly_exhausted"
    AHEAD = "ahead"
    IN_SYNC = "in_sync"

    @property
    def finding(self) -> bool:
        """Whether somebody should do something about it."""
        return self not in {State.IN_SYNC, State.AHEAD}


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """What one node says about its sequences."""

    node: str
    states: Mapping[SequenceName, SequenceState]
    columns: Mapping[int, tuple[SequenceColumn, ...]] = {}
    column_values: Mapping[SequenceName, int] | None = None
    """The furthest existing value that a sequence would give again; None: not asked."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """One sequence of one node."""

    name: SequenceName
    node: str
    state: SequenceState | None
    columns: tuple[SequenceColumn, ...]
    column_value: int | None
    states: tuple[State, ...]
    detail: str | None
    distance: int | None
    """How many of its values it is ahead of the first node's; negative: behind."""


def limit(state: SequenceState, columns: Iterable[SequenceColumn]) -> int | None:
    """Return the furthest value that fits in all of its columns; None: no limit."""
    ends = [
        column.limits[1 if state.direction > 0 else 0]
        for column in columns
        if column.limits is not None
    ]
    return min(ends, key=lambda end: end * state.direction, default=None)


def compare(
    nodes: list[NodeView],
    *,
    active: bool = False,
    exhausted_at: float = NEARLY_EXHAUSTED,
) -> Iterator[Row]:
    """Yield a row for every sequence and node, by name, in the order of the nodes.

    Args:
        nodes: The first is what the others are compared with.
        active: All of them give out values at the same time, so that none may give
            out what another does.
        exhausted_at: Part of its values, 0 to 1, from which a sequence is reported.
    """
    names = sorted({name for view in nodes for name in view.states})
    for name in names:
        known = {view.node: view.states.get(name) for view in nodes}
        readable = {
            node: state
            for node, state in known.items()
            if state is not None and state.last_value is not None
        }
        found = overlaps(readable) if active and len(readable) > 1 else []
        first = known[nodes[0].node]
        for view in nodes:
            if view is nodes[0]:
                yield _row(name, view, None, found, exhausted_at)
            else:
                yield _row(name, view, first, found, exhausted_at)


def _row(
    name: SequenceName,
    view: NodeView,
    first: SequenceState | None,
    found: list[Overlap],
    exhausted_at: float,
) -> Row:
    state = view.states.get(name)
    if state is None:
        return Row(name, view.node, None, (), None, (State.MISSING,), None, None)
    columns = view.columns.get(state.oid, ())
    value = (view.column_values or {}).get(name)
    if state.last_value is None:
        states: tuple[State, ...] = (State.UNREADABLE,)
        return Row(name, view.node, state, columns, value, states, None, None)
    distance = None
    remarks: dict[State, str | None] = {}
    for overlap in found:
        if view.node in {overlap.one, overlap.other}:
            other = overlap.other if view.node == overlap.one else overlap.one
            remarks[State.OVERLAPPING] = f"{overlap.value} will come from {other} too"
            break
    if value is not None:
        remarks[State.BELOW_COLUMN] = f"its column holds {value}"
    share = 0.0 if state.cycle else state.used_share(limit(state, columns))
    if share >= exhausted_at:
        remarks[State.NEARLY_EXHAUSTED] = f"{share:.1%} used"
    if first is not None and first.last_value is not None:
        relation, distance, detail = _relation(first, state)
        remarks[relation] = detail
    if len(remarks) > 1:
        remarks.pop(State.IN_SYNC, None)
    states = tuple(one for one in State if one in remarks) or (State.IN_SYNC,)
    details = [remarks[one] for one in states if remarks.get(one)]
    text = "; ".join(detail for detail in details if detail) or None
    return Row(name, view.node, state, columns, value, states, text, distance)


def _relation(
    first: SequenceState, state: SequenceState
) -> tuple[State, int | None, str | None]:
    same = same_definition(first, state)
    if _have_their_own(first, state, same=same):
        return State.IN_SYNC, None, None
    if not same:
        return State.DEFINITION_DIFFERS, None, "; ".join(differences(first, state))
    direction = state.direction
    distance = (state.used - first.used) * direction // abs(state.increment)
    if (state.used + state.increment - first.used) * direction <= 0:
        return State.BEHIND, min(distance, -1), None
    if (first.used + first.increment - state.used) * direction <= 0:
        return State.AHEAD, max(distance, 1), None
    return State.IN_SYNC, 0, None


def _have_their_own(one: SequenceState, other: SequenceState, *, same: bool) -> bool:
    """Whether each has its own residue or range, so that neither is behind."""
    if one.increment != other.increment or not future(one) or not future(other):
        return False
    residues = same and (one.used - other.used) % one.increment != 0
    ranges = one.maximum < other.minimum or other.maximum < one.minimum
    return (residues or ranges) and not overlaps({"one": one, "other": other})
