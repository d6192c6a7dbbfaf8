"""Whether third nodes may have passed a commit on to a write of another node.

A commits, C applies that and writes the row once more, B applies C's change and writes
on top of it: B has seen what A wrote, though A's own change reaches B later. Each node
that the commit can have come to has a place in its WAL: what it wrote before that was
written without it. As long as nobody had applied more of such a node than up to its
place, nobody had the commit from there.

Places are compared within one node's WAL, times by one node's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgconflict.core.progress import Samples


class Way(msgspec.Struct, frozen=True):
    """A subscription by which changes of a table come from one node to another."""

    publisher: int
    subscriber: int
    subid: int
    copied: int = 0
    """The table's first rows are as of this place in the publisher's WAL, or before."""


class Commit(msgspec.Struct, frozen=True):
    """A transaction of a node, by when it committed by the node's clock."""

    node: int
    at: datetime


@dataclass(frozen=True, slots=True)
class PositionsSeen:
    """Positions of nodes that were seen."""

    written: Mapping[int, Samples]
    applied: Mapping[tuple[int, int], Samples]
    """By node and subscription."""

    def applied_by(self, way: Way) -> Samples:
        """Return how far the subscriber had come."""
        return self.applied[way.subscriber, way.subid]


def kept_from(
    commit: Commit, write: Commit, ways: Sequence[Way], seen: PositionsSeen
) -> bool:
    """Whether a write had certainly not seen a commit of another node by these ways.

    Args:
        commit: What may have been passed on.
        write: Of another node.
        ways: All by which the table's changes come to any node, without those of which
            it is known otherwise.
        seen: Of all these nodes.
    """
    begin = seen.written[commit.node].before(commit.at)
    if begin is None:
        return False
    places = {commit.node: begin.position}
    # What came through the writer itself had been there before.
    between = [
        way
        for way in ways
        if write.node not in (way.publisher, way.subscriber)
        and way.subscriber != commit.node
    ]
    for _ in {way.subscriber for way in between}:
        for way in between:
            if way.publisher not in places:
                continue
            place = _without(way, places[way.publisher], seen)
            if place is None:
                return False
            places[way.subscriber] = min(place, places.get(way.subscriber, place))
    return all(
        _not_beyond(way, places[way.publisher], write.at, seen)
        for way in ways
        if way.subscriber == write.node and way.publisher in places
    )


def _without(way: Way, place: int, seen: PositionsSeen) -> int | None:
    """Up to where the subscriber wrote without what is after a publisher's place."""
    applied, written = seen.applied_by(way), seen.written[way.subscriber]
    last = applied.until(place)
    if last is None or not _was_there(way, place, seen):
        return None
    found, newest = written.before(last.began), written.newest
    if found is None or newest is None or found.up_since != newest.up_since:
        return None  # after a crash other WAL may be at the same place
    return found.position


def _not_beyond(way: Way, place: int, moment: datetime, seen: PositionsSeen) -> bool:
    """Whether the subscriber had applied no more than up to a place at a moment."""
    later = seen.applied_by(way).since(moment)
    return (
        later is not None and later.position <= place and _was_there(way, place, seen)
    )


def _was_there(way: Way, place: int, seen: PositionsSeen) -> bool:
    """Whether the subscription had begun, and its rows were copied, by that place.

    Else one that is gone, or the copy, may have brought more.
    """
    lowest = seen.applied_by(way).lowest
    return lowest is not None and lowest <= place and way.copied <= place
