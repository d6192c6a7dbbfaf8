"""What a conflict did to its row, and when the row is looked at again."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.conflict import ConflictType, Values
from pgconflict.core.evidence import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Verdict(StrEnum):
    """How the row stands on two nodes."""

    CONVERGED = "converged"
    DIVERGED = "diverged"
    PENDING = "pending"
    UNVERIFIABLE = "unverifiable"


class Reason(StrEnum):
    """Why a verdict is pending or can't be given."""

    APPLY_BEHIND = "apply_behind"
    BUSY = "busy"
    PEER_AWAY = "peer_away"
    NO_KEY = "no_key"
    HIDDEN = "hidden"
    AMBIGUOUS = "ambiguous"
    NO_PRIVILEGE = "no_privilege"
    NO_TABLE = "no_table"
    ROW_FILTER = "row_filter"
    TYPES_DIFFER = "types_differ"
    NOT_PUBLISHED = "not_published"


class Effect(StrEnum):
    """The one word for alerts and lists."""

    NONE = "none"
    WRITE_LOST = "write_lost"
    DIVERGED = "diverged"
    APPLY_STOPPED = "apply_stopped"
    UNKNOWN = "unknown"


class Row(msgspec.Struct, frozen=True):
    """One row as one node has it: text of its replicated columns, and its version."""

    values: Values
    version: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How one row differs on two nodes; `columns` is empty where it is gone on one."""

    columns: tuple[str, ...]
    one: Values | None
    two: Values | None


def difference(
    columns: Sequence[str], one: Row | None, two: Row | None
) -> Difference | None:
    """Return how two nodes' versions of a row differ; None if they agree.

    >>> difference(["v"], None, None) is None
    True
    >>> difference(["v"], Row({"v": "1"}, "1"), Row({"v": None}, "9")).columns
    ('v',)
    """
    if one is None and two is None:
        return None
    if one is None or two is None:
        return Difference(
            columns=(),
            one=None if one is None else one.values,
            two=None if two is None else two.values,
        )
    names = tuple(name for name in columns if one.values[name] != two.values[name])
    if not names:
        return None
    return Difference(
        columns=names, one=_only(one.values, names), two=_only(two.values, names)
    )


def _only(values: Mapping[str, str | None], names: Sequence[str]) -> Values:
    return {name: values[name] for name in names}


def effect_of(
    *,
    conflict_type: str | None,
    stalls: bool,
    status: str,
    verdict: Verdict | None,
    cause: Cause | None,
    same: bool = False,
) -> Effect | None:
    """Return what a conflict did; None while that is not decided.

    Args:
        conflict_type: None for what is no conflict.
        stalls: Whether it stops apply.
        status: What became of it.
        verdict: How the row stands.
        cause: Why there was a conflict.
        same: Whether both wrote the same values, which the row has now.
    """
    if stalls and status in ("open", "disabled"):
        return Effect.APPLY_STOPPED
    if verdict is Verdict.DIVERGED:
        return Effect.DIVERGED
    if stalls and status == "skipped":
        return Effect.WRITE_LOST  # the skipped transaction's
    if conflict_type is None or cause is Cause.HAND_OVER:
        return Effect.NONE  # without a type: an error that passed
    if cause is None or verdict in (None, Verdict.PENDING):
        return None
    return _of_concurrent(conflict_type, verdict, cause, same=same)


def _of_concurrent(
    conflict_type: str, verdict: Verdict | None, cause: Cause, *, same: bool
) -> Effect:
    if cause is Cause.UNKNOWN or verdict is Verdict.UNVERIFIABLE:
        return Effect.UNKNOWN
    # Both nodes wanted the row gone, and it is.
    both_deleted = conflict_type == ConflictType.DELETE_MISSING
    return Effect.NONE if both_deleted or same else Effect.WRITE_LOST


LONGEST_S: Final = 3600.0
_FIRST_S: Final = {
    Verdict.PENDING: 1.0,
    Verdict.DIVERGED: 10.0,
    Verdict.UNVERIFIABLE: 60.0,
}
_PASSING: Final = frozenset(
    {
        Reason.PEER_AWAY,
        Reason.NO_PRIVILEGE,
        Reason.NO_TABLE,
        Reason.TYPES_DIFFER,
        Reason.NOT_PUBLISHED,
    }
)
MOST_LOOKS: Final = 40
"""After so many an unverifiable row is left: more than a day."""


def next_look(
    verdict: Verdict, reason: Reason | None, looks: int, *, decided: bool
) -> float | None:
    """Return the seconds until the row is looked at again; None for never.

    Pauses double, so that a row that stays as it is costs less and less.

    Args:
        verdict: Of this look.
        reason: Of this look.
        looks: How often it was looked at before.
        decided: Whether cause and effect are.

    >>> next_look(Verdict.DIVERGED, None, 3, decided=True)
    80.0
    """
    if verdict is Verdict.CONVERGED and decided:
        return None
    if verdict is Verdict.UNVERIFIABLE:
        passes = reason in _PASSING or not decided
        if not passes or looks >= MOST_LOOKS:
            return None
    first = _FIRST_S.get(verdict, 1.0)
    longest = 60.0 if verdict is Verdict.PENDING else LONGEST_S
    return min(longest, first * 2.0 ** min(looks, 12))
