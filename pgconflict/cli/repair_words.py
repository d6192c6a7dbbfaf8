"""A repair's plan as text and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pgconflict.cli import output
from pgconflict.cli.conflict_access import utc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.cli.repair_apply import Told
    from pgconflict.cli.repair_rows import Planned
    from pgconflict.core.conflict import Values
    from pgconflict.core.repair import Version


def print_plan(planned: Planned) -> None:
    """Show the row on every node, what would be written where, and what it costs."""
    wanted, plan = planned.wanted, planned.plan
    ids = ", ".join(str(one.conflict_id) for one in wanted.conflicts)
    table = ".".join(wanted.names or ())
    word = "conflict" if len(wanted.conflicts) == 1 else "conflicts"
    print(output.visible(f"{table} {_key(planned)}, {word} {ids}"))
    if plan is None:
        return
    rows = []
    for key, versions in zip(plan.keys, plan.rows, strict=True):
        where = f"({', '.join(key)})=({', '.join(str(v) for v in key.values())})"
        rows += [
            (name, where, *_cells(version, name == planned.winner))
            for name, version in versions.items()
        ]
    output.print_table(["node", "key", "committed (UTC)", "", "row"], rows)
    if planned.chosen is not None and planned.winner is not None:
        print(f"  stays: node {planned.winner}'s version, {planned.chosen.reason}")
    for node, statements in planned.statements.items():
        print(f"  on node {node}, under origin pgconflict_repair:")
        for statement in statements:
            print(f"    {output.visible(statement)}")
        effects = planned.effects[node]
        if effects.fires:
            print(f"    fires: trigger {output.as_text(effects.fires)}")
        if effects.silent:
            print(f"    does not fire: trigger {output.as_text(effects.silent)}")
        if effects.foreign_keys:
            keys = output.as_text(effects.foreign_keys)
            print(f"    looked at before the commit: foreign key {keys}")


def _cells(version: Version, stays: bool) -> tuple[str | None, str, str]:  # noqa: FBT001 - of this module
    if version.row is None:
        return None, "stays" if stays else "", "no row"
    values = ", ".join(
        f"{name}={'null' if value is None else value}"
        for name, value in version.row.values.items()
    )
    return utc(version.committed), "stays" if stays else "", values


def _key(planned: Planned) -> str:
    key = _keys(planned)[0]
    return f"({', '.join(key)})=({', '.join(str(value) for value in key.values())})"


def _keys(planned: Planned) -> Sequence[Values]:
    """Those by which the row is read; or what is known of it."""
    return planned.wanted.keys if planned.plan is None else planned.plan.keys


def document(told: Told) -> dict[str, object]:
    """One row as a line of --json."""
    wanted, planned = told.row, told.plan
    plan = None if planned is None else planned.plan
    found: dict[str, object] = {
        "conflict_ids": [one.conflict_id for one in wanted.conflicts],
        "table": ".".join(wanted.names) if wanted.names else None,
        "keys": wanted.keys if planned is None else _keys(planned),
        "outcome": told.outcome,
        "said": told.recorded,
        "repair_id": told.number,
    }
    if planned is None or plan is None:
        return found
    return found | {
        "winner": planned.winner,
        "why": planned.chosen and planned.chosen.reason,
        "rows": [
            {
                name: {
                    "row": version.row and version.row.values,
                    "committed": version.committed,
                }
                for name, version in versions.items()
            }
            for versions in plan.rows
        ],
        "statements": planned.statements,
        "effects": planned.effects,
    }


def summary(outcomes: Sequence[str]) -> str:
    """How many rows came to what end.

    >>> summary(["repaired", "repaired", "refused"])
    '3 rows: 2 repaired, 1 refused'
    """
    counted = ", ".join(
        f"{number} {outcome}" for outcome, number in Counter(outcomes).items()
    )
    rows = output.plural(len(outcomes), "row")
    return f"{rows}: {counted}" if counted else "no row differs"
