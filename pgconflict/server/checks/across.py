"""What is wrong between nodes that are right each by itself."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from pgconflict.core.sequence_check import check_together
from pgconflict.server.checks import definitions
from pgconflict.server.checks.finding import Check, Finding, Severity, some_of
from pgconflict.server.statements import alter_subscription, identifier
from pgconflict.server.subscriptions.publisher import without_asking

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgconflict.server.checks.node_view import Place, Table, View
    from pgconflict.server.subscriptions.facts import NodeFacts, Subscription

CLOCK_S: Final = 1.0
"""Clocks that differ by more are reported, as PgconflictClockSkew does."""


@dataclass(frozen=True, slots=True)
class Way:
    """One subscription between two databases that were looked into."""

    subscription: Subscription
    subscriber: Place
    publisher: Place

    @property
    def source(self) -> str:
        """The publisher, in words."""
        return definitions.named(self.publisher, self.subscriber)

    @property
    def published(self) -> list[Table]:
        """The publisher's tables that it gets."""
        wanted = set(self.subscription.publications)
        return [
            table
            for table in self.publisher.tables.values()
            if wanted & set(table.publications)
        ]


def judge(views: Sequence[View]) -> list[Finding]:
    """Return what was found between these nodes."""
    ways = list(_ways(views))
    found = [*_versions(views), *_clocks(views)]
    for way in ways:
        found += _origin(way, ways)
        found += _tables(way)
    seen: set[tuple[object, ...]] = set()
    for way in ways:
        found += definitions.compare(way.publisher, way.subscriber, way.published, seen)
    found += _sequences(ways)
    return found


def _ways(views: Sequence[View]) -> Iterator[Way]:
    known = [view.facts for view in views]
    for view in views:
        for subscription in view.facts.subscriptions:
            subscriber = view.place(subscription.database)
            found = without_asking(subscription, known)
            if subscriber is None or found.facts is None or found.slot is None:
                continue
            publisher = _place(views, found.facts, found.slot.database)
            if publisher is not None:
                yield Way(subscription, subscriber, publisher)


def _place(views: Sequence[View], facts: NodeFacts, database: str) -> Place | None:
    """Return the database of a server, of whichever node it was looked into as."""
    server = facts.server.system_identifier
    for view in views:
        if view.facts.server.system_identifier == server:
            place = view.place(database)
            if place is not None:
                return place
    return None


def _origin(way: Way, ways: Sequence[Way]) -> Iterator[Finding]:
    if way.subscription.origin == "none":
        return
    back = [
        other
        for other in ways
        if other.subscriber is way.publisher and other.publisher is way.subscriber
    ]
    there = {table.key for table in way.published}
    both = sorted({table.key for other in back for table in other.published} & there)
    if not both:
        return
    name = identifier(way.subscription.name)
    unknown = way.subscription.origin is None
    yield Finding(
        node=way.subscriber.node,
        database=way.subscriber.database,
        check=Check.ORIGIN_ANY,
        severity=Severity.ERROR,
        seen=f"subscription {name} takes changes of any origin from"
        f" {way.source}, which subscribes back to {some_of(both)}",
        why="What this node wrote comes back to it, and is sent on again: the same row"
        " conflicts with itself, or goes round for ever."
        + (" PostgreSQL 15 has no way to leave it out." if unknown else ""),
        remedy=()
        if unknown
        else (alter_subscription(way.subscription.name, "SET (origin = none)"),),
    )


def _tables(way: Way) -> Iterator[Finding]:
    here = way.subscriber.tables
    missing = [one for one in way.published if one.key not in here]
    unsubscribed = [
        one
        for one in way.published
        if one.key in here and way.subscription.name not in here[one.key].subscriptions
    ]
    refresh = alter_subscription(
        way.subscription.name, "REFRESH PUBLICATION WITH (copy_data = false)"
    )
    copied = "-- with copy_data = true if the rows are to be copied, too"
    for table in missing:
        yield Finding(
            node=way.subscriber.node,
            database=way.subscriber.database,
            check=Check.TABLE_MISSING,
            severity=Severity.ERROR,
            seen=f"{way.source} publishes {identifier(*table.key)} to"
            f" subscription {identifier(way.subscription.name)}, and it is not here",
            why="The first change to it after the next refresh stops apply; until then"
            " its changes are dropped without a word.",
            remedy=(*definitions.create(table), refresh, copied),
        )
    if unsubscribed:
        names = some_of(sorted(one.key for one in unsubscribed))
        yield Finding(
            node=way.subscriber.node,
            database=way.subscriber.database,
            check=Check.TABLE_UNSUBSCRIBED,
            severity=Severity.WARNING,
            seen=f"subscription {identifier(way.subscription.name)} does not know of"
            f" {names}, which {way.source} publishes to it",
            why="It was published after the subscription was made or refreshed: its"
            " changes arrive and are dropped without a word.",
            remedy=(refresh, copied),
        )


def _versions(views: Sequence[View]) -> Iterator[Finding]:
    majors = sorted({view.major for view in views})
    if len(majors) < 2:  # noqa: PLR2004 - all the same
        return
    oldest = min(views, key=lambda view: view.major)
    yield Finding(
        node=oldest.name,
        check=Check.VERSIONS_DIFFER,
        severity=Severity.NOTICE,
        seen=f"the nodes are PostgreSQL {', '.join(map(str, majors))}",
        why="What is seen of a conflict depends on the node that applies: the older one"
        " reports fewer types (unseen_types).",
    )


def _clocks(views: Sequence[View]) -> Iterator[Finding]:
    for one, other in combinations(views, 2):
        ahead, behind = sorted(
            (one, other), key=lambda view: view.clock.offset_s, reverse=True
        )
        apart = ahead.clock.offset_s - behind.clock.offset_s
        doubt = ahead.clock.uncertainty_s + behind.clock.uncertainty_s
        if apart - doubt > CLOCK_S:
            yield Finding(
                node=behind.name,
                check=Check.CLOCK,
                severity=Severity.WARNING,
                seen=f"its clock is {apart:.1f} s behind that of node {ahead.name}"
                f" (±{doubt:.2f} s)",
                why="Whoever decides conflicts by the later commit time decides by the"
                " clock that is ahead.",
                remedy=("-- on both hosts: chronyc tracking; chronyc makestep",),
            )


def _sequences(ways: Sequence[Way]) -> Iterator[Finding]:
    """Of databases that replicate to each other: both sides give out values."""
    there = {(way.subscriber.key, way.publisher.key) for way in ways}
    places = {way.subscriber.key: way.subscriber for way in ways}
    for one, other in combinations(places.values(), 2):
        both = {(one.key, other.key), (other.key, one.key)}
        if both <= there and one.node != other.node:
            yield from _collisions(one, other)


def _collisions(one: Place, other: Place) -> Iterator[Finding]:
    if one.sequences is None or other.sequences is None:
        unread = one if one.sequences is None else other
        yield Finding(
            node=unread.node,
            database=unread.database,
            check=Check.SEQUENCES_COLLIDE,
            severity=Severity.NOTICE,
            seen="sequences were not compared: they were not read in time",
            why="Whether two nodes will give out the same value is not known.",
            remedy=("-- pgconflict sequences check",),
        )
        return
    option = _database_option(one, other)
    for found in check_together([one.sequences, other.sequences]):
        place = one if found.node == one.node else other
        yield Finding(
            node=found.node,
            database=place.database,
            check=Check.SEQUENCES_COLLIDE,
            severity=Severity.ERROR,
            seen=f"sequence {identifier(*found.name)}: {found.seen}",
            why="Rows that both nodes insert get the same key: insert_exists stops"
            " apply on both sides.",
            remedy=(f"-- {found.remedy}{option} --apply",),
        )


def _database_option(one: Place, other: Place) -> str:
    if one.of_dsn and other.of_dsn:
        return ""
    if one.database == other.database:
        return f" --database {shlex.quote(one.database)}"
    return " (with nodes whose dsn name these databases)"
