"""What can go wrong with sequences, long before it does."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.sequence import (
    DATA_TYPES,
    SequenceColumn,
    SequenceName,
    SequenceState,
)
from pgconflict.core.sequence_compare import NEARLY_EXHAUSTED, NodeView, limit
from pgconflict.core.sequence_overlap import overlaps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pgconflict.core.sequence_rate import Rates

DAYS_LEFT: Final = 90
"""Fewer days than this until a sequence ends are reported, whatever part is used."""

_DAY: Final = 86_400
_ENOUGH_DAYS: Final = 3650


class Risk(StrEnum):
    """What kind of trouble; docs/sequences.md has a section for each."""

    UNREADABLE = "unreadable"
    OVERLAPPING = "overlapping"
    BELOW_COLUMN = "below_column"
    DRIFT = "drift"
    EXHAUSTION = "exhaustion"
    INTEGER_COLUMN = "integer_column"
    CYCLE = "cycle"
    CACHE = "cache"
    UNLOGGED = "unlogged"


class Severity(StrEnum):
    """How bad it is; a notice is no finding for the exit code."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One sequence in one kind of trouble."""

    node: str
    name: SequenceName
    risk: Risk
    severity: Severity
    seen: str
    remedy: str


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What `stagger` gave a node's sequence, and when."""

    node: str
    name: SequenceName
    increment: int
    minimum: int
    maximum: int
    last_value: int
    file: int
    """After the last run of `sync` or `stagger` that looked at it."""

    at: str


def check(
    view: NodeView,
    *,
    rates: Rates | None = None,
    given: Mapping[SequenceName, Given] | None = None,
    refused: Mapping[SequenceName, str] | None = None,
    exhausted_at: float = NEARLY_EXHAUSTED,
    days_left: float = DAYS_LEFT,
) -> Iterator[Finding]:
    """Yield what is wrong with one node's sequences, by name.

    Args:
        view: The node; with its columns' values if they were asked.
        rates: How fast the sequences move, if that was measured.
        given: What `stagger` gave them, if that is known.
        refused: Columns that could not be asked, by sequence.
        exhausted_at: Part of the values, 0 to 1, that makes a warning.
        days_left: Days at the present rate that make a warning.
    """
    for name, state in view.states.items():
        columns = view.columns.get(state.oid, ())
        found = [
            *_unreadable(view.node, state, (refused or {}).get(name)),
            *_drift(state, (given or {}).get(name)),
            *_definition(view.node, state, columns),
        ]
        if state.last_value is not None:
            rate = (rates or {}).get(name)
            end = _Exhaustion(exhausted_at, days_left, rate)
            found += [
                *_below(view.node, state, (view.column_values or {}).get(name)),
                *end.findings(view.node, state, columns),
            ]
        yield from found


def check_together(views: Sequence[NodeView]) -> Iterator[Finding]:
    """Yield sequences of which two nodes will give out the same value."""
    names = sorted({name for view in views for name in view.states})
    for name in names:
        readable = {
            view.node: state
            for view in views
            if (state := view.states.get(name)) and state.last_value is not None
        }
        for one, other, value in overlaps(readable):
            yield Finding(
                node=other,
                name=name,
                risk=Risk.OVERLAPPING,
                severity=Severity.ERROR,
                seen=f"nodes {one} and {other} will both give out {value}",
                remedy=f"pgconflict sequences stagger {' '.join(readable)}",
            )


def _unreadable(
    node: str, state: SequenceState, refused: str | None
) -> Iterator[Finding]:
    reasons = ["the role may not read it"] if state.last_value is None else []
    reasons += [refused] if refused else []
    for reason in reasons:
        yield Finding(
            node=node,
            name=state.name,
            risk=Risk.UNREADABLE,
            severity=Severity.ERROR,
            seen=reason,
            remedy="GRANT pg_read_all_data TO the role of the node's dsn",
        )


def _below(
    node: str, state: SequenceState, column_value: int | None
) -> Iterator[Finding]:
    if column_value is not None:
        yield Finding(
            node=node,
            name=state.name,
            risk=Risk.BELOW_COLUMN,
            severity=Severity.ERROR,
            seen=f"its column holds {column_value}, it will give out"
            f" {state.next_value}: an insert fails",
            remedy="pgconflict sequences sync --check-columns, from this node's peer",
        )


def _drift(state: SequenceState, given: Given | None) -> Iterator[Finding]:
    if given is None:
        return
    seen = [
        f"{word} is {now}, was {then}"
        for word, now, then in (
            ("increment", state.increment, given.increment),
            ("minimum", state.minimum, given.minimum),
            ("maximum", state.maximum, given.maximum),
        )
        if now != then
    ]
    if state.last_value is not None and not seen:
        if (state.last_value - given.last_value) % given.increment:
            seen.append(f"{state.last_value} is not on its residue any more")
        if (state.used + state.increment - given.last_value) * state.direction < 0:
            seen.append(f"it stands at {state.last_value}, before {given.last_value}")
    if not seen and given.file != state.file and state.cache == 1:
        # With a larger cache the daemon too makes a new file when it moves it.
        seen.append(f"it was written anew and stands at {state.last_value}")
    if seen:
        yield Finding(
            node=given.node,
            name=state.name,
            risk=Risk.DRIFT,
            severity=Severity.ERROR,
            seen=f"{'; '.join(seen)}: changed since it was staggered ({given.at})",
            remedy="who ran ALTER SEQUENCE or TRUNCATE ... RESTART IDENTITY?"
            " then pgconflict sequences stagger",
        )


def _definition(
    node: str, state: SequenceState, columns: Sequence[SequenceColumn]
) -> Iterator[Finding]:
    if state.cycle and columns:
        yield Finding(
            node=node,
            name=state.name,
            risk=Risk.CYCLE,
            severity=Severity.WARNING,
            seen=f"after {state.bound} it begins again at {state.origin}, and"
            f" {columns[0]} may still hold that",
            remedy="ALTER SEQUENCE ... NO CYCLE, unless old rows are gone by then",
        )
    if state.cache > 1:
        yield Finding(
            node=node,
            name=state.name,
            risk=Risk.CACHE,
            severity=Severity.NOTICE,
            seen=f"sessions reserve {state.cache} values each and give them out later",
            remedy="nothing, if gaps and the order do not matter: `sync` and `stagger`"
            " make sessions drop what they have reserved; setval() by hand does not",
        )
    if state.unlogged:
        yield Finding(
            node=node,
            name=state.name,
            risk=Risk.UNLOGGED,
            severity=Severity.WARNING if columns else Severity.NOTICE,
            seen=f"unlogged: after a crash it begins again at {state.start}",
            remedy="ALTER SEQUENCE ... SET LOGGED, if its values outlive a crash",
        )


def _more_room(state: SequenceState, *, narrow: bool) -> str:
    """Return what gives it more values: it depends on what ends first."""
    types_end = DATA_TYPES[state.data_type][1 if state.direction > 0 else 0]
    if not narrow and state.bound != types_end:
        word = "MAXVALUE" if state.direction > 0 else "MINVALUE"
        return f"ALTER SEQUENCE ... {word} further on, or NO {word}; on every node"
    if not narrow and state.data_type == "bigint":
        return "a key of another type: no integer type is larger"
    return (
        "ALTER TABLE ... ALTER COLUMN ... TYPE bigint, and ALTER SEQUENCE ... AS"
        " bigint; on every node, the replica first"
    )


class _Exhaustion(msgspec.Struct, frozen=True):
    """When is a sequence, or the column behind it, at its end?"""

    exhausted_at: float
    days_left: float
    rate: float | None

    def findings(
        self, node: str, state: SequenceState, columns: Sequence[SequenceColumn]
    ) -> Iterator[Finding]:
        end = limit(state, columns)
        narrow = end is not None and (state.bound - end) * state.direction > 0
        share = state.used_share(end)
        left = state.values_left(end)
        days = self._days(state, left)
        soon = days is not None and days < self.days_left
        if not state.cycle and (share >= self.exhausted_at or soon):
            what = "its column's type" if narrow else "it"
            bad = left == 0 or (days is not None and days < self.days_left / 3)
            yield Finding(
                node=node,
                name=state.name,
                risk=Risk.EXHAUSTION,
                severity=Severity.ERROR if bad else Severity.WARNING,
                seen=f"{what} ends at {end if narrow else state.bound}: {share:.1%}"
                f" used, {left} values left{_days_text(days, self.rate)}",
                remedy=_more_room(state, narrow=narrow),
            )
        elif narrow:
            yield Finding(
                node=node,
                name=state.name,
                risk=Risk.INTEGER_COLUMN,
                severity=Severity.WARNING,
                seen=f"{_narrowest(columns)} ends at {end}, its sequence at"
                f" {state.bound}: {share:.1%} used, {left} values left"
                f"{_days_text(days, self.rate)}",
                remedy="ALTER TABLE ... ALTER COLUMN ... TYPE bigint on every node",
            )

    def _days(self, state: SequenceState, left: int) -> float | None:
        if not self.rate:
            return None
        return left * abs(state.increment) / self.rate / _DAY


def _days_text(days: float | None, rate: float | None) -> str:
    if days is None or rate is None:
        return ""
    if days > _ENOUGH_DAYS:
        return f", more than ten years at {rate:.3g}/s"
    return f", {days:.1f} days at {rate:.3g}/s"


def _narrowest(columns: Sequence[SequenceColumn]) -> SequenceColumn:
    return min(
        (column for column in columns if column.limits is not None),
        key=lambda column: (column.limits or (0, 0))[1],
    )
