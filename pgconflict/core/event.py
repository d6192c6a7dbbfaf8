"""Which conflicts are one event: concurrent writes of one row, as each node logged it.

A conflict and the entries of the other node that prove it concurrent are one event.
Where three nodes write a row at once each pair of them has its own proof; these meet
in a transaction that two of them are about.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST: Final = 100
"""Conflicts of one event: a row written at once for hours is several events."""


class Member(msgspec.Struct, frozen=True):
    """A conflict that is part of an event."""

    conflict_id: int
    first_logged_at: datetime
    writes: tuple[int, ...] = ()
    """Digests of the writes that it is about; none where it is only a proof."""


class Joined(msgspec.Struct, frozen=True):
    """A conflict with the event that it belongs to."""

    member: Member
    event_id: int


def digest_of_write(
    table: tuple[str, str], key: Sequence[str], system_identifier: int, xid: int
) -> int:
    """Return what is equal for one transaction's write of one row, as any node saw it.

    Args:
        table: Schema and name.
        key: Of the row, values in the order of its columns' names.
        system_identifier: Of the node where the transaction was.
        xid: Its id there.
    """
    text = "\0".join((*table, *key, str(system_identifier), str(xid)))
    found = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(found, "big", signed=True)


def joined(groups: Iterable[Sequence[Member]], known: Iterable[Joined]) -> list[Joined]:
    """Return the conflicts whose event is new or another than before.

    Args:
        groups: Conflicts proved to be one event.
        known: The whole of every event that one of them, or of their writes, is in.

    >>> from datetime import UTC
    >>> one, two, three = (Member(n, datetime(2026, 11, 1, tzinfo=UTC)) for n in (7, 8, 9))
    >>> [(each.member.conflict_id, each.event_id) for each in
    ...  joined([(two, one)], [Joined(two, 8), Joined(three, 8)])]
    [(7, 7), (8, 7), (9, 7)]
    """  # noqa: E501 - a line of the example
    before = {each.member.conflict_id: each for each in known}
    sets = _Sets()
    first: dict[int, int] = {}
    for number, each in before.items():
        sets.note(each.member)
        sets.join(first.setdefault(each.event_id, number), number)
    for group in groups:
        for member in group:
            sets.note(member)
            sets.join(group[0].conflict_id, member.conflict_id)
    sets.join_by_writes()
    return [each for each in sets.all() if before.get(each.member.conflict_id) != each]


class _Sets:
    """Conflicts, each in the set of those that are one event with it."""

    def __init__(self) -> None:
        self._members: dict[int, Member] = {}
        self._sets: dict[int, set[int]] = {}

    def note(self, member: Member) -> None:
        number = member.conflict_id
        seen = self._members.get(number)
        if seen is None:
            self._sets[number] = {number}
        if seen is None or member.writes:
            self._members[number] = member

    def join(self, one: int, two: int) -> None:
        whole, other = self._sets[one], self._sets[two]
        if whole is not other and len(whole) + len(other) <= MOST:
            whole |= other
            self._sets.update(dict.fromkeys(other, whole))

    def join_by_writes(self) -> None:
        first: dict[int, int] = {}
        for number, member in self._members.items():
            for write in member.writes:
                self.join(first.setdefault(write, number), number)

    def all(self) -> list[Joined]:
        return [
            Joined(member, min(self._sets[number]))
            for number, member in sorted(self._members.items())
        ]
