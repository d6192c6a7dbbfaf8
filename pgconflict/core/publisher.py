"""Which of the known servers publishes to a subscription, and how sure that is.

A subscription names its publisher by a connection string, which only superusers may
read and which holds for the subscriber's host; and by a slot, whose name need not be
unique among servers.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class Certainty(StrEnum):
    """How the publisher was found, the surest first."""

    NAMED = "named by the operator"
    IDENTITY = "its system identifier, asked with the subscription's connection string"
    ADDRESS = "host and port of the subscription's connection string"
    WALSENDER = "a worker of the subscription's name reads the slot"
    SLOT_NAME = "only node with a slot of that name"

    @property
    def proves(self) -> bool:
        """Whether the slot can't be another subscription's of the same name.

        Subscriptions are often called alike on many servers, and their slots with
        them.
        """
        return self in (Certainty.NAMED, Certainty.IDENTITY, Certainty.ADDRESS)


class Address(msgspec.Struct, frozen=True):
    """Host and port of a connection string, the port as a text."""

    host: str
    port: str


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A known server that has a slot of the subscription's name."""

    node: str
    system_identifier: int
    address: Address | None
    application_name: str | None
    """Of the walsender that reads the slot; None if none does, or we may not see."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the publisher of a subscription."""

    subname: str
    named: str | None = None
    """A node that the operator says it is."""

    system_identifier: int | None = None
    """Asked with the subscription's own connection string."""

    address: Address | None = None


class Match(msgspec.Struct, frozen=True):
    """The publisher, or why there is none."""

    node: str | None
    certainty: Certainty | None
    why_not: str | None = None


def match(wanted: Wanted, candidates: Sequence[Candidate]) -> Match:
    """Return the candidate that publishes to the subscription.

    Nodes that are the same server count as one; the first stands for it.
    """
    servers = {one.system_identifier: one for one in reversed(candidates)}
    known = list(reversed(servers.values()))
    if wanted.named is not None:
        found = [one for one in candidates if one.node == wanted.named]
        return _one(found, Certainty.NAMED, f"node {wanted.named} has no such slot")
    if wanted.system_identifier is not None:
        found = [
            one for one in known if one.system_identifier == wanted.system_identifier
        ]
        return _one(
            found,
            Certainty.IDENTITY,
            "the server that its connection string leads to is no configured node, or"
            " has no such slot",
        )
    for certainty, found in (
        (Certainty.ADDRESS, [one for one in known if _same_address(one, wanted)]),
        (
            Certainty.WALSENDER,
            [one for one in known if one.application_name == wanted.subname],
        ),
    ):
        if len(found) == 1:
            return Match(found[0].node, certainty)
    names = ", ".join(one.node for one in known)
    return _one(
        known,
        Certainty.SLOT_NAME,
        f"several nodes have a slot of that name: {names}"
        if known
        else "no configured node has a slot of that name",
    )


def _one(found: Sequence[Candidate], certainty: Certainty, why_not: str) -> Match:
    if len(found) == 1:
        return Match(found[0].node, certainty)
    return Match(None, None, why_not)


def _same_address(candidate: Candidate, wanted: Wanted) -> bool:
    return wanted.address is not None and candidate.address == wanted.address
