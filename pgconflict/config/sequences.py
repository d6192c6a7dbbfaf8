"""The section `sequences`: which nodes' sequences the daemon keeps in step, and how."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from pgconflict.config import values
from pgconflict.config.section import Section, listed


def _ahead(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= 1 << 62:
            return value
        raise ValueError("must be from 0 to 4611686018427387904, or a time such as 60s")
    try:
        return values.duration(value)
    except ValueError:
        raise ValueError("must be a count of values, or a time such as 60s") from None


Ahead = Annotated[int | timedelta, BeforeValidator(_ahead)]
Name = Annotated[str, AfterValidator(values.node_name)]
Text = Annotated[str, Field(min_length=1)]
Pause = Annotated[
    timedelta, BeforeValidator(values.between(values.duration, "1s", "1d"))
]
LockTimeout = Annotated[
    timedelta, BeforeValidator(values.between(values.duration, "1ms", "10s"))
]


class SequencePair(Section):
    """Nodes whose sequences belong together: from one to another, or all alike."""

    name: Name
    """Unique; the `pair` label."""

    source: Annotated[Text | None, Field(alias="from")] = None
    """With `to`: the node that gives out values."""

    target: Annotated[Text | None, Field(alias="to")] = None
    """Its standby, kept ahead of it."""

    nodes: Annotated[tuple[Text, ...], BeforeValidator(listed)] = ()
    """Instead of from and to: all of them give out values; each is kept level with
    the furthest, and values that two of them would give out are reported."""

    ahead: Ahead = 1000
    """Least lead over the source: a count of its values, or what it gives out in such
    a time (60s). A move goes twice as far, so that not every look makes a move."""

    schemas: Annotated[tuple[Text, ...], BeforeValidator(listed)] = ()
    """Only sequences of these schemas; empty for all."""

    check_columns: bool = False
    """Keep sequences beyond the values in their columns too."""


class Sequences(Section):
    """Sequences that the daemon keeps in step."""

    interval: Pause = timedelta(seconds=30)
    """Time between two looks at a pair."""

    lock_timeout: LockTimeout = timedelta(milliseconds=200)
    """Longest wait for the lock of one sequence, behind which others wait; should be
    well below the nodes' deadlock_timeout."""

    pairs: Annotated[tuple[SequencePair, ...], BeforeValidator(listed)] = ()
    """Which nodes; none: the daemon leaves sequences alone."""
