"""One sequence: what PostgreSQL does next, on either side of every edge."""

from __future__ import annotations

import msgspec
import pytest

from pgconflict.core.sequence import SequenceColumn, SequenceName, SequenceState
from pgconflict.core.sequence_change import Change, Outcome, Result, verdict
from pgconflict.core.sequence_check import Given, Risk, Severity, check
from pgconflict.core.sequence_compare import NodeView, State, compare, limit
from pgconflict.core.sequence_plan import (
    Obstacle,
    Plan,
    plan,
)
from pgconflict.core.sequence_policy import Policy
from pgconflict.core.sequence_position import not_proved
from pgconflict.core.sequence_proof import prove
from pgconflict.core.sequence_rate import distances, rates

NAME = SequenceName("app", "s")
UP = SequenceState(
    oid=1,
    name=NAME,
    owner="app",
    unlogged=False,
    data_type="bigint",
    start=1,
    increment=1,
    minimum=1,
    maximum=1000,
    cache=1,
    cycle=False,
    last_value=1,
    is_called=False,
)
DOWN = msgspec.structs.replace(
    UP, increment=-1, minimum=-1000, maximum=-1, start=-1, last_value=-1
)


def at(last_value: int | None, *, called: bool = True, **more: object) -> SequenceState:
    return msgspec.structs.replace(UP, last_value=last_value, is_called=called, **more)


def down(last_value: int, **more: object) -> SequenceState:
    return msgspec.structs.replace(DOWN, last_value=last_value, is_called=True, **more)


@pytest.mark.parametrize(
    ("state", "used", "following", "left"),
    [
        (UP, 0, 1, 1000),
        (at(1), 1, 2, 999),
        (at(1000), 1000, None, 0),
        (at(1000, cycle=True), 1000, 1, 0),
        (at(999, increment=5), 999, None, 0),
        (at(996, increment=5, called=False), 991, 996, 1),
        (DOWN, 0, -1, 1000),
        (
            msgspec.structs.replace(DOWN, last_value=-1000, is_called=True),
            -1000,
            None,
            0,
        ),
        (
            msgspec.structs.replace(DOWN, last_value=-1000, is_called=True, cycle=True),
            -1000,
            -1,
            0,
        ),
    ],
)
def test_what_comes_next(
    state: SequenceState, used: int, following: int | None, left: int
) -> None:
    assert (state.used, state.next_value, state.values_left()) == (
        used,
        following,
        left,
    )


def test_the_share_counts_to_the_nearer_end() -> None:
    assert at(500).used_share() == pytest.approx(0.5, abs=0.001)
    assert at(500).used_share(bound=501) == pytest.approx(1, abs=0.01)
    assert at(500).used_share(bound=10_000) == at(500).used_share()
    assert at(500).values_left(bound=600) == 100


def column(data_type: str) -> SequenceColumn:
    return SequenceColumn(
        "app", "t", "id", data_type, identity=False, owns=True, readable=True
    )


def test_the_narrowest_column_is_the_limit() -> None:
    columns = [column("bigint"), column("integer"), column("numeric")]

    assert limit(UP, columns) == 2**31 - 1
    assert limit(DOWN, columns) == -(2**31)
    assert limit(UP, []) is None


@pytest.mark.parametrize(
    ("source", "target", "proved"),
    [
        (at(10), at(10), True),
        (at(10), at(9), False),
        (at(10), at(10, called=False), False),
        (at(10), at(11, called=False), True),
        (at(10, called=False), at(10, called=False), True),
        (at(10, increment=2), at(9, increment=2), True),
        (at(10), at(1000), True),
        (at(None), at(10), False),
        (at(10), at(None), False),
        (at(10), DOWN, False),
    ],
)
def test_a_proof_is_about_the_next_value(
    source: SequenceState, target: SequenceState, *, proved: bool
) -> None:
    assert (not_proved(source, target) is None) == proved


def test_the_proof_trusts_neither_plan_nor_server() -> None:
    sources, targets = {NAME: at(10)}, {NAME: at(5)}
    made = plan(sources, targets, Policy())
    change = made.advances[0].change
    results = [Result(change, Outcome.SET)]

    kept = prove(made, results, before=targets, sources=sources, targets=targets)

    (line,) = kept.lines
    assert line.moved
    assert line.doubt == "the next value is 6, the source has given out 10"
    gone = prove(made, results, before=targets, sources=sources, targets={})
    assert gone.lines[0].doubt == "missing on the target"
    gone = prove(made, results, before=targets, sources={}, targets={NAME: at(10)})
    assert gone.lines[0].doubt == "gone from the source"


def test_what_was_not_done_is_not_done() -> None:
    sources, targets = {NAME: at(10)}, {NAME: at(5)}
    made = plan(sources, targets, Policy())
    results = [Result(made.advances[0].change, Outcome.BUSY, "locked by pid 1")]

    (line,) = prove(
        made, results, before=targets, sources=sources, targets=targets
    ).lines

    assert line.blocked
    assert line.reason == "busy: locked by pid 1"


def test_extra_sequences_of_the_target_are_named_and_left() -> None:
    made: Plan = plan({}, {NAME: UP}, Policy())

    assert made.extra == (NAME,)
    assert (made.advances, made.blocked) == ((), ())


def test_an_unreadable_sequence_is_an_obstacle_on_either_side() -> None:
    for sources, targets in (
        ({NAME: at(None)}, {NAME: at(5)}),
        ({NAME: at(5)}, {NAME: at(None)}),
        ({NAME: at(None)}, {}),
    ):
        (blocked,) = plan(sources, targets, Policy(create_missing=True)).blocked
        assert blocked.obstacle is Obstacle.UNREADABLE


def change(**more: object) -> Change:
    return msgspec.structs.replace(
        Change(before=at(5), last_value=10, is_called=True), **more
    )


@pytest.mark.parametrize(
    ("planned", "now", "outcome"),
    [
        (change(), at(5), Outcome.SET),
        (change(), at(9), Outcome.SET),
        (change(), at(10), Outcome.AHEAD),
        (change(), at(11), Outcome.AHEAD),
        (change(), at(5, increment=2), Outcome.CHANGED),
        (change(), at(5, cache=9), Outcome.CHANGED),
        (change(backwards=True), at(500), Outcome.SET),
        (change(frontier=8), at(8), Outcome.SET),
        (change(frontier=8), at(9), Outcome.OVERTAKEN),
        (change(definition=at(5, maximum=50)), at(10), Outcome.SET),
        (change(definition=at(5, maximum=50)), at(12), Outcome.CHANGED),
    ],
)
def test_what_is_done_under_the_lock(
    planned: Change, now: SequenceState, outcome: Outcome
) -> None:
    assert verdict(planned, now) is outcome


def states(one: SequenceState | None, other: SequenceState | None) -> tuple[State, ...]:
    views = [
        NodeView(node=node, states={NAME: state} if state else {})
        for node, state in (("a", one), ("b", other))
    ]
    return list(compare(views))[1].states


def test_relations() -> None:
    assert states(at(10), at(10)) == (State.IN_SYNC,)
    assert states(at(10), at(11, called=False)) == (State.IN_SYNC,)
    assert states(at(10), at(9)) == (State.BEHIND,)
    assert states(at(10), at(12)) == (State.AHEAD,)
    assert states(at(10), at(10, cycle=True)) == (State.DEFINITION_DIFFERS,)
    assert states(at(10), at(10, cache=7)) == (State.IN_SYNC,)
    assert states(at(10), at(950)) == (State.NEARLY_EXHAUSTED, State.AHEAD)
    # Residues and ranges of their own: neither is behind.
    assert states(at(101, increment=2), at(4, increment=2)) == (State.IN_SYNC,)
    low, high = at(10, maximum=400), at(501, minimum=500)
    assert states(high, low) == (State.IN_SYNC,)


def test_overlaps_only_where_both_give_out_values() -> None:
    views = [NodeView(node=node, states={NAME: at(10)}) for node in "abc"]

    quiet = {row.states for row in compare(views)}
    active = list(compare(views, active=True))

    assert quiet == {(State.IN_SYNC,)}
    assert {row.states for row in active} == {(State.OVERLAPPING,)}
    assert active[0].detail == "11 will come from b too"
    assert active[1].detail == "11 will come from a too"


def test_rates_and_distances() -> None:
    slow, fast = SequenceName("app", "slow"), SequenceName("app", "fast")
    before = {slow: at(10), fast: at(10), NAME: at(500)}
    after = {slow: at(10), fast: at(110, cache=20), NAME: at(7)}

    measured = rates(before, after, 2.0)

    assert measured == {fast: 50.0}
    assert distances(measured, after, 0.5) == {fast: 25 + 19}


def given(**more: object) -> Given:
    fields = {
        "node": "a",
        "name": NAME,
        "increment": 2,
        "minimum": 1,
        "maximum": 1000,
        "last_value": 101,
        "file": 7,
        "at": "then",
    }
    return Given(**{**fields, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        (at(101, increment=2, file=7), None),
        (at(301, increment=2, file=7), None),
        (at(301, increment=2, file=8), "written anew"),
        (at(301, increment=2, file=8, cache=5), None),
        (at(301, increment=1, file=7), "increment is 1, was 2"),
        (at(302, increment=2, file=7), "not on its residue"),
        (at(1, increment=2, file=7, called=False), "it stands at 1, before 101"),
        (at(301, increment=2, file=7, maximum=500), "maximum is 500, was 1000"),
    ],
)
def test_drift(state: SequenceState, seen: str | None) -> None:
    view = NodeView(node="a", states={NAME: state})

    found = [x for x in check(view, given={NAME: given()}) if x.risk is Risk.DRIFT]

    assert len(found) == (seen is not None)
    assert all(seen in x.seen for x in found if seen)


def test_exhaustion_by_share_by_days_and_by_column() -> None:
    wide = at(500, maximum=2**40)
    columns = {1: (column("integer"),)}

    def risks(view: NodeView, **more: object) -> list[tuple[Risk, Severity]]:
        found = check(view, **more)  # type: ignore[arg-type]
        return [(x.risk, x.severity) for x in found]

    assert risks(NodeView(node="a", states={NAME: at(899)})) == []
    assert risks(NodeView(node="a", states={NAME: at(905)})) == [
        (Risk.EXHAUSTION, Severity.WARNING)
    ]
    assert risks(NodeView(node="a", states={NAME: at(1000)})) == [
        (Risk.EXHAUSTION, Severity.ERROR)
    ]
    # 500 values at 0.001/s are 5.8 days.
    near = NodeView(node="a", states={NAME: at(500)})
    assert risks(near, rates={NAME: 0.001}) == [(Risk.EXHAUSTION, Severity.ERROR)]
    assert risks(near, rates={NAME: 0.001}, days_left=10) == [
        (Risk.EXHAUSTION, Severity.WARNING)
    ]
    assert risks(near, rates={NAME: 0.001}, days_left=3) == []
    assert risks(NodeView(node="a", states={NAME: wide}, columns=columns)) == [
        (Risk.INTEGER_COLUMN, Severity.WARNING)
    ]
    assert risks(NodeView(node="a", states={NAME: at(1000, cycle=True)})) == []


@pytest.mark.parametrize(
    ("maximum", "data_type", "column_type", "remedy"),
    [
        (1000, "bigint", "bigint", "ALTER SEQUENCE ... MAXVALUE"),
        (32767, "smallint", "smallint", "ALTER TABLE"),
        (2**40, "bigint", "smallint", "ALTER TABLE"),
        (2**63 - 1, "bigint", "bigint", "a key of another type"),
    ],
)
def test_more_room_is_made_where_it_ends(
    maximum: int, data_type: str, column_type: str, remedy: str
) -> None:
    last = min(maximum, 32767) if column_type == "smallint" else maximum
    state = at(last, maximum=maximum, data_type=data_type)
    columns = {state.oid: (column(column_type),)}
    view = NodeView(node="a", states={NAME: state}, columns=columns)

    (found,) = [x for x in check(view) if x.risk is Risk.EXHAUSTION]

    assert found.remedy.startswith(remedy)
