"""`pgconflict conflicts summary`: how many, of what, where and when."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pgconflict.cli import output
from pgconflict.cli.conflict_access import add_filters, filters_of, opened
from pgconflict.conflict_log.effects import Effects, effects
from pgconflict.conflict_log.reader import (
    BY_SUBSCRIPTION,
    BY_TABLE,
    BY_TIME,
    BY_TYPE,
    TOTAL,
)
from pgconflict.core.conflict import Kind

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from pgconflict.conflict_log.filters import Filters
    from pgconflict.conflict_log.reader import Sum

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
HOURLY: Final = 3 * DAY
"""A longer time is plotted by day."""
TABLES: Final = 10
LOOKED_AT: Final = (Kind.CONFLICT, Kind.DIFFERENCE)
BAR: Final = 40  # cells

_COUNTS: Final = tuple(
    output.Column(name, "right") for name in ("conflicts", "attempts", "stopped apply")
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take filters; whole hours are counted."""
    add_filters(parser, since="24h")


def run(arguments: argparse.Namespace) -> int:
    """Print sums; 0."""
    now = datetime.now(UTC)
    filters = full_hours(filters_of(arguments, now), now)
    bucket = bucket_of(filters, now)
    with opened(arguments) as reader:
        sums = reader.sums(filters, bucket)
        told = effects(reader, filters, conflicts_of(sums))
    if arguments.json:
        output.print_json(document(sums, filters, bucket) | {"effects": told})
    else:
        _print(sums, filters, bucket, told)
    return 0


def full_hours(filters: Filters, now: datetime) -> Filters:
    """The filters with their time widened to whole hours, which is what is counted.

    The end is the end of this hour, or later where a server's clock is ahead.
    """
    since = filters.since or datetime(1970, 1, 1, tzinfo=UTC)
    until = filters.until or now + DAY
    last = until - timedelta(microseconds=1)
    return replace(filters, since=_floor(since), until=_floor(last) + HOUR)


def bucket_of(filters: Filters, now: datetime) -> timedelta:
    """An hour or a day: what is one line of the plot."""
    since, until = filters.since, filters.until
    short = since and until and min(until, now) - since <= HOURLY + HOUR
    return HOUR if short else DAY


def document(
    sums: Sequence[Sum], filters: Filters, bucket: timedelta
) -> dict[str, object]:
    """The JSON document; lists are ordered by conflicts, the buckets by time."""
    return {
        "since": filters.since,
        "until": filters.until,
        "bucket": "hour" if bucket == HOUR else "day",
        "total": next(_counts(one) for one in sums if one.level == TOTAL),
        "by_type": [
            {"kind": one.kind, "conflict_type": one.conflict_type, **_counts(one)}
            for one in sums
            if one.level == BY_TYPE
        ],
        "by_table": [
            {
                "schemaname": one.schemaname,
                "relname": one.relname,
                "relation": one.relation,
                **_counts(one),
            }
            for one in sums
            if one.level == BY_TABLE
        ],
        "by_subscription": [
            {"node": one.node, "subname": one.subname, **_counts(one)}
            for one in sums
            if one.level == BY_SUBSCRIPTION
        ],
        "by_time": [
            {"time": one.bucket, **_counts(one)} for one in sums if one.level == BY_TIME
        ],
    }


def conflicts_of(sums: Iterable[Sum]) -> int:
    """How many conflicts and differences, without errors that are neither."""
    return sum(
        one.conflicts for one in sums if one.level == BY_TYPE and one.kind in LOOKED_AT
    )


def _counts(one: Sum) -> dict[str, int]:
    return {
        "conflicts": one.conflicts,
        "attempts": one.attempts,
        "stalled": one.stalled,
    }


def sentences(conflicts: int, told: Effects) -> list[str]:
    """What a DBA asks: how many of these did harm, and how many events they are.

    >>> told = Effects(hand_overs=98, writes_lost=9, undecided=1000, events=1107,
    ...                joined_events=5, joined_conflicts=10)
    >>> for line in sentences(1112, told): print(line)
    1,112 conflicts logged: 98 hand-overs, 9 writes lost, 0 rows differ now, 0 unknown, 1,000 still to be looked at
    They are 1,107 events: 10 of these conflicts are 5, which several nodes logged
    >>> print(*sentences(3, Effects(hand_overs=1, harmless=2)))
    3 conflicts logged: 1 hand-over, 2 harmless, 0 writes lost, 0 rows differ now, 0 unknown
    """  # noqa: E501 - as it is printed
    one_row = told.rows_differing == 1
    parts = [
        f"{told.hand_overs:,} hand-over{'s' * (told.hand_overs != 1)}",
        f"{told.writes_lost:,} {'write' if told.writes_lost == 1 else 'writes'} lost",
        f"{told.rows_differing:,} {'row differs' if one_row else 'rows differ'} now",
        f"{told.unknown:,} unknown",
    ]
    if told.harmless:
        parts.insert(1, f"{told.harmless:,} harmless")
    if told.apply_stopped:
        stop = "stops" if told.apply_stopped == 1 else "stop"
        parts.append(f"{told.apply_stopped:,} that {stop} apply")
    if told.undecided:
        parts.append(f"{told.undecided:,} still to be looked at")
    lines = [f"{conflicts:,} conflicts logged: {', '.join(parts)}"]
    if told.joined_events:
        lines.append(
            f"They are {told.events:,} event{'s' * (told.events != 1)}:"
            f" {told.joined_conflicts:,} of these conflicts are"
            f" {told.joined_events:,}, which several nodes logged"
        )
    return lines


def _print(
    sums: Sequence[Sum],
    filters: Filters,
    bucket: timedelta,
    told: Effects | None,
) -> None:
    level = {
        number: [one for one in sums if one.level == number]
        for number in (BY_TIME, BY_TYPE, BY_SUBSCRIPTION, BY_TABLE, TOTAL)
    }
    count = output.plural(level[TOTAL][0].conflicts, "conflict")
    print(f"{count} since {filters.since:%Y-%m-%d %H:%M} UTC")
    if told is not None:
        for line in sentences(conflicts_of(sums), told):
            print(line)
    if not level[BY_TIME]:
        return
    _table(
        ["type"],
        [(one.conflict_type or one.kind,) for one in level[BY_TYPE]],
        level[BY_TYPE],
    )
    tables = level[BY_TABLE][:TABLES]
    _table(["table"], [(_name(one),) for one in tables], tables)
    if more := len(level[BY_TABLE]) - len(tables):
        print(f"and {output.plural(more, 'more table')}, all of them in --json")
    _table(
        ["node", "subscription"],
        [(one.node, one.subname) for one in level[BY_SUBSCRIPTION]],
        level[BY_SUBSCRIPTION],
    )
    print()
    for line in plot(level[BY_TIME], bucket, _bar_character()):
        print(line)


def _table(
    names: Sequence[str], keys: Sequence[tuple[object, ...]], sums: Sequence[Sum]
) -> None:
    print()
    output.print_table(
        [*names, *_COUNTS],
        [
            (*key, one.conflicts, one.attempts, one.stalled)
            for key, one in zip(keys, sums, strict=True)
        ],
    )


def _name(one: Sum) -> str | None:
    if one.relname is None:
        return one.relation
    return f"{one.schemaname}.{one.relname}" if one.schemaname else one.relname


def plot(buckets: Sequence[Sum], length: timedelta, bar: str) -> list[str]:
    """A line for each hour or day from the first to the last, those without included.

    The longest bar has BAR cells; whatever is not zero has one.
    """
    counts = {one.bucket: one.conflicts for one in buckets if one.bucket is not None}
    first, last = min(counts), max(counts)
    most = max(counts.values())
    pattern = "%Y-%m-%d %H:%M" if length == HOUR else "%Y-%m-%d"
    places = range((last - first) // length + 1)
    lines = []
    for at in (first + place * length for place in places):
        count = counts.get(at, 0)
        cells = -(-count * BAR // most)
        lines.append(
            f"{at:{pattern}}  {count:>{len(str(most))}}  {bar * cells}".rstrip()
        )
    return lines


def _bar_character() -> str:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return "█" if encoding == "utf8" else "#"


def _floor(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
