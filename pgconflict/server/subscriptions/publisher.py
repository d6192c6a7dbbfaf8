"""Finds the server that publishes to a subscription among those that are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import conninfo

from pgconflict.core.publisher import Candidate, Certainty, Wanted, match
from pgconflict.errors import PgConflictError
from pgconflict.server.connect import connect_async, rows, translated
from pgconflict.server.subscriptions.facts import (
    NodeFacts,
    Server,
    Slot,
    Subscription,
    address,
    connection_string,
    seen_from_here,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.config import Limits


@dataclass(frozen=True, slots=True)
class Publisher:
    """The server at the other end and the slot there; or why it is not known."""

    facts: NodeFacts | None
    slot: Slot | None
    certainty: Certainty | None
    why_not: str | None

    @property
    def node(self) -> str | None:
        """Its name in the configuration."""
        return self.facts.node.name if self.facts else None


def without_asking(
    subscription: Subscription, known: Sequence[NodeFacts], wanted: Wanted | None = None
) -> Publisher:
    """Return the publisher as far as names and addresses tell."""
    slot_name = subscription.slot_name
    if slot_name is None:
        return Publisher(None, None, None, "the subscription has no slot")
    candidates = [
        Candidate(
            node=facts.node.name,
            system_identifier=facts.server.system_identifier,
            address=address(facts.node.dsn),
            application_name=slot.application_name,
        )
        for facts in known
        if (slot := facts.slot(slot_name)) is not None
    ]
    wanted = wanted or Wanted(subname=subscription.name)
    found = match(wanted, candidates)
    for facts in known:
        if facts.node.name == found.node:
            return Publisher(facts, facts.slot(slot_name), found.certainty, None)
    if wanted.system_identifier is not None:
        for facts in known:
            if facts.server.system_identifier == wanted.system_identifier:
                why = f"node {facts.node.name} has no slot {slot_name}"
                return Publisher(facts, None, Certainty.IDENTITY, why)
    return Publisher(None, None, None, found.why_not)


async def find(
    subscription: Subscription,
    subscriber: NodeFacts,
    known: Sequence[NodeFacts],
    *,
    connection: psycopg.AsyncConnection[Any],
    limits: Limits,
    named: str | None = None,
) -> Publisher:
    """Return the publisher; asks who answers to the subscription's connection string.

    Args:
        subscription: On the node `subscriber`.
        subscriber: The node with the subscription.
        known: All nodes that answered.
        connection: To the subscriber.
        limits: Of the configuration.
        named: The node that the operator says it is.
    """
    wanted = Wanted(subname=subscription.name, named=named)
    text = await connection_string(connection, subscriber, subscription.subid)
    if text and named is None:
        wanted = await _asked(wanted, text, subscriber, limits)
    return without_asking(subscription, known, wanted)


async def _asked(
    wanted: Wanted, text: str, subscriber: NodeFacts, limits: Limits
) -> Wanted:
    try:
        here = seen_from_here(text, subscriber.node)
        name = conninfo.conninfo_to_dict(text).get("application_name")
    except psycopg.Error:
        return wanted
    return Wanted(
        subname=str(name or wanted.subname),
        system_identifier=await _identity(here, limits),
        address=address(here),
    )


async def _identity(dsn: str, limits: Limits) -> int | None:
    """The system identifier of the server that answers; None if none lets us in."""
    who = "the publisher"
    try:
        connection = await connect_async(
            dsn, job="subscriptions", who=who, limits=limits
        )
    except PgConflictError:
        return None
    try:
        with translated(who):
            (server,) = await rows(connection, Server, "subscription_server")
    except PgConflictError:
        return None
    else:
        return server.system_identifier
    finally:
        connection.pgconn.finish()
