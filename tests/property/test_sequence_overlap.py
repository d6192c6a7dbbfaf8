"""Progressions: the arithmetic agrees with counting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pgconflict.core.sequence_overlap import Progression, first_common, future, overlaps
from tests.fixtures.sequence_states import given_out, pairs, placed


@st.composite
def progressions(draw: st.DrawFn) -> Progression:
    low = draw(st.integers(-60, 60))
    step = draw(st.integers(1, 30))
    return Progression(low, step, low + step * draw(st.integers(0, 40)))


@given(progressions(), progressions())
def test_the_first_common_value_is_the_one_that_counting_finds(
    one: Progression, other: Progression
) -> None:
    def members(progression: Progression) -> set[int]:
        low, step, high = progression
        return set(range(low, high + 1, step))

    common = members(one) & members(other)

    assert first_common(one, other) == min(common, default=None)
    assert first_common(other, one) == min(common, default=None)


@given(st.data())
def test_what_a_sequence_gives_out_is_in_its_future(data: st.DataObject) -> None:
    state, _ = data.draw(pairs())

    values = given_out(state, 50)

    ways = future(state)
    assert bool(values) == bool(ways)
    for value in values:
        assert any(
            way.low <= value <= way.high and (value - way.low) % way.step == 0
            for way in ways
        )


@given(st.data())
def test_disjoint_means_that_no_value_comes_twice(data: st.DataObject) -> None:
    definition, _ = data.draw(pairs())
    one, other = data.draw(placed(definition)), data.draw(placed(definition))

    found = overlaps({"a": one, "b": other})

    if set(given_out(one, 50)) & set(given_out(other, 50)):
        assert found
    if not found:
        assert set(given_out(one, 50)).isdisjoint(given_out(other, 50))
