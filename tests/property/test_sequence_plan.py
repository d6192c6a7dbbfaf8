"""What holds for every plan of a sequence, whatever its definition and position."""

from __future__ import annotations

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from pgconflict.core.sequence import SequenceName, SequenceState, step_up
from pgconflict.core.sequence_plan import (
    Advance,
    Blocked,
    Obstacle,
    plan,
    plan_one,
)
from pgconflict.core.sequence_policy import Policy, Reason
from pgconflict.core.sequence_position import not_proved, reaches
from pgconflict.core.sequence_proof import prove
from tests.fixtures.sequence_states import definitions, given_out, pairs, placed

margins = st.one_of(st.just(0), st.integers(0, 100), st.integers(0, 1 << 40))
policies = st.builds(
    lambda margin, stride: Policy(margin=margin, stride=stride),
    margins,
    st.sampled_from([1, 2]),
)
columns = st.one_of(st.none(), st.integers(-200, 200), st.integers(-(1 << 40), 1 << 40))


def is_short_of_its_margin(found: Advance | Blocked) -> bool:
    """Whether it stays where it is, beyond the source, as there is no further place."""
    return isinstance(found, Blocked) and found.obstacle is Obstacle.MARGIN


@given(pairs(), policies, columns)
def test_never_backwards_and_within_bounds_and_on_the_residue(
    pair: tuple[SequenceState, SequenceState], policy: Policy, column: int | None
) -> None:
    source, target = pair

    found = plan_one(source, target, policy, column)

    if not isinstance(found, Advance):
        return
    moved = found.planned
    assert target.last_value is not None
    assert moved.last_value is not None
    assert (moved.used - target.used) * target.direction > 0
    assert target.minimum <= moved.last_value <= target.maximum
    copied = (moved.last_value, moved.is_called) == (
        source.last_value,
        source.is_called,
    )
    on_residue = (moved.last_value - target.last_value) % target.increment == 0
    assert on_residue, copied


@given(pairs(), policies, columns)
def test_twice_is_once(
    pair: tuple[SequenceState, SequenceState], policy: Policy, column: int | None
) -> None:
    source, target = pair

    first = plan_one(source, target, policy, column)

    if isinstance(first, Advance):
        again = plan_one(source, first.planned, policy, column)
        assert again is None or is_short_of_its_margin(again)
    else:
        assert plan_one(source, target, policy, column) == first


@given(pairs(), policies, columns)
def test_afterwards_it_is_proved_or_it_was_said_why_not(
    pair: tuple[SequenceState, SequenceState], policy: Policy, column: int | None
) -> None:
    source, target = pair
    # A column's value that was asked for is one that the sequence can still give.
    if column is not None:
        assume(not target.is_beyond_bound(column))

    found = plan_one(source, target, policy, column)

    moved = found.planned if isinstance(found, Advance) else target
    if isinstance(found, Blocked) and not is_short_of_its_margin(found):
        assert found.obstacle is Obstacle.BOUNDS
    elif target.cycle:
        # Its end is as far as it goes: what comes then is its next round.
        assert not_proved(source, moved, column) is None or moved.next_value in {
            moved.origin,
            None,
        }
    else:
        assert not_proved(source, moved, column) is None
        for value in given_out(moved, 3):
            assert (value - source.used) * source.direction > 0
            if column is not None:
                assert (value - column) * source.direction > 0


@given(pairs(), margins)
def test_the_margin_is_kept_where_the_bounds_allow_it(
    pair: tuple[SequenceState, SequenceState], margin: int
) -> None:
    source, target = pair

    found = plan_one(source, target, Policy(margin=margin))

    moved = found.planned if isinstance(found, Advance) else target
    if isinstance(found, Blocked) or target.cycle:
        return
    aim = source.used + margin * abs(source.increment) * source.direction
    last = step_up(
        aim - target.increment + target.direction,
        anchor=target.last_value or 0,
        increment=target.increment,
    )
    if target.is_beyond_bound(last):
        assert found is not None or reaches(target, aim)
        assert found is None or found.note
        return
    lead = (moved.used + moved.increment - source.used) * source.direction
    ended = moved.next_value is None
    assert ended or lead > margin * abs(source.increment)


@given(pairs())
def test_without_a_margin_an_equal_residue_is_copied_exactly(
    pair: tuple[SequenceState, SequenceState],
) -> None:
    source, target = pair
    assert source.last_value is not None
    assert target.last_value is not None
    assume((source.last_value - target.last_value) % source.increment == 0)

    found = plan_one(source, target, Policy())

    if isinstance(found, Advance):
        position = found.last_value, found.is_called
        assert position == (source.last_value, source.is_called)
        assert found.reason is Reason.BEHIND
    else:
        assert found is None
        assert (target.used - source.used) * source.direction >= 0


@given(pairs(), margins)
def test_backwards_only_for_what_was_named(
    pair: tuple[SequenceState, SequenceState], margin: int
) -> None:
    source, target = pair
    named = Policy(margin=margin, allow_backwards=frozenset({target.name}))

    found = plan_one(source, target, named)

    if isinstance(found, Advance):
        assert found.backwards
        again = plan_one(source, found.planned, named)
        assert again is None or is_short_of_its_margin(again)
        if margin == 0 and not target.cycle:
            assert not_proved(source, found.planned) is None


@given(definitions(), definitions(), st.data())
def test_a_new_definition_is_taken_or_refused_and_then_stays(
    one: SequenceState, two: SequenceState, data: st.DataObject
) -> None:
    source, target = data.draw(placed(one)), data.draw(placed(two))
    policy = Policy(with_definition=True)

    found = plan_one(source, target, policy)

    if not isinstance(found, Advance):
        return
    moved = found.planned
    assert moved.last_value is not None
    assert moved.minimum <= moved.last_value <= moved.maximum
    if found.definition is not None:
        assert (moved.increment, moved.maximum) == (source.increment, source.maximum)
        if moved.direction == target.direction:
            following = moved.used + moved.increment
            assert (following - target.used) * moved.direction > 0
    assert plan_one(source, moved, policy) is None


@given(pairs(), definitions(), st.booleans(), st.data())
def test_the_short_way_to_a_plan_is_the_long_one(
    pair: tuple[SequenceState, SequenceState],
    other: SequenceState,
    differs: bool,  # noqa: FBT001
    data: st.DataObject,
) -> None:
    source, target = pair
    if differs:
        target = data.draw(placed(other))
    policy = data.draw(st.sampled_from([Policy(), Policy(with_definition=True)]))

    made = plan({source.name: source}, {target.name: target}, policy)

    slow = plan_one(source, target, policy)
    assert [*made.advances, *made.blocked] == ([] if slow is None else [slow])


@given(pairs())
def test_the_short_way_to_a_proof_is_the_long_one(
    pair: tuple[SequenceState, SequenceState],
) -> None:
    source, target = pair
    both = {source.name: source}, {target.name: target}
    made = plan(*both, Policy())

    (line,) = prove(made, [], before=both[1], sources=both[0], targets=both[1]).lines

    assert line.doubt == not_proved(source, target)


@given(st.lists(pairs(), max_size=8), policies)
def test_a_plan_has_every_sequence_once(
    found: list[tuple[SequenceState, SequenceState]], policy: Policy
) -> None:
    def named(which: int) -> dict[SequenceName, SequenceState]:
        names = [SequenceName("app", f"s{number}") for number in range(len(found))]
        return {
            name: msgspec.structs.replace(pair[which], name=name)
            for name, pair in zip(names, found, strict=True)
        }

    sources, targets = named(0), named(1)
    dropped = next(iter(targets), None)
    if dropped:
        del targets[dropped]

    made = plan(sources, targets, policy)

    names = [one.name for one in made.advances] + [one.name for one in made.blocked]
    assert len(set(names)) == len(names)
    assert len(names) + made.unchanged == len(sources)
    if dropped:
        assert dropped in names
