"""The tables with the most conflicts, and the rest as one: the sum is exact."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from prometheus_client import CollectorRegistry

from pgconflict.daemon.node_metrics import NodeMetrics
from pgconflict.daemon.top_tables import show_top_tables
from tests.fixtures.conflict_logs import connect, new_conflict_log, record
from tests.fixtures.entries import NOON, entry

if TYPE_CHECKING:
    from pgconflict.conflict_log.entry import Recorded
    from tests.fixtures.servers import ConflictLogServer

_xids = itertools.count(700)


def conflicts(table: str, number: int, ago: timedelta = timedelta()) -> list[Recorded]:
    """So many conflicts on `schema.table`, or on a relation that nobody resolved."""
    schema, _, name = table.rpartition(".")
    at = (datetime.now(UTC) - ago - NOON).total_seconds()
    found = []
    for key in range(number):
        one = entry(key=f"(id)=({key})", xid=next(_xids), line=key, at=at)
        resolution = msgspec.structs.replace(
            one.resolution, schemaname=schema or None, relname=name
        )
        found.append(msgspec.structs.replace(one, resolution=resolution))
    return found


def shown(dsn: str, most: int) -> dict[tuple[str, str, str, str], float]:
    registry = CollectorRegistry()

    async def ask() -> None:
        gauge = NodeMetrics(registry).table_conflicts
        connection = await connect(dsn)
        await show_top_tables(connection, gauge, ["a", "b"], most)
        await connection.close()

    asyncio.run(ask())
    return {
        (
            sample.labels["node"],
            sample.labels["subscription"],
            sample.labels["schema"],
            sample.labels["table"],
        ): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


def test_the_first_by_name_the_rest_together(
    conflict_log_server: ConflictLogServer,
) -> None:
    dsn = new_conflict_log(conflict_log_server)
    record(
        dsn,
        [
            *conflicts("shop.orders", 5),
            *conflicts("shop.orders", 2, timedelta(hours=20)),
            *conflicts("shop.orders", 9, timedelta(hours=30)),
            *conflicts("shop.items", 4),
            *conflicts("hr.other", 3),
            *conflicts("x.y", 1),
        ],
    )
    record(dsn, conflicts("shop.items", 6), node="b")
    record(dsn, conflicts("shop.items", 6), node="gone")

    two, all_of_them = shown(dsn, 2), shown(dsn, 100)

    assert two == {
        ("a", "sub", "shop", "orders"): 7,
        ("a", "sub", "shop", "items"): 4,
        ("a", "sub", "", "other"): 4,
        ("b", "sub", "shop", "items"): 6,
    }
    assert sum(two.values()) == sum(all_of_them.values())
    assert ("a", "sub", "hr", "other") in all_of_them
