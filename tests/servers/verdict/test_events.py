"""Concurrent writes of two and three real nodes: one event each, with every side."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.cli.main import main
from tests.fixtures.apart import unheard
from tests.fixtures.mesh import Mesh
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.nodes import Node, Subscription
    from tests.fixtures.servers import Pair, Servers


@pytest.fixture(scope="module")
def third(servers: Servers) -> Iterator[Node]:
    """A node beside the pair of 18."""
    node = servers.node(18, name="c")
    yield node
    node.cluster.destroy()


@pytest.fixture
def ask(
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    def words(daemon: Daemon, *words: object) -> str:
        code = main(
            ["--config", str(daemon.config_file), "conflicts", *map(str, words)]
        )
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return printed.out

    return words


def listed(
    ask: Callable[..., str], daemon: Daemon, *words: object
) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in ask(daemon, "list", "--json", *words).splitlines()
    ]


def status_of(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    main(["--config", str(daemon.config_file), "status", "--json"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.majors(18, 19)
def test_two_nodes(
    pair: Pair,
    new_daemon: Callable[..., Daemon],
    ask: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two events of two conflicts, a hand-over; what is shown is what happened."""
    with Mesh(*pair.nodes) as mesh:
        daemon = mesh.followed(new_daemon)
        with mesh.apart():
            pair.a.execute(f"update {mesh.table} set v = 'from a' where id = 1")
            pair.b.execute(f"update {mesh.table} set v = 'from b' where id = 1")
            # Both columns of both: equal in the end, and one write is gone.
            pair.a.execute(f"update {mesh.table} set v = 'same', w = 'a' where id = 2")
            pair.a.execute(f"update {mesh.table} set w = 'same' where id = 2")
            pair.b.execute(f"update {mesh.table} set v = 'same', w = 'b' where id = 2")
            pair.b.execute(f"update {mesh.table} set w = 'same' where id = 2")
        ours = f"relname = '{mesh.table}' and remote_commit_ts is not null"
        daemon.wait_count(4, f"effect is not null and {ours}", timeout=60)
        daemon.wait_count(2, f"effect = 'diverged' and {ours}", timeout=60)
        pair.a.execute(f"insert into {mesh.table} values (10, 'handed', '')")
        mesh.ways[0].catch_up()
        pair.b.execute(f"update {mesh.table} set v = 'over' where id = 10")
        daemon.wait_count(1, f"effect = 'none' and {ours}", timeout=60)

        events = listed(ask, daemon, "--table", mesh.table)
        everything = listed(ask, daemon, "--all", "--table", mesh.table)
        number = next(
            event["conflict_id"] for event in events if event["effect"] == "diverged"
        )
        shown = ask(daemon, "show", number)
        told = json.loads(ask(daemon, "show", number, "--json"))
        summary = ask(daemon, "summary", "--table", mesh.table)
        names = [way.name for way in mesh.ways]
        wait_until(
            lambda: (
                sum(daemon.metric("diverged_rows", subscription=name) for name in names)
                == 2
            ),
            "each side counts its row",
        )
        status = status_of(daemon, capsys)
        of_effect = {
            effect: sum(
                daemon.metric(
                    "conflict_effects_total", effect=effect, subscription=name
                )
                for name in names
            )
            for effect in ("none", "write_lost", "diverged")
        }

    assert len(events) == 2
    assert len(everything) == 3
    for event in events:
        members = event["event"]["members"]
        assert [
            one["node"] for one in sorted(members, key=lambda m: str(m["node"]))
        ] == [
            "a",
            "b",
        ]
        assert {one["cause"] for one in members} == {"concurrent"}
    assert {event["event"]["effect"] for event in events} == {"diverged", "write_lost"}
    assert everything[0]["event"] is None
    assert everything[0]["cause"] == "hand_over"
    assert (
        "5 conflicts logged: 1 hand-over, 1 write lost, 1 row differs now, 0 unknown"
    ) in summary
    assert (
        status["rows_differing"],
        [one["diverged_rows"] for one in status["subscriptions"]],
        [one["problem"] for one in status["problems"]].count("rows_diverged"),
    ) == (1, [1, 1], 1)
    assert "They are 3 events: 4 of these conflicts are 2, which" in summary
    assert of_effect == {"none": 1, "write_lost": 2, "diverged": 2}
    sides = told["event"]["members"]
    assert len(sides) == 2
    for one, other in (sides, sides[::-1]):
        assert one["local_conflicts"][0]["tuple"] == other["remote_tuple"]
        assert one["local_conflicts"][0]["xid"] == other["remote_xid"]
        assert one["local_conflicts"][0]["origin_kind"] == "local"
        assert one["remote_commit_ts"] is not None
    assert "One event: conflicts " in shown
    assert "What looking at the row found" in shown
    # Positions tell, or the other node's entry: whichever is read first.
    assert re.search(
        "concurrent: the other node (had not applied the local version when it wrote"
        "|logged the opposite direction)",
        " ".join(shown.split()),
    )


@pytest.mark.majors(18)
def test_three_nodes(
    pair: Pair,
    third: Node,
    new_daemon: Callable[..., Daemon],
    ask: Callable[..., str],
) -> None:
    """Each node logs two of the six meetings: one event."""
    nodes = (*pair.nodes, third)
    with Mesh(*nodes) as mesh:
        daemon = mesh.followed(new_daemon)
        # One node's ids and LSNs say nothing of another's: the first to write has the
        # lower LSN, and had a transaction of the other's id before.
        for _ in range(10):
            pair.a.execute("select pg_current_xact_id()")
        pair.b.execute(
            "select pg_logical_emit_message(false, 'test', repeat('x', 1000000))"
        )
        with mesh.apart():
            for node in nodes:
                node.execute(f"update {mesh.table} set v = 'from {node}' where id = 1")
            # Of another event, at the same time.
            for node in pair.nodes:
                node.execute(f"update {mesh.table} set v = 'from {node}' where id = 2")
        daemon.wait_count(
            8, f"cause is not null and relname = '{mesh.table}'", timeout=90
        )

        events = listed(ask, daemon, "--all", "--table", mesh.table)

    nodes_of = [
        {member["node"] for member in event["event"]["members"]}
        for event in events
        if event["event"]
    ]
    keys_of = [event["replica_identity"]["id"] for event in events if event["event"]]
    assert sorted(keys_of) == ["1", "2"]
    assert nodes_of[keys_of.index("1")] == {"a", "b", "c"}
    assert {"a", "b"} <= nodes_of[keys_of.index("2")]


@pytest.mark.majors(18)
def test_what_a_third_node_passed_on_was_seen(
    pair: Pair,
    third: Node,
    new_daemon: Callable[..., Daemon],
    ask: Callable[..., str],
) -> None:
    """a and b meet on both their nodes; row 11: c was written on a, b on top of c.

    Of row 12 c had a's version, too, and wrote another row, which came to b.
    """
    a, b, c = nodes = (*pair.nodes, third)
    with Mesh(*nodes) as mesh:
        daemon = mesh.followed(new_daemon)
        seen = (
            "select distinct system_identifier, subid from pgconflict.position_seen"
            " where subid = any (%s) and 0 < any (confirmed)"
        )
        ways = [way.oid for way in mesh.ways]
        wait_until(
            lambda: len(daemon.query(seen, [ways])) == len(ways),
            "positions of every subscription were seen",
        )
        a.execute(
            f"insert into {mesh.table} values (10, '', ''), (11, '', ''), (12, '', '')"
        )
        for node in (b, c):
            mesh.way(a, node).catch_up()
        append = f"update {mesh.table} set v = v || '{{node}}' where id = {{id}}"
        met = f"subname in ('{mesh.way(a, b).name}', '{mesh.way(b, a).name}')"
        with mesh.apart(mesh.way(a, b), mesh.way(b, a)):
            for node in (a, b):
                node.execute(append.format(node=node, id=10))
        daemon.wait_count(2, f"{met} and effect is not null", timeout=60)
        with mesh.apart(mesh.way(a, b), mesh.way(c, a)):
            for node, other in ((a, c), (c, b), (b, a)):
                node.execute(append.format(node=node, id=11))
                mesh.way(node, other).catch_up()
        daemon.wait_count(4, f"{met} and effect is not null", timeout=60)
        with mesh.apart(mesh.way(a, b), mesh.way(b, a)):
            for node, other, row in ((a, c, 12), (c, b, 2)):
                node.execute(append.format(node=node, id=row))
                mesh.way(node, other).catch_up()
            b.execute(append.format(node=b, id=12))
        daemon.wait_count(6, f"{met} and effect is not null", timeout=60)

        events = listed(ask, daemon, "--all", "--table", mesh.table)
        found = daemon.query(
            "select replica_identity ->> 'id', l.cause, evidence ->> 'reason'"
            " from pgconflict.verdict v join pgconflict.conflict_log l"
            f" using (conflict_id) where {met} and evidence is not null"
        )

    assert {(row, cause) for row, cause, _ in found} == {
        ("10", "concurrent"),
        ("11", "unknown"),
        ("12", "concurrent"),
    }
    assert {reason for row, _, reason in found if row == "11"} == {
        "a third node may have passed one of the versions on"
    }
    joined = {
        event["replica_identity"]["id"]: event["event"]
        for event in events
        if event["event"]
    }
    of_nodes = {
        row: {one["node"] for one in event["members"]} for row, event in joined.items()
    }
    # On c the one met the other too; that is looked at last.
    assert {"a", "b"} <= of_nodes["10"]
    assert of_nodes["11"] == {"a", "b"}
    assert {event["effect"] for event in joined.values()} == {"diverged"}


def skip_one(daemon: Daemon, mesh: Mesh, way: Subscription) -> None:
    """Skip a transaction that stops apply."""
    unheard(way.subscriber, f"insert into {mesh.table} values (9, 'hidden', '')")
    way.publisher.execute(f"insert into {mesh.table} values (9, 'sent', '')")
    met = f"subname = '{way.name}' and stalls and status = "
    daemon.wait_count(1, met + "'open'", timeout=30)
    ((lsn,),) = daemon.query(
        f"select remote_commit_lsn::text from pgconflict.conflict_log where {met}'open'"
    )
    way.alter(f"skip (lsn = '{lsn}')")
    daemon.wait_count(1, met + "'skipped'", timeout=30)


@pytest.mark.majors(18, 19)
def test_hand_overs_among_three_nodes(
    pair: Pair,
    servers: Servers,
    new_daemon: Callable[..., Daemon],
) -> None:
    """Both other nodes log each: harmless, unless a further change came between.

    A transaction that was skipped before is no doubt.
    """
    c = servers.node(pair.major, name="c")
    a, b, c = nodes = (*pair.nodes, c)
    with Mesh(*nodes) as mesh:
        daemon = mesh.followed(new_daemon)
        identity = "select system_identifier from pg_control_system()"
        systems = {node.name: node.value(identity) for node in nodes}
        # The servers have other tests' origins, too.
        ways = [f"{systems[way.subscriber.name]}.{way.oid}" for way in mesh.ways]
        seen_again = (
            "select count(distinct (system_identifier, subid))"
            " from pgconflict.position_seen"
            " where system_identifier || '.' || subid = any (%s) and until > %s"
        )

        def write(node: Node, row: int, *to: Node) -> None:
            """Write on top of what is there; wait until that was seen to come."""
            node.execute(f"update {mesh.table} set v = v || '{node}' where id = {row}")
            for other in to:
                mesh.way(node, other).catch_up()
            now = node.value("select clock_timestamp()")
            wait_until(
                lambda: daemon.query(seen_again, [ways, now]) == [(len(ways),)],
                "every position was seen again",
            )

        skip_one(daemon, mesh, mesh.way(b, a))
        # Which row came first to whom is not known before each has sent something.
        for node in nodes:
            write(node, 2, *(other for other in nodes if other is not node))
        write(a, 1, b, c)
        write(b, 1, a, c)
        write(c, 1, a, b)
        write(a, 1, b, c)
        logged = (
            f"relname = '{mesh.table}' and cause is not null"
            " and replica_identity ->> 'id' = '{}'"
        )
        daemon.wait_count(8, logged.format(1), timeout=60)
        handed_over = daemon.query(
            "select cause, effect, count(*), count(distinct node)"
            f" from pgconflict.conflict_log where {logged.format(1)}"
            " and local_conflicts[1] ->> 'tuple' not like '%%\"x\"%%' group by 1, 2"
        )
        write(a, 2, b, c)
        # b has a's version, then c's on top of it, which a has not.
        with mesh.apart(mesh.way(a, c), mesh.way(c, a)):
            write(a, 2, b)
            write(c, 2, b)
            write(b, 2, a, c)
            last = (
                f"{logged.format(2)} and subname = '{mesh.way(b, a).name}'"
                " and remote_tuple ->> 'v' = 'xabcacb'"
            )
            daemon.wait_count(1, last, timeout=60)
            (between,) = daemon.query(
                f"select cause from pgconflict.conflict_log where {last}"
            )
    c.cluster.destroy()

    assert handed_over == [("hand_over", "none", 6, 3)]
    assert between == ("unknown",)


@contextlib.contextmanager
def silenced(servers: Servers, pair: Pair, how: str) -> Iterator[Node]:
    """A node whose server logs no conflicts."""
    if how == "version":
        yield servers.pair(17).b
        return
    owner = pair.b.value("select current_user")
    pair.b.execute(f"alter role {owner} set log_min_messages = 'fatal'")
    try:
        yield pair.b
    finally:
        pair.b.execute(f"alter role {owner} reset log_min_messages")


@pytest.mark.majors(18)
@pytest.mark.parametrize("how", ["version", "setting"])
def test_a_node_that_logs_no_conflicts_proves_nothing(
    pair: Pair,
    servers: Servers,
    new_daemon: Callable[..., Daemon],
    how: str,
) -> None:
    """It says nothing of the change that meets its own version just after."""
    with silenced(servers, pair, how) as silent, Mesh(pair.a, silent) as mesh:
        daemon = mesh.followed(new_daemon)
        update = f"update {mesh.table} set v = '{{}}' where id = 1"
        with silent.connect() as session, session.transaction():
            session.execute(update.format("from b"))
            pair.a.execute(update.format("from a"))
            wait_until(
                lambda: silent.value("select count(*) from pg_locks where not granted"),
                "apply waits for the session",
            )
        daemon.wait_count(
            1, f"cause is not null and relname = '{mesh.table}'", timeout=60
        )
        (told,) = daemon.query(
            "select distinct l.cause, evidence ->> 'reason' from pgconflict.verdict"
            " join pgconflict.conflict_log l using (conflict_id)"
            f" where evidence is not null and relname = '{mesh.table}'"
        )

    assert told == ("unknown", "the other node's server logs no conflicts")
