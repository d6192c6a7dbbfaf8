"""Staggering: disjoint for ever, on every way there, and only once."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgconflict.core.sequence import SequenceName, SequenceState
from pgconflict.core.sequence_change import Outcome, verdict
from pgconflict.core.sequence_overlap import overlaps
from pgconflict.core.sequence_position import at
from pgconflict.core.sequence_ranges import Staggered
from pgconflict.core.sequence_stagger import Method, Scheme, stagger
from tests.fixtures.sequence_states import nextval

NAME = SequenceName("app", "s")
NODES = ("a", "b", "c")
States = dict[str, SequenceState | None]


def sequence(
    last_value: int = 1,
    is_called: bool = False,  # noqa: FBT001, FBT002
    *,
    increment: int = 1,
    data_type: str = "bigint",
) -> SequenceState:
    bits = {"bigint": 63, "integer": 31, "smallint": 15}[data_type]
    up = increment > 0
    return SequenceState(
        oid=1,
        name=NAME,
        owner="app",
        unlogged=False,
        data_type=data_type,
        start=1 if up else -1,
        increment=increment,
        minimum=1 if up else -(1 << bits),
        maximum=(1 << bits) - 1 if up else -1,
        cache=1,
        cycle=False,
        last_value=last_value,
        is_called=is_called,
    )


@st.composite
def fresh(draw: st.DrawFn) -> dict[str, SequenceState]:
    """Nodes that nobody has staggered."""
    increment = draw(st.sampled_from([1, -1, 50]))
    data_type = draw(st.sampled_from(["bigint", "integer"]))
    nodes = NODES[: draw(st.integers(2, 3))]
    sign = 1 if increment > 0 else -1
    return {
        node: sequence(
            sign + increment * draw(st.integers(0, 500)),
            draw(st.booleans()),
            increment=increment,
            data_type=data_type,
        )
        for node in nodes
    }


schemes = st.builds(
    lambda method, slots, margin: Scheme(method=method, slots=slots, margin=margin),
    st.sampled_from(list(Method)),
    st.sampled_from([None, 3, 8]),
    st.integers(0, 50),
)


class Cluster:
    """Nodes that give out values, and remember which."""

    def __init__(self, states: dict[str, SequenceState]) -> None:
        self.states = dict(states)
        self.since: dict[str, list[int]] = {node: [] for node in states}
        self.changed: set[str] = set()

    def give_out(self, node: str, count: int) -> None:
        for _ in range(count):
            state = nextval(self.states[node])
            if state is None or state.last_value is None:
                return
            self.states[node] = state
            self.since[node].append(state.last_value)

    def make(self, plan: Staggered, stop: int | None = None) -> list[Outcome]:
        """Make a plan's steps, or the first of them."""
        outcomes = []
        for step in plan.steps[:stop]:
            now, change = self.states[step.node], step.change
            outcome = verdict(change, now)
            outcomes.append(outcome)
            if outcome is not Outcome.SET:
                continue
            shape = change.definition or now
            self.states[step.node] = (
                at(shape, now.last_value or 0, now.is_called)
                if change.stays
                else at(shape, change.last_value, change.is_called)
            )
            # From here on a value is this node's alone.
            self.since[step.node] = []
            self.changed.add(step.node)
        return outcomes

    def plan(self, scheme: Scheme) -> Staggered:
        states: States = dict(self.states)
        return stagger(NAME, states, scheme)


@given(fresh(), schemes)
def test_afterwards_no_value_can_come_twice_and_nothing_is_left_to_do(
    states: dict[str, SequenceState], scheme: Scheme
) -> None:
    cluster = Cluster(states)
    plan = cluster.plan(scheme)
    assert plan.refusal is None

    outcomes = cluster.make(plan)

    assert set(outcomes) <= {Outcome.SET}
    assert overlaps(cluster.states) == []
    assert cluster.plan(scheme).steps == ()
    sign = states["a"].direction
    furthest = max(state.used * sign for state in states.values())
    if plan.steps:
        nexts = [s.next_value for s in cluster.states.values()]
        assert all(value and value * sign > furthest for value in nexts)


@given(fresh(), schemes, st.data())
def test_what_is_given_out_on_the_way_never_collides(
    states: dict[str, SequenceState], scheme: Scheme, data: st.DataObject
) -> None:
    cluster = Cluster(states)
    plan = cluster.plan(scheme)
    counts = st.integers(0, 60)

    past: dict[str, set[int]] = {node: set() for node in states}
    outcomes = []
    for step in plan.steps:
        for node in states:
            cluster.give_out(node, data.draw(counts))
            past[node] |= set(cluster.since[node])
        outcomes += cluster.make(Staggered(name=NAME, steps=(step,)))
    for node in states:
        cluster.give_out(node, data.draw(counts))

    if set(outcomes) <= {Outcome.SET}:
        own = {node: set(values) for node, values in cluster.since.items()}
        for node, values in own.items():
            for other in states:
                if other != node:
                    assert values.isdisjoint(own[other])
                    assert values.isdisjoint(past[other])
    else:
        assert Outcome.OVERTAKEN in outcomes


@given(fresh(), schemes, st.data())
def test_after_an_interruption_the_next_run_finishes(
    states: dict[str, SequenceState], scheme: Scheme, data: st.DataObject
) -> None:
    cluster = Cluster(states)
    plan = cluster.plan(scheme)
    cluster.make(plan, data.draw(st.integers(0, len(plan.steps))))
    for node in states:
        cluster.give_out(node, data.draw(st.integers(0, 80)))

    before = {node: set(values) for node, values in cluster.since.items()}
    again = cluster.plan(scheme)
    outcomes = cluster.make(again)

    assert again.refusal is None
    assert set(outcomes) <= {Outcome.SET}
    assert overlaps(cluster.states) == []
    for node in states:
        cluster.give_out(node, 50)
    for node in states:
        for other in states:
            if other != node and cluster.changed >= {node, other}:
                assert set(cluster.since[node]).isdisjoint(cluster.since[other])
            # Values of its own, unlike those of before, are in nobody's past.
            if other != node and node in {step.node for step in again.steps}:
                assert set(cluster.since[node]).isdisjoint(before[other])


@given(fresh(), st.sampled_from(list(Method)), st.integers(0, 500), st.data())
def test_a_third_node_joins_two(
    states: dict[str, SequenceState],
    method: Method,
    used: int,
    data: st.DataObject,
) -> None:
    two = {node: states[node] for node in ("a", "b")}
    slots = data.draw(st.sampled_from([None, 8]))
    cluster = Cluster(two)
    cluster.make(cluster.plan(Scheme(method=method, slots=slots)))
    for node in two:
        cluster.give_out(node, data.draw(st.integers(0, 100)))
    increment = states["a"].increment
    sign = 1 if increment > 0 else -1
    cluster.states["c"] = sequence(
        sign + increment * used,
        increment=increment,
        data_type=states["a"].data_type,
    )
    cluster.since["c"] = []
    before = {node: set(values) for node, values in cluster.since.items()}

    plan = cluster.plan(Scheme(method=method))
    outcomes = cluster.make(plan)

    assert plan.refusal is None
    assert set(outcomes) <= {Outcome.SET}
    assert overlaps(cluster.states) == []
    assert cluster.plan(Scheme(method=method)).steps == ()
    if slots and method is Method.RESIDUE:
        # There was room: who is not in its way is left alone.
        assert {s.node for s in plan.steps if s.change.definition} == {"c"}
    for node in cluster.states:
        cluster.give_out(node, 50)
    values = {node: set(given) for node, given in cluster.since.items()}
    assert values["c"].isdisjoint(before["a"] | before["b"])
    assert values["c"].isdisjoint(values["a"] | values["b"])
    assert values["a"].isdisjoint(values["b"])


@given(fresh())
def test_the_residues_of_blocks_are_a_block_apart(
    states: dict[str, SequenceState],
) -> None:
    cluster = Cluster(states)

    cluster.make(cluster.plan(Scheme()))

    size = abs(states["a"].increment)
    whole = size * len(states)
    residues = {(s.last_value or 0) % whole for s in cluster.states.values()}
    assert len(residues) == len(states) or not cluster.changed
    assert len({residue % size for residue in residues}) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"b": None}, "missing on node b"),
        ({"b": sequence(increment=-1, last_value=-1)}, "it ascends here"),
        ({"b": msgspec.structs.replace(sequence(), last_value=None)}, "unreadable on"),
        ({"b": msgspec.structs.replace(sequence(), cycle=True)}, "it cycles"),
        ({"b": msgspec.structs.replace(sequence(), maximum=900)}, "is not between"),
    ],
)
def test_what_can_not_be_staggered_is_refused_with_its_reason(
    change: States, words: str
) -> None:
    states: States = {"a": sequence(), "b": sequence(), **change}

    found = stagger(NAME, states, Scheme())

    assert found.steps == ()
    assert words in (found.refusal or "")


def test_a_range_ends_where_the_column_does() -> None:
    states: States = {"a": sequence(7, is_called=True), "b": sequence()}
    scheme = Scheme(method=Method.RANGE, margin=10)

    found = stagger(NAME, states, scheme, limit=(1 << 31) - 1, column_value=100)

    definitions = [step.change.definition for step in found.steps]
    bounds = [(d.minimum, d.maximum) for d in definitions if d]
    assert bounds == [(111, 1073741878), (1073741879, 2147483646)]
