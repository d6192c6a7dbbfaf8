"""What else a repair does on a node: whom it would reach, what fires."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from pgconflict.core.capability import capability
from pgconflict.server.statements import alter_subscription

if TYPE_CHECKING:
    from pgconflict.server.table_nodes import Link, TableNode, TableNodes


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """What else happens on a node when its row is written, and what does not."""

    fires: Sequence[str]
    silent: Sequence[str]
    foreign_keys: Sequence[str]


async def echo(nodes: TableNodes, node: str) -> str | None:
    """Return why a write on this node would reach others; None if it would not.

    Raises:
        NodeUnavailableError: a node did not answer.
    """
    for link in nodes.links:
        if link.publisher == node and (reason := _brings(nodes, link)) is not None:
            return reason
    on = nodes.nodes[node]
    names = (on.table.schemaname, on.table.relname)
    if not (await on.session.row("published_anywhere", *names))["published"]:
        return None
    known = {link.slot_name for link in nodes.links if link.publisher == node}
    for one in nodes.nodes.values():
        rows = await one.session.rows("subscriptions")
        known |= {row["slot_name"] for row in rows if one.name != node}
    for slot in await on.session.rows("subscriber_slots"):
        if slot["name"] not in known:
            return (
                f"slot {slot['name']} of node {node} is of no subscription that is"
                " known here: whoever reads it may get the repair"
            )
    return None


def _brings(nodes: TableNodes, link: Link) -> str | None:
    """Why a subscription would bring a repair of its publisher along."""
    ends = [nodes.nodes[name].session for name in (link.publisher, link.subscriber)]
    known = all(capability(one.major).origin_option for one in ends)
    if known and link.origin == "none":
        return None
    said = (
        f"subscription {link.subname} of node {link.subscriber} has origin ="
        f" {link.origin}: it would bring the repair of node {link.publisher} there."
        " PostgreSQL 16 and later leave it out"
    )
    if not known:
        return f"{said} with origin = none, if both nodes are"
    return f"{said} with {alter_subscription(link.subname, 'SET (origin = none)')}"


async def effects(on: TableNode) -> Effects:
    """Return what fires when a row is written on this node, and what is not checked.

    Raises:
        NodeUnavailableError: it did not answer.
    """
    triggers = await on.session.rows("repair_triggers", on.table.relid)
    keys = await on.session.rows("repair_foreign_keys", on.table.relid)
    return Effects(
        fires=[row["name"] for row in triggers if row["fires"]],
        silent=[row["name"] for row in triggers if not row["fires"]],
        foreign_keys=[
            f"{row['name']} {'to' if row['outgoing'] else 'from'}"
            f" {row['schemaname']}.{row['relname']}"
            for row in keys
        ],
    )
