"""Asks everybody who knows what stands against an upgrade or a switchover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pgconflict.cli.subscription_access import conflict_log
from pgconflict.conflict_log.actions import gaps, open_stalls
from pgconflict.core.capability import Capability, capability
from pgconflict.core.sequence_plan import plan
from pgconflict.core.sequence_policy import Policy
from pgconflict.errors import NodeNotReadyError, PgConflictError
from pgconflict.server.preflight.cluster import read
from pgconflict.server.preflight.judge import Path, switchover, upgrade
from pgconflict.server.preflight.recorded import Gap, OpenConflict, Recorded
from pgconflict.server.sequences import SequenceNode
from pgconflict.server.subscriptions.facts import ask
from pgconflict.server.subscriptions.publisher import without_asking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.config import Config, Node
    from pgconflict.core.sequence_plan import Plan
    from pgconflict.server.preflight.facts import ClusterFacts
    from pgconflict.server.preflight.finding import Finding
    from pgconflict.server.subscriptions.facts import Subscription

Method = Literal["upgrade", "switchover"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for: which server, by which way, to which other one."""

    method: Method
    old: Node
    new: Node | None
    to_major: int | None
    wait: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found."""

    old: ClusterFacts
    new: ClusterFacts | None
    to: Capability
    findings: Sequence[Finding]


async def examine(config: Config, asked: Asked) -> Report:
    """Ask and judge; changes nothing.

    Raises:
        NodeUnavailableError: one of the servers did not answer.
    """
    if asked.method == "switchover":
        return await _switchover(config, asked)
    limits = config.limits
    old = await read(asked.old.name, asked.old.dsn, limits, wait=asked.wait)
    new = None
    if asked.new is not None:
        new = await read(asked.new.name, asked.new.dsn, limits, wait=0)
    to = new.capability if new else capability(asked.to_major or _NEWEST)
    known = [_recorded(config, old)]
    return Report(old=old, new=new, to=to, findings=upgrade(old, new, to, known))


_NEWEST = 1_000
"""Taken for the newest version that is known."""


async def _switchover(config: Config, asked: Asked) -> Report:
    assert asked.new is not None  # noqa: S101 - the command line was refused
    paths, databases = await _paths(config, asked.old, asked.new)
    publications = sorted({name for path in paths for name in path.publications})
    limits = config.limits
    old = await read(
        asked.old.name,
        asked.old.dsn,
        limits,
        wait=asked.wait,
        publications=publications,
    )
    new = await read(asked.new.name, asked.new.dsn, limits, wait=0)
    if old.server.system_identifier == new.server.system_identifier:
        raise NodeNotReadyError(f"nodes {old.node} and {new.node} are one server")
    path = Path(
        subscriptions=paths,
        databases=databases,
        sequences={
            target: await _sequences(config, asked.old, source, asked.new, target)
            for source, target in databases
        },
    )
    known = [_recorded(config, one) for one in (old, new)]
    found = switchover(old, new, path, known)
    return Report(old=old, new=new, to=new.capability, findings=found)


async def _paths(
    config: Config, old: Node, new: Node
) -> tuple[list[Subscription], list[tuple[str, str]]]:
    """The new node's subscriptions to the old one, and the databases they join."""
    known = [await ask(node, config.limits, job="preflight") for node in (old, new)]
    paths, databases = [], set()
    for subscription in known[1].subscriptions:
        publisher = without_asking(subscription, known)
        if publisher.node == old.name and publisher.slot is not None:
            paths.append(subscription)
            databases.add((publisher.slot.database, subscription.database))
    return paths, sorted(databases)


async def _sequences(
    config: Config, old: Node, source: str, new: Node, target: str
) -> Plan:
    async with (
        await SequenceNode.open(
            old, job="preflight", limits=config.limits, database=source
        ) as before,
        await SequenceNode.open(
            new, job="preflight", limits=config.limits, database=target
        ) as after,
    ):
        return plan(await before.states(), await after.states(), Policy())


def _recorded(config: Config, facts: ClusterFacts) -> Recorded:
    system = facts.server.system_identifier
    try:
        with conflict_log(config, write=False) as log:
            if log is None:
                return Recorded(facts.node)
            stalls = open_stalls(log, system)
            return Recorded(
                node=facts.node,
                open=[
                    OpenConflict(
                        conflict_id=stall.conflict_id,
                        subscription=_name(facts, stall.subid),
                        type=stall.type,
                        table=stall.table,
                    )
                    for stall in stalls.values()
                ],
                gaps=[
                    Gap(one.subname, one.counter, one.unaccounted)
                    for one in gaps(log, system)
                ],
            )
    except PgConflictError as error:
        return Recorded(facts.node, refusal=str(error))


def _name(facts: ClusterFacts, subid: int) -> str:
    for one in facts.subscriptions:
        if one.subid == subid:
            return one.name
    return f"subscription {subid}, which is gone"
