"""Vacuums that may have been at work, and since when a table is the same."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pgconflict.daemon.verdict.tables import SPANS, STALE, Tables

if TYPE_CHECKING:
    from collections.abc import Iterable

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Daemon:
    """Looks at one table of one node, round after round."""

    view: Any
    table: Any

    def __init__(self, before: Tables | None = None) -> None:
        self.tables = Tables()
        if before is not None:
            self.tables.load(map(copy, stored(before)))

    def look(
        self,
        clock: float,
        *,
        ended: float | None = None,
        count: int | None = 0,
        took_ms: float | None = None,
        at_work: Iterable[int | None] = (),
        up_since: float = -1000,
        change: str = "700",
    ) -> Daemon:
        self.view = SimpleNamespace(
            system_identifier=1,
            clock=at(clock),
            up_since=at(up_since),
            vacuuming=frozenset(at_work),
        )
        self.table = SimpleNamespace(
            relid=5,
            change=change,
            vacuumed_at=None if ended is None else at(ended),
            vacuums=count,
            vacuuming_ms=took_ms,
        )
        self.tables.note_round(self.view)
        self.tables.note(self.view, self.table)
        return self

    def vacuumed(self, since: float, until: float) -> bool:
        return self.tables.vacuumed(self.view, self.table, at(since), at(until))


def stored(tables: Tables) -> list[Any]:
    return [one for known in tables._tables.values() for one in known.values()]


def test_a_vacuum_counts_from_the_look_before_it() -> None:
    daemon = Daemon().look(0).look(10, ended=7, count=1).look(20, ended=7, count=1)

    assert daemon.vacuumed(1, 2)
    assert daemon.vacuumed(6, 30)
    assert not daemon.vacuumed(7.5, 30)
    assert not daemon.vacuumed(-9, -1)


def test_it_counts_as_long_as_it_took_where_the_server_tells() -> None:
    daemon = Daemon().look(0, took_ms=50).look(10, ended=7, count=1, took_ms=1050)

    assert not daemon.vacuumed(1, 5)
    assert daemon.vacuumed(6.5, 6.6)


def test_several_between_two_looks_count_from_the_first_look() -> None:
    daemon = Daemon().look(0, took_ms=50).look(10, ended=7, count=2, took_ms=1050)

    assert daemon.vacuumed(1, 2)


def test_what_ended_before_the_first_look_began_whenever() -> None:
    daemon = Daemon().look(10, ended=7, count=3)

    assert daemon.vacuumed(-100, -50)
    assert not daemon.vacuumed(8, 20)


def test_one_that_is_at_work_counts_until_it_ends() -> None:
    daemon = Daemon().look(0).look(10, at_work=[5])
    assert daemon.vacuumed(1, 12)
    assert not daemon.vacuumed(-5, -1)

    daemon.look(20, ended=15, count=1)
    assert daemon.vacuumed(1, 2)
    assert not daemon.vacuumed(20.5, 30)


def test_one_that_was_cancelled_counts_too() -> None:
    daemon = Daemon().look(0).look(10, at_work=[5]).look(20)

    assert daemon.vacuumed(5, 6)
    assert daemon.vacuumed(19, 25)
    assert not daemon.vacuumed(21, 25)


def test_one_of_a_table_that_may_not_be_known_counts_for_each() -> None:
    assert Daemon().look(0).look(10, at_work=[None]).vacuumed(5, 6)
    assert not Daemon().look(0).look(10, at_work=[6]).vacuumed(5, 6)


def test_a_crash_may_have_forgotten_vacuums() -> None:
    daemon = Daemon().look(0).look(10, up_since=5)

    assert daemon.vacuumed(1, 2)
    assert not daemon.vacuumed(11, 12)


def test_statistics_that_were_reset_may_have_counted_vacuums() -> None:
    assert Daemon().look(0, ended=-9, count=4).look(10, count=1, ended=6).vacuumed(1, 2)


def test_nothing_is_known_of_a_partitioned_table() -> None:
    assert Daemon().look(0, count=None).look(10, count=None).vacuumed(1, 2)


def test_a_restart_forgets_neither_vacuums_nor_when_there_was_none() -> None:
    before = Daemon().look(0).look(10, ended=7, count=1).look(20, ended=7, count=1)
    after = Daemon(before.tables).look(60, ended=7, count=1)

    assert after.vacuumed(6, 8)
    assert not after.vacuumed(8, 50)


def test_one_that_ended_while_the_daemon_was_away_counts_since_it_went() -> None:
    after = Daemon(Daemon().look(0).look(10).tables).look(60, ended=30, count=1)

    assert after.vacuumed(11, 12)
    assert not after.vacuumed(31, 50)


def test_one_at_work_when_the_daemon_went_counts_until_it_is_seen_gone() -> None:
    after = Daemon(Daemon().look(0).look(10, at_work=[5]).tables).look(60)

    assert after.vacuumed(30, 31)
    assert not after.vacuumed(61, 62)


def test_a_change_of_the_table_counts_from_the_look_that_saw_it() -> None:
    daemon = Daemon().look(0).look(10)
    assert daemon.tables.same_since(daemon.view, daemon.table) == at(0)

    daemon = Daemon(daemon.look(20, change="701").tables).look(60, change="701")
    assert daemon.tables.same_since(daemon.view, daemon.table) == at(20)


def test_the_oldest_of_many_vacuums_become_one() -> None:
    daemon = Daemon().look(0)
    for number in range(1, SPANS + 10):
        daemon.look(10 * number, ended=10 * number - 5, count=number)

    assert daemon.vacuumed(2, 3)
    assert daemon.vacuumed(10 * SPANS, 10 * SPANS + 1)
    (known,) = stored(daemon.tables)
    assert len(known.spans) == SPANS


def test_what_is_new_is_stored_and_now_and_then_that_nothing_is() -> None:
    daemon = Daemon().look(0)
    assert len(daemon.tables.unsaved()) == 1
    assert daemon.look(1).tables.unsaved() == []
    assert len(daemon.look(2, ended=1, count=1).tables.unsaved()) == 1
    assert daemon.look(3, ended=1, count=1).tables.unsaved() == []
    later = 3 + STALE.total_seconds()
    assert len(daemon.look(later, ended=1, count=1).tables.unsaved()) == 1
