"""The plan of a skip, and what came of it, as people and as programs read it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from pgconflict.cli import output
from pgconflict.cli.sql_text import literal
from pgconflict.core.lsn import format_lsn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pgconflict.cli.skip_plan import Examined
    from pgconflict.conflict_log.actions import LostChange
    from pgconflict.core.conflict import Values
    from pgconflict.server.subscriptions.skip_watch import Result

SHOWN: Final = 20
"""Changes in text; `--json` and the conflict log have all that are kept."""


def document(
    examined: Examined,
    statements: Sequence[str],
    done: Result | None,
    number: int | None,
) -> object:
    """The whole as one JSON document."""
    verdict, subscription = examined.verdict, examined.subscription
    transaction = verdict.transaction
    return {
        "node": examined.facts.node.name,
        "database": subscription.database,
        "subscription": subscription.name,
        "enabled": subscription.enabled,
        "publisher": examined.publisher.node,
        "publisher_known_by": examined.publisher.certainty
        and examined.publisher.certainty.name.lower(),
        "lsn": None if verdict.lsn is None else format_lsn(verdict.lsn),
        "remote_xid": verdict.xid,
        "remote_commit_ts": transaction and transaction.commit_ts,
        "blocks": verdict.refusal is None,
        "refusal": verdict.refusal,
        "because": verdict.because,
        "proven_by_slot": verdict.proven,
        "not_peeked": examined.not_peeked,
        "missing_privilege": examined.missing,
        "conflicts": [
            {"conflict_id": one.conflict_id, "type": one.type, "stalls": one.stalls}
            for one in examined.conflicts
        ],
        "changes": examined.changes,
        "changes_known": examined.all_known,
        "lost": examined.lost,
        "statements": list(statements),
        "applied": done is not None,
        "outcome": done and done.outcome,
        "seen": done and list(done.seen),
        "action_id": number,
    }


def print_plan(examined: Examined) -> None:
    """Print what would be skipped, on which grounds, and what would be lost."""
    output.print_fields(_fields(examined))
    if examined.verdict.lsn is None or examined.verdict.refusal is not None:
        return
    print()
    _print_lost(examined)


def _fields(examined: Examined) -> Iterable[tuple[str, object]]:
    verdict, subscription = examined.verdict, examined.subscription
    publisher = examined.publisher
    state = "" if subscription.enabled else ", disabled"
    where = f"node {examined.facts.node.name} (database {subscription.database})"
    yield "subscription", f"{subscription.name} on {where}{state}"
    yield (
        "publisher",
        f"node {publisher.node} ({publisher.certainty})"
        if publisher.node
        else f"not known: {publisher.why_not}",
    )
    stall = examined.stall
    if stall is not None:
        since = f"{stall.status} since {stall.since:%Y-%m-%d %H:%M:%S} UTC"
        attempts = output.plural(stall.attempts, "attempt")
        yield "conflict", f"{stall.conflict_id}: {stall.type}, {since}, {attempts}"
    transaction = verdict.transaction
    if verdict.lsn is not None:
        at = f", {transaction.commit_ts:%Y-%m-%d %H:%M:%S} UTC" if transaction else ""
        prepared = ", prepared" if transaction and transaction.prepared else ""
        xid = f"{verdict.xid}, " if verdict.xid is not None else ""
        yield (
            "transaction",
            f"{xid}finished at {format_lsn(verdict.lsn)}{at}{prepared}",
        )
    yield "verdict", "blocks" if verdict.refusal is None else "refused"
    yield "because", verdict.because
    if examined.not_peeked is not None and verdict.transaction is None:
        yield "slot", f"not looked at: {examined.not_peeked}"
    if examined.missing is not None:
        yield "privilege", f"{examined.missing}; {examined.remedy}"


def _print_lost(examined: Examined) -> None:
    if examined.changes is None:
        print(
            "The whole transaction would be lost. What it changes is not known; the"
            " conflict log\nknows of these changes:"
        )
    else:
        print(f"{output.plural(examined.changes, 'change')} would be lost:")
    if not examined.lost:
        print("  none")
        return
    output.print_table(
        ["table", "operation", output.Column("changes", "right")], _tables(examined)
    )
    print()
    shown = examined.lost[:SHOWN]
    output.print_table(
        ["table", "operation", "key", "row"],
        [
            [_table(one), one.operation, _values(one.key), _values(one.row)]
            for one in shown
        ],
    )
    left = (examined.changes or len(examined.lost)) - len(shown)
    if left:
        print(f"… and {left} more; --json has up to {len(examined.lost)}")


def _tables(examined: Examined) -> list[tuple[str, str, int]]:
    transaction = examined.verdict.transaction
    if transaction is not None:
        return [
            (f"{one.schemaname}.{one.relname}", one.operation, one.number)
            for one in transaction.tables
        ]
    counted = Counter((_table(one) or "?", one.operation) for one in examined.lost)
    return sorted((*names, number) for names, number in counted.items())


def _table(change: LostChange) -> str | None:
    if change.schemaname is None:
        return change.relname
    return f"{change.schemaname}.{change.relname}"


def _values(values: Values | None) -> str | None:
    if values is None:
        return None
    return ", ".join(
        f"{name}={'NULL' if value is None else literal(value)}"
        for name, value in values.items()
    )
