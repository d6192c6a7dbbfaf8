"""One sequence of one node: its definition, where it stands, what comes next.

A sequence hands out values in one direction, that of its increment. "Further" and
"behind" are in that direction everywhere in pgconflict. All numbers are Python's:
nothing here can overflow, at either end of bigint.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

DATA_TYPES: Final = {
    "smallint": (-(1 << 15), (1 << 15) - 1),
    "integer": (-(1 << 31), (1 << 31) - 1),
    "bigint": (-(1 << 63), (1 << 63) - 1),
}
"""The least and the greatest value of each type that a sequence can have."""


class SequenceName(NamedTuple):
    """What two nodes' sequences have in common."""

    schemaname: str
    sequencename: str

    def __str__(self) -> str:
        return f"{self.schemaname}.{self.sequencename}"


class SequenceState(msgspec.Struct, frozen=True, gc=False):
    """A sequence as its node shows it at one moment.

    With `cache` above 1, `last_value` is the end of the block that a session has
    reserved: nobody has been given a further value. Source: sequence.c, 15 to 19.
    """

    oid: int
    name: SequenceName
    owner: str
    unlogged: bool
    data_type: str
    start: int
    increment: int
    minimum: int
    maximum: int
    cache: int
    cycle: bool
    file: int = 0
    """Its file's number: a new one tells that it was rewritten, by ALTER SEQUENCE or
    TRUNCATE ... RESTART IDENTITY."""

    last_value: int | None = None
    """None: our role may not read it."""

    is_called: bool = False
    """Whether `last_value` has been given out; else it is what comes next."""

    @property
    def direction(self) -> int:
        """1 when it ascends, -1 when it descends."""
        return 1 if self.increment > 0 else -1

    @property
    def bound(self) -> int:
        """The end that it moves towards."""
        return self.maximum if self.increment > 0 else self.minimum

    @property
    def origin(self) -> int:
        """The end that it begins at again if it cycles."""
        return self.minimum if self.increment > 0 else self.maximum

    @property
    def used(self) -> int:
        """The furthest value that may have been given out.

        Before the first call it is one step before `last_value`, which may be out of
        bounds. Only for a state that could be read.
        """
        assert self.last_value is not None  # noqa: S101  # the caller has looked
        return self.last_value if self.is_called else self.last_value - self.increment

    @property
    def next_value(self) -> int | None:
        """What nextval() of a fresh session gives; None: it fails, none is left."""
        following = self.used + self.increment
        if not self.is_beyond_bound(following):
            return following
        return self.origin if self.cycle else None

    def is_beyond_bound(self, value: int) -> bool:
        """Whether the sequence ends before this value."""
        return (value - self.bound) * self.direction > 0

    def values_left(self, bound: int | None = None) -> int:
        """How many values come before `bound` (its own end, or a nearer one)."""
        end = self.bound
        if bound is not None and (end - bound) * self.direction > 0:
            end = bound
        return max(0, (end - self.used) * self.direction // abs(self.increment))

    def used_share(self, bound: int | None = None) -> float:
        """What part of its values is gone, 0 to 1; `bound` as in `values_left`."""
        end = self.bound
        if bound is not None and (end - bound) * self.direction > 0:
            end = bound
        # Both ends count: 95 of 1 to 100 are 95 of 100 values.
        whole = (end - self.origin) * self.direction + abs(self.increment)
        gone = (self.used - self.origin) * self.direction + abs(self.increment)
        return min(1.0, max(0.0, gone / whole)) if whole > 0 else 1.0


class SequenceColumn(msgspec.Struct, frozen=True, gc=False):
    """A column that draws its values from a sequence."""

    schemaname: str
    relname: str
    attname: str
    data_type: str
    identity: bool
    """GENERATED AS IDENTITY: the sequence can't be made without the column."""

    owns: bool
    """The sequence belongs to it; else only its default says nextval()."""

    readable: bool
    """Our role may select it."""

    def __str__(self) -> str:
        return f"{self.schemaname}.{self.relname}.{self.attname}"

    @property
    def limits(self) -> tuple[int, int] | None:
        """The least and greatest value that fits; None for types other than integers.

        >>> column = SequenceColumn("a", "t", "id", "integer", False, True, True)
        >>> column.limits
        (-2147483648, 2147483647)
        """
        return DATA_TYPES.get(self.data_type)


def step_up(value: int, *, anchor: int, increment: int) -> int:
    """Return the first value, at `value` or further, on the residue of `anchor`.

    "Further" is the increment's direction.

    >>> step_up(100, anchor=1, increment=2), step_up(-100, anchor=-1, increment=-2)
    (101, -101)
    """
    # Python's remainder has the divisor's sign: it goes in the direction.
    return value + (anchor - value) % increment


DEFINITION: Final = ("data_type", "increment", "minimum", "maximum", "cycle")
"""What decides which values may come: where it differs, values can't be compared.

`cache` and `start` don't: one is about who has which value, one about RESTART.
"""


def differences(one: SequenceState, other: SequenceState) -> list[str]:
    """Say what differs in two definitions, as `increment 1 / 2`; nothing if equal."""
    return [
        f"{field} {_shown(getattr(one, field))} / {_shown(getattr(other, field))}"
        for field in DEFINITION
        if getattr(one, field) != getattr(other, field)
    ]


def same_definition(one: SequenceState, other: SequenceState) -> bool:
    """Whether `differences` has nothing to say; asked 100,000 times a run."""
    return (
        one.increment == other.increment
        and one.maximum == other.maximum
        and one.minimum == other.minimum
        and one.data_type == other.data_type
        and one.cycle == other.cycle
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
