"""Rows whose keys two nodes log in different words: none found is not none there."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.servers import Node, Pair, Replicated

DIFFERENTLY = "the nodes may print equal keys differently"


@contextlib.contextmanager
def setting(node: Node, name: str, value: str) -> Iterator[None]:
    """Give the database of a node a setting that its workers print keys by."""
    node.execute(f"alter database {node.dbname} set {name} = '{value}'")
    try:
        yield
    finally:
        node.execute(f"alter database {node.dbname} reset {name}")


def followed(new_daemon: Callable[..., Daemon], pair: Pair) -> Daemon:
    daemon = new_daemon({node.name: node.dsn for node in pair.nodes})
    daemon.start()
    wait_until(
        lambda: len(daemon.query("select from pgconflict.log_complete")) == 2,
        "both logs are followed",
    )
    return daemon


def write_at_once(
    replicated: Replicated, of_a: str = "of a", of_b: str = "of b"
) -> None:
    """A change of a's waits for b's session, and is applied just after that ends."""
    a, b = replicated.pair.nodes
    update = f"update {replicated.table} set v = '{{}}'"
    with b.connect() as session, session.transaction():
        session.execute(update.format(of_b).encode())
        a.execute(update.format(of_a))
        wait_until(
            lambda: b.value("select count(*) from pg_locks where not granted"),
            "apply waits for the session",
        )


def told(
    daemon: Daemon, replicated: Replicated
) -> dict[str, tuple[str, str | None, str, list[str]]]:
    """By node, of the one conflict of each: verdict, its reason, cause and doubts."""
    ours = "cause is not null and relname = %s"
    daemon.wait_count(2, ours, replicated.relname, timeout=60)
    return {
        node: (verdict, reason, cause, doubts)
        for node, *(verdict, reason, cause, doubts) in daemon.query(
            "select l.node, v.verdict, v.reason, l.cause, v.evidence -> 'doubts'"
            " from pgconflict.conflict_log l join pgconflict.verdict v"
            " using (conflict_id) where v.cause is not null and l.relname = %s"
            " order by v.looked_at",
            [replicated.relname],
        )
    }


@pytest.mark.majors(18)
@pytest.mark.parametrize(
    ("key", "on_b", "doubt"),
    [
        (
            "k int primary key",
            "alter k type bigint, alter v type varchar(20)",
            None,
        ),
        ("k numeric primary key", "alter k type numeric(9, 3)", DIFFERENTLY),
        (
            "k int, l int default 2, primary key (k, l)",
            "drop constraint {n}_pkey, add primary key (l, k)",
            "the nodes' keys have other columns, or another order of them",
        ),
    ],
    ids=["integers", "scale", "order"],
)
def test_keys_of_other_types(
    pair: Pair,
    new_daemon: Callable[..., Daemon],
    key: str,
    on_b: str,
    doubt: str | None,
) -> None:
    """An entry that is not found is not taken for one that is missing."""
    with pair.replicate(f"create table {{t}} (v text, {key})") as replicated:
        table = replicated.table
        pair.b.execute(f"alter table {table} {on_b.format(n=replicated.relname)}")
        pair.a.execute(f"insert into {table} values ('', 1)")
        replicated.catch_up()
        daemon = followed(new_daemon, pair)
        write_at_once(replicated)
        found = told(daemon, replicated)

    assert set(found) == {"a", "b"}
    for verdict, _, cause, doubts in found.values():
        assert verdict == "diverged"
        assert cause != "hand_over"
        assert {one for one in doubts if "keys" in one} == ({doubt} if doubt else set())


@pytest.mark.majors(18)
def test_keys_in_another_zone(pair: Pair, new_daemon: Callable[..., Daemon]) -> None:
    """The rows are found by either text; an entry of the other node is not."""
    with (
        setting(pair.b, "timezone", "Asia/Kolkata"),
        pair.replicate("create table {t} (k timestamptz primary key, v text)") as made,
    ):
        pair.a.execute(f"insert into {made.table} values ('2026-02-03 04:05Z', '')")
        made.catch_up()
        daemon = followed(new_daemon, pair)
        write_at_once(made)
        found = told(daemon, made)

    assert {
        (verdict, DIFFERENTLY in doubts) for verdict, _, _, doubts in found.values()
    } == {("diverged", True)}
    assert "hand_over" not in {cause for _, _, cause, _ in found.values()}


@pytest.mark.majors(18)
def test_keys_not_in_iso_style(pair: Pair, new_daemon: Callable[..., Daemon]) -> None:
    """03/02/2026, which is February there, is read as no day of March."""
    with (
        setting(pair.b, "datestyle", "SQL, DMY"),
        pair.replicate("create table {t} (k date primary key, v text)") as replicated,
    ):
        pair.a.execute(f"insert into {replicated.table} values ('2026-02-03', '')")
        replicated.catch_up()
        daemon = followed(new_daemon, pair)
        write_at_once(replicated)
        found = told(daemon, replicated)

    assert found["b"][:3] == ("unverifiable", "ambiguous", "unknown")
    assert found["a"][0] == "diverged"
    assert found["a"][2] != "hand_over"


@pytest.mark.majors(18)
def test_what_both_wrote_in_another_zone(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    """Logged as 05:30+05:30 and read as 00:00+00: the same, and nothing is lost."""
    with (
        setting(pair.b, "timezone", "Asia/Kolkata"),
        pair.replicate(
            "create table {t} (k int primary key, v text, at timestamptz)"
        ) as made,
    ):
        pair.a.execute(f"insert into {made.table} values (1, '', '2026-02-03 00:00Z')")
        made.catch_up()
        daemon = followed(new_daemon, pair)
        write_at_once(made, "same", "same")
        told(daemon, made)
        ours = "relname = %s and effect is not null"
        daemon.wait_count(2, ours, made.relname)
        effects = daemon.query(
            "select cause, effect from pgconflict.conflict_log where relname = %s",
            [made.relname],
        )

    assert effects == [("concurrent", "none")] * 2
