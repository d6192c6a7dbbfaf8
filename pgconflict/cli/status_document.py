"""What `status` saw as one document: what `--json` prints and the screen shows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from pgconflict.cli.status_judge import Problem
from pgconflict.cli.subscription_lines import Line, line_of
from pgconflict.conflict_log.ledger_report import Completeness
from pgconflict.core.capability import capability
from pgconflict.core.slot_outlook import seconds_to_loss

if TYPE_CHECKING:
    from pgconflict.cli.status_read import Seen, Sequences
    from pgconflict.config import Config
    from pgconflict.server.subscriptions.facts import NodeFacts, Slot


class NodeState(msgspec.Struct, frozen=True, kw_only=True):
    """One node, whether it answered or not."""

    name: str
    version: str | None
    in_recovery: bool | None
    subscriptions: int | None
    error: str | None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription."""

    line: Line
    conflicts: int | None
    """Recorded since the time asked for, in whole hours."""

    diverged: int | None
    """Rows that differ now, of those it logged; another may have logged them too."""

    ledger: Completeness | None
    not_provable: Sequence[str]
    """What no counter of this server's version counts."""

    standby: bool

    @property
    def place(self) -> tuple[str, str]:
        """Node and subscription, as the conflict log has them."""
        return self.line.node, self.line.subscription

    def document(self) -> dict[str, Any]:
        """Return the fields of `--json`."""
        ledger = None
        if self.ledger is not None:
            ledger = {
                "complete": self.ledger.complete,
                **msgspec.structs.asdict(self.ledger),
            }
        return {
            **msgspec.structs.asdict(self.line),
            "conflicts": self.conflicts,
            "diverged_rows": self.diverged,
            "ledger": ledger,
            "not_provable": self.not_provable,
        }


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription that is no more, and was compared since the time asked for."""

    node: str
    ledger: Completeness


class SlotState(msgspec.Struct, frozen=True, kw_only=True):
    """One logical slot of a node. Sizes are bytes."""

    node: str
    slot: str
    database: str
    active: bool
    wal_status: str | None
    retained_bytes: int | None
    safe_wal_bytes: int | None
    seconds_to_loss: float | None
    inactive_since: datetime | None
    invalidated: str | None


class PairState(msgspec.Struct, frozen=True, kw_only=True):
    """The sequences of one pair."""

    pair: str
    nodes: Sequence[str]
    states: Mapping[str, int]
    error: str | None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    made_at: datetime
    since: datetime
    state: str
    exit_code: int
    conflict_log: str | None
    """Why it was not asked."""

    nodes: Sequence[NodeState]
    subscriptions: Sequence[Row]
    rows_differing: int | None
    """Each once, whichever subscriptions logged it."""

    dropped: Sequence[Dropped]
    slots: Sequence[SlotState]
    sequences: Sequence[PairState]
    problems: Sequence[Problem]

    def builtins(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        found = msgspec.structs.asdict(self)
        found["subscriptions"] = [row.document() for row in self.subscriptions]
        return found


def nodes_of(config: Config, seen: Seen) -> list[NodeState]:
    """Return each node of the configuration."""
    silent = [str(error) for error in seen.asked.silent]
    found = []
    for node in config.nodes:
        facts = seen.asked.facts(node.name)
        error = None
        if facts is None:
            who = f"node {node.name}"
            said = [text for text in silent if text.startswith((f"{who} ", f"{who}:"))]
            error = said[0] if said else f"{who} was not asked"
        found.append(
            NodeState(
                name=node.name,
                version=facts.server.version if facts else None,
                in_recovery=facts.server.in_recovery if facts else None,
                subscriptions=len(facts.subscriptions) if facts else None,
                error=error,
            )
        )
    return found


def rows_of(seen: Seen) -> list[Row]:
    """Return each subscription of the nodes that answered."""
    found = []
    for facts in seen.asked.known:
        ledger = {
            one.subid: one
            for one in seen.recorded.ledger.get(facts.server.system_identifier, ())
        }
        for one in facts.subscriptions:
            line = line_of(
                facts, one, seen.asked.known, seen.rates, seen.recorded.stalls
            )
            key = (facts.node.name, one.name)
            asked = seen.recorded.configured and seen.recorded.error is None
            found.append(
                Row(
                    line=line,
                    conflicts=seen.recorded.conflicts.get(key, 0) if asked else None,
                    diverged=seen.recorded.differing_among([key]) if asked else None,
                    ledger=ledger.get(one.subid),
                    not_provable=_not_provable(facts),
                    standby=facts.server.in_recovery,
                )
            )
    return found


def dropped_of(seen: Seen) -> list[Dropped]:
    """Return what the ledger knows of subscriptions that are no more."""
    return [
        Dropped(node=facts.node.name, ledger=one)
        for facts in seen.asked.known
        for one in seen.recorded.ledger.get(facts.server.system_identifier, ())
        if one.subid not in {there.subid for there in facts.subscriptions}
    ]


def _not_provable(facts: NodeFacts) -> Sequence[str]:
    major = re.match(r"\d+", facts.server.version)
    known = capability(int(major[0])) if major else None
    return () if known is None or known.counted_types else ("conflicts",)


def slots_of(seen: Seen) -> list[SlotState]:
    """Return each logical slot of the nodes that answered."""
    return [
        _slot(facts, slot, seen.rates.get(facts.node.name))
        for facts in seen.asked.known
        for slot in facts.slots
    ]


def _slot(facts: NodeFacts, slot: Slot, rate: float | None) -> SlotState:
    seconds = facts.server.wal_seconds
    return SlotState(
        node=facts.node.name,
        slot=slot.name,
        database=slot.database,
        active=slot.active,
        wal_status=slot.wal_status,
        retained_bytes=slot.held(facts.server.current_lsn),
        safe_wal_bytes=slot.safe_wal_size,
        seconds_to_loss=seconds_to_loss(
            slot.safe_wal_size,
            average=facts.server.wal_bytes / seconds if seconds else None,
            current=rate,
        ),
        inactive_since=slot.inactive_since,
        invalidated=slot.invalidated,
    )


def pairs_of(sequences: Sequence[Sequences]) -> list[PairState]:
    """Return each pair of the configuration."""
    return [
        PairState(
            pair=one.pair,
            nodes=one.nodes,
            states=dict(one.states),
            error=None if one.error is None else str(one.error),
        )
        for one in sequences
    ]
