"""Subscriptions as one line each: what an operator wants to see first.

Put together from the subscriber, the publisher's slot and the conflict log.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from pgconflict.conflict_log.actions import OpenStall
from pgconflict.core.lsn import format_lsn, parse_lsn
from pgconflict.core.slot_outlook import seconds_to_loss
from pgconflict.server.subscriptions.publisher import Publisher, without_asking

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgconflict.server.subscriptions.facts import NodeFacts, Subscription

Stalls = dict[tuple[int, int], OpenStall]
"""By system identifier and subscription oid."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription: the fields of `--json`, in order. Sizes are bytes."""

    node: str
    database: str
    subscription: str
    subid: int
    publisher: str | None
    publisher_known_by: str | None
    state: str
    worker_pid: int | None
    workers: int
    lag_bytes: int | None
    lag_seconds: float | None
    last_message: datetime | None
    apply_errors: int | None
    sync_errors: int | None
    slot: str | None
    slot_active: bool | None
    slot_wal_status: str | None
    slot_retained_bytes: int | None
    slot_safe_wal_bytes: int | None
    slot_seconds_to_loss: float | None
    slot_invalidated: str | None
    skip_lsn: str | None
    blocked_by: OpenStall | None


def line_of(
    facts: NodeFacts,
    subscription: Subscription,
    known: Sequence[NodeFacts],
    rates: Mapping[str, float],
    stalls: Stalls,
) -> Line:
    """One subscription of the node `facts`, with what the others know about it.

    Args:
        facts: The node that has it.
        subscription: Of this node.
        known: All nodes that answered, for its publisher.
        rates: Node to bytes of WAL a second now, where that was measured.
        stalls: What the conflict log has as open.
    """
    publisher = without_asking(subscription, known)
    slot = publisher.slot
    stall = stalls.get((facts.server.system_identifier, subscription.subid))
    current = publisher.facts.server.current_lsn if publisher.facts else None
    lag = None
    if slot is not None and current is not None and slot.confirmed_lsn is not None:
        lag = max(0, current - slot.confirmed_lsn)
    return Line(
        node=facts.node.name,
        database=subscription.database,
        subscription=subscription.name,
        subid=subscription.subid,
        publisher=publisher.node,
        publisher_known_by=publisher.certainty.name.lower()
        if publisher.certainty
        else None,
        state=_state(facts, subscription, stall),
        worker_pid=subscription.worker_pid,
        workers=subscription.workers,
        lag_bytes=lag,
        lag_seconds=_lag_seconds(publisher, lag),
        last_message=subscription.last_message,
        apply_errors=subscription.apply_errors,
        sync_errors=subscription.sync_errors,
        slot=subscription.slot_name,
        slot_active=slot.active if slot else None,
        slot_wal_status=slot.wal_status if slot else None,
        slot_retained_bytes=slot.held(current) if slot and current else None,
        slot_safe_wal_bytes=slot.safe_wal_size if slot else None,
        slot_seconds_to_loss=_to_loss(publisher, rates),
        slot_invalidated=slot.invalidated if slot else None,
        skip_lsn=_lsn(subscription.skip_lsn),
        blocked_by=stall,
    )


def _lsn(lsn: int) -> str | None:
    return format_lsn(lsn) if lsn else None


def _state(
    facts: NodeFacts, subscription: Subscription, stall: OpenStall | None
) -> str:
    """What an operator wants to know first.

    `blocked`: the conflict log has an open conflict, and the origin is not past it.
    """
    if not subscription.enabled:
        return "disabled"
    if stall is not None and not _passed(facts, subscription, stall):
        return "blocked"
    return "down" if subscription.worker_pid is None else "streaming"


def _passed(facts: NodeFacts, subscription: Subscription, stall: OpenStall) -> bool:
    origin = (facts.origins or {}).get(subscription.subid)
    if origin is None or stall.lsn is None:
        return False
    return origin > parse_lsn(stall.lsn)


def _lag_seconds(publisher: Publisher, lag: int | None) -> float | None:
    """Seconds behind: the walsender's own measure, else since nobody reads the slot."""
    if publisher.slot is None or publisher.facts is None:
        return None
    if lag == 0:
        return 0.0
    if publisher.slot.replay_lag_s is not None:
        return round(publisher.slot.replay_lag_s, 3)
    since = publisher.slot.inactive_since
    if since is None or publisher.slot.active:
        return None
    return round((publisher.facts.server.now - since).total_seconds(), 3)


def _to_loss(publisher: Publisher, rates: Mapping[str, float]) -> float | None:
    facts, slot = publisher.facts, publisher.slot
    if facts is None or slot is None:
        return None
    seconds = facts.server.wal_seconds
    return seconds_to_loss(
        slot.safe_wal_size,
        average=facts.server.wal_bytes / seconds if seconds else None,
        current=rates.get(facts.node.name),
    )
