"""Concurrent is never said of writes of which one was seen over a further node."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from pgconflict.core.evidence import Cause
from tests.fixtures.simulated_mesh import Mesh, play

if TYPE_CHECKING:
    from collections.abc import Iterator


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["update"] * 4
            + ["other"] * 3
            + ["delete", "insert", "skip"]
            + ["deliver"] * 12
            + ["sample"] * 4
            + ["settle"] * 3
        ),
        st.integers(0, 11),
        st.integers(0, 11),
    ),
    min_size=40,
    max_size=60,
)


def check(mesh: Mesh) -> Counter[Cause]:
    found: Counter[Cause] = Counter()
    for entry in mesh.entries:
        cause = mesh.decide(entry)
        found[cause] += 1
        if cause is Cause.UNKNOWN:
            continue
        assert entry.local is not None
        if cause is Cause.HAND_OVER:
            assert entry.local.number in entry.remote.chain, entry
        else:
            assert entry.local.number not in entry.remote.seen, entry
            assert entry.remote.number not in entry.local.seen, entry
    return found


offsets_of_clocks = st.lists(st.integers(-5000, 5000), min_size=3, max_size=4)


@settings(max_examples=500, deadline=None)
@given(offsets=offsets_of_clocks, taken=steps, to_the_end=st.booleans())
def test_what_a_further_node_may_have_passed_on_is_not_concurrent(
    *, offsets: list[int], taken: list[tuple[str, int, int]], to_the_end: bool
) -> None:
    check(play(offsets, taken, to_the_end=to_the_end))


def held_up(chance: random.Random, most: int) -> Iterator[tuple[str, int, int]]:
    """Steps in which some subscriptions bring nothing for a while."""
    ways = [(a, b) for a in range(most) for b in range(most) if a != b]
    held = set(chance.sample(ways, chance.randint(0, 3)))
    comes_and_goes = chance.random() < 0.4
    for _ in range(chance.randint(10, 50)):
        at, other = chance.choice(ways)
        what = chance.choices(
            ["hold", "update", "other", "row", "deliver", "sample"],
            [10, 25, 10, 5, 25, 25],
        )[0]
        if what == "hold":
            held ^= {(at, other)}
        elif what == "update":
            yield ("update", at, 0)
            if chance.random() < 0.7:
                to = [way for way in ways if way[1] == at and way not in held]
                yield from (("deliver", *way) for way in to)
        elif what == "row" and comes_and_goes:
            step = chance.choice(["delete", "insert", "insert", "skip"])
            yield (step, at, other)
        elif what == "deliver" and (at, other) not in held:
            yield ("deliver", at, other)
        elif what in {"other", "sample"}:
            yield (what, at, 0)
        if chance.random() < 0.4:
            yield from (("sample", node, 0) for node in range(most))


@settings(max_examples=500, deadline=None)
@given(offsets=offsets_of_clocks, seed=st.integers(0, 2**32), to_the_end=st.booleans())
def test_nor_is_it_where_subscriptions_are_held_up(
    *, offsets: list[int], seed: int, to_the_end: bool
) -> None:
    taken = held_up(random.Random(seed), len(offsets))
    check(play(offsets, taken, to_the_end=to_the_end))


def test_it_is_not_where_a_further_node_did() -> None:
    """b was written on top of c, c on top of a; a comes to B last, c to A."""
    samples = [("sample", node, 0) for node in (0, 1, 2)]
    passed_on = [
        ("update", 0, 0),
        ("deliver", 2, 0),
        ("update", 2, 0),
        ("deliver", 1, 2),
        ("update", 1, 0),
        ("deliver", 0, 1),
        ("deliver", 1, 0),
    ]
    mesh = play((0, 100, -100), [step for one in passed_on for step in (one, *samples)])

    met = [one for one in mesh.entries if {one.node, one.remote.node} == {0, 1}]
    assert len(met) == 2
    assert {mesh.decide(one) for one in met} == {Cause.UNKNOWN}


def test_it_is_where_further_nodes_are_quiet() -> None:
    samples = [("sample", node, 0) for node in range(4)]
    mesh = play(
        (0, 100, -100, 0),
        [*samples, ("update", 0, 0), ("update", 1, 0), *samples],
    )

    met = [one for one in mesh.entries if {one.node, one.remote.node} == {0, 1}]
    assert [mesh.decide(one) for one in met] == [Cause.CONCURRENT] * 2


def test_it_is_where_further_nodes_write_other_rows() -> None:
    """What a further node wrote meanwhile has come to both, and was not to this row."""
    samples = [("sample", node, 0) for node in range(3)]
    steps = [
        ("update", 0, 0),
        ("deliver", 2, 0),
        ("other", 2, 0),
        ("deliver", 1, 2),
        *samples,
        ("update", 1, 0),
        *samples,
    ]
    mesh = play((0, 100, -100), [*samples, *steps])

    met = [one for one in mesh.entries if {one.node, one.remote.node} == {0, 1}]
    assert not any(map(mesh.apart, met))
    assert [mesh.decide(one) for one in met] == [Cause.CONCURRENT] * 2


def test_a_hand_over_between_two_looks_is_told_by_what_was_not_logged() -> None:
    samples = [("sample", node, 0) for node in range(3)]
    sent = [("update", 0, 0), ("deliver", 1, 0), ("deliver", 2, 0)]
    # The second meets the first, which is no conflict.
    taken = [*sent, *samples, *sent, ("update", 1, 0), *samples]
    mesh = play((0, 100, -100), taken)

    (met,) = [one for one in mesh.entries if (one.node, one.remote.node) == (0, 1)]
    assert mesh.positions(met).placed is None
    assert mesh.decide(met) is Cause.HAND_OVER
