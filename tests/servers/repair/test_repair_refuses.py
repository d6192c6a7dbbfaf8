"""What a repair must not write: it says why, and the way on; nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import make_conninfo

from tests.fixtures.apart import apart, fill
from tests.servers.repair.test_repair import findings, repair, rows, same

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair


@pytest.mark.majors(16, 19)
@pytest.mark.parametrize(
    ("constraint", "name"),
    [
        ("unique (u) deferrable", "one_u"),
        ("exclude ((upper(u)) with =) where (u <> '') deferrable", "one_u"),
        ("unique nulls not distinct (n, id2) deferrable", "one_u"),
    ],
)
def test_a_second_row_of_a_deferrable_constraint(
    pair: Pair, desk: Desk, constraint: str, name: str
) -> None:
    """The server checks such a constraint by a trigger, which does not fire then."""
    ddl = (
        "create table {t} (id int primary key, u text, n int, id2 int default 1,"
        " v text,"
        f" constraint one_u {constraint})"
    )
    with pair.replicate(ddl) as replicated:
        apart(replicated, "a", "insert into {t} (id, u, v) values (1, 'x', 'v')")
        apart(replicated, "b", "insert into {t} (id, u, v) values (2, 'x', 'v')")
        ids = findings(desk, replicated)
        before = rows(pair.a, replicated), rows(pair.b, replicated)

        refused, told = repair(desk, ids, "--winner", "latest", "--apply")
        after = rows(pair.a, replicated), rows(pair.b, replicated)
        # Row 2 goes; then there is room for row 1.
        done, both = repair(desk, ids, "--winner", "a", "--apply")

        assert same(replicated)
    assert refused.code == 3
    assert {one["outcome"] for one in told} == {"refused"}
    assert all(name in one["said"][0] for one in told)
    assert after == before
    assert done.code == 0, both
    assert {one["outcome"] for one in both} == {"repaired"}


@pytest.mark.majors(18)
def test_a_row_with_another_of_its_value_may_change_in_other_columns(
    pair: Pair, desk: Desk
) -> None:
    ddl = "create table {t} (id int primary key, u text unique deferrable, v text)"
    with pair.replicate(ddl) as replicated:
        two = "insert into {t} values (1, 'x', 'v'), (2, 'x', 'v')"
        for node in "ab":
            apart(replicated, node, two, replica=True)
        apart(replicated, "b", "update {t} set v = 'b' where id = 1", replica=True)
        ids = findings(desk, replicated)

        answer, (told,) = repair(desk, ids, "--winner", "a", "--apply")

        assert same(replicated)
    assert (answer.code, told["outcome"]) == (0, "repaired"), told


@pytest.mark.majors(16, 18)
def test_a_row_that_no_subscription_brings(pair: Pair, desk: Desk) -> None:
    """It left what the row filter lets pass: that only one node has it is right."""
    with pair.replicate() as replicated:
        for one in replicated.subscriptions:
            one.publisher.execute(
                f"alter publication {one.publication} set table {replicated.table}"
                " where (id > 10)"
            )
        fill(replicated, 10, "insert into {t} select n + 10, 'v'")
        apart(replicated, "b", "delete from {t} where id = 15")
        ids = findings(desk, replicated)
        pair.a.execute(f"update {replicated.table} set id = 5 where id = 15")
        desk.ask_log(
            'update pgconflict.conflict_log set replica_identity = \'{"id": "5"}\''
            " returning conflict_id"
        )

        insert, (latest,) = repair(desk, ids, "--winner", "latest", "--apply")
        delete, (given,) = repair(desk, ids, "--winner", "b", "--apply")

        assert rows(pair.a, replicated)[5] == "(5,v)"
        assert 5 not in rows(pair.b, replicated)
    assert (insert.code, delete.code) == (3, 3)
    for told in (latest, given):
        assert told["outcome"] == "refused"
        assert (
            "the row filter (id > 10) does not let node a's row pass" in told["said"][0]
        )


@pytest.mark.majors(18)
def test_a_value_that_the_other_s_type_would_cut(pair: Pair, desk: Desk) -> None:
    ddl = "create table {t} (id int primary key, v varchar(10), n int, w text)"
    with pair.replicate(ddl) as replicated:
        fill(replicated, 3, "insert into {t} select n, 'v', 7, 'w'")
        pair.b.execute(
            f"alter table {replicated.table} alter v type varchar(3),"
            " alter n type numeric(8, 2)"
        )
        apart(
            replicated, "a", "update {t} set v = 'abcdef', n = 8, w = 'x' where id = 2"
        )
        apart(replicated, "a", "update {t} set v = 'abc', n = 8, w = 'x' where id = 3")
        desk.run("--json", "conflicts", "verify", replicated.table)
        found = desk.ask_log(
            "select conflict_id, replica_identity ->> 'id' from pgconflict.conflict_log"
        )
        (cut,) = [number for number, key in found if key == "2"]
        (whole,) = [number for number, key in found if key == "3"]

        refused, (told,) = repair(desk, [cut], "--winner", "a", "--apply")
        repair(desk, [whole], "--winner", "a", "--apply")

        there = rows(pair.b, replicated)
    assert (refused.code, told["outcome"]) == (3, "refused")
    assert "v is not what was written" in told["said"][0]
    assert there[2] == "(2,v,7.00,w)"
    assert there[3] == "(3,abc,8.00,x)"


@pytest.mark.majors(18)
def test_a_column_that_must_be_filled_is_no_other_row(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 3)
        pair.b.execute(f"alter table {replicated.table} add w int not null default 1")
        pair.b.execute(f"alter table {replicated.table} alter w drop default")
        apart(replicated, "b", "delete from {t} where id = 2")
        ids = findings(desk, replicated)

        answer, (told,) = repair(desk, ids, "--winner", "a", "--apply")

    assert (answer.code, told["outcome"]) == (3, "refused")
    assert "not-null" in told["said"][0]
    assert "another row" not in told["said"][1]


@pytest.mark.majors(18)
def test_a_key_of_another_type_refuses_its_row_only(pair: Pair, desk: Desk) -> None:
    """The column was of another type when the conflict was recorded."""
    with pair.replicate() as replicated:
        fill(replicated, 3)
        apart(replicated, "b", "update {t} set v = 'b' where id in (1, 2)")
        ids = findings(desk, replicated)
        desk.ask_log(
            'update pgconflict.conflict_log set replica_identity = \'{"id": "abc"}\''
            " where conflict_id = %s returning 1",
            ids[0],
        )

        answer, told = repair(desk, ids, "--winner", "a", "--apply")

    assert answer.code == 3
    assert [one["outcome"] for one in told] == ["refused", "repaired"]
    assert "none of the table's" in told[0]["said"][0]


@pytest.mark.majors(18)
def test_a_table_referred_to_that_can_not_be_read(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as parents:
        ddl = (
            f"create table {{t}} (id int primary key, p int references {parents.table})"
        )
        with pair.replicate(ddl) as replicated:
            fill(parents, 3)
            fill(replicated, 3, "insert into {t} select n, 1")
            apart(replicated, "b", "update {t} set p = 3 where id = 2")
            ids = findings(desk, replicated)
            pair.b.execute("create role half_a_mender login")
            pair.b.execute(
                f"grant select, insert, update, delete on {replicated.table}"
                " to half_a_mender;"
                " grant set on parameter session_replication_role to half_a_mender;"
                " grant execute on function pg_replication_origin_create(text),"
                " pg_replication_origin_session_setup(text) to half_a_mender"
            )
            desk.knows(a=pair.a.dsn, b=f"{pair.b.dsn} user=half_a_mender")
            try:
                denied = desk.run(
                    "conflicts", "repair", str(ids[0]), "--winner", "a", "--apply"
                )
                pair.b.execute(denied.err.split("hint: ", 1)[1])
                allowed, (told,) = repair(desk, ids, "--winner", "a", "--apply")
            finally:
                pair.b.execute("drop owned by half_a_mender; drop role half_a_mender")

            assert same(replicated)
    assert denied.code == 77
    assert "GRANT SELECT ON" in denied.err
    assert (allowed.code, told["outcome"]) == (0, "repaired"), told


@pytest.mark.majors(18)
def test_a_table_that_can_not_be_read(pair: Pair, desk: Desk) -> None:
    with pair.replicate(relname="Mixed Case"):
        pair.b.execute('create role "Half Reader" login')
        desk.knows(a=pair.a.dsn, b=make_conninfo(pair.b.dsn, user="Half Reader"))
        try:
            denied = desk.run("conflicts", "verify", "Mixed Case")
            pair.b.execute(denied.err.split("hint: ", 1)[1])
            allowed = desk.run("conflicts", "verify", "Mixed Case")
        finally:
            pair.b.execute('drop owned by "Half Reader"; drop role "Half Reader"')
    assert (denied.code, allowed.code) == (77, 0), denied.err + allowed.err


@pytest.fixture
def citext(pair: Pair) -> Iterator[None]:
    pair.both("create extension citext schema public")
    yield
    pair.both("drop extension citext")


@pytest.mark.majors(17)
@pytest.mark.usefixtures("citext")
def test_what_refers_to_an_extension_s_key_is_found_by_its_own_operator(
    pair: Pair, desk: Desk
) -> None:
    """Without it `a` would not refer to `A`."""
    with pair.replicate("create table {t} (id public.citext primary key)") as parents:
        ddl = (
            "create table {t} (id int primary key,"
            f" p public.citext references {parents.table})"
        )
        with pair.replicate(ddl) as replicated:
            pair.a.execute(f"insert into {parents.table} values ('A')")
            parents.catch_up()
            fill(replicated, 1, "insert into {t} select n, 'a'")
            apart(parents, "a", "delete from {t}", replica=True)
            ids = findings(desk, parents)

            answer, (told,) = repair(desk, ids, "--winner", "a", "--apply")

            assert pair.b.value(f"select id::text from {parents.table}") == "A"
    assert (answer.code, told["outcome"]) == (3, "refused"), told
    assert "foreign key" in told["said"][0]
