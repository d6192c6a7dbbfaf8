"""What an operator asks of a target's sequences, and why one moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from pgconflict.core.sequence import SequenceName, SequenceState


class Reason(StrEnum):
    """Why a sequence is to move."""

    BEHIND = "behind the source"
    MARGIN = "within the margin of the source"
    COLUMN = "below its column"
    BACKWARDS = "backwards, as asked"
    DEFINITION = "its definition"
    MISSING = "missing"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asked for."""

    margin: int = 0
    """How many of the source's values the target is to be ahead of the source."""

    distances: Mapping[SequenceName, int] | None = None
    """A margin of each sequence's own, as a distance between values, instead."""

    stride: int = 1
    """A move goes this many margins ahead, so that not every look makes a move."""

    allow_backwards: frozenset[SequenceName] = frozenset()
    with_definition: bool = False
    create_missing: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether a copy of the source is as far as the target has to be."""
        return self.margin == 0 and self.distances is None

    def distance(self, source: SequenceState) -> int:
        """The margin as a distance between two values; never negative."""
        if self.distances is not None:
            return self.distances.get(source.name, 0)
        return self.margin * abs(source.increment)
