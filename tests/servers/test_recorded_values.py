"""Names and values as the server has them, in the row that the daemon records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql

from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.nodes import Pair, Replicated

NAMES = [
    ("public", "Tab.le"),
    ('We"ird. Sch', 'q"uo te'),
    ("line\nbreak", "tab\tle"),
    ("a.b", "c.d"),
    ("schéma", "日本語の表"),
    ("s" * 63, "t" * 63),
    ("public", "x: conflict=update_missing"),
]


def recorded(daemon: Daemon, made: Replicated, columns: str) -> list[tuple[Any, ...]]:
    """What is recorded of the table, with some waiting until there is anything."""
    daemon.wait_count(1, "subname = %s", made.to_b.name)
    return daemon.query(
        f"select {columns} from pgconflict.conflict_log where subname = %s",
        [made.to_b.name],
    )


def collide(made: Replicated) -> None:
    """Stop apply: 15 to 17 name table and index in it, and the key."""
    made.to_b.subscriber.execute(f"insert into {made.table} values (1, 'mine')")
    made.to_b.publisher.execute(f"insert into {made.table} values (1, 'theirs')")


def test_names_are_found_in_the_catalog(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    for schemaname, relname in NAMES:
        made = pair.replicate(both=False, schemaname=schemaname, relname=relname)
        with made:
            collide(made)
            found = recorded(
                daemon,
                made,
                "conflict_type, database, schemaname, relname, relid, relation,"
                " index_names, remote_origin",
            )
            relid = pair.b.value("select %s::regclass::oid", [made.table])
            index = pair.b.value(
                "select relname from pg_class where oid = (select indexrelid"
                " from pg_index where indrelid = %s)",
                [relid],
            )
            assert found == [
                (
                    *("insert_exists", "app", schemaname, relname, relid),
                    *(f"{schemaname}.{relname}", [index], made.to_b.origin),
                )
            ]


def test_a_partition_is_named_or_its_root(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    """18 names the leaf, those before only the root, which CONTEXT names."""
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    made = pair.replicate(
        "create table {t} (id int primary key, v text) partition by range (id)",
        both=False,
        publication={"publish_via_partition_root": True},
    )
    with made:
        for node in pair.nodes:
            node.execute(
                f"create table {made.relname}_leaf partition of {made.table}"
                " for values from (0) to (100)"
            )
        pair.b.execute(
            sql.SQL("alter subscription {} refresh publication with (copy_data=false)")
            .format(sql.Identifier(made.to_b.name))
            .as_string()
        )
        collide(made)

        ((relname,),) = recorded(daemon, made, "relname")

        leaf = f"{made.relname}_leaf" if pair.major >= 18 else made.relname
        assert relname == leaf


def test_a_table_dropped_since_keeps_its_text(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    daemon = new_daemon({"b": pair.b.dsn})
    with pair.replicate(both=False) as made:
        collide(made)
        pair.b.value("select pg_sleep(0.6)")
        pair.b.execute(f"drop table {made.table}")
        daemon.start()
        daemon.wait_count(1, "subname = %s and kind = 'conflict'", made.to_b.name)

        found = daemon.query(
            "select relation, relid, schemaname, relname from pgconflict.conflict_log"
            " where subname = %s and kind = 'conflict'",
            [made.to_b.name],
        )

        # The text has one reading only; the table is nowhere.
        assert found == [(f"public.{made.relname}", None, "public", made.relname)]


def test_another_database_of_the_server_is_asked(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    daemon = new_daemon({"b": pair.b.cluster.dsn("postgres")})
    daemon.start()
    with pair.replicate(both=False) as made:
        relid = pair.b.value("select %s::regclass::oid", [made.table])
        collide(made)

        found = recorded(daemon, made, "database, relid, local_conflicts")

    ((database, table, (local,)),) = found
    assert (database, table, local["key"]) == ("app", relid, {"id": "1"})


@pytest.mark.parametrize("seen", [("id", "v"), ()])
def test_columns_that_the_owner_may_not_see_are_left_out(
    pair: Pair, new_daemon: Callable[..., Daemon], seen: tuple[str, ...]
) -> None:
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    since_16 = {"run_as_owner": True, "password_required": False}
    made = pair.replicate(
        "create table {t} (id int primary key, secret text, v text)",
        both=False,
        subscription=since_16 if pair.major >= 16 else {},
    )
    with made:
        applied_by(made, "sees_little", seen)
        columns = f"{made.table} (id, secret, v)"
        pair.b.execute(f"insert into {columns} values (1, 'our secret', 'mine')")
        pair.a.execute(f"insert into {columns} values (1, 'their secret', 'theirs')")

        (found,) = recorded(
            daemon,
            made,
            "index_names, remote_tuple, local_conflicts, detail, remote_xid",
        )
        xid = pair.a.value(f"select xmin::text::int8 from {made.table}")
        pair.b.execute(f"delete from {made.table}")
        made.catch_up()

    indexes, remote, (local,), detail, remote_xid = found
    assert (indexes, remote_xid) == ([f"{made.relname}_pkey"], xid)
    assert "secret" not in (detail or "")
    assert local["key"] == ({"id": "1"} if seen else None)
    rows = (remote, local["tuple"])
    if seen and pair.major >= 18:
        assert rows == ({"id": "1", "v": "theirs"}, {"id": "1", "v": "mine"})
    else:
        assert rows == (None, None)


def applied_by(made: Replicated, role: str, seen: tuple[str, ...]) -> None:
    """Let a role apply it that may insert, and see these columns."""
    node = made.to_b.subscriber
    made.to_b.alter("disable")
    node.execute(
        f"do $$ begin create role {role} login;"
        " exception when duplicate_object then null; end $$;"
        f" alter role {role} superuser"  # until 15 a superuser only may own one
    )
    made.to_b.alter(f"owner to {role}")
    node.execute(
        f"alter role {role} nosuperuser;"
        f" grant insert on {made.table} to {role}"
        + (f"; grant select ({', '.join(seen)}) on {made.table} to {role}" * bool(seen))
    )
    wait_until(lambda: made.to_b.worker() is None, "its worker has ended")
    made.to_b.alter("enable")
    wait_until(made.to_b.streaming, "it streams")


@pytest.mark.majors(since=18)
class TestValues:
    """What 18 and later show of rows: right, or said not to be known."""

    def test_values_are_those_of_the_rows(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        daemon = new_daemon({"b": pair.b.dsn})
        daemon.start()
        made = pair.replicate(
            "create table {t} (id int primary key, a text, j jsonb, n int,"
            " g int generated always as (7) stored, x int[],"
            " w int generated always as (1) virtual)",
            both=False,
        )
        with made:
            values = "(1, '); remote row (a, b', '{\"k\": \"x, y\"}', null, array[1,2])"
            columns = f"{made.table} (id, a, j, n, x)"
            pair.b.execute(f"insert into {columns} values {values}")
            pair.a.execute(
                f"insert into {columns} values (1, '{'é' * 40}', '[1, 2]', 5, '{{}}')"
            )

            ((remote, local, cut),) = recorded(
                daemon, made, "remote_tuple, local_conflicts, truncated_columns"
            )

        assert remote == {
            "id": "1",
            "a": "é" * 32 + "...",
            "j": "[1, 2]",
            "n": "5",
            "g": "7",
            "x": "{}",
        }
        assert cut == ["a"]
        assert local[0]["key"] == {"id": "1"}
        assert local[0]["tuple"] == {
            "id": "1",
            "a": "); remote row (a, b",
            "j": '{"k": "x, y"}',
            "n": None,
            "g": "7",
            "x": "{1,2}",
        }

    def test_what_an_update_does_not_send_is_left_out(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        """A large value that did not change, a generated one, a column of b's own."""
        daemon = new_daemon({"b": pair.b.dsn})
        daemon.start()
        made = pair.replicate(
            "create table {t} (id int primary key, big text, n int,"
            " g int generated always as (n + 1) stored);"
            " alter table {t} alter big set storage external",
            both=False,
        )
        with made:
            pair.a.execute(f"insert into {made.table} values (1, repeat('b', 9000), 1)")
            made.catch_up()
            pair.b.execute(f"delete from {made.table}")
            pair.b.execute(f"alter table {made.table} add w int not null default 3")
            pair.a.execute(f"update {made.table} set n = 2")

            ((identity, remote),) = recorded(
                daemon, made, "replica_identity, remote_tuple"
            )

        assert identity == {"id": "1"}
        assert remote == {"id": "1", "n": "2"}

    def test_full_identity_and_expressions(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        daemon = new_daemon({"b": pair.b.dsn})
        daemon.start()
        full = pair.replicate(
            "create table {t} (v text, w text, n int);"
            " alter table {t} replica identity full",
            both=False,
        )
        keyed = pair.replicate("create table {t} (id int, v text)", both=False)
        with full, keyed:
            pair.a.execute(f"insert into {full.table} values ('a, b', 'c', 1)")
            full.catch_up()
            pair.b.execute(f"delete from {full.table}")
            pair.a.execute(f"update {full.table} set n = 2, v = 'd'")
            pair.b.execute(f"create unique index on {keyed.table} (lower(v), id)")
            pair.b.execute(f"insert into {keyed.table} values (1, 'A, x')")
            pair.a.execute(f"insert into {keyed.table} values (1, 'a, X')")

            ((is_full, identity, text, remote),) = recorded(
                daemon,
                full,
                "replica_identity_full, replica_identity, replica_identity_text,"
                " remote_tuple",
            )
            (([local],),) = recorded(daemon, keyed, "local_conflicts")

        # Two ways to cut `a, b, c`: none is taken, the text is kept.
        assert (is_full, identity, text) == (True, None, "(a, b, c, 1)")
        assert remote == {"v": "d", "w": "c", "n": "2"}
        assert local["key"] == {"lower(v)": "a, x", "id": "1"}
        assert local["tuple"] == {"id": "1", "v": "A, x"}
