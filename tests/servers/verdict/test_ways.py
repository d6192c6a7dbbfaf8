"""What subscriptions and publications of real nodes tell the verdict."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.readers import readers

if TYPE_CHECKING:
    from pgconflict.server.row_reader import Outgoing, RowTable
    from tests.fixtures import nodes
    from tests.fixtures.servers import Pair


def read(
    a: nodes.Node, b: nodes.Node, name: str
) -> tuple[RowTable | None, Outgoing | None]:
    """The table on b, and what a publishes of it to the first subscription."""

    async def work() -> tuple[RowTable | None, Outgoing | None]:
        async with readers(a, b) as (there, here):
            table, published = await here.table("public", name), None
            sent = await there.table("public", name)
            if table is not None and sent is not None:
                published = await there.published(sent, table.incoming[0])
            return table, published

    return asyncio.run(work())


@pytest.mark.majors(15, 18)
def test_where_a_table_s_changes_come_from(pair: Pair) -> None:
    with pair.replicate(both=False, subscription={"copy_data": True}) as plain:
        plain.catch_up()
        table, published = read(pair.a, pair.b, plain.relname)

    assert table is not None
    (one,) = table.incoming
    assert one.copied > 0
    assert one.of_others  # the default is origin = any, and 15 has nothing else
    assert published is not None
    assert (published.filtered, published.complete) == (False, True)


@pytest.mark.majors(18)
def test_changes_of_each_node_alone_and_nothing_copied(pair: Pair) -> None:
    with pair.replicate() as both_ways:
        table, _ = read(pair.a, pair.b, both_ways.relname)

    assert table is not None
    (one,) = table.incoming
    assert (one.copied, one.of_others) == (0, False)


@pytest.mark.majors(15, 18)
def test_a_filter_counts_beside_a_publication_of_inserts_alone(pair: Pair) -> None:
    inserts = {"publish": "insert"}
    with pair.replicate(both=False, publication=inserts) as replicated:
        name = f"{replicated.to_b.publication}_filtered"
        pair.a.execute(
            f"create publication {name} for table {replicated.table} where (id > 5)"
        )
        replicated.to_b.alter(f"add publication {name}")
        _, published = read(pair.a, pair.b, replicated.relname)
        pair.a.execute(f"drop publication {name}")

    assert published is not None
    assert published.filtered
