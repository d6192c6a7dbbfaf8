"""What `conflicts verify` says at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pgconflict.cli import output
from pgconflict.cli.subscription_access import say

if TYPE_CHECKING:
    from pgconflict.conflict_log.differences import Differing, Progress
    from pgconflict.server.table_nodes import KeyValues, TableNodes
    from pgconflict.server.table_order import Order

SHOWN: Final = 50
"""Findings that the text lists; --json and the conflict log have all."""


@dataclass(slots=True)
class Found:
    """What is told at the end."""

    rows: list[tuple[int | None, Differing]] = field(default_factory=list)
    unsettled: list[tuple[KeyValues, str]] = field(default_factory=list)
    kept: int = 0
    """How many characters their values have."""

    types_differ: int = 0
    stopped: bool = False
    """So many rows differ that the rest was not looked at."""

    @property
    def number(self) -> int:
        """How many rows are kept to be told of."""
        return len(self.rows) + len(self.unsettled)


@dataclass(frozen=True, slots=True)
class Report:
    """All that is known of a comparison; `seconds` of this run."""

    nodes: TableNodes
    names: tuple[str, str]
    order: Order
    progress: Progress
    found: Found
    seconds: float

    def document(self) -> dict[str, Any]:
        """What --json prints."""
        found, nodes, progress = self.found, list(self.nodes.nodes), self.progress
        order = self.order
        return {
            "table": ".".join(self.names),
            "nodes": nodes,
            "key": order.key,
            "columns": self.nodes.columns,
            "rows": dict(zip(nodes, progress.rows, strict=True)),
            "ranges": progress.ranges,
            "seconds": round(self.seconds, 3),
            "differing": progress.differing,
            "unsettled": progress.unsettled,
            "types_differ": found.types_differ,
            "stopped": found.stopped,
            "run_id": progress.run_id or None,
            "findings": [
                {
                    "conflict_id": number,
                    "key": row.key,
                    "columns": row.columns,
                    "rows": row.rows,
                    "several": row.several,
                }
                for number, row in found.rows
            ],
            "unsettled_rows": [
                {"key": dict(zip(order.key, key, strict=True)), "state": state}
                for key, state in found.unsettled
            ],
        }

    def print(self, *, stored: bool) -> None:
        """Print it for a person; `stored`: whether findings are recorded."""
        found, nodes, progress = self.found, list(self.nodes.nodes), self.progress
        rows = " and ".join(
            f"{count} on {name}"
            for name, count in zip(nodes, progress.rows, strict=True)
        )
        if found.rows:
            output.print_table(
                [output.Column("conflict", "right"), "key", "differs"],
                [
                    (number, row.key_text, _differs(row))
                    for number, row in found.rows[:SHOWN]
                ],
            )
            if len(found.rows) > SHOWN:
                print(f"and {len(found.rows) - SHOWN} more")
            print()
        print(
            f"{'.'.join(self.names)}: {rows}, {progress.ranges} ranges,"
            f" {self.seconds:.1f} s: {_outcome(progress, found)}"
        )
        if found.stopped:
            goes_on = ": --resume goes on from there" if stored else ""
            say(f"stopped before the end, as so many rows differ{goes_on}")
        if progress.differing and stored:
            say("pgconflict conflicts repair ID ... --winner NODE puts them right")


def _differs(row: Differing) -> str:
    if row.several:
        return f"several rows on {', '.join(row.several)}"
    gone = [name for name, values in row.rows.items() if values is None]
    if gone:
        return f"missing on {', '.join(gone)}"
    return ", ".join(row.columns)


def _outcome(progress: Progress, found: Found) -> str:
    said = []
    if progress.differing:
        one = progress.differing == 1
        rows = output.plural(progress.differing, "row")
        said.append(f"{rows} {'differs' if one else 'differ'}")
    if progress.unsettled:
        said.append(f"{progress.unsettled} written or waited for all the time")
    if found.types_differ:
        said.append(f"{found.types_differ} differ only in columns of different types")
    return "; ".join(said) or "equal"
