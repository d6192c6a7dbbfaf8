"""What looks at rows keep in the conflict log: positions seen, and whose turn it is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from pgconflict.conflict_log.positions import Seen, positions_seen, put_positions
from pgconflict.conflict_log.tables_seen import (
    LONG_AGO,
    SeenTable,
    put_tables,
    tables_seen,
)
from pgconflict.conflict_log.verdicts import Found, Skipped, Verdicts
from pgconflict.core.progress import Sample
from pgconflict.core.verdict import Reason, Verdict
from tests.fixtures.conflict_logs import connect, new_conflict_log, record
from tests.fixtures.entries import NOON, entry

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.fixtures.servers import ConflictLogServer

NOW = datetime.now(UTC)
LEFT_OUT = Skipped(7, None, datetime.min.replace(tzinfo=UTC), applied=True)


def sample(ago_s: float, position: int = 5) -> Sample:
    began = NOW - timedelta(seconds=ago_s)
    return Sample(began, began + timedelta(milliseconds=1), position, NOW, 7, 3)


def put(dsn: str, seen: Sequence[Seen], void: Collection[int] = ()) -> list[Seen]:
    """Store positions, and return what a restarted daemon would find."""

    async def work() -> list[Seen]:
        connection = await connect(dsn)
        try:
            await put_positions(connection, seen, void)
            return await positions_seen(connection)
        finally:
            await connection.close()

    return asyncio.run(work())


def test_positions_are_found_again_as_they_were_seen(
    conflict_log_server: ConflictLogServer,
) -> None:
    dsn = new_conflict_log(conflict_log_server)
    first = [Seen(1, None, sample(9)), Seen(2, 16400, sample(9, position=4))]

    assert put(dsn, first) == first
    later = [Seen(1, None, sample(8))]
    assert put(dsn, later) == [*first, *later]


def test_old_positions_go_and_those_of_a_clock_that_was_set_back(
    conflict_log_server: ConflictLogServer,
) -> None:
    dsn = new_conflict_log(conflict_log_server)
    put(dsn, [Seen(1, None, sample(7 * 3600))])
    put(dsn, [Seen(1, None, sample(60))])
    young = Seen(2, None, sample(50))

    assert put(dsn, [young]) == [Seen(1, None, sample(60)), young]
    assert put(dsn, [], void=[1]) == [young]


def test_of_old_positions_the_last_of_each_time_is_found(
    conflict_log_server: ConflictLogServer,
) -> None:
    dsn = new_conflict_log(conflict_log_server)
    old = [Seen(1, None, sample(3600 - n / 10, position=n)) for n in range(5)]
    # Of now: this module may have been imported long before.
    ago_s = 60 - (datetime.now(UTC) - NOW).total_seconds()
    young = [Seen(1, None, sample(ago_s - n / 10, position=n)) for n in range(5, 9)]

    assert put(dsn, old) == old[-1:]
    assert put(dsn, young) == [old[-1], *young]


def test_tables_are_found_again_as_they_were_seen(
    conflict_log_server: ConflictLogServer,
) -> None:
    dsn = new_conflict_log(conflict_log_server)
    seen = SeenTable(
        system_identifier=1,
        relid=4_000_000_000,
        seen_at=NOW,
        up_since=NOW - timedelta(hours=1),
        change="700",
        same_since=NOW,
        vacuums=0,
        vacuuming_ms=None,
    )
    vacuumed = msgspec.structs.replace(
        seen,
        vacuums=2,
        vacuuming_ms=3.5,
        at_work_since=LONG_AGO,
        spans=[(LONG_AGO, NOW), (NOW, NOW + timedelta(seconds=1))],
    )
    other = msgspec.structs.replace(seen, system_identifier=2)

    async def work(tables: Sequence[SeenTable]) -> list[SeenTable]:
        connection = await connect(dsn)
        try:
            await put_tables(connection, tables)
            return await tables_seen(connection)
        finally:
            await connection.close()

    assert asyncio.run(work([seen, other])) == [seen, other]
    assert asyncio.run(work([vacuumed])) == [other, vacuumed]


def test_each_conflict_is_taken_once_and_by_the_daemon_of_its_node(
    conflict_log_server: ConflictLogServer,
) -> None:
    dsn = new_conflict_log(conflict_log_server)
    record(dsn, [entry(xid=number) for number in (1, 2, 3)])
    record(dsn, [entry(xid=4)], node="b")

    async def work() -> tuple[list[int], list[str], int]:
        connection = await connect(dsn)
        verdicts = Verdicts(connection)
        try:
            taken = [await verdicts.take(2) for _ in range(3)]
            due = await verdicts.due(10, [], ["a", "c"])
            await connection.execute(
                "update pgconflict.conflict_log set verdict = 'converged';"
                " delete from pgconflict.verdict_due"
            )
            # Young ones stay before the position, but are done.
            return taken, [one.node for one in due], await verdicts.take(2)
        finally:
            await connection.close()

    assert asyncio.run(work()) == ([2, 2, 0], ["a", "a", "a"], 0)


def test_a_row_that_differs_is_counted_while_nobody_can_look(
    conflict_log_server: ConflictLogServer,
) -> None:
    """Its key is not read then: which row it is stays known."""
    dsn = new_conflict_log(conflict_log_server)
    record(dsn, [entry(xid=1)])
    looks = ((None, b"row"), (Reason.PEER_AWAY, None))

    async def work() -> list[int]:
        connection = await connect(dsn)
        verdicts = Verdicts(connection)
        numbers: list[int] = []
        try:
            await verdicts.take(1)
            (due,) = await verdicts.due(1, [], ["a"])
            for reason, digest in looks:
                found = Found(
                    due=due,
                    verdict=Verdict.DIVERGED,
                    reason=reason,
                    columns=None,
                    row_values=None,
                    cause=None,
                    effect=None,
                    evidence=None,
                    again=10,
                    row_digest=digest,
                )
                await verdicts.store([found], NOW)
                numbers += (await verdicts.diverged()).values()
        finally:
            await connection.close()
        return numbers

    assert asyncio.run(work()) == [1, 1]


def test_a_transaction_of_which_changes_were_left_out_counts_as_skipped(
    conflict_log_server: ConflictLogServer,
) -> None:
    """When, by the clock of its node, is not known: long before anything."""
    dsn = new_conflict_log(conflict_log_server)

    async def work() -> dict[tuple[int, int], list[Skipped]]:
        connection = await connect(dsn)
        try:
            for xid, action in ((7, "keep_ours"), (8, "keep_theirs")):
                await connection.execute(
                    "insert into pgconflict.subscription_action (action, node,"
                    " system_identifier, database, subid, subname, remote_xid,"
                    " statements, node_role, os_user, host, changes_known)"
                    " values ($1, 'a', 1, 'app', 16400, 's', $2, '{}', '', '', '',"
                    " true)",
                    action,
                    xid,
                )
            verdicts = Verdicts(connection)
            assert await verdicts.skipped([2], NOW - timedelta(days=1)) == {}
            assert await verdicts.skipped([1], NOW + timedelta(days=1)) == {}
            return await verdicts.skipped([1], NOW - timedelta(days=1))
        finally:
            await connection.close()

    assert asyncio.run(work()) == {(1, 16400): [LEFT_OUT]}


def test_so_does_one_on_which_apply_stopped_for_long(
    conflict_log_server: ConflictLogServer,
) -> None:
    """What was logged of it a day before is not looked for; a skip needs no log."""
    dsn = new_conflict_log(conflict_log_server)
    long, short = (
        # Each attempt is of a worker of its own.
        [entry(xid=xid, stalls=True, at=at, session=f"{at:08x}.1") for at in at_s]
        for xid, at_s in ((7, (0, 46_800)), (8, (40_000, 46_800)))
    )
    record(dsn, [*long, *short])

    async def work() -> list[dict[tuple[int, int], list[Skipped]]]:
        connection = await connect(dsn)
        try:
            verdicts = Verdicts(connection)
            found = [
                await verdicts.skipped([7097], NOON + timedelta(hours=hours))
                for hours in (12, 14)
            ]
            await connection.execute(
                "update pgconflict.conflict_log set status = 'skipped', status_at = $1"
                " where remote_xid = 8",
                NOON + timedelta(hours=14),
            )
            return [*found, await verdicts.skipped([7097], NOON + timedelta(hours=14))]
        finally:
            await connection.close()

    skipped = Skipped(8, None, NOON + timedelta(hours=14), applied=False)
    way = (7097, 16400)
    assert asyncio.run(work()) == [{way: [LEFT_OUT]}, {}, {way: [skipped]}]
