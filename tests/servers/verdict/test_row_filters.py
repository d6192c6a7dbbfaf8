"""Rows that differ under a row filter: which may, and which are to be equal."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.filtered import apart, filtered
from tests.fixtures.mesh import Mesh
from tests.fixtures.readers import readers
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pgconflict.core.conflict import Values
    from pgconflict.server.row_reader import Outgoing
    from tests.fixtures import nodes
    from tests.fixtures.daemon import Daemon
    from tests.fixtures.servers import Pair, Servers

    Read = tuple[Outgoing | None, list[bool | None]]

ODD = '"k2 ""{}% t"'


def read(a: nodes.Node, b: nodes.Node, name: str, rows: Sequence[Values] = ()) -> Read:
    """What a publishes of a table to b, and whether rows pass."""

    async def work() -> Read:
        async with readers(a, b) as (there, here):
            table = await here.table("public", name)
            sent = await there.table("public", name)
            assert table is not None
            assert sent is not None
            published = await there.published(sent, table.incoming[0])
            if published is None or published.filter is None:
                return published, []
            return published, await there.passing(published.filter, rows)

    return asyncio.run(work())


@pytest.mark.majors(15, 19)
def test_a_filter_is_asked_of_values_as_its_columns_have_them(pair: Pair) -> None:
    ddl = (
        "create table {t} (id int primary key, place text, at timestamptz, f float8,"
        f' name text collate "und-x-icu", {ODD} char(4));'
        "alter table {t} replica identity full"
    )
    with pair.replicate(ddl, both=False) as replicated:
        publication = replicated.to_b.publication
        pair.a.execute(
            f"alter publication {publication} set table {replicated.table} where"
            " (name < 'b' and at < '2026-03-04 05:06+00' and f <> 0.1 and"
            f" {ODD} = 'x' and 7 / id > 0 and place is distinct from '{{}}%s')"
        )
        passes = {
            "id": "1",
            "place": None,
            "at": "2026-03-04 05:05:59.999999+00",
            "f": "0.10000000000000002",
            "name": "a",
            'k2 "{}% t': "x   ",
        }
        rows: list[Any] = [
            passes,
            passes | {"place": "{}%s"},
            passes | {"f": "0.1"},
            passes | {"name": None},
            # Before b by bytes, as the database sorts.
            passes | {"name": "Z"},
            passes | {"at": "2026-03-04 05:06:00+00"},
            passes | {"id": "8"},
            passes | {"id": "0"},
            passes | {'k2 "{}% t': "y"},
        ]
        published, passed = read(pair.a, pair.b, replicated.relname, rows)

    assert published is not None
    assert published.filter is not None
    assert published.filter.complete
    assert {one.name for one in published.filter.columns} == set(passes)
    assert passed == [True, False, False, False, False, False, False, None, False]


@pytest.mark.majors(15, 18)
def test_publications_count_by_the_operations_they_publish(pair: Pair) -> None:
    inserts = {"publish": "insert"}
    with pair.replicate(both=False, publication=inserts) as replicated:
        name = f"{replicated.to_b.publication}_filtered"
        pair.a.execute(
            f"create publication {name} for table {replicated.table} where (id > 5)"
        )
        replicated.to_b.alter(f"add publication {name}")
        rows: list[Values] = [{"id": "5"}, {"id": "6"}]
        some, passed = read(pair.a, pair.b, replicated.relname, rows)
        pair.a.execute(f"alter publication {name} set (publish = 'insert')")
        all_inserts, _ = read(pair.a, pair.b, replicated.relname)
        pair.a.execute(f"drop publication {name}")

    assert some is not None
    assert all_inserts is not None
    # The other sends all inserts, and no update.
    assert passed == [False, True]
    assert not all_inserts.filtered


TOLD = """
select replica_identity ->> 'id', verdict, verdict_reason
  from (select c.*, (select v.reason from pgconflict.verdict v
                      where v.conflict_id = c.conflict_id
                      order by looked_at desc limit 1) as verdict_reason
          from pgconflict.conflict_log c) c
 where subname = any(%s) and verdict <> 'pending'
"""


@pytest.mark.majors(18, 19)
@pytest.mark.parametrize("parted", [None, "parted_verdict"])
def test_a_row_that_passes_on_both_nodes_is_to_be_equal(
    pair: Pair, new_daemon: Callable[..., Daemon], parted: str | None
) -> None:
    with filtered(pair, parted=parted) as replicated:
        table = replicated.table
        pair.a.execute(
            f"insert into {table} (id, region, v) select n, 'c', 'v'"
            " from generate_series(1, 4) n"
        )
        pair.b.execute(f"insert into {table} (id, region, v) values (5, 'a', 'v')")
        replicated.catch_up()
        daemon = new_daemon({node.name: node.dsn for node in pair.nodes})
        daemon.start()
        with apart(replicated):
            for node in pair.nodes:
                node.execute(f"update {table} set v = '{node}' where id = 1")
                # Sent as DELETE by the one, as UPDATE by the other.
                region = "a" if node is pair.a else "c"
                node.execute(
                    f"update {table} set v = '{node}', region = '{region}' where id = 2"
                )
            # Not sent at all, and written over.
            pair.a.execute(f"update {table} set v = 'a' where id = 5")
            pair.b.execute(f"update {table} set v = 'b' where id = 5")
        names = [one.name for one in replicated.subscriptions]
        daemon.wait_count(
            5, "subname = any(%s) and verdict <> 'pending'", names, timeout=60
        )
        told = sorted(daemon.query(TOLD, [names]))

    assert told == [
        ("1", "diverged", None),
        ("1", "diverged", None),
        ("2", "unverifiable", "row_filter"),
        ("2", "unverifiable", "row_filter"),
        ("5", "converged", None),
    ]


@pytest.mark.majors(18)
def test_a_row_may_stay_where_deletes_are_not_published(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    kept = {"publish": "insert, update"}
    with pair.replicate(publication=kept) as replicated:
        table = replicated.table
        pair.a.execute(f"insert into {table} values (1, 'v'), (2, 'v')")
        replicated.catch_up()
        daemon = new_daemon({node.name: node.dsn for node in pair.nodes})
        daemon.start()
        pair.a.execute(f"delete from {table} where id = 1")
        pair.b.execute(f"update {table} set v = 'b'")
        names = [one.name for one in replicated.subscriptions]
        daemon.wait_count(
            2, "subname = any(%s) and verdict <> 'pending'", names, timeout=60
        )
        told = sorted(daemon.query(TOLD, [names]))

    assert told == [
        ("1", "unverifiable", "not_published"),
        ("2", "converged", None),
    ]


@pytest.mark.majors(18)
def test_what_a_third_node_sends_to_one_of_two_alone(
    pair: Pair, servers: Servers, new_daemon: Callable[..., Daemon]
) -> None:
    third = servers.node(18, name="c")
    a, b = pair.nodes
    with contextlib.ExitStack() as stack:
        stack.callback(third.cluster.destroy)
        mesh = stack.enter_context(Mesh(a, b, third))
        table = mesh.table
        third.execute(
            f"alter table {table} replica identity full;"
            f"create publication {table}_all for table {table};"
            f"alter publication {table} set table {table} where (v <> 'c')"
        )
        mesh.way(third, a).alter(f"set publication {table}_all")
        wait_until(mesh.way(third, a).streaming, "it streams")
        # Its row goes from b, and stays on a.
        third.execute(f"update {table} set v = 'c' where id = 2")
        for way in mesh.ways:
            way.catch_up()
        daemon = new_daemon({node.name: node.dsn for node in mesh.nodes})
        daemon.start()
        with mesh.apart(mesh.way(a, b), mesh.way(b, a)):
            for node in pair.nodes:
                node.execute(f"update {table} set v = '{node}' where id = 1")
            a.execute(f"update {table} set w = 'a' where id = 2")
        names = [way.name for way in (mesh.way(a, b), mesh.way(b, a))]
        daemon.wait_count(
            3, "subname = any(%s) and verdict <> 'pending'", names, timeout=60
        )
        told = sorted(daemon.query(TOLD, [names]))

    assert told == [
        ("1", "diverged", None),
        ("1", "diverged", None),
        ("2", "unverifiable", "row_filter"),
    ]
