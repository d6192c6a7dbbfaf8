"""The plan for a stopped transaction, and what came of it, in words and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.cli import output
from pgconflict.core.lsn import format_lsn
from pgconflict.core.stopped import Keep

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pgconflict.cli.stopped_plan import Plan
    from pgconflict.core.conflict import Values
    from pgconflict.core.pgoutput import Change
    from pgconflict.core.stopped import Local

SHOWN: Final = 20
"""Changes in text, besides those that meet a local row."""

_MEANING: Final = {
    Keep.OURS: "node {node}'s row stays; the transaction is applied without what is"
    " lost, at once with that the subscription goes past it",
    Keep.THEIRS: "node {node}'s row makes room, which no other node hears of; apply"
    " brings the transaction whole",
    Keep.BOTH: "node {node}'s row makes room and gets another key, under which it goes"
    " to all that subscribe; apply brings the transaction whole",
    Keep.SKIP: "the transaction is lost on node {node}, every change of it",
}


def print_plan(plan: Plan, chosen: Keep | None) -> None:
    """Print the transaction, the rows in its way, and each way out."""
    output.print_fields(_fields(plan))
    if plan.examined.verdict.refusal is not None:
        return
    ways = [keep for keep in plan.ways if plan.ways[keep].refusal is None]
    if plan.changes:
        print("\nthe transaction, and what becomes of it with --keep:")
        _print_changes(plan, ways)
    if plan.rows:
        node = plan.examined.facts.node.name
        print(f"\nin its way on node {node}, and what becomes of it with --keep:")
        _print_rows(plan, ways)
    print()
    for keep, way in plan.ways.items():
        said = _meaning(plan, keep)
        if way.refusal is not None:
            said = f"not possible: {way.refusal}"
        print(output.visible(f"--keep {keep}: {said}"))
    for one in plan.mirrored:
        print(
            output.visible(
                f"node {plan.examined.publisher.node} has stopped on {one.table} as"
                f" well: `pgconflict conflicts repair {one.conflict_id}`"
            )
        )
    if chosen is not None and plan.ways[chosen].refusal is None:
        _print_statements(plan, chosen)


def _fields(plan: Plan) -> Iterable[tuple[str, object]]:
    conflict, examined = plan.conflict, plan.examined
    node = examined.facts.node.name
    verdict = examined.verdict
    yield (
        "conflict",
        f"{conflict.conflict_id}: {conflict.type} on {conflict.table or 'no table'}",
    )
    state = "" if examined.subscription.enabled else ", disabled"
    yield "subscription", f"{examined.subscription.name} of node {node}{state}"
    from_where = examined.publisher.node
    at = "not known" if verdict.lsn is None else format_lsn(verdict.lsn)
    xid = "" if verdict.xid is None else f"{verdict.xid} "
    yield (
        "transaction",
        f"{xid}{f'of node {from_where}' if from_where else ''}, finished at {at}",
    )
    yield "blocks", "yes" if verdict.refusal is None else "no, or not known to"
    yield "because", verdict.because


def _print_changes(plan: Plan, ways: Sequence[Keep]) -> None:
    met = {place for row in plan.rows for place, _ in row.meets}
    lost = {place for way in plan.ways.values() for place in way.lost}
    shown = sorted({*range(min(SHOWN, len(plan.changes))), *sorted(met | lost)})
    output.print_table(
        [
            output.Column("#", "right"), "table", "operation", "row",
            *(str(keep) for keep in ways),
        ],
        [
            [
                place + 1,
                f"{plan.changes[place].schemaname}.{plan.changes[place].relname}",
                plan.changes[place].operation,
                _values(_row(plan.changes[place])),
                *(plan.fate(keep, place) for keep in ways),
            ]
            for place in shown
        ],
    )  # fmt: skip
    if left := len(plan.changes) - len(shown):
        print(f"… and {left} more, which are applied, or with skip lost")


def _row(change: Change) -> Values | None:
    """The key where the row does not say it, and the row."""
    if change.row is None:
        return change.key
    return {**(change.key or {}), **change.row}


def _print_rows(plan: Plan, ways: Sequence[Keep]) -> None:
    output.print_table(
        ["row", "in the way of", "referred to by", *(str(keep) for keep in ways)],
        [
            [
                f"{'.'.join(row.names)} {_values(row.row.values)}",
                _meets(row),
                _referring(plan, number),
                *(plan.local_fate(keep, number) for keep in ways),
            ]
            for number, row in enumerate(plan.rows)
        ],
    )


def _meets(row: Local) -> str:
    return "; ".join(
        f"# {place + 1} by {index.name} ({', '.join(index.columns)})"
        for place, index in row.meets
    )


def _referring(plan: Plan, number: int) -> str | None:
    found = [
        f"{output.plural(one.rows, 'row')} of {one.schemaname}.{one.relname}"
        for one in plan.referring[number]
        if one.rows
    ]
    return ", ".join(found) or None


def _meaning(plan: Plan, keep: Keep) -> str:
    said = _MEANING[keep].format(node=plan.examined.facts.node.name)
    lost = len(plan.ways[keep].lost)
    if lost:
        said += f": {output.plural(lost, 'change')} lost"
    return said


def _print_statements(plan: Plan, keep: Keep) -> None:
    node = plan.examined.facts.node.name
    print(f"\non node {node}, in one transaction:")
    for text in plan.statements(keep):
        print(f"  {output.visible(text)}")
    if keep is Keep.SKIP:
        return
    for names, found in plan.effects.items():
        if found.fires:
            fires = output.as_text(found.fires)
            print(output.visible(f"  fires on {'.'.join(names)}: trigger {fires}"))
    if keep is Keep.OURS:
        origin = f"pg_{plan.examined.subscription.subid}"
        transaction = plan.examined.verdict.transaction
        end = format_lsn(transaction.end_lsn) if transaction else ""
        print(f"  and replication origin {origin} goes to {end}")


def _values(values: Values | None) -> str | None:
    if values is None:
        return None
    return ", ".join(
        f"{name}={'null' if value is None else value}" for name, value in values.items()
    )


def document(
    plan: Plan,
    chosen: Keep | None,
    outcome: str,
    said: Sequence[str],
    number: int | None,
) -> dict[str, object]:
    """The whole as one JSON document."""
    verdict, examined = plan.examined.verdict, plan.examined
    return {
        "conflict_id": plan.conflict.conflict_id,
        "conflict_type": plan.conflict.conflict_type,
        "node": examined.facts.node.name,
        "subscription": examined.subscription.name,
        "enabled": examined.subscription.enabled,
        "publisher": examined.publisher.node,
        "lsn": None if verdict.lsn is None else format_lsn(verdict.lsn),
        "remote_xid": verdict.xid,
        "blocks": verdict.refusal is None,
        "refusal": verdict.refusal,
        "because": verdict.because,
        "changes": [
            {
                "table": f"{change.schemaname}.{change.relname}",
                "operation": change.operation,
                "key": change.key,
                "row": change.row,
                "keep": {keep: plan.fate(keep, place) for keep in plan.ways},
            }
            for place, change in enumerate(plan.changes)
        ],
        "in_the_way": [
            {
                "table": ".".join(row.names),
                "key": row.key,
                "row": row.row.values,
                "changes": [
                    {"change": place + 1, "index": index.name}
                    for place, index in row.meets
                ],
                "referring": [
                    {
                        "table": f"{one.schemaname}.{one.relname}",
                        "foreign_key": one.name,
                        "rows": one.rows,
                    }
                    for one in plan.referring[place]
                ],
                "keep": {keep: plan.local_fate(keep, place) for keep in plan.ways},
            }
            for place, row in enumerate(plan.rows)
        ],
        "ways": {
            keep: {
                "possible": way.refusal is None,
                "refusal": way.refusal,
                "means": _meaning(plan, keep),
                "statements": [] if way.refusal else plan.statements(keep),
            }
            for keep, way in plan.ways.items()
        },
        "mirrored": [one.conflict_id for one in plan.mirrored],
        "keep": chosen,
        "outcome": outcome,
        "said": list(said),
        "action_id": number,
    }
