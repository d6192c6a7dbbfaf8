"""What the conflict log knows: conflicts that nobody has dealt with, and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgconflict.server.preflight.finding import Finding, Item, Severity
from pgconflict.server.preflight.words import some

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class OpenConflict:
    """What keeps a subscription from applying."""

    conflict_id: int
    subscription: str
    type: str
    table: str | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A counter of the server that differs from what was recorded."""

    subscription: str
    counter: str
    unaccounted: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the conflict log knows of one node; `refusal`: why it was not asked."""

    node: str
    open: Sequence[OpenConflict] = ()
    gaps: Sequence[Gap] = ()
    refusal: str | None = None


def judge(recorded: Recorded) -> Iterator[Finding]:
    """Yield what is open, and what is not accounted for."""
    if recorded.refusal is not None:
        yield Finding(
            node=None,
            item=Item.NOT_LOOKED_AT,
            severity=Severity.ERROR,
            seen=recorded.refusal,
            why="Whether conflicts are open is not known.",
        )
    if recorded.open:
        names = [
            f"{one.conflict_id} ({one.type} in {one.subscription})"
            for one in recorded.open
        ]
        yield Finding(
            node=recorded.node,
            item=Item.OPEN_CONFLICTS,
            severity=Severity.ERROR,
            seen=f"open conflicts that stop apply: {some(names)}",
            why="The subscription is behind, and does not catch up by itself.",
            remedy=tuple(
                f"pgconflict conflicts show {one.conflict_id}" for one in recorded.open
            ),
        )
    if recorded.gaps:
        names = [
            f"{one.unaccounted} {one.counter} of {one.subscription}"
            for one in recorded.gaps
        ]
        yield Finding(
            node=recorded.node,
            item=Item.UNACCOUNTED,
            severity=Severity.WARNING,
            seen=f"counted by the server and not recorded: {some(names)}",
            why="Conflicts may have happened that nobody has looked at; the server's"
            " counters do not outlive the upgrade.",
            remedy=("-- see the server's log: pgconflict scan FILE",),
        )
