"""What is wrong in what `status` saw, and how bad it is.

The thresholds are those of the alert rules: one who has no Prometheus hears of the
same.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.cli import output
from pgconflict.cli.status_words import hole_text
from pgconflict.core.sequence_compare import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from pgconflict.cli.status_document import NodeState, PairState, Row, SlotState
    from pgconflict.cli.status_read import Recorded

LAG_S: Final = 300
LOST_WITHIN_S: Final = 4 * 3600
RETAINED: Final = 50 * 10**9
NAMED: Final = 4
"""So many subscriptions are named that logged the rows that differ."""

COMPARED_WITHIN: Final = timedelta(minutes=5)
"""The daemon stores every 30 s that it has compared."""


class Severity(StrEnum):
    """How bad; the worst first."""

    CRITICAL = "critical"
    WARNING = "warning"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong."""

    severity: Severity
    problem: str
    node: str | None
    subscription: str | None = None
    database: str | None = None
    text: str


_SEQUENCES: Final = {
    State.OVERLAPPING: Severity.CRITICAL,
    State.BELOW_COLUMN: Severity.WARNING,
    State.BEHIND: Severity.WARNING,
    State.NEARLY_EXHAUSTED: Severity.WARNING,
    State.DEFINITION_DIFFERS: Severity.WARNING,
    State.MISSING: Severity.WARNING,
    State.UNREADABLE: Severity.WARNING,
}


def judge(
    nodes: Sequence[NodeState],
    rows: Sequence[Row],
    slots: Sequence[SlotState],
    pairs: Sequence[PairState],
    *,
    recorded: Recorded,
    now: datetime,
) -> list[Problem]:
    """Return what is wrong, the worst first."""
    found = [
        *_of_nodes(nodes, recorded),
        *(problem for row in rows for problem in _of_subscription(row)),
        *_of_rows(rows, recorded),
        *(problem for row in rows for problem in _of_ledger(row, recorded, now)),
        *(problem for slot in slots for problem in _of_slot(slot)),
        *(problem for pair in pairs for problem in _of_pair(pair)),
    ]
    order = list(Severity)
    return sorted(found, key=lambda one: order.index(one.severity))


def _of_nodes(nodes: Sequence[NodeState], recorded: Recorded) -> Iterator[Problem]:
    for node in nodes:
        if node.error is not None:
            yield Problem(
                severity=Severity.CRITICAL,
                problem="node_not_asked",
                node=node.name,
                text=node.error,
            )
    if recorded.error is not None:
        yield Problem(
            severity=Severity.WARNING,
            problem="conflict_log_not_asked",
            node=None,
            text=f"{recorded.error}; open conflicts and the ledger are not known",
        )


def _of_subscription(row: Row) -> Iterator[Problem]:
    line = row.line

    def problem(severity: Severity, name: str, text: str) -> Problem:
        return Problem(
            severity=severity,
            problem=name,
            node=line.node,
            subscription=line.subscription,
            database=line.database,
            text=text,
        )

    stall = line.blocked_by
    if line.state == "blocked" and stall is not None:
        where = f" on {stall.table}" if stall.table else ""
        text = (
            f"stopped by conflict {stall.conflict_id} ({stall.type}{where}),"
            f" {output.plural(stall.attempts, 'attempt')}:"
            f" pgconflict conflicts show {stall.conflict_id}"
        )
        yield problem(Severity.CRITICAL, "blocked", text)
    elif line.state == "disabled":
        yield problem(Severity.CRITICAL, "disabled", "it is disabled")
    elif line.state == "down":
        yield problem(Severity.CRITICAL, "worker_down", "it has no apply worker")
    elif line.lag_seconds is not None and line.lag_seconds > LAG_S:
        text = f"{line.lag_seconds:.0f} s behind its publisher"
        yield problem(Severity.WARNING, "lag", text)


def _of_rows(rows: Sequence[Row], recorded: Recorded) -> Iterator[Problem]:
    """One problem: both nodes have logged most rows that differ."""
    logged = [row for row in rows if row.diverged]
    number = recorded.differing_among(row.place for row in logged)
    if not number:
        return
    text = "1 row with a conflict differs now"
    if number > 1:
        text = f"{number} rows with a conflict differ now"
    only = logged[0].line if len(logged) == 1 else None
    if only is None:
        names = [f"node {node}, subscription {name}" for node, name in _places(logged)]
        more = len(names) - NAMED
        names[NAMED:] = [f"{more} more"] if more > 0 else []
        text += f" ({'; '.join(names)})"
    yield Problem(
        severity=Severity.CRITICAL,
        problem="rows_diverged",
        node=only.node if only else None,
        subscription=only.subscription if only else None,
        database=only.database if only else None,
        text=text,
    )


def _places(rows: Sequence[Row]) -> Sequence[tuple[str, str]]:
    return sorted({row.place for row in rows})


def _of_ledger(row: Row, recorded: Recorded, now: datetime) -> Iterator[Problem]:
    if recorded.error is not None or not recorded.configured or row.standby:
        return
    known = row.ledger
    text = None
    if known is None:
        name, text = "not_followed", "no daemon has compared its counters so far"
    elif now - known.checked_at > COMPARED_WITHIN:
        at = f"{known.checked_at:%Y-%m-%d %H:%M:%S} UTC"
        name, text = "not_followed", f"no daemon has compared its counters since {at}"
    if text is not None:
        yield Problem(
            severity=Severity.WARNING,
            problem=name,
            node=row.line.node,
            subscription=row.line.subscription,
            database=row.line.database,
            text=f"{text}; is pgconflict running, and does it follow this node?",
        )
    for hole in known.holes if known else ():
        # What nobody can know is told, and no reason to wake anybody.
        if hole.entries:
            yield Problem(
                severity=Severity.WARNING,
                problem="ledger_incomplete",
                node=row.line.node,
                subscription=row.line.subscription,
                database=row.line.database,
                text=hole_text(hole),
            )


def _of_slot(slot: SlotState) -> Iterator[Problem]:
    severity = Severity.CRITICAL
    if slot.invalidated is not None:
        name, text = "slot_lost", f"slot {slot.slot} is invalid: {slot.invalidated}"
    elif (slot.seconds_to_loss or LOST_WITHIN_S) < LOST_WITHIN_S and not slot.active:
        minutes = int((slot.seconds_to_loss or 0) // 60)
        name = "slot_will_be_lost"
        text = f"slot {slot.slot} is lost in {minutes} min at the present rate of WAL"
    elif (slot.retained_bytes or 0) > RETAINED and slot.safe_wal_bytes is None:
        severity = Severity.WARNING
        held = output.size(slot.retained_bytes or 0)
        name, text = "slot_retains_wal", f"slot {slot.slot} keeps {held} of WAL"
    else:
        return
    yield Problem(severity=severity, problem=name, node=slot.node, text=text)


def _of_pair(pair: PairState) -> Iterator[Problem]:
    where = f"pair {pair.pair}"
    if pair.error is not None:
        yield Problem(
            severity=Severity.WARNING,
            problem="sequences_not_asked",
            node=None,
            text=f"{where}: {pair.error}",
        )
    for state, severity in _SEQUENCES.items():
        if number := pair.states.get(state, 0):
            yield Problem(
                severity=severity,
                problem=f"sequences_{state}",
                node=None,
                text=f"{where}: {output.plural(number, 'sequence')} {state}:"
                f" pgconflict sequences diff {' '.join(pair.nodes)} --state {state}",
            )
