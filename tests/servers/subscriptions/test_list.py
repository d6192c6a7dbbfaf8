"""`subscriptions list`: each subscription once, from both ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.operated import Desk, wait_for_stall
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.servers import Pair, Subscription

LIST = ("subscriptions", "list")


def line(desk: Desk, subscription: Subscription) -> dict[str, Any]:
    answer = desk.run(*LIST, "--json")
    assert answer.code == 0, answer.err
    (found,) = [one for one in answer.lines if one["subscription"] == subscription.name]
    return found


def test_both_directions_with_their_slots(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as one:
        pair.a.execute(f"insert into {one.table} values (1, 'x')")
        one.catch_up()

        answer = desk.run(*LIST)

        assert answer.code == 0, answer.err
        for subscription in one.subscriptions:
            found = line(desk, subscription)
            assert found["node"] == subscription.subscriber.name
            assert found["publisher"] == subscription.publisher.name
            assert found["publisher_known_by"] == "walsender"
            assert found["state"] == "streaming"
            assert found["worker_pid"] == subscription.worker()
            assert found["slot"] == subscription.name
            assert found["slot_active"]
            assert found["slot_retained_bytes"] >= 0
            assert found["lag_bytes"] is not None
            assert found["apply_errors"] == 0
            assert found["blocked_by"] is None
            assert subscription.name in answer.out
    only_a = desk.run(*LIST, "--node", "a", "--json")
    assert {each["node"] for each in only_a.lines} <= {"a"}


@pytest.mark.majors(15, 18)
def test_what_blocks_and_what_is_disabled(pair: Pair, desk: Desk) -> None:
    with pair.replicate(both=False) as one:
        pair.b.execute(f"insert into {one.table} values (1, 'local')")
        pair.a.execute(f"insert into {one.table} values (1, 'remote')")
        wait_for_stall(one.to_b)
        desk.record(one.to_b)

        blocked = line(desk, one.to_b)
        assert blocked["state"] == "blocked"
        assert blocked["blocked_by"]["type"] == "insert_exists"
        assert blocked["blocked_by"]["lsn"]
        assert blocked["apply_errors"] >= 1
        assert f"conflict {blocked['blocked_by']['conflict_id']}" in desk.run(*LIST).out

        # Mended: the origin is past it, whatever the conflict log says.
        pair.b.execute(f"delete from {one.table}")
        one.catch_up()
        wait_until(
            lambda: line(desk, one.to_b)["state"] == "streaming", "it streams again"
        )
        one.to_b.alter("disable")
        wait_until(lambda: one.to_b.worker() is None, "its worker has ended")
        pair.a.execute(f"insert into {one.table} values (2, 'x')")
        disabled = line(desk, one.to_b)
        assert disabled["state"] == "disabled"
        assert disabled["lag_bytes"] > 0
        # Since when nobody reads a slot is known from 17 on.
        assert (disabled["lag_seconds"] is not None) == (pair.major >= 17)


@pytest.mark.majors(16, 19)
def test_a_slot_that_may_be_lost_and_one_that_is(
    new_pair: Callable[..., Pair],
    major: int,
    log_dsn: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pair = new_pair(
        major,
        settings={"max_slot_wal_keep_size": "32MB", "wal_keep_size": 0,
                  "max_wal_size": "48MB", "min_wal_size": "32MB"},
    )  # fmt: skip
    desk = Desk(tmp_path, log_dsn, capsys)
    desk.knows(a=pair.a.dsn, b=pair.b.dsn)
    with pair.replicate(both=False) as one:
        one.to_b.alter("disable")
        wait_until(lambda: one.to_b.worker() is None, "its worker has ended")

        before = line(desk, one.to_b)
        assert 0 < before["slot_safe_wal_bytes"] <= 64 << 20
        assert before["slot_seconds_to_loss"] is None or (
            before["slot_seconds_to_loss"] > 0
        )
        for _ in range(6):
            pair.a.execute("select pg_switch_wal()")
            pair.a.execute(
                f"insert into {one.table} values (1); delete from {one.table}"
            )
        pair.a.execute("checkpoint")
        lost = line(desk, one.to_b)

        assert lost["slot_wal_status"] == "lost"
        why = "wal_removed" if major > 16 else "lost"
        assert lost["slot_invalidated"] == why
        assert f"LOST: {why}" in desk.run(*LIST).out


@pytest.mark.majors(18)
def test_a_node_that_is_away_is_said(pair: Pair, desk: Desk) -> None:
    with pair.replicate(both=False) as one:
        desk.knows(a="host=127.0.0.1 port=1", b=pair.b.dsn)

        answer = desk.run(*LIST, "--json")

        assert answer.code == 69
        assert "node a can't be reached" in answer.err
        (found,) = [
            each for each in answer.lines if each["subscription"] == one.to_b.name
        ]
        assert found["publisher"] is None
        assert found["state"] == "streaming"
    assert desk.run(*LIST, "--node", "x").code == 2


@pytest.mark.majors(18)
def test_one_name_in_two_databases_is_told_apart(pair: Pair, desk: Desk) -> None:
    pair.b.execute("create database twin", dbname="postgres")
    made = (
        "create subscription twins connection 'host=127.0.0.1 port=1' publication p"
        " with (connect = false, slot_name = none)"
    )
    try:
        for dbname in ("app", "twin"):
            pair.b.execute(made, dbname=dbname)

        listed = desk.run(*LIST).out
        status = desk.run("status", "--no-sequences").out
        unclear = desk.run("subscriptions", "drop", "twins", "--node", "b", "--apply")
        named = ("--database", "twin", "--leave-slot", "--apply")
        desk.run("subscriptions", "drop", "twins", "--node", "b", *named)
        left = desk.run(*LIST).out
    finally:
        for dbname in ("app", "twin"):
            pair.b.execute("drop subscription if exists twins", dbname=dbname)
        pair.b.execute("drop database twin with (force)", dbname="postgres")

    for text in (listed, status):
        assert re.search(r"(?m)^b +app +twins ", text)
        assert re.search(r"(?m)^b +twin +twins ", text)
    assert "subscription twins in database twin: it is disabled" in status
    assert unclear.code == 2
    assert "in several databases: app, twin" in unclear.err
    assert re.search(r"(?m)^b +app +twins ", left)
    assert " twin " not in left
