"""The daemon keeps a pair's sequences in step, and says how they stand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.sequence_nodes import Writers, stands
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.sequence_nodes import Pair

NewDaemon = "Callable[..., Daemon]"


def started(new_daemon: Callable[..., Daemon], pair: Pair, **how: Any) -> Daemon:
    daemon = new_daemon(
        {"a": pair.a.dsn, "b": pair.b.dsn},
        sequences={"interval": "1s", "pairs": [{"name": "pair", **how}]},
    )
    daemon.start()
    return daemon


@pytest.mark.majors(15, 19)
def test_a_standby_is_kept_ahead_and_not_locked_for_nothing(
    same: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    same.both("create schema app; create sequence app.x; create sequence app.y cache 5")
    same.a.execute("select setval('app.x', 5000), setval('app.y', -1 + 300)")

    daemon = started(new_daemon, same, **{"from": "a", "to": "b", "ahead": 100})

    wait_until(lambda: stands(same.b, "app.x") == (5200, True), "x is ahead")
    wait_until(lambda: stands(same.b, "app.y") == (499, True), "y is ahead")
    # Within the bound: nothing moves; beyond half of the lead: twice the bound again.
    same.a.execute("select setval('app.x', 5099)")
    first = daemon.metric("sequence_sync_timestamp_seconds", pair="pair")
    wait_until(
        lambda: (
            daemon.metric("sequence_sync_timestamp_seconds", pair="pair") >= first + 2
        ),
        "two more looks",
    )
    assert stands(same.b, "app.x") == (5200, True)
    same.a.execute("select setval('app.x', 5150)")
    wait_until(lambda: stands(same.b, "app.x") == (5350, True), "x is ahead again")
    assert daemon.metric("sequences", pair="pair", state="ahead") == 2
    assert daemon.metric("sequences", pair="pair", state="behind") == 0
    assert daemon.metric("sequence_behind_max", pair="pair") == 0
    assert "moved 2 sequences of node b" in daemon.said()


@pytest.mark.majors(17)
def test_a_bound_in_time_follows_the_rate(
    same: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    same.both("create schema app; create sequence app.x; create sequence app.still")
    started(new_daemon, same, **{"from": "a", "to": "b", "ahead": "30s"})

    with Writers(same.a, "app.x", count=1, batch=1):
        wait_until(
            lambda: stands(same.b, "app.x")[0] > 3 * stands(same.a, "app.x")[0],
            "the standby is far ahead",
        )
    assert stands(same.b, "app.still") == (1, False)


@pytest.mark.majors(18)
def test_active_nodes_are_kept_level_and_overlaps_are_shown(
    same: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    same.both("create schema app; create sequence app.good; create sequence app.bad")
    assert same.run("stagger", "a", "b", "--name", "good", "--apply").code == 0
    same.a.execute("select setval('app.good', 8001), setval('app.bad', 4000)")

    daemon = started(new_daemon, same, nodes=["a", "b"], ahead=100)

    wait_until(lambda: stands(same.b, "app.good")[0] >= 7999, "good is level")
    wait_until(lambda: stands(same.b, "app.bad") == (4000, True), "bad is level")
    wait_until(
        lambda: daemon.metric("sequences", pair="pair", state="overlapping") == 2,
        "both nodes' rows of the one that overlaps are counted",
    )
    # A difference within the bound is left alone.
    same.b.execute("select setval('app.bad', 4050)")
    time.sleep(2.5)
    assert stands(same.a, "app.bad") == (4000, True)


@pytest.mark.majors(18)
def test_what_it_may_not_move_is_said_once_and_shown(
    same: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    same.both("create schema app; create sequence app.x maxvalue 10")
    same.b.execute("alter sequence app.x maxvalue 20")

    daemon = started(new_daemon, same, **{"from": "a", "to": "b"})

    wait_until(
        lambda: (
            daemon.metric("sequences", pair="pair", state="definition_differs") == 1
        ),
        "the difference is shown",
    )
    time.sleep(2.5)
    assert daemon.said().count("app.x: definition differs") == 1


@pytest.mark.majors(16)
def test_a_node_that_comes_back_is_followed_again(
    new_pair: Callable[..., Any], new_daemon: Callable[..., Daemon], major: int
) -> None:
    pair = new_pair(major)
    for node in pair.nodes:
        node.execute("create sequence public.x")
    daemon = new_daemon(
        {"a": pair.a.dsn, "b": pair.b.dsn},
        sequences={
            "interval": "1s",
            "pairs": [{"name": "pair", "from": "a", "to": "b", "ahead": 0}],
        },
    )
    daemon.start()
    pair.b.cluster.restart("immediate")
    pair.a.execute("select setval('public.x', 777)")

    wait_until(
        lambda: stands(pair.b, "public.x") == (777, True), "followed", timeout=60
    )
    assert daemon.metric("job_restarts_total", job="sequences/pair") >= 1


@pytest.mark.majors(19)
def test_sequences_that_postgresql_copies_are_named_and_not_fought_over(
    same: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    same.both("create schema app; create sequence app.x")
    same.a.execute("select setval('app.x', 50); create publication p for all sequences")
    # Both nodes are databases of servers of their own: nothing hangs.
    same.b.execute(f"create subscription p connection '{same.a.dsn}' publication p")
    try:
        wait_until(lambda: stands(same.b, "app.x") == (50, True), "copied natively")
        said = same.sync()
        daemon = started(new_daemon, same, **{"from": "a", "to": "b", "ahead": 100})
        wait_until(lambda: stands(same.b, "app.x") == (250, True), "kept ahead")
        # It copies the value as it is, backwards too, while we look on.
        same.b.execute("alter subscription p refresh sequences")
        wait_until(lambda: stands(same.b, "app.x") == (250, True), "ahead again")
        assert daemon.metric("sequences", pair="pair", state="behind") == 0
    finally:
        same.b.execute("drop subscription p")
    assert "1 sequence that PostgreSQL copies at" in said.err
