"""What the two nodes' rows tell: equal, different, or different as they may be.

Where both nodes have a row that every row filter lets pass, each write that left it so
was sent, and they are to be equal. A row that is missing, or that a filter keeps back,
may be as it should.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgconflict.core.conflict import Kind
from pgconflict.core.verdict import Reason, Verdict, difference
from pgconflict.daemon.verdict.keys import exact
from pgconflict.daemon.verdict.nodes import AWAY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pgconflict.core.row_entry import KeyValues
    from pgconflict.core.row_filter import RowFilter
    from pgconflict.core.verdict import Row
    from pgconflict.daemon.verdict.links import Sides
    from pgconflict.daemon.verdict.nodes import NodeView
    from pgconflict.daemon.verdict.watch import Watch
    from pgconflict.server.row_reader import Incoming, RowReader, RowTable

    Read = Mapping[KeyValues, list[Row]]
    Passing = Mapping[int, bool | None]
    """By identity of the row: whether every filter lets it pass; None: not known."""


@dataclass(frozen=True, slots=True)
class _Filters:
    """Those of all subscriptions that write to the table on either node.

    Attributes:
        given: With the nodes that they are of.
        all: Whether there are no others, and each node sends its own writes alone.
    """

    given: Sequence[tuple[RowReader, RowFilter]]
    all: bool


async def compare_rows(
    sides: Sides,
    views: Mapping[str, NodeView],
    watches: Sequence[Watch],
    one: Read,
    two: Read,
) -> None:
    """Compare what was read of this node (`one`) and of its publisher (`two`).

    Raises:
        NodeUnavailableError: a node did not answer; what differs is not judged then.
    """
    for watch in watches:
        _compare(watch, sides, one, two)
    differing = [
        watch
        for watch in watches
        if watch.verdict is Verdict.DIVERGED and watch.reason is None
    ]
    await _weigh_filters(sides, views, differing)
    for watch in differing:
        if watch.verdict is Verdict.DIVERGED:
            _weigh_types(watch, sides)


def _compare(watch: Watch, sides: Sides, one: Read, two: Read) -> None:
    keys = watch.keys or []
    if any(len(rows[key]) > 1 for rows in (one, two) for key in keys):
        watch.give_up(Verdict.UNVERIFIABLE, Reason.AMBIGUOUS)
        return
    # The key of a difference was read from the row itself.
    logged = watch.due.kind != Kind.DIFFERENCE
    found_any = any(rows[key] for rows in (one, two) for key in keys)
    if logged and not found_any and not exact(sides):
        watch.give_up(Verdict.UNVERIFIABLE, Reason.AMBIGUOUS)
        return
    ours = tuple(one[key][0] if one[key] else None for key in keys)
    theirs = tuple(two[key][0] if two[key] else None for key in keys)
    found = [
        difference(sides.columns, mine, other)
        for mine, other in zip(ours, theirs, strict=True)
    ]
    if sides.here_table is not None:
        watch.prints = sides.here_table.prints
    watch.compare(ours, theirs, found)


def _weigh_types(watch: Watch, sides: Sides) -> None:
    columns = [name for each in watch.differences for name in each.columns]
    reason = sides.cannot_tell(columns)
    if reason is not None:
        watch.give_up(Verdict.UNVERIFIABLE, reason)


async def _weigh_filters(
    sides: Sides, views: Mapping[str, NodeView], differing: Sequence[Watch]
) -> None:
    rows = [row for watch in differing for pair in _pairs(watch) for row in pair if row]
    if not rows:
        return
    # Nothing is said of them if a node does not answer now.
    for watch in differing:
        watch.verdict = None
    filters = await _filters(sides, views)
    readable = filters.all and _readable(sides, filters)
    passing = await _passing(filters, rows) if readable else {}
    for watch in differing:
        watch.verdict = Verdict.DIVERGED
        if filters.given:
            weigh_filter(watch, sides.columns, passing)


async def _filters(sides: Sides, views: Mapping[str, NodeView]) -> _Filters:
    given: list[tuple[RowReader, RowFilter]] = []
    known = True
    ways = [(sides.there, sides.to_here), (sides.here, sides.to_there)]
    for publisher, table, one in _of_others(sides, views):
        sent = None
        if publisher is not None and not one.of_others:
            # A third node that is away keeps nothing of these two from being told.
            with suppress(*AWAY):
                sent = await publisher.reader.published(table, one)
        if publisher is None or sent is None:
            known = False
        else:
            ways.append((publisher, sent))
    for view, sent in ways:
        if sent is not None and sent.filter is not None:
            given.append((view.reader, sent.filter))
    return _Filters(given, known)


def _of_others(
    sides: Sides, views: Mapping[str, NodeView]
) -> Iterator[tuple[NodeView | None, RowTable, Incoming]]:
    """Subscriptions that bring what neither of the two sends, with the third node."""
    direct = {(sides.here.name, sides.subscription.subid)}
    if sides.back is not None:
        direct.add((sides.there.name, sides.back.subid))
    for view, table in (
        (sides.here, sides.here_table),
        (sides.there, sides.there_table),
    ):
        if table is None:
            continue
        for one in table.incoming:
            if (view.name, one.subid) not in direct:
                known = view.subscriptions.get(one.subid)
                publisher = views.get(known.publisher or "") if known else None
                yield publisher, table, one


def _readable(sides: Sides, filters: _Filters) -> bool:
    """Whether what is compared of a row tells if it passes."""
    here, there = sides.here_table, sides.there_table
    if here is None or there is None:
        return False
    return all(
        one.complete and one.readable(sides.columns, here.types, there.types)
        for _, one in filters.given
    )


async def _passing(filters: _Filters, rows: Sequence[Row]) -> Passing:
    found: dict[int, bool | None] = {id(row): True for row in rows}
    for reader, one in filters.given:
        passes = await reader.passing(one, [row.values for row in rows])
        for row, passed in zip(rows, passes, strict=True):
            if not passed and found[id(row)] is not False:
                found[id(row)] = passed
    return found


def _pairs(watch: Watch) -> list[tuple[Row | None, Row | None]]:
    """The versions of the two nodes, of each key."""
    ours, theirs = watch.before or ((), ())
    return list(zip(ours, theirs, strict=True))


def weigh_filter(watch: Watch, columns: Sequence[str], passing: Passing) -> None:
    """Keep `diverged` where both nodes have a row that passes; else it may be right.

    What `conflicts verify` has found stays while either node has a row that may pass.
    """
    certain = []
    told: list[bool | None] = []
    for pair in _pairs(watch):
        found = difference(columns, *pair)
        if found is not None:
            passes = [passing.get(id(row)) for row in pair if row is not None]
            told += passes
            if passes == [True, True]:
                certain.append(found)
    if certain:
        watch.differences = certain
    elif watch.due.kind != Kind.DIFFERENCE or not any(one is not False for one in told):
        watch.kept_back()
