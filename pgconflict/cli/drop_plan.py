"""What is to be dropped, where its slots are, and whether they are surely its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pgconflict.cli.nodes import node_of
from pgconflict.cli.skip_plan import answered
from pgconflict.cli.subscription_access import (
    FINDINGS,
    ask_all,
    connect_to,
    subscription_of,
)
from pgconflict.errors import PrivilegeMissingError
from pgconflict.server.connect import translated
from pgconflict.server.statements import identifier
from pgconflict.server.subscriptions import drop
from pgconflict.server.subscriptions.publisher import Publisher, find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.config import Config
    from pgconflict.server.subscriptions.facts import NodeFacts, Slot, Subscription


class Obstacle(NamedTuple):
    """What stands in the way, and what to do about it."""

    what: str
    hint: str
    privilege: bool = False
    """Whether a privilege is all that is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPlan:
    """Everything that the steps need; `obstacles` must be out of the way first."""

    facts: NodeFacts
    subscription: Subscription
    publisher: Publisher
    slots: Sequence[Slot]
    """On the publisher: the subscription's, and those of unfinished table copies."""

    unfinished: int
    leave_slot: bool
    obstacles: Sequence[Obstacle]

    @property
    def same_server(self) -> bool:
        """Whether subscriber and publisher are one server."""
        other = self.publisher.facts
        ours = self.facts.server.system_identifier
        return other is not None and other.server.system_identifier == ours

    @property
    def refused(self) -> int:
        """The exit code that the obstacles make."""
        if all(one.privilege for one in self.obstacles):
            return PrivilegeMissingError.exit_code
        return FINDINGS

    @property
    def statements(self) -> list[str]:
        """In order; the last ones are for the publisher."""
        return drop.plan(self.subscription, self.slots, unfinished=self.unfinished)

    def held(self, slot: Slot) -> int | None:
        """Bytes of WAL that the publisher keeps for a slot."""
        facts = self.publisher.facts
        return None if facts is None else slot.held(facts.server.current_lsn)


async def plan_drop(
    config: Config,
    *,
    name: str,
    node: str,
    database: str | None,
    publisher: str | None,
    leave_slot: bool,
) -> DropPlan:
    """Ask all nodes; changes nothing.

    Raises:
        NodeUnavailableError: the node with the subscription did not answer.
        UsageError: there is no such node or subscription.
    """
    wanted = node_of(config, node)
    if publisher is not None:
        node_of(config, publisher)
    asked = await ask_all(config)
    facts = answered(asked, node)
    subscription = subscription_of(facts, name, database)
    connection = await connect_to(wanted, config, subscription.database, read_only=True)
    try:
        with translated(f"node {node}"):
            found = await find(
                subscription,
                facts,
                asked.known,
                connection=connection,
                limits=config.limits,
                named=publisher,
            )
            unfinished = await drop.unfinished_copies(connection, subscription)
    finally:
        connection.pgconn.finish()
    slots: Sequence[Slot] = ()
    if found.facts is not None and not leave_slot:
        slots = drop.slots_of(subscription, facts, found.facts.slots)
    obstacles = [*_owner(facts, subscription)]
    if subscription.slot_name is not None and not leave_slot:
        obstacles += _slot(found, [str(error) for error in asked.silent])
    return DropPlan(
        facts=facts,
        subscription=subscription,
        publisher=found,
        slots=slots,
        unfinished=unfinished,
        leave_slot=leave_slot,
        obstacles=obstacles,
    )


def _owner(facts: NodeFacts, subscription: Subscription) -> list[Obstacle]:
    if facts.server.superuser or subscription.owned_by_us:
        return []
    role, owner = identifier(facts.server.role), identifier(subscription.owner)
    what = f"role {role} is no member of {owner}, which owns the subscription"
    return [Obstacle(what, f"GRANT {owner} TO {role};", privilege=True)]


def _slot(publisher: Publisher, silent: Sequence[str]) -> list[Obstacle]:
    facts, slot = publisher.facts, publisher.slot
    if facts is None or publisher.certainty is None:
        what = "; ".join([f"its slot is not known: {publisher.why_not}", *silent])
        hint = (
            "--publisher NODE names the publisher; --leave-slot drops the subscription"
            " only: a slot that is left keeps WAL for ever"
        )
        return [Obstacle(what, hint)]
    node = facts.node.name
    if slot is None:  # The server itself says so: there is nothing to drop.
        return []
    if not publisher.certainty.proves:
        what = (
            f"nothing proves that slot {slot.name} on node {node} is this"
            f" subscription's, only this: {publisher.certainty}"
        )
        return [Obstacle(what, f"--publisher {node} says that it is")]
    if not facts.server.replication:
        role = identifier(facts.server.role)
        hint = (
            f"ALTER ROLE {role} REPLICATION; or --leave-slot, and there as a superuser:"
            f" {drop.drop_slot_statement(slot.name)}"
        )
        what = f"role {role} may not drop slots on node {node}"
        return [Obstacle(what, hint, privilege=True)]
    return []
