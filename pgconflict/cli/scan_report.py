"""What `scan` prints for people: counts, when it happened, and the list."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pgconflict.cli.output import Column, plural, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BAR: Final = 40  # cells of the longest bar
_HOURS: Final = 72  # beyond this, days
_COUNT: Final = Column("conflicts", align="right")
_ATTEMPTS: Final = Column("attempts", align="right")
Record = dict[str, Any]


def print_report(records: Sequence[Record]) -> None:
    """Print all of it to standard output."""
    if not records:
        print("no conflicts")
        return
    _print_total(records)
    for title, value in (
        ("type", _type),
        ("table", _table),
        ("subscription", _subscription),
    ):
        print()
        _print_counts(title, value, records)
    print()
    _print_times(records)
    print()
    _print_list(records)


def _print_total(records: Sequence[Record]) -> None:
    dated = [each for each in records if each["first_logged_at"] is not None]
    total = plural(len(records), "conflict")
    attempts = plural(sum(each["attempts"] for each in records), "attempt")
    when = ""
    if dated:
        first = min(each["first_logged_at"] for each in dated)
        last = max(each["last_logged_at"] for each in dated)
        when = f", {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC"
    stalled = sum(each["status"] == "open" for each in records)
    print(f"{total} and errors, logged in {attempts}{when}; {stalled} open")


def _print_counts(
    title: str, value: Callable[[Record], str | None], records: Sequence[Record]
) -> None:
    counts: Counter[str | None] = Counter()
    attempts: Counter[str | None] = Counter()
    for each in records:
        counts[value(each)] += 1
        attempts[value(each)] += each["attempts"]
    most = max(counts.values())
    print_table(
        [title, _COUNT, _ATTEMPTS, ""],
        [
            [name, count, attempts[name], _bar(count, most)]
            for name, count in counts.most_common()
        ],
    )


def _print_times(records: Sequence[Record]) -> None:
    """Counts by hour, or by day for a long time; empty ones in between too."""
    times = [each["first_logged_at"] for each in records]
    known = sorted(time for time in times if time is not None)
    if not known:
        return
    hours = (known[-1] - known[0]) <= timedelta(hours=_HOURS)
    step = timedelta(hours=1) if hours else timedelta(days=1)
    counts = Counter(_begin(time, hours=hours) for time in known)
    most = max(counts.values())
    rows: list[list[object]] = []
    at, last = _begin(known[0], hours=hours), _begin(known[-1], hours=hours)
    form = "%Y-%m-%d %H:00" if hours else "%Y-%m-%d"
    skipped = False
    while at <= last:
        if counts[at]:
            rows.append([at.strftime(form), counts[at], _bar(counts[at], most)])
            skipped = False
        elif not skipped:
            rows.append(["...", 0, ""])
            skipped = True
        at += step
    print_table(["hour (UTC)" if hours else "day (UTC)", _COUNT, ""], rows)


def _begin(time: datetime, *, hours: bool) -> datetime:
    hour = time.replace(minute=0, second=0, microsecond=0)
    return hour if hours else hour.replace(hour=0)


def _print_list(records: Sequence[Record]) -> None:
    print_table(
        [
            "first logged",
            "type",
            "table",
            "key",
            "subscription",
            Column("transaction", align="right"),
            "LSN",
            Column("attempts", align="right"),
            "status",
        ],
        [
            [
                each["first_logged_at"],
                _type(each),
                _table(each),
                _key(each),
                _subscription(each),
                each["remote_xid"],
                each["remote_commit_lsn"],
                each["attempts"],
                each["status"],
            ]
            for each in records
        ],
    )


def _type(record: Record) -> str:
    return str(record["conflict_type"] or record["kind"])


def _table(record: Record) -> str | None:
    relation: str | None = record["relation"]
    return relation


def _subscription(record: Record) -> str | None:
    name: str | None = record["subname"] or record["remote_origin"]
    return name


def _key(record: Record) -> str | None:
    """What names the row: the replica identity or the keys that exist; or the error."""
    if record["conflict_type"] is None:
        return str(record["message"]).partition("\n")[0]
    if record["replica_identity_text"] is not None:
        return str(record["replica_identity_text"])
    keys = [local.key_text for local in record["local_conflicts"] if local.key_text]
    return ", ".join(keys) or None


def _bar(count: int, most: int) -> str:
    return "▇" * max(1, round(_BAR * count / most)) if count else ""
