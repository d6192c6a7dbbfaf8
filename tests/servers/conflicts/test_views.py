"""The views answer what they say, and their examples in the documents run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from pgconflict.core.conflict import Kind
from tests.fixtures.conflict_logs import new_conflict_log, record, renamed, stalled
from tests.fixtures.entries import entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCUMENT = Path("docs/conflict-log.md")

# The tables of PostgreSQL 20 as committed on 2026-07-02: names and types, in order.
NATIVE = [
    ("relid", "oid"),
    ("schemaname", "text"),
    ("relname", "text"),
    ("conflict_type", "text"),
    ("remote_xid", "xid"),
    ("remote_commit_lsn", "pg_lsn"),
    ("remote_commit_ts", "timestamp with time zone"),
    ("remote_origin", "text"),
    ("replica_identity_full", "boolean"),
    ("replica_identity", "json"),
    ("remote_tuple", "json"),
    ("local_conflicts", "json[]"),
]
# A question that reads every column as its type is there.
NATIVE_QUESTION = """
select relid::int8, schemaname || '.' || relname, conflict_type,
       remote_xid = '700'::xid, remote_commit_lsn > '0/0', remote_commit_ts < now(),
       remote_origin, replica_identity_full is true, replica_identity ->> 'id',
       remote_tuple ->> 'name',
       local_conflicts[1] ->> 'xid', (local_conflicts[1] ->> 'commit_ts')::timestamptz,
       local_conflicts[1] -> 'key' ->> 'id', local_conflicts[1] -> 'tuple' ->> 'name',
       json_typeof(local_conflicts[1] -> 'xid'), array_length(local_conflicts, 1)
  from {}
"""


@pytest.fixture
def query(dsn: str) -> Callable[..., list[tuple[Any, ...]]]:
    def run(statement: str, *values: object, dsn: str = dsn) -> list[tuple[Any, ...]]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return connection.execute(statement.encode(), values or None).fetchall()

    return run


def test_columns_are_those_of_postgresql_20(query: Any) -> None:
    assert (
        query(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = 'pgconflict.pg_conflict_log'::regclass order by attnum"
        )
        == NATIVE
    )


def test_a_question_to_postgresql_20_has_the_same_answer_here(
    dsn: str, query: Any
) -> None:
    """The same conflict, in a table of that layout as the server would fill it."""
    record(dsn, [stalled(relid=16500, remote_commit_ts="2026-11-20T11:59:59+00:00")])
    record(dsn, [renamed(entry(line=3, at=1), kind=Kind.APPLY_ERROR)])
    columns = ", ".join(f"{name} {kind}" for name, kind in NATIVE)
    local = (
        '{"xid":"801","commit_ts":"2026-11-20T11:59:00+00:00","origin":null,'
        '"key":{"id":"1"},"tuple":{"id":"1","name":"here"}}'
    )
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"create table native ({columns})".encode())
        connection.execute(
            "insert into native values (16500, 'public', 't', 'insert_exists', '700',"
            " '0/10000', '2026-11-20 11:59:59+00', 'pg_16400', null, null,"
            """ '{"id": "1", "name": "there", "note": null}', array[%s]::json[])""",
            [local],
        )

    here = query(NATIVE_QUESTION.format("pgconflict.pg_conflict_log"))

    assert here == query(NATIVE_QUESTION.format("native"))
    assert len(here) == 1


def test_open_conflicts_are_those_that_apply_waits_for(dsn: str, query: Any) -> None:
    record(dsn, [entry(line=1), stalled(line=2), stalled(number=2, xid=701, lsn=5)])
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "update pgconflict.conflict_log set status = 'skipped'"
            " where remote_xid = 701"
        )

    assert query(
        "select conflict_type, status, subname from pgconflict.open_conflicts"
    ) == [("insert_exists", "open", "sub")]


def test_a_transaction_is_counted_whole(dsn: str, query: Any) -> None:
    for node in "ab":
        record(
            dsn,
            [
                entry(line=1, key="1"),
                stalled(line=2),
                entry(line=3, key="1", xid=701, lsn=99),
            ],
            node=node,
        )

    assert query(
        "select node, remote_xid, conflicts, stopped_apply, count(*)"
        " from pgconflict.transaction_conflicts where node = 'a'"
        " group by 1, 2, 3, 4 order by remote_xid"
    ) == [("a", 700, 2, True, 2), ("a", 701, 1, False, 1)]


def history(**how: Any) -> list[Any]:
    """Conflicts of rows 1 and 2: an update, an insert, an update of 2 that meets 1."""
    insert = stalled(number=1, line=2, at=2, xid=701, lsn=2)
    crossing = stalled(number=1, line=3, at=3, xid=702, lsn=3, subid=16401)
    return [
        entry(key="(id)=(1)", line=1, schemaname="public", **how),
        insert,
        renamed(crossing, replica_identity_text="(id)=(2)"),
        entry(key="(id)=(3)", line=4, at=4, schemaname="other"),
    ]


def test_a_rows_history_is_that_of_all_nodes(dsn: str, query: Any) -> None:
    record(dsn, history())
    record(dsn, [entry(key="(id)=(1)", at=9, schemaname="public")], node="b")

    def told(key: str) -> Any:
        return query(
            "select node, conflict_type from pgconflict.row_history"
            " where schemaname = 'public' and relname = 't' and key = %s"
            " order by first_logged_at",
            key,
        )

    assert told("(id)=(1)") == [
        ("a", "update_missing"),
        ("a", "insert_exists"),
        ("a", "insert_exists"),
        ("b", "update_missing"),
    ]
    assert told("(id)=(2)") == [("a", "insert_exists")]
    assert told("(id)=(3)") == []


def test_what_came_from_a_servers_own_table_is_in_the_history(
    dsn: str, query: Any
) -> None:
    record(dsn, [entry(replica_identity={"id": "5", "part": None})])
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "update pgconflict.conflict_log"
            " set source = 'native', replica_identity_text = null"
        )

    assert query("select key from pgconflict.row_history") == [
        ("(id, part)=(5, null)",)
    ]


def test_top_keys_are_of_the_last_day(dsn: str, query: Any) -> None:
    record(dsn, history())
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "update pgconflict.conflict_log set first_logged_at ="
            " case when line_num = 4 then now() - interval '25 hours' else now() end"
        )

    assert query(
        "select key, conflicts, nodes, conflict_types from pgconflict.top_keys"
        " order by conflicts desc, key"
    ) == [
        ("(id)=(1)", 3, ["a"], ["insert_exists", "update_missing"]),
        ("(id)=(2)", 1, ["a"], ["insert_exists"]),
    ]


def test_tables_by_hour_are_those_of_the_rows(dsn: str, query: Any) -> None:
    record(dsn, history())
    record(dsn, [entry(key="x", at=3700, schemaname="public")], node="b")

    assert query(
        "select extract(hour from hour at time zone 'UTC')::int, schemaname, conflicts,"
        " stalled, nodes, conflict_types from pgconflict.conflicts_by_table_hour"
        " order by 1, 2"
    ) == [
        (12, "other", 1, 0, ["a"], ["update_missing"]),
        (12, "public", 3, 2, ["a"], ["insert_exists", "update_missing"]),
        (13, "public", 1, 0, ["b"], ["update_missing"]),
    ]


@pytest.fixture
def owners(dsn: str) -> Iterator[Callable[[str], list[str]]]:
    """Two owners, one of them through a group; what each sees."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(
            "create role orders_team; create role orders_owner login;"
            " create role staff_owner login; grant orders_team to orders_owner;"
            " grant usage on schema pgconflict to orders_team, staff_owner;"
            " grant select on pgconflict.own_conflicts to orders_team, staff_owner;"
            " insert into pgconflict.table_owner values"
            " ('orders_team', null, 'shop', null), ('staff_owner', 'a', 'hr', 'staff'),"
            " ('nobody', null, 'hr', null)"
        )

        def sees(role: str) -> list[str]:
            with psycopg.connect(make_conninfo(dsn, user=role)) as connection:
                rows = connection.execute(
                    "select node || ' ' || schemaname || '.' || relname"
                    " from pgconflict.own_conflicts order by 1"
                )
                return [row[0] for row in rows]

        yield sees
        for role in ("orders_owner", "orders_team", "staff_owner"):
            admin.execute(f"drop owned by {role}; drop role {role}".encode())


def test_owners_see_their_tables_only(
    dsn: str, owners: Callable[[str], list[str]], query: Any
) -> None:
    tables = [("shop", "orders"), ("shop", "it_ms"), ("hr", "staff"), ("hr", "pay")]
    for node in "ab":
        rows = []
        for number, (schema, table) in enumerate(tables):
            given = entry(key=str(number), line=number)
            resolution = msgspec.structs.replace(
                given.resolution, schemaname=schema, relname=table
            )
            rows.append(msgspec.structs.replace(given, resolution=resolution))
        record(dsn, [*rows, entry(key="unresolved", line=99)], node=node)

    assert owners("orders_owner") == [
        "a shop.it_ms",
        "a shop.orders",
        "b shop.it_ms",
        "b shop.orders",
    ]
    assert owners("staff_owner") == ["a hr.staff"]
    for hidden in ("conflict_log", "pg_conflict_log", "table_owner", "conflict_hour"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            query(
                f"select from pgconflict.{hidden}",
                dsn=make_conninfo(dsn, user="staff_owner"),
            )


def test_a_function_in_a_condition_learns_nothing_of_other_rows(
    dsn: str, owners: Callable[[str], list[str]]
) -> None:
    """The view is a barrier: a condition is looked at after whose row it is."""
    del owners
    record(dsn, [entry(key="secret", schemaname="hr")])
    with psycopg.connect(make_conninfo(dsn, user="staff_owner")) as connection:
        notices: list[str] = []
        connection.add_notice_handler(lambda told: notices.append(str(told)))
        connection.execute(
            "create function pg_temp.leak(value text) returns boolean language plpgsql"
            " cost 0.0001 as $$ begin raise notice '%', value; return true; end $$"
        )
        connection.execute(
            "select from pgconflict.own_conflicts"
            " where pg_temp.leak(replica_identity_text)"
        )
        connection.rollback()

    assert notices == []


def examples() -> list[str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    return re.findall(r"^```sql\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def with_everything(conflict_log_server: Any) -> Iterator[psycopg.Connection[Any]]:
    dsn = new_conflict_log(conflict_log_server)
    record(dsn, history())
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "create role shop_team; create role reader;"
            " update pgconflict.conflict_log set first_logged_at = now()"
        )
        yield connection
        connection.execute(
            "drop owned by shop_team, reader; drop role shop_team, reader"
        )


@pytest.mark.parametrize("example", examples())
def test_every_example_of_the_document_runs(
    with_everything: psycopg.Connection[Any], example: str
) -> None:
    with_everything.execute(example.encode())


def test_the_document_has_an_example_of_every_view_and_every_column(
    query: Any,
) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    columns = query(
        "select attname from pg_attribute where attnum > 0"
        " and attrelid = 'pgconflict.conflict_log'::regclass"
    )

    sql = "\n".join(examples())
    views = relations(query, "v")
    assert len(views) >= 7
    assert [name for name in views if name not in sql] == []
    assert [name for (name,) in columns if f"| `{name}`" not in text] == []


def test_the_document_names_no_table_that_is_not_there(query: Any) -> None:
    text = DOCUMENT.read_text(encoding="utf-8").split("## The other tables\n")[1]
    text = text.split("\n## ")[0]

    named = set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))
    assert len(named) >= 11
    assert named <= set(relations(query, "rp"))


def relations(query: Any, kinds: str) -> list[str]:
    return [
        name
        for name, kind in query(
            "select relname, relkind::text from pg_class where not relispartition"
            " and relnamespace = 'pgconflict'::regnamespace"
        )
        if kind in kinds
    ]


def test_every_view_and_table_is_commented(query: Any) -> None:
    found = query(
        "select relname, obj_description(oid, 'pg_class') from pg_class"
        " where relnamespace = 'pgconflict'::regnamespace and not relispartition"
        " and relkind in ('v', 'r', 'p')"
    )

    assert len(found) > 15
    assert [name for name, comment in found if not comment] == []
