"""What the ledger says of each subscription: complete from when to when, or where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg.rows import class_row

from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Connection = psycopg.Connection[Any]


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """A time for which the ledger is not complete, or proves nothing."""

    counter: str | None
    """A conflict type, or apply_error; None: all of the subscription's."""

    after: datetime
    until: datetime
    entries: int | None
    """Log entries that the server counted and nobody recorded (negative: recorded and
    not counted); None: nobody can know."""

    reasons: Sequence[str]


class Completeness(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger proves of one subscription."""

    subid: int
    subname: str
    database: str | None
    began_at: datetime
    """From here on it is compared."""

    checked_at: datetime
    """Up to here; of all counters the one compared longest ago."""

    ended_by: str | None
    """Of a subscription that is no more: dropped."""

    counters: Sequence[str]
    before: int
    """Entries that the server had counted when it began and that are not recorded."""

    unaccounted: int
    """Entries missing now, of all counters and epochs; the holes say where."""

    holes: Sequence[Hole]

    @property
    def complete(self) -> bool:
        """Whether everything between its ends is accounted for."""
        return not self.holes


@dataclass(frozen=True, slots=True)
class Epoch:
    """A row of the ledger."""

    subid: int
    subname: str
    database: str | None
    counter: str
    began_at: datetime
    checked_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    base: int
    unaccounted: int


@dataclass(frozen=True, slots=True)
class Found:
    """A row of its differences."""

    subid: int
    counter: str
    epoch_began_at: datetime
    after: datetime
    found_at: datetime
    difference: int
    reasons: list[str]


def completeness(
    connection: Connection, system_identifier: int, since: datetime | None
) -> list[Completeness]:
    """Return what the ledger of a server says, by name of subscription.

    Raises:
        psycopg.Error: as the server says.
    """
    values = (system_identifier, since)
    epochs = _fetch(connection, Epoch, "ledger_epochs", values)
    found = _fetch(connection, Found, "ledger_differences", values)
    return summed(epochs, found, since)


def summed(
    epochs: Iterable[Epoch], found: Iterable[Found], since: datetime | None
) -> list[Completeness]:
    """Return one object a subscription from rows in the order of their queries."""
    by_subscription: dict[int, dict[str, list[Epoch]]] = {}
    for epoch in epochs:
        counters = by_subscription.setdefault(epoch.subid, {})
        counters.setdefault(epoch.counter, []).append(epoch)
    differences: dict[tuple[int, str, datetime], list[Found]] = {}
    for one in found:
        key = (one.subid, one.counter, one.epoch_began_at)
        differences.setdefault(key, []).append(one)
    made = [_one(counters, differences, since) for counters in by_subscription.values()]
    return sorted(made, key=lambda one: (one.subname, one.database or "", one.subid))


def _one(
    counters: Mapping[str, Sequence[Epoch]],
    differences: Mapping[tuple[int, str, datetime], Sequence[Found]],
    since: datetime | None,
) -> Completeness:
    newest = max(
        (epochs[-1] for epochs in counters.values()), key=lambda one: one.began_at
    )
    holes = []
    for counter, epochs in counters.items():
        for epoch in epochs:
            known = differences.get((epoch.subid, counter, epoch.began_at), ())
            holes += [_difference(one) for one in known]
            # Of an epoch that began to differ before it was stored where.
            rest = epoch.unaccounted - sum(one.difference for one in known)
            if rest and (since is None or not known) and not _earlier(epoch, since):
                holes.append(
                    Hole(
                        counter=counter,
                        after=epoch.began_at,
                        until=epoch.checked_at,
                        entries=rest,
                        reasons=(),
                    )
                )
        holes += [_between(before, now) for before, now in pairwise(epochs)]
    starts = [epochs[0].began_at for epochs in counters.values()]
    began_at = max(starts)
    return Completeness(
        subid=newest.subid,
        subname=newest.subname,
        database=newest.database,
        began_at=began_at if since is None else max(began_at, since),
        checked_at=min(epochs[-1].checked_at for epochs in counters.values()),
        ended_by=newest.ended_by,
        counters=sorted(counters),
        before=sum(max(0, epochs[0].base) for epochs in counters.values()),
        unaccounted=sum(hole.entries or 0 for hole in holes),
        holes=sorted(_merged(holes), key=lambda hole: (hole.after, hole.counter or "")),
    )


def _earlier(epoch: Epoch, since: datetime | None) -> bool:
    """Whether an epoch's differences may all be of before the time asked for."""
    return since is not None and epoch.began_at < since


def _difference(one: Found) -> Hole:
    return Hole(
        counter=one.counter,
        after=one.after,
        until=one.found_at,
        entries=one.difference,
        reasons=tuple(one.reasons),
    )


def _between(before: Epoch, now: Epoch) -> Hole:
    """Return what lies between two epochs: the server's counters were lost there."""
    return Hole(
        counter=None,
        after=before.checked_at,
        until=now.began_at,
        entries=None,
        reasons=(f"statistics_{before.ended_by}",),
    )


def _merged(holes: Sequence[Hole]) -> list[Hole]:
    """Return them with those between epochs once: all counters end together."""
    between = [hole for hole in holes if hole.counter is None]
    rest = [hole for hole in holes if hole.counter is not None]
    if between:
        spans: list[Hole] = []
        for hole in sorted(between, key=lambda one: (one.after, one.until)):
            last = spans[-1] if spans else None
            if last is not None and hole.after <= last.until:
                wider = max(last.until, hole.until)
                reasons = sorted({*last.reasons, *hole.reasons})
                spans[-1] = msgspec.structs.replace(last, until=wider, reasons=reasons)
            else:
                spans.append(hole)
        rest += spans
    return rest


def _fetch(
    connection: Connection, kind: type[Any], name: str, values: Sequence[object]
) -> list[Any]:
    with psycopg.RawCursor(connection, row_factory=class_row(kind)) as cursor:
        cursor.execute(query(name).encode(), values)
        return cursor.fetchall()
