"""By which ways a table's changes come to two nodes of several."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pgconflict.daemon.verdict.links import Sides
from pgconflict.daemon.verdict.nodes import Subscribed
from pgconflict.daemon.verdict.ways import other_ways
from pgconflict.server.row_reader import Incoming

if TYPE_CHECKING:
    from pgconflict.core.passing import Way

NODES = {"a": 1, "b": 2, "c": 3}


class Mesh:
    """Each node subscribes to each other; a subscription's oid names both."""

    def __init__(self, **changed: Any) -> None:
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
                since=None,
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

        subscriptions = {
            NODES[name] * 10 + number: Subscribed(
                NODES[name] * 10 + number, "", "", other
            )
            for other, number in NODES.items()
            if other != name
        }
        return SimpleNamespace(
            name=name,
            system_identifier=NODES[name],
            subscriptions=subscriptions,
            reader=SimpleNamespace(table=table),
        )

    def ways(self) -> tuple[Way, ...] | None:
        return asyncio.run(other_ways(self.sides, self.views))


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
