"""By which ways a table's changes come to two nodes of several."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pgconflict.daemon.verdict.links import Sides
from pgconflict.daemon.verdict.nodes import Subscribed
from pgconflict.daemon.verdict.straight import Straight, straight_ways
from pgconflict.daemon.verdict.watch import Mark
from pgconflict.daemon.verdict.ways import other_ways
from pgconflict.server.row_reader import Incoming

if TYPE_CHECKING:
    from pgconflict.core.passing import Way

NODES = {"a": 1, "b": 2, "c": 3}
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Mesh:
    """Each node subscribes to each other; a subscription's oid names both."""

    def __init__(self, **changed: Any) -> None:
        self.changed = changed
        self.tables = {name: self.table(name, changed) for name in NODES}
        self.views: dict[str, Any] = {name: self.view(name) for name in NODES}
        here, there = self.views["a"], self.views["b"]
        self.sides = Sides(
            here=here,
            there=there,
            subscription=here.subscriptions[12],
            here_table=self.tables["a"],
            there_table=self.tables["b"],
            to_here=None,
            back=next(one for one in self.tables["b"].incoming if one.subid == 21),
            to_there=None,
        )

    @staticmethod
    def table(name: str, changed: dict[str, Any]) -> Any:
        incoming = [
            Incoming(
                subid=NODES[name] * 10 + number,
                publications=(),
                ready=changed.get("copies") != NODES[name] * 10 + number,
                since=NOON - timedelta(hours=2),
                copied=7,
                of_others=changed.get("any_origin") == NODES[name] * 10 + number,
            )
            for other, number in NODES.items()
            if other != name
        ]
        return SimpleNamespace(schemaname="s", relname="t", incoming=tuple(incoming))

    def view(self, name: str) -> Any:
        async def table(*_: str) -> Any:
            return self.tables[name]

        async def published(_: object, to: Incoming) -> Any:
            if self.changed.get("not_sent") == to.subid:
                return None
            return SimpleNamespace(
                filtered=self.changed.get("filtered") == to.subid,
                complete=self.changed.get("no_deletes") != to.subid,
                since=NOON - timedelta(hours=1),
            )

        subscriptions = {
            NODES[name] * 10 + number: Subscribed(
                NODES[name] * 10 + number, "", f"{other}{name}", other
            )
            for other, number in NODES.items()
            if other != name
        }
        return SimpleNamespace(
            name=name,
            system_identifier=NODES[name],
            subscriptions=subscriptions,
            clock=NOON,
            slots={f"{name}{other}": 100 for other in NODES if other != name},
            reader=SimpleNamespace(table=table, published=published),
        )

    def ways(self) -> tuple[Way, ...] | None:
        return asyncio.run(other_ways(self.sides, self.views))

    def straight(self) -> Straight | None:
        ways = self.ways()
        if ways is None:
            return None
        return asyncio.run(straight_ways(self.sides, self.views, ways))


def test_all_but_those_between_the_two() -> None:
    found = Mesh().ways()

    assert found is not None
    assert {msgspec.structs.astuple(way) for way in found} == {
        (3, 1, 13, 7),
        (3, 2, 23, 7),
        (1, 3, 31, 7),
        (2, 3, 32, 7),
    }


def test_nobody_knows_what_comes_through_a_node_that_is_away() -> None:
    mesh = Mesh()
    del mesh.views["c"]

    assert mesh.ways() is None
    assert Mesh(copies=32).ways() is None


@pytest.mark.parametrize(
    ("subid", "expected"), [(12, True), (21, True), (13, False), (31, False)]
)
def test_a_change_may_be_another_s_where_the_two_send_on(
    subid: int,
    expected: bool,  # noqa: FBT001
) -> None:
    assert Mesh(any_origin=subid).sides.sent_on is expected


def test_a_further_node_sends_each_of_the_two_what_it_writes() -> None:
    found = Mesh().straight()

    assert found is not None
    assert {way: (view.name, slot) for way, (view, slot) in found.ways.items()} == {
        (1, 13): ("c", "ca"),
        (2, 23): ("c", "cb"),
    }
    # Since the youngest of the subscriptions and of what is published.
    assert found.age == timedelta(hours=1)


def test_not_if_the_two_send_each_other_changes_twice() -> None:
    mesh = Mesh()
    table = mesh.tables["b"]
    second = dataclasses.replace(table.incoming[0], subid=29)
    table.incoming = (*table.incoming, second)
    mesh.views["b"].subscriptions[29] = Subscribed(29, "", "ab2", "a")

    assert mesh.ways() is not None
    assert mesh.straight() is None


@pytest.mark.parametrize("subid", [13, 23])
@pytest.mark.parametrize(
    "what", ["not_sent", "filtered", "no_deletes", "any_origin", "copies"]
)
def test_not_if_one_is_not_sent_all(what: str, subid: int) -> None:
    assert Mesh(**{what: subid}).straight() is None
    # That is between the further node and what writes to it.
    assert Mesh(filtered=31).straight() is not None


def test_what_it_wrote_by_a_mark_has_come_when_both_have_confirmed_it() -> None:
    mesh = Mesh()
    found = mesh.straight()
    assert found is not None

    def mark(**written: int) -> Mark:
        return Mark(1000, 1000, written)

    assert found.passes(mark(a=1000, b=1000, c=100))
    assert not found.passes(mark(a=0, b=0, c=101))
    assert not found.passes(mark(a=0, b=0))
    assert not found.passes(None)
    mesh.views["c"].slots["cb"] = 99
    assert not found.passes(mark(c=100))


@pytest.mark.parametrize(
    ("system", "subid", "lsn", "expected"),
    [
        (1, 13, 100, True),
        (2, 23, 100, True),
        (1, 13, 99, False),
        (1, 13, None, False),
        (1, 12, 100, False),
        (3, 13, 100, False),
    ],
)
def test_what_it_wrote_after_the_mark_is_later(
    system: int,
    subid: int,
    lsn: int | None,
    expected: bool,  # noqa: FBT001
) -> None:
    found = Mesh().straight()
    change: Any = SimpleNamespace(system_identifier=system, subid=subid, remote_lsn=lsn)

    assert found is not None
    assert found.is_later(change, Mark(0, 0, {"c": 100})) is expected
