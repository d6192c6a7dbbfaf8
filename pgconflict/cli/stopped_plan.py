"""The plan for a transaction that stopped apply: every way out, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pgconflict.core.stopped import Keep
from pgconflict.server.repair_statements import statement
from pgconflict.server.stopped_apply import Stopped
from pgconflict.server.stopped_replay import statement as replayed
from pgconflict.server.stopped_statements import (
    follow_statement,
    open_statement,
    returned,
)
from pgconflict.server.subscriptions import skip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgconflict.cli.skip_plan import Examined
    from pgconflict.conflict_log.actions import OpenStall
    from pgconflict.conflict_log.stored import StoredConflict
    from pgconflict.core.conflict import Values
    from pgconflict.core.pgoutput import Change
    from pgconflict.core.stopped import Local, Names, Step, Way
    from pgconflict.server.repair import Effects
    from pgconflict.server.stopped_look import Referred, Referring, Subscriber


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was found, and each way out of it."""

    conflict: StoredConflict
    examined: Examined
    rows: Sequence[Local] = ()
    referring: Mapping[int, Sequence[Referring]] = field(default_factory=dict)
    """Foreign keys to each row in the way, by its number."""

    referred: Mapping[Keep, Sequence[Referred]] = field(default_factory=dict)
    ways: Mapping[Keep, Way] = field(default_factory=dict)
    effects: Mapping[Names, Effects] = field(default_factory=dict)
    subscriber: Subscriber | None = None
    mirrored: Sequence[OpenStall] = ()
    """What stops the publisher's own subscriptions on the same table."""

    @property
    def changes(self) -> Sequence[Change]:
        """The transaction's, as far as they are known."""
        transaction = self.examined.verdict.transaction
        return () if transaction is None else transaction.changes

    def fate(self, keep: Keep, place: int) -> str:
        """What becomes of a change of the transaction."""
        way = self.ways[keep]
        if way.refusal is not None:
            return ""
        change = self.changes[place]
        names = (change.schemaname, change.relname)
        if keep is Keep.SKIP or place in way.lost:
            return "lost"
        if self.subscriber is not None and names not in self.subscriber.applied:
            return "passed over"
        return "applied"

    def local_fate(self, keep: Keep, number: int) -> str:
        """What becomes of a local row."""
        way = self.ways[keep]
        if way.refusal is not None:
            return ""
        return way.locals[number] if way.locals else "stays"

    def statements(self, keep: Keep) -> list[str]:
        """What is done on the subscriber, in this order."""
        if keep is Keep.SKIP:
            lsn = self.examined.verdict.lsn or 0
            return skip.plan(self.examined.subscription, lsn, enable=False)
        assert self.subscriber is not None  # noqa: S101 - such a way is refused
        nodes = self.subscriber.nodes
        way = self.ways[keep]
        found = []
        for step in way.steps:
            on = nodes[step.names]
            if step.quiet:
                found.append(statement(on, step.write))
                continue
            found.append(open_statement(on, step, None))
            for foreign in self.follow(step):
                old = self.rows[step.of].row.values
                new: Values = {name: f"the new {name}" for name in foreign.referred}
                found.append(follow_statement(foreign, old, new))
        if keep is Keep.OURS:
            for place, change in enumerate(self.changes):
                names = (change.schemaname, change.relname)
                if place in way.lost or names not in self.subscriber.applied:
                    continue
                text = replayed(change, nodes[names].table)
                found += [] if text is None else [text]
        return found

    def follow(self, step: Step) -> list[Referring]:
        """The foreign keys whose rows follow a row to its new key."""
        if step.write.operation != "INSERT":
            return []
        moved = {*returned(step)} | {
            name
            for name, value in step.write.values.items()
            if value != self.rows[step.of].row.values[name]
        }
        return [
            one for one in self.referring.get(step.of, ()) if moved & {*one.referred}
        ]

    def stopped(self, keep: Keep) -> Stopped:
        """What the server's side needs to do it."""
        transaction = self.examined.verdict.transaction
        assert self.subscriber is not None  # noqa: S101 - such a way is refused
        assert transaction is not None  # noqa: S101 - as above
        way = self.ways[keep]
        return Stopped(
            subid=self.examined.subscription.subid,
            transaction=transaction,
            nodes=self.subscriber.nodes,
            applied=self.subscriber.applied,
            rows=self.rows,
            referred=self.referred.get(keep, ()),
            follow={step.of: self.follow(step) for step in way.steps},
            steps=way.steps,
            lost=way.lost,
            by_hand=keep is Keep.OURS,
        )
