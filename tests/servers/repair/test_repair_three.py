"""Three nodes: all agree afterwards, or it is said where it stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.conflict_log.repairs import Repairs
from tests.fixtures.apart import apart, fill
from tests.fixtures.nodes import Pair, Subscription
from tests.fixtures.waiting import wait_until
from tests.servers.repair.test_repair import repair, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.nodes import Node, Replicated
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Servers

pytestmark = pytest.mark.majors(18)

TERMINATE = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where application_name = 'pgconflict/repair' and backend_type = 'client backend'"
)


@pytest.fixture
def mesh(servers: Servers, pair: Pair, desk: Desk) -> Iterator[Replicated]:
    """A table that three nodes exchange; b and c differ from a in one row."""
    c = servers.node(pair.major, name="c")
    with pair.replicate() as replicated:
        assert replicated.to_a is not None
        table = replicated.table
        c.execute(f"create table {table} (id int primary key, v text)")
        c.execute(f"create publication from_c for table {table}")
        ways = [
            Subscription("c_a", replicated.to_b.publication, pair.a, c),
            Subscription("c_b", replicated.to_a.publication, pair.b, c),
            Subscription("a_c", "from_c", c, pair.a),
            Subscription("b_c", "from_c", c, pair.b),
        ]
        for one in ways:
            one.create({"copy_data": False, "origin": "none"})
        for one in ways:
            wait_until(one.streaming, f"{one.name} streams")
        desk.knows(a=pair.a.dsn, b=pair.b.dsn, c=c.dsn)
        try:
            fill(replicated, 3)
            for one in ways:
                one.catch_up()
            apart(replicated, "b", "update {t} set v = 'b' where id = 1")
            with_c = type(replicated)(
                Pair(pair.a, c), "public", replicated.relname, ways[0], ways[2]
            )
            apart(with_c, "b", "update {t} set v = 'c' where id = 1")
            yield with_c
        finally:
            if not c.cluster.running:
                c.cluster.start()
            for one in ways:
                one.drop()
            c.cluster.destroy()


def values(mesh: Replicated, desk: Desk, pair: Pair) -> list[str]:
    nodes: list[Node] = [*pair.nodes, mesh.pair.b]
    assert [*desk.nodes] == ["a", "b", "c"]
    return [rows(node, mesh)[1] for node in nodes]


def finding(mesh: Replicated, desk: Desk) -> list[int]:
    answer = desk.run("--json", "conflicts", "verify", mesh.table, "--nodes", "a", "c")
    assert answer.out, answer.err
    return [row["conflict_id"] for row in answer.document["findings"]]


def behind_the_first_commit(
    monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]
) -> None:
    real = Repairs.written

    def written(self: Repairs, number: int, node: str) -> None:
        real(self, number, node)
        if node == "b":
            do()

    monkeypatch.setattr(Repairs, "written", written)


@pytest.mark.parametrize("end", ["session", "server"])
def test_stopped_between_two_commits(
    mesh: Replicated,
    desk: Desk,
    pair: Pair,
    monkeypatch: pytest.MonkeyPatch,
    end: str,
) -> None:
    c = mesh.pair.b
    ids = finding(mesh, desk)
    assert values(mesh, desk, pair) == ["(1,v)", "(1,b)", "(1,c)"]
    with monkeypatch.context() as patch:
        behind_the_first_commit(
            patch,
            lambda: (
                c.execute(TERMINATE)
                if end == "session"
                else c.cluster.stop("immediate")
            ),
        )
        answer = desk.run(
            *("--json", "conflicts", "repair", str(ids[0])),
            *("--winner", "a", "--apply"),
        )
    (told,) = answer.lines
    if end == "server":
        assert answer.code == 69
        c.cluster.start()
    assert told["outcome"] == "partial", answer.out + answer.err
    assert "written on b; not known whether it is written on c" in told["said"][0]
    assert "same command again" in told["said"][1]
    assert values(mesh, desk, pair) == ["(1,v)", "(1,v)", "(1,c)"]
    stored = "select outcome, written, nodes from pgconflict.repair"
    assert desk.ask_log(stored) == [("partial", ["b"], ["b", "c"])]

    again, (done,) = repair(desk, ids, "--winner", "a", "--apply")

    assert (again.code, done["outcome"]) == (0, "repaired"), again.out + again.err
    assert [*done["statements"]] == ["c"]
    assert values(mesh, desk, pair) == ["(1,v)"] * 3


def test_a_lock_or_a_privilege_on_the_last_node_keeps_all_as_they_are(
    mesh: Replicated, desk: Desk, pair: Pair
) -> None:
    ids = finding(mesh, desk)
    before = values(mesh, desk, pair)
    c = mesh.pair.b
    with c.connect() as connection, connection.transaction():
        connection.execute(f"select from {mesh.table} where id = 1 for update".encode())
        locked, (told,) = repair(desk, ids, "--winner", "a", "--apply")
    assert (locked.code, told["outcome"]) == (3, "refused")
    assert "node c" in told["said"][0]
    assert "lock timeout" in told["said"][0]
    assert values(mesh, desk, pair) == before

    c.execute("create role writes_not login")
    c.execute(f"grant select, update on {mesh.table} to writes_not")
    desk.knows(a=pair.a.dsn, b=pair.b.dsn, c=f"{c.dsn} user=writes_not")
    denied = desk.run("conflicts", "repair", str(ids[0]), "--winner", "a", "--apply")
    assert denied.code == 77
    assert "GRANT" in denied.err
    assert "1 row: 1 refused" in denied.out
    assert values(mesh, desk, pair) == before

    desk.knows(a=pair.a.dsn, b=pair.b.dsn, c=c.dsn)
    done: Any = repair(desk, ids, "--winner", "latest", "--apply")
    assert done[0].code == 0, done[0].out
    assert values(mesh, desk, pair) == ["(1,c)"] * 3
