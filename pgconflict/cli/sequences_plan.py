"""The plan of a synchronisation, as it is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgconflict.cli import output
from pgconflict.cli.output import Column
from pgconflict.cli.sequences_access import position_of

if TYPE_CHECKING:
    from pgconflict.core.sequence_plan import Plan
    from pgconflict.server.sequence_sync import Look

_COLUMNS = (
    Column("sequence"),
    Column("source", "right"),
    Column("target", "right"),
    Column("to", "right"),
    Column("reason"),
)


def print_plan(seen: Look) -> None:
    """Print what is to move and what is left alone, one line each."""
    rows: list[tuple[object, ...]] = []
    for one in seen.plan.advances:
        reason = str(one.reason) + (f" ({one.note})" if one.note else "")
        now = None if one.create else position_of(one.target)
        rows.append(
            (
                str(one.name),
                position_of(one.source),
                now,
                position_of(one.planned),
                reason,
            )
        )
    rows += [
        (
            str(one.name),
            position_of(seen.sources.get(one.name)),
            position_of(seen.targets.get(one.name)),
            None,
            f"left alone: {one.obstacle}: {one.detail}",
        )
        for one in seen.plan.blocked
    ]
    if rows:
        output.print_table(_COLUMNS, rows)


def summary(plan: Plan) -> str:
    """Return the totals as one line."""
    text = (
        f"{output.plural(len(plan.advances), 'sequence')} to move,"
        f" {len(plan.blocked)} left alone, {plan.unchanged} as they should be"
    )
    return text + (f", {len(plan.extra)} only on the target" if plan.extra else "")


def plan_document(seen: Look, database: str) -> dict[str, Any]:
    """Return the plan for JSON."""
    plan = seen.plan
    return {
        "database": database,
        "plan": [
            {
                "schemaname": one.name.schemaname,
                "sequencename": one.name.sequencename,
                "source_last_value": one.source.last_value,
                "source_is_called": one.source.is_called,
                "old_last_value": None if one.create else one.target.last_value,
                "old_is_called": None if one.create else one.target.is_called,
                "last_value": one.last_value,
                "is_called": one.is_called,
                "column_value": one.column_value,
                "reason": str(one.reason),
                "note": one.note,
            }
            for one in plan.advances
        ],
        "left_alone": [
            {
                "schemaname": one.name.schemaname,
                "sequencename": one.name.sequencename,
                "obstacle": str(one.obstacle),
                "detail": one.detail,
            }
            for one in plan.blocked
        ],
        "unchanged": plan.unchanged,
        "only_on_target": [str(name) for name in plan.extra],
    }
