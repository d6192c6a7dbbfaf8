"""Slots, lag, waits and clocks as real servers of every version tell them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from pgconflict.config import Limits
from pgconflict.config import Node as ConfigNode
from pgconflict.daemon.links import Links
from pgconflict.daemon.node_metrics import NodeMetrics
from pgconflict.daemon.publisher_state import PublisherState, read_publisher
from pgconflict.server.grants import grant_monitor
from pgconflict.server.session import NodeSession
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pgconflict.demo.settings import SettingValue
    from tests.fixtures.nodes import Node, Pair, Replicated
    from tests.fixtures.servers import Servers

MONITOR = "monitor"
SETTINGS: Mapping[str, SettingValue] = {
    "max_prepared_transactions": 5,
    "max_slot_wal_keep_size": "48MB",
}


@pytest.fixture(scope="module")
def pairs(servers: Servers) -> Iterator[Callable[[int], Pair]]:
    """A pair of each version, with a limit for slots and a plain monitoring role."""
    started: dict[int, Pair] = {}

    def pair(major: int) -> Pair:
        if major not in started:
            made = servers.new_pair(major, settings=SETTINGS)
            for node in made.nodes:
                node.execute(f"create role {MONITOR} login")
                node.execute(grant_monitor(MONITOR))
            started[major] = made
        return started[major]

    yield pair
    for made in started.values():
        for node in made.nodes:
            node.cluster.destroy()


@pytest.fixture
def replicated(pairs: Callable[[int], Pair], major: int) -> Iterator[Replicated]:
    with pairs(major).replicate(both=False) as made:
        yield made


def ask(node: Node) -> PublisherState:
    """What the job reads, with no more rights than it needs."""

    async def read() -> PublisherState:
        there = ConfigNode(
            name=node.name, dsn=node.cluster.dsn(node.dbname, user=MONITOR)
        )
        session = await NodeSession.open(there, Limits(), job="publisher")
        try:
            return await read_publisher(session)
        finally:
            await session.close()

    return asyncio.run(read())


class Shown:
    def __init__(self, *nodes: Node) -> None:
        self._registry = CollectorRegistry()
        self._links = Links(NodeMetrics(self._registry))
        self._nodes = nodes

    def look(self) -> None:
        for node in self._nodes:
            self._links.show(node.name, ask(node))

    def value(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(f"pgconflict_{name}", labels)


def test_a_subscription_falls_behind_and_catches_up(replicated: Replicated) -> None:
    a, b = replicated.pair.nodes
    sub = replicated.to_b.name
    ends = {"node": "b", "subscription": sub}
    slot = {"node": "a", "slot": sub}
    shown = Shown(a, b)

    def caught_up() -> bool:
        shown.look()
        return shown.value("subscription_lag_bytes", **ends) == 0

    wait_until(caught_up, "no lag")
    assert shown.value("subscription_lag_seconds", **ends) == 0
    assert shown.value("slot_active", **slot) == 1
    assert shown.value("slot_wal_status", **slot, status="reserved") == 1
    assert shown.value("slot_invalidated", **slot, reason="wal_removed") == 0
    assert shown.value("slot_wal_limit_bytes", node="a") == 48 << 20

    replicated.to_b.alter("disable")
    wait_until(lambda: not ask(a).slots[0].active, "nobody reads from the slot")
    rows = "select g, repeat('x', 1000) from generate_series(1, 1000) g"
    a.execute(f"insert into {replicated.table} {rows}")
    before = time.time()
    shown.look()
    assert (shown.value("subscription_lag_bytes", **ends) or 0) > 1_000_000
    assert (shown.value("slot_retained_bytes", **slot) or 0) > 1_000_000
    assert shown.value("slot_active", **slot) == 0
    since = shown.value("slot_inactive_since_timestamp_seconds", **slot)
    if a.major >= 17:
        assert since is not None
        assert before - 60 < since <= time.time() + 1
    else:
        assert since is None
    time.sleep(0.2)
    shown.look()
    assert 0.2 <= (shown.value("subscription_lag_seconds", **ends) or 0) < 60

    replicated.to_b.alter("enable")
    wait_until(caught_up, "no lag again")
    assert shown.value("subscription_lag_seconds", **ends) == 0


def test_apply_waits_for_a_prepared_transaction_or_a_session(
    replicated: Replicated,
) -> None:
    a, b = replicated.pair.nodes
    table, sub = replicated.table, replicated.to_b.name
    a.execute(f"insert into {table} values (1, 'a'), (2, 'a')")
    replicated.catch_up()
    shown = Shown(a, b)

    def waits(blocker: str) -> float | None:
        shown.look()
        labels = {"node": "b", "subscription": sub, "blocker": blocker}
        return shown.value("subscription_lock_wait", **labels)

    assert waits("session") == waits("prepared_transaction") == 0
    b.execute(
        f"begin; update {table} set v = 'p' where id = 1; prepare transaction 'p'"
    )
    a.execute(f"update {table} set v = 'b' where id = 1")
    wait_until(lambda: waits("prepared_transaction") == 1, "apply waits")
    assert waits("session") == 0
    assert shown.value("prepared_transactions", node="b", database="app") == 1
    assert shown.value("prepared_transactions", node="a", database="app") == 0
    oldest = shown.value(
        "prepared_transaction_oldest_timestamp_seconds", node="b", database="app"
    )
    assert oldest is not None
    assert time.time() - 60 < oldest <= time.time()

    b.execute("rollback prepared 'p'")
    wait_until(lambda: waits("prepared_transaction") == 0, "apply goes on")
    with b.connect() as session, session.transaction():
        session.execute(f"update {table} set v = 's' where id = 2".encode())
        a.execute(f"update {table} set v = 'c' where id = 2")
        wait_until(lambda: waits("session") == 1, "apply waits for a session")
    wait_until(lambda: waits("session") == 0, "apply goes on")
    assert shown.value("prepared_transactions", node="b", database="app") == 0


def test_a_slot_beyond_its_limit_is_invalid(replicated: Replicated) -> None:
    a, b = replicated.pair.nodes
    slot = {"node": "a", "slot": replicated.to_b.name}
    replicated.to_b.alter("disable")
    wait_until(lambda: not ask(a).slots[0].active, "nobody reads from the slot")
    shown = Shown(a, b)
    shown.look()
    safe = [shown.value("slot_safe_wal_bytes", **slot)]
    for _ in range(6):
        a.execute("select pg_logical_emit_message(false, 'x', 'y'), pg_switch_wal()")
        a.execute("checkpoint")
        shown.look()
        safe.append(shown.value("slot_safe_wal_bytes", **slot))

    assert safe[0] is not None
    assert safe[0] > 32 << 20
    falling = [size for size in safe if size is not None]
    assert falling == sorted(falling, reverse=True)
    assert safe[-1] is None
    assert shown.value("slot_invalidated", **slot, reason="wal_removed") == 1
    assert shown.value("slot_wal_status", **slot, status="lost") == 1
    assert shown.value("slot_retained_bytes", **slot) == 0
    assert shown.value(
        "subscription_lag_bytes", node="b", subscription=replicated.to_b.name
    )


def test_the_clock_of_the_node_is_ours(replicated: Replicated) -> None:
    clock = ask(replicated.pair.a).clock

    assert 0 < clock.uncertainty < 0.5
    assert abs(clock.seconds) <= clock.uncertainty + 0.001


def test_a_standby_answers_too(servers: Servers, major: int) -> None:
    """The same questions, and no slot of its own."""
    node = servers.node(major)
    node.execute(f"create role {MONITOR} login")
    node.execute(grant_monitor(MONITOR))
    node.cluster.stop()
    (node.cluster.data_directory / "standby.signal").touch()
    node.cluster.start()

    state = ask(node)

    node.cluster.destroy()
    assert (state.current_lsn or 0) > 0
    assert state.slots == []
