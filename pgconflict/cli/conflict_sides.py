"""An event from all sides: what each node logged of it, and what looking found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.cli import output
from pgconflict.cli.conflict_access import utc
from pgconflict.cli.conflict_effect import local_time
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
            _row(locals_[0].tuple, locals_[0].tuple_text, conflict)
            if locals_
            else "no row",
        ),
        ("", "", _came_of_it(conflict), "got", _remote_write(conflict), _new(conflict)),
    ]


def _local_write(local: LocalConflict) -> str:
    origin = {"local": "of this node", "gone": "of a vanished origin"}.get(
        local.origin_kind or "", f"of {local.origin}" if local.origin else ""
    )
    at = local.commit_ts
    committed = f"committed {local_time(at).removesuffix(' UTC')}" if at else ""
    return " ".join(part for part in (_xid(local.xid), origin, committed) if part)


def _remote_write(conflict: StoredConflict) -> str:
    # The origin of a subscription's worker is named by a number.
    own = conflict.remote_origin == f"pg_{conflict.subid}"
    name = f"subscription {conflict.subname}" if own else conflict.remote_origin
    origin = f"by {name}" if name else ""
    at = conflict.remote_commit_ts
    committed = f"committed {utc(at)}" if at else ""
    return " ".join(p for p in (_xid(conflict.remote_xid), origin, committed) if p)


def _xid(xid: int | None) -> str:
    return "" if xid is None else str(xid)


def _new(conflict: StoredConflict) -> str:
    if conflict.operation == "DELETE":
        return "deletion"
    return _row(conflict.remote_tuple, conflict.remote_tuple_text, conflict)


def _came_of_it(conflict: StoredConflict) -> str:
    """What PostgreSQL did with what came."""
    if conflict.stalls:
        return "(stopped apply)"
    return "(dropped)" if conflict.conflict_type in _NOT_APPLIED else "(applied)"


def _row(values: Values | None, text: str | None, conflict: StoredConflict) -> str:
    if values is None:
        return text or "not kept"
    # The key leads, whatever the order in which JSON keeps columns.
    key = conflict.replica_identity or {}
    names = sorted(values, key=lambda name: name not in key)
    parts = (f"{name}={_value(values[name])}" for name in names)
    return ", ".join(parts)


def _value(value: str | None) -> str:
    return "null" if value is None else value


def print_looks(looks: Sequence[Look]) -> None:
    """What the last look found, and what was found before."""
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
    if len(looks) > 1:
        print()
        output.print_table(
            ["looked at (UTC)", "verdict", "reason", "cause", "effect"],
            [
                (utc(one.looked_at), one.verdict, one.reason, one.cause, one.effect)
                for one in looks[:MOST]
            ],
        )


def print_difference(looks: Sequence[Look]) -> None:
    """What differs now, both nodes side by side, as far as it may be kept."""
    values = looks[0].row_values if looks else None
    if not values:
        return
    names = dict.fromkeys(name for row in values.values() for name in row or ())
    names |= dict.fromkeys(looks[0].columns or ())
    print()
    output.print_table(
        ["column", *(f"node {node}" for node in values)],
        [(name, *(_cell(row, name) for row in values.values())) for name in names]
        or [("", *(_cell(row, "") for row in values.values()))],
    )


def _cell(row: Values | None, name: str) -> str:
    if row is None:
        return "no row"
    return _value(row[name]) if name in row else "not kept"
