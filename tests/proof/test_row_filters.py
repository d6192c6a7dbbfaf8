"""Nodes that write in turn, under row filters, never differ in a row that passes.

That is what a verdict under row filters rests on, in every version of the server.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.fixtures.filtered import filtered

if TYPE_CHECKING:
    from tests.fixtures.servers import Node, Pair, Replicated

WRITES: Final = int(os.environ.get("PGCONFLICT_FILTER_WRITES", "60"))
SEED: Final = int(os.environ.get("PGCONFLICT_VERDICT_SEED", "1"))
KEYS: Final = 4
REGIONS: Final = ("", "", "a", "b", "ab")


class Version(NamedTuple):
    """A row: which nodes do not send it, and its last write."""

    region: str
    v: str


Rows = dict[int, Version]


def passes(row: Version | None, name: str) -> bool:
    """Whether this node sends it."""
    return row is not None and name not in row.region


def read(node: Node, replicated: Replicated) -> Rows:
    return {
        key: Version(*row)
        for key, *row in node.execute(f"select id, region, v from {replicated.table}")
    }


def conflicts(name: str, old: Version | None, new: Version | None, there: bool) -> bool:  # noqa: FBT001 - of this module
    """Whether the write arrives as a change that does not find what it must."""
    if passes(new, name) and not passes(old, name):
        return there  # an INSERT
    return passes(old, name) and not there


@pytest.mark.majors(16, 17, 18, 19)
@pytest.mark.timeout(120 + WRITES)
def test_a_row_that_passes_on_one_node_is_the_same_on_the_other(pair: Pair) -> None:
    chance = random.Random(SEED)
    apart = 0
    with filtered(pair) as replicated:
        nodes = {node.name: node for node in pair.nodes}
        rows: dict[str, Rows] = {name: {} for name in nodes}
        for number in range(WRITES):
            name, key = chance.choice("ab"), chance.randint(1, KEYS)
            other = "ba"["ab".index(name)]
            old = rows[name].get(key)
            new = None
            if old is None or chance.random() < 0.8:
                new = Version(chance.choice(REGIONS), f"{name}{number}")
            if conflicts(name, old, new, key in rows[other]):
                continue
            write(nodes[name], replicated, key, old, new)
            replicated.catch_up()
            rows = {each: read(node, replicated) for each, node in nodes.items()}
            one, two = rows["a"], rows["b"]
            differ = [key for key in one | two if one.get(key) != two.get(key)]
            apart += len(differ)
            assert not [
                key
                for key in differ
                for row in (one.get(key), two.get(key))
                if passes(row, "a") and passes(row, "b")
            ]
    # As filters make them differ.
    assert apart > 0


def write(
    node: Node,
    replicated: Replicated,
    key: int,
    old: Version | None,
    new: Version | None,
) -> None:
    table = replicated.table
    if new is None:
        node.execute(f"delete from {table} where id = %s", [key])
    elif old is None:
        node.execute(f"insert into {table} values (%s, %s, %s)", [key, *new])
    else:
        node.execute(
            f"update {table} set region = %s, v = %s where id = %s", [*new, key]
        )
