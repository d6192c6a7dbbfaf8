"""An event from all sides: what each node logged of it, and what looking found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.cli import output
from pgconflict.cli.conflict_access import utc
from pgconflict.core.conflict import ConflictType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.conflict_log.events import Event
    from pgconflict.conflict_log.looks import Look
    from pgconflict.conflict_log.stored import StoredConflict
    from pgconflict.core.conflict import LocalConflict, Values

MOST: Final = 10
"""Conflicts of an event, and looks, that the text shows."""
_NOT_APPLIED: Final = frozenset(
    {
        ConflictType.UPDATE_MISSING,
        ConflictType.UPDATE_DELETED,
        ConflictType.DELETE_MISSING,
    }
)


def print_sides(event: Event) -> None:
    """Each conflict of an event: the versions before and after, both transactions."""
    others = len(event.members) - MOST
    output.print_table(
        [output.Column("id", "right"), "node", "type", "", "transaction", "row"],
        [line for one in event.members[:MOST] for line in _side(one)],
    )
    if others > 0:
        print(f"and {output.plural(others, 'more conflict')}; --json has them")


def _side(conflict: StoredConflict) -> list[tuple[object, ...]]:
    """Two lines: what was there, and what came."""
    locals_ = conflict.local_conflicts
    return [
        (
            conflict.conflict_id,
            conflict.node,
            conflict.type,
            "had",
            _local_write(locals_[0]) if locals_ else "",
            _row(locals_[0].tuple, locals_[0].tuple_text) if locals_ else "no row",
        ),
        ("", "", _came_of_it(conflict), "got", _remote_write(conflict), _new(conflict)),
    ]


def _local_write(local: LocalConflict) -> str:
    origin = {"local": "of this node", "gone": "of a vanished origin"}.get(
        local.origin_kind or "", f"of {local.origin}" if local.origin else ""
    )
    at = f"committed {local.commit_ts}" if local.commit_ts else ""
    return " ".join(part for part in (_xid(local.xid), origin, at) if part)


def _remote_write(conflict: StoredConflict) -> str:
    origin = f"of {conflict.remote_origin}" if conflict.remote_origin else ""
    at = conflict.remote_commit_ts
    committed = f"committed {utc(at)}" if at else ""
    return " ".join(p for p in (_xid(conflict.remote_xid), origin, committed) if p)


def _xid(xid: int | None) -> str:
    return "" if xid is None else str(xid)


def _new(conflict: StoredConflict) -> str:
    if conflict.operation == "DELETE":
        return "deletion"
    return _row(conflict.remote_tuple, conflict.remote_tuple_text)


def _came_of_it(conflict: StoredConflict) -> str:
    """What PostgreSQL did with what came."""
    if conflict.stalls:
        return "(stopped apply)"
    return "(dropped)" if conflict.conflict_type in _NOT_APPLIED else "(applied)"


def _row(values: Values | None, text: str | None) -> str:
    if values is None:
        return text or "not logged"
    parts = (f"{name}={_value(value)}" for name, value in values.items())
    return ", ".join(parts)


def _value(value: str | None) -> str:
    return "null" if value is None else value


def print_looks(looks: Sequence[Look]) -> None:
    """What the last look found, both nodes side by side, and what was found before."""
    last = looks[0]
    why = (last.evidence or {}).get("reason")
    found = f"{last.verdict} ({last.reason})" if last.reason else last.verdict
    output.print_fields(
        (name, value)
        for name, value in (
            ("as of (UTC)", utc(last.looked_at)),
            ("verdict", found),
            ("cause", f"{last.cause}: {why}" if last.cause and why else last.cause),
            ("effect", last.effect),
        )
        if value
    )
    _print_rows(last)
    if len(looks) > 1:
        print()
        output.print_table(
            ["looked at (UTC)", "verdict", "reason", "cause", "effect"],
            [
                (utc(one.looked_at), one.verdict, one.reason, one.cause, one.effect)
                for one in looks[:MOST]
            ],
        )


def _print_rows(look: Look) -> None:
    """What differs; a row that is gone on one node has no line of it."""
    values = look.row_values
    if not values:
        return
    names = dict.fromkeys(name for row in values.values() for name in row or ())
    print()
    output.print_table(
        ["column", *(f"node {node}" for node in values)],
        [(name, *(_cell(row, name) for row in values.values())) for name in names]
        or [("", *("no row" if row is None else "" for row in values.values()))],
    )


def _cell(row: Values | None, name: str) -> str:
    if row is None:
        return "no row"
    return _value(row[name]) if name in row else ""
