"""One conflict on its way to a verdict: what must have happened before it is judged.

Both nodes' WAL positions are marked after the conflict was recorded. Once each has
applied what the other had written up to its mark, everything that the conflict was
part of has arrived. Rows that differ then may still have younger changes on their
way: they are marked and read once more, and differ for certain if neither row was
touched in between.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.verdicts import Found
from pgconflict.core.conflict import Kind
from pgconflict.core.evidence import Cause
from pgconflict.core.lost import Lost, lost
from pgconflict.core.verdict import (
    Difference,
    Effect,
    Reason,
    Verdict,
    effect_of,
    next_look,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pgconflict.conflict_log.row_policy import RowPolicy
    from pgconflict.conflict_log.verdicts import Due
    from pgconflict.core.event import Member
    from pgconflict.core.evidence import Decision
    from pgconflict.core.row_entry import KeyValues
    from pgconflict.core.verdict import Row
    from pgconflict.daemon.verdict.links import Sides
    from pgconflict.daemon.verdict.nodes import NodeView

STOPPED_S: Final = 5.0
"""Until the next look at what stops apply: its end is soon seen, and costs no row."""

MOST_READS: Final = 30
"""A row that was touched between so many pairs of looks is left for later."""

_NOT_LOOKED: Final = frozenset(
    {Reason.APPLY_BEHIND, Reason.BUSY, Reason.PEER_AWAY, Reason.NO_PRIVILEGE}
)

Rows = tuple["Row | None", ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """How far two nodes had written."""

    here: int
    there: int
    everywhere: Mapping[str, int] = field(default_factory=dict)
    """Of every node, by name."""

    @classmethod
    def of(cls, here: NodeView, there: NodeView, views: Iterable[NodeView]) -> Mark:
        """Return where all are in this round."""
        everywhere = {view.name: view.position for view in views}
        return cls(here.position, there.position, everywhere)


@dataclass(slots=True)
class Watch:
    """A conflict that is looked at."""

    due: Due
    mark: Mark | None = None
    passed_at: float | None = None
    """When both had applied up to the mark."""

    first_mark: Mark | None = None
    further_passed_at: float | None = None
    """When both had applied what all further nodes had written by the first mark."""

    doubts: list[str] | None = None
    decision: Decision | None = None
    event: tuple[Member, ...] = ()
    keys: list[KeyValues] | None = None
    before: tuple[Rows, Rows] | None = None
    """What the look before found."""

    agreed: Rows | None = None
    """The row's versions, where both nodes have the same."""

    prints: Mapping[str, str] = field(default_factory=dict)
    """How the table's columns print."""

    reads: int = 0
    verdict: Verdict | None = None
    reason: Reason | None = None
    differences: list[Difference] = field(default_factory=list)
    clocks: Mapping[str, object] = field(default_factory=dict)
    moved_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Say at once that apply stands still: nothing arrives until it goes on."""
        entry = self.due.entry
        if entry.stalls and entry.status in ("open", "disabled"):
            self.give_up(Verdict.PENDING, Reason.APPLY_BEHIND)

    @property
    def cause(self) -> Cause | None:
        """The cause, of now or of an earlier look."""
        return self.due.cause if self.decision is None else self.decision.cause

    @property
    def done(self) -> bool:
        """Whether all is known that this look can find out."""
        needs_cause = self.due.kind == "conflict"
        return self.verdict is not None and (self.cause is not None or not needs_cause)

    @property
    def table(self) -> tuple[str, str]:
        """Schema and name; empty where not known."""
        return self.due.schemaname or "", self.due.relname or ""

    @property
    def idle_s(self) -> float:
        """Seconds since it got on."""
        return time.monotonic() - self.moved_at

    @property
    def waits_for_apply(self) -> bool:
        """Whether the other node's, or this node's, apply keeps it waiting."""
        return self.passed_at is None or self.before is not None

    def marked(self, mark: Mark) -> None:
        """Wait until both nodes have applied up to here."""
        self.mark, self.moved_at = mark, time.monotonic()
        self.first_mark = self.first_mark or mark

    def passed(self, moment: float, doubts: list[str]) -> None:
        """Note that both have, and what was to be said of the two nodes then."""
        self.passed_at, self.moved_at = moment, time.monotonic()
        self.doubts = doubts

    def decided(self, decision: Decision, doubts: list[str]) -> None:
        """Take the cause, and what it follows from."""
        self.decision, self.doubts = decision, doubts

    def passes(self, sides: Sides) -> bool:
        """Whether both nodes have applied what the other wrote up to the mark."""
        mark = self.mark
        if mark is None:
            return False
        slot = sides.subscription.slot_name
        if slot is None or sides.there.slots.get(slot, -1) < mark.there:
            return False
        if sides.back is None:
            return True
        back = sides.there.subscriptions.get(sides.back.subid)
        slot = None if back is None else back.slot_name
        return slot is not None and sides.here.slots.get(slot, -1) >= mark.here

    def may_be_read(self, sides: Sides) -> bool:
        """Whether its rows are read in this round."""
        if self.verdict is not None or self.passed_at is None or not self.keys:
            return False
        return self.before is None or self.passes(sides)

    def compare(self, one: Rows, two: Rows, found: list[Difference | None]) -> None:
        """Take in what reading both nodes found."""
        differences = [one for one in found if one is not None]
        versions = (_versions(one), _versions(two))
        self.reads += 1
        self.moved_at = time.monotonic()
        if not differences:
            self.verdict, self.before, self.agreed = Verdict.CONVERGED, None, one
            return
        if self.before is not None and versions == (
            _versions(self.before[0]),
            _versions(self.before[1]),
        ):
            self.verdict, self.differences = Verdict.DIVERGED, differences
            return
        if self.reads >= MOST_READS:
            self.give_up(Verdict.PENDING, Reason.BUSY)
            return
        # Changes may be on their way. The next mark is taken after this reading: when
        # it is passed, whatever had been written when the rows were read has arrived.
        self.before, self.mark = (one, two), None

    def give_up(self, verdict: Verdict, reason: Reason) -> None:
        """Settle for what can be said; what differs does so until it is seen equal."""
        differed = self.due.verdict == Verdict.DIVERGED and reason in _NOT_LOOKED
        found = self.due.kind == Kind.DIFFERENCE
        self.verdict = Verdict.DIVERGED if found or differed else verdict
        self.reason = reason

    def kept_back(self) -> None:
        """Settle for that a row filter may be why the row differs, also if it did."""
        self.verdict, self.reason = Verdict.UNVERIFIABLE, Reason.ROW_FILTER

    def found(self, policy: RowPolicy, names: tuple[str, str]) -> Found:
        """Return what is stored of it.

        Args:
            policy: Which values of rows may be.
            names: This node's and the publisher's.
        """
        due = self.due
        verdict = self.verdict or Verdict.PENDING
        lost = self._lost()
        effect = effect_of(
            conflict_type=due.entry.conflict_type or None,
            stalls=due.entry.stalls,
            status=due.entry.status,
            verdict=verdict,
            cause=self.cause,
            same=lost is Lost.NEITHER,
        )
        stopped = effect is Effect.APPLY_STOPPED
        decided = effect is not None and not stopped
        looks = due.looks if due.verdict == verdict else 0
        again = next_look(verdict, self.reason, looks, decided=decided)
        return Found(
            due=due,
            verdict=verdict,
            reason=self.reason,
            columns=self._columns(),
            row_values=self._values(policy, names),
            cause=self.cause,
            effect=effect,
            evidence=self._evidence(lost if effect is Effect.WRITE_LOST else None),
            again=STOPPED_S if stopped else again,
            row_digest=self._digest(),
            event=self.event,
        )

    def _columns(self) -> tuple[str, ...] | None:
        if self.verdict is not Verdict.DIVERGED or not self.differences:
            return None
        return tuple(
            dict.fromkeys(name for one in self.differences for name in one.columns)
        )

    def _values(
        self, policy: RowPolicy, names: tuple[str, str]
    ) -> dict[str, dict[str, str | None] | None] | None:
        if self.verdict is not Verdict.DIVERGED or not self.differences:
            return None
        first = self.differences[0]
        return {
            # Nothing of a row may be kept: empty, which is not the same as no row.
            name: values and (policy.values(*self.table, values, key=False) or {})
            for name, values in zip(names, (first.one, first.two), strict=True)
        }

    def _lost(self) -> Lost | None:
        """Which of two concurrent writes is in neither node; None if none is known."""
        if self.agreed is None or self.cause is not Cause.CONCURRENT:
            return None
        entry = self.due.entry
        rows = [row.values for row in self.agreed if row is not None]
        return lost(
            entry.conflict_type,
            row=rows[-1] if rows else None,
            came=entry.remote_tuple,
            met=entry.local_conflicts[0].tuple if entry.local_conflicts else None,
            cut=entry.truncated_columns,
            prints=self.prints,
        )

    def _evidence(self, lost: Lost | None) -> dict[str, object] | None:
        told: dict[str, object] = {} if lost is None else {"lost": lost}
        if self.decision is None:
            return told or None
        entry = self.due.entry
        local = entry.local_conflicts[0] if entry.local_conflicts else None
        return told | {
            "reason": self.decision.reason,
            "entries": self.decision.entries,
            "doubts": self.doubts or [],
            "clocks": self.clocks,
            "remote": {"xid": entry.remote_xid, "commit_ts": entry.remote_at},
            "local": local
            and {
                "xid": local.xid,
                "commit_ts": local.commit_ts,
                "origin_kind": local.origin_kind,
            },
        }

    def _digest(self) -> bytes | None:
        if not self.keys:
            return None
        text = "\0".join((*self.table, *self.keys[-1]))
        return blake2b(text.encode(), digest_size=16).digest()


def _versions(rows: Rows) -> list[str | None]:
    return [None if row is None else row.version for row in rows]
