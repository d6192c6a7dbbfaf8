"""`pgconflict conflicts list`: a page of conflicts, or the new ones as they come."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from dataclasses import replace
from datetime import UTC
from itertools import islice
from typing import TYPE_CHECKING, Final

from pgconflict.cli import output
from pgconflict.cli.conflict_access import (
    add_filters,
    add_row_filters,
    filters_of,
    iso_time,
    opened,
    utc,
)
from pgconflict.conflict_log.events import Event, events
from pgconflict.conflict_log.follow import AT_ONCE, Follower
from pgconflict.conflict_log.reader import Place, place_of
from pgconflict.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pgconflict.conflict_log.filters import Filters
    from pgconflict.conflict_log.reader import ConflictLogReader
    from pgconflict.conflict_log.stored import StoredConflict

LOOK: Final = 1.0  # seconds between two looks of --follow
LIMIT: Final = 100

COLUMNS: Final = (
    output.Column("id", "right"),
    output.Column("logged (UTC)"),
    output.Column("node"),
    output.Column("subscription"),
    output.Column("table"),
    output.Column("type"),
    output.Column("key"),
    output.Column("attempts", "right"),
    output.Column("status"),
    output.Column("effect"),
)
_PLACE: Final = {column.title: place for place, column in enumerate(COLUMNS)}
FEW: Final = 4
"""Numbers, nodes ... of one event that its line shows."""
MEMBER: Final = (
    *("conflict_id", "first_logged_at", "node", "subname", "conflict_type"),
    *("remote_origin", "remote_xid", "verdict", "cause", "effect"),
)
"""Fields of the conflicts of an event."""

# In cells; --follow can't wait for all rows to find the widest.
_WIDTHS: Final = (8, 23, 8, 14, 20, 22, 16, 8, 8, 10)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take filters, and which page."""
    add_filters(parser)
    add_row_filters(parser)
    parser.add_argument(
        "--all",
        action="store_true",
        help="also what did nothing to the data: effect none, most of all hand-overs",
    )
    page = parser.add_argument_group("which page")
    page.add_argument(
        "--limit", type=_number, default=LIMIT, metavar="N", help="default: %(default)s"
    )
    page.add_argument(
        "--after",
        metavar="TIME,ID",
        help="go on behind this conflict, by its first_logged_at and conflict_id",
    )
    page.add_argument(
        "--oldest-first", action="store_true", help="in the order of the log"
    )
    page.add_argument(
        "--follow",
        action="store_true",
        help="show what is recorded from now on, until interrupted; with --since what"
        " is there comes first",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print conflicts; 0, also if there are none."""
    filters = filters_of(arguments)
    if arguments.follow and (arguments.after or filters.until):
        raise UsageError("--follow goes with neither --after nor --until")
    after = None if arguments.after is None else parse_place(arguments.after)
    with opened(arguments) as reader:
        if arguments.follow:
            _follow(reader, filters, json=arguments.json)
            return 0
        # One more than asked for tells whether there are more.
        found = events(
            reader,
            replace(filters, harmful=not arguments.all),
            limit=arguments.limit + 1,
            after=after,
            newest_first=not arguments.oldest_first,
        )
        _print_page(found, arguments.limit, json=arguments.json)
    return 0


def _print_page(found: Iterable[Event], limit: int, *, json: bool) -> None:
    iterator = iter(found)
    page: list[Event] = []
    last: Event | None = None
    for last in islice(iterator, limit):
        if json:
            output.print_json_line(document(last))
        else:
            page.append(last)
    if not json:
        output.print_table(COLUMNS, map(event_cells, page))
    if last is None:
        output.print_message("no conflict passes")
    elif next(iterator, None) is not None:
        place = format_place(place_of(last.conflict))
        output.print_message(f"there are more: --after {place}")


def document(event: Event) -> dict[str, object]:
    """The conflict's own fields, then the event that it is part of with others."""
    conflict = event.conflict
    fields = {name: getattr(conflict, name) for name in conflict.__struct_fields__}
    if event.event_id is None:
        return {**fields, "event": None}
    members = [{name: getattr(one, name) for name in MEMBER} for one in event.members]
    return {
        **fields,
        "event": {
            "event_id": event.event_id,
            "effect": event.effect,
            "members": members,
        },
    }


def event_cells(event: Event) -> Sequence[object]:
    """An event as one line of `COLUMNS`: both numbers, nodes, ..., one effect."""
    if event.event_id is None:
        return cells(event.conflict)
    lines = [cells(one) for one in event.members]
    several: list[object] = [_several(column) for column in zip(*lines, strict=True)]
    several[_PLACE["logged (UTC)"]] = utc(event.members[0].first_logged_at)
    several[_PLACE["attempts"]] = sum(one.attempts for one in event.members)
    several[_PLACE["effect"]] = event.effect
    return several


def _several(values: Iterable[object]) -> str:
    """The different ones, the first few of many."""
    found = list(dict.fromkeys(str(value) for value in values if value is not None))
    more = f" and {len(found) - FEW} more" if len(found) > FEW else ""
    return ", ".join(found[:FEW]) + more


def cells(conflict: StoredConflict) -> Sequence[object]:
    """A conflict as a line of `COLUMNS`."""
    status = conflict.status
    if conflict.acknowledged_at is not None:
        status += ", acknowledged"
    return (
        conflict.conflict_id,
        utc(conflict.first_logged_at),
        conflict.node,
        conflict.subname,
        conflict.table,
        conflict.type,
        conflict.key,
        conflict.attempts,
        status,
        conflict.effect,
    )


def format_place(place: Place) -> str:
    """The cursor as --after takes it."""
    at = place.first_logged_at.astimezone(UTC).replace(tzinfo=None)
    return f"{at.isoformat()}Z,{place.conflict_id}"


def parse_place(text: str) -> Place:
    """The cursor that --after holds; as `format_place` wrote it, or from JSON.

    >>> format_place(parse_place("2026-11-20T12:00:00.000001Z,17"))
    '2026-11-20T12:00:00.000001Z,17'
    """
    at, comma, number = text.rpartition(",")
    if not comma or not number.isdecimal():
        raise UsageError(
            f"--after {output.visible(text)}: not a time and a number",
            hint="the last page's message, or first_logged_at and conflict_id of its"
            " last line, joined by a comma",
        )
    return Place(iso_time(at, "--after"), int(number))


def _number(text: str) -> int:
    if not re.fullmatch("0*[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _follow(reader: ConflictLogReader, filters: Filters, *, json: bool) -> None:
    follower = Follower(reader, filters)
    if not follower.start():
        output.print_message(
            "a transaction has been storing conflicts for long: what it has stored"
            " until now will not be shown"
        )
    if not json:
        _print_line([column.title for column in COLUMNS])
    if filters.since is not None:
        _show_stored(reader, follower, filters, json=json)
    while True:
        found = follower.new()
        _show(found, json=json)
        if len(found) < AT_ONCE:
            time.sleep(LOOK)


def _show_stored(
    reader: ConflictLogReader, follower: Follower, filters: Filters, *, json: bool
) -> None:
    after = None
    while page := list(
        reader.conflicts(filters, limit=AT_ONCE, after=after, newest_first=False)
    ):
        follower.see(page)
        _show(page, json=json)
        after = place_of(page[-1])


def _show(conflicts: Sequence[StoredConflict], *, json: bool) -> None:
    for conflict in conflicts:
        if json:
            output.print_json_line(conflict)
        else:
            _print_line(cells(conflict))
    # Whoever reads from a pipe shall see them now.
    sys.stdout.flush()


def _print_line(values: Sequence[object]) -> None:
    """One line in columns of fixed width; what is longer moves the rest."""
    parts = []
    for value, cells_, column in zip(values, _WIDTHS, COLUMNS, strict=True):
        text = output.as_text(value)
        space = " " * (cells_ - output.width(text))
        parts.append(space + text if column.align == "right" else text + space)
    line = output.GAP.join(parts).rstrip()
    if sys.stdout.isatty():
        line = output.cut(line, shutil.get_terminal_size().columns)
    print(line)
