"""`status` as text: one screen, without anything that a dumb terminal lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.cli import output
from pgconflict.cli.output import Column
from pgconflict.cli.status_words import age, completeness_text, hole_text, utc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pgconflict.cli.status_document import Document, Row, SlotState
    from pgconflict.cli.status_judge import Problem
    from pgconflict.conflict_log.ledger_report import Completeness

HOLES: Final = 5
"""So many of a subscription are told; --json has all."""


def show(document: Document) -> None:
    """Print it."""
    _head(document)
    _problems(document)
    if document.subscriptions:
        print()
        _subscriptions(document.subscriptions, document.made_at)
    if document.conflict_log is None and (document.subscriptions or document.dropped):
        print()
        _ledger(document)
    if document.slots:
        print()
        _slots(document.slots, document.made_at)
    if document.sequences:
        print()
        _sequences(document)


def summary(document: Document) -> str:
    """Return one line for a monitoring system: the state, and the worst of it."""
    down = sum(node.error is not None for node in document.nodes)
    parts = [
        output.plural(len(document.nodes), "node") + (f", {down} down" if down else ""),
        output.plural(len(document.subscriptions), "subscription"),
    ]
    texts = [_problem(one, document) for one in document.problems[:3]]
    more = len(document.problems) - len(texts)
    if more > 0:
        texts.append(f"{more} more")
    said = "; ".join(texts) or "nothing is wrong"
    return output.visible(f"{document.state.upper()} - {said} ({', '.join(parts)})")


def _problem(one: Problem, document: Document) -> str:
    """A problem with its place before it; the database where it takes that."""
    if one.node is None or one.text.startswith(f"node {one.node}"):
        return one.text
    where = f"node {one.node}"
    if one.subscription is not None:
        where += f", subscription {one.subscription}"
        alike = [
            row
            for row in document.subscriptions
            if (row.line.node, row.line.subscription) == (one.node, one.subscription)
        ]
        where += f" in database {one.database}" if len(alike) > 1 else ""
    return f"{where}: {one.text}"


def _head(document: Document) -> None:
    print(f"pgconflict status, {utc(document.made_at)} UTC: {document.state}")
    print(f"conflicts and ledger since {utc(document.since)} UTC")
    print()
    output.print_table(
        ["node", "PostgreSQL", "role", Column("subscriptions", "right")],
        [
            [
                node.name,
                "NOT REACHED" if node.version is None else node.version,
                None
                if node.in_recovery is None
                else ("standby" if node.in_recovery else "primary"),
                node.subscriptions,
            ]
            for node in document.nodes
        ],
    )
    if document.conflict_log is not None:
        print(output.visible(f"conflict log: {document.conflict_log}"))


def _problems(document: Document) -> None:
    if document.problems:
        print()
    for one in document.problems:
        text = _problem(one, document)
        print(output.visible(f"{one.severity.upper()} {text}"))


def _subscriptions(rows: Sequence[Row], now: datetime) -> None:
    output.print_table(
        [
            "node",
            "database",
            "subscription",
            "publisher",
            "state",
            Column("lag", "right"),
            Column("lag s", "right"),
            Column("heard", "right"),
            Column("errors", "right"),
            Column("conflicts", "right"),
            "open conflict",
            Column("age", "right"),
            Column("attempts", "right"),
        ],
        [_cells(row, now) for row in rows],
    )


def _cells(row: Row, now: datetime) -> list[object]:
    line, stall = row.line, row.line.blocked_by
    heard = line.last_message
    return [
        line.node,
        line.database,
        line.subscription,
        line.publisher,
        "standby" if row.standby else line.state,
        None if line.lag_bytes is None else output.size(line.lag_bytes),
        line.lag_seconds,
        age(None if heard is None else max(0.0, (now - heard).total_seconds())),
        (line.apply_errors or 0) + (line.sync_errors or 0),
        row.conflicts,
        None if stall is None else f"{stall.conflict_id} {stall.type}",
        None if stall is None else age((now - stall.since).total_seconds()),
        None if stall is None else stall.attempts,
    ]


def _ledger(document: Document) -> None:
    print("ledger (UTC)")
    for row in document.subscriptions:
        if row.standby:
            continue
        where = f"{row.line.node} {row.line.database} {row.line.subscription}"
        known = row.ledger
        text = "not compared so far" if known is None else completeness_text(known)
        if row.not_provable:
            text += "; apply errors only: conflicts are not provable before"
            text += " PostgreSQL 18, which counts them"
        print(output.visible(f"  {where}: {text}"))
        if known is not None:
            _holes(known)
    for one in document.dropped:
        where = (
            f"{one.node} {one.ledger.database or '-'} {one.ledger.subname} (dropped)"
        )
        print(output.visible(f"  {where}: {completeness_text(one.ledger)}"))
        _holes(one.ledger)


def _holes(known: Completeness) -> None:
    if known.before:
        print(f"    {known.before} counted by the server before it began")
    for hole in known.holes[:HOLES]:
        print(output.visible(f"    {hole_text(hole)}"))
    if len(known.holes) > HOLES:
        print(f"    {len(known.holes) - HOLES} more: --json")


def _slots(slots: Sequence[SlotState], now: datetime) -> None:
    output.print_table(
        [
            "slot on",
            "slot",
            "active",
            Column("holds", "right"),
            "WAL status",
            Column("lost in", "right"),
            Column("idle", "right"),
        ],
        [
            [
                slot.node,
                slot.slot,
                slot.active,
                None
                if slot.retained_bytes is None
                else output.size(slot.retained_bytes),
                f"LOST: {slot.invalidated}" if slot.invalidated else slot.wal_status,
                age(slot.seconds_to_loss),
                age(
                    None
                    if slot.inactive_since is None or slot.active
                    else max(0.0, (now - slot.inactive_since).total_seconds())
                ),
            ]
            for slot in slots
        ],
    )


def _sequences(document: Document) -> None:
    output.print_table(
        ["sequences", "nodes", "states"],
        [
            [
                pair.pair,
                pair.nodes,
                pair.error
                or ", ".join(
                    f"{number} {state}" for state, number in pair.states.items()
                )
                or "none",
            ]
            for pair in document.sequences
        ],
    )
