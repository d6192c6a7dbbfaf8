"""What is to be skipped and whether it may be: asked of everybody who knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pgconflict.cli.nodes import node_of
from pgconflict.cli.subscription_access import (
    Asked,
    ask_all,
    connect_to,
    subscription_of,
)
from pgconflict.conflict_log.actions import (
    KnownConflict,
    LostChange,
    StalledTransaction,
    conflicts_of,
    stalled,
)
from pgconflict.core import skip as judgement
from pgconflict.core.capability import capability
from pgconflict.core.lsn import parse_lsn
from pgconflict.core.skip import Progress, Refusal, Stall, Verdict
from pgconflict.errors import NodeUnavailableError
from pgconflict.server.connect import major_version, translated
from pgconflict.server.statements import identifier
from pgconflict.server.subscriptions import skip
from pgconflict.server.subscriptions.peek import Peek, peek
from pgconflict.server.subscriptions.publisher import Publisher, find
from pgconflict.server.subscriptions.skip_watch import look

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from pgconflict.config import Config
    from pgconflict.server.subscriptions.facts import NodeFacts, Subscription

LONGEST_LOOK_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks for."""

    name: str
    node: str
    database: str | None
    publisher: str | None
    lsn: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """Everything that the decision rests on, and the decision."""

    facts: NodeFacts
    subscription: Subscription
    publisher: Publisher
    stalls: Sequence[StalledTransaction]
    conflicts: Sequence[KnownConflict]
    verdict: Verdict
    not_peeked: str | None
    """Why the publisher's slot was not looked at."""

    missing: str | None
    """The privilege that our role lacks for ALTER SUBSCRIPTION ... SKIP."""

    remedy: str | None

    @property
    def lost(self) -> list[LostChange]:
        """The changes that would be lost, as far as they are known."""
        transaction = self.verdict.transaction
        if transaction is not None:
            return [
                LostChange(
                    schemaname=change.schemaname,
                    relname=change.relname,
                    operation=change.operation,
                    key=change.key,
                    row=change.row,
                )
                for change in transaction.changes
            ]
        known = (conflict.change() for conflict in self.conflicts)
        return [change for change in known if change is not None]

    @property
    def changes(self) -> int | None:
        """How many changes the transaction makes; None: nobody knows."""
        transaction = self.verdict.transaction
        return None if transaction is None else transaction.number

    @property
    def all_known(self) -> bool:
        """Whether `lost` is all of them."""
        transaction = self.verdict.transaction
        return transaction is not None and transaction.complete

    @property
    def stall(self) -> StalledTransaction | None:
        """What the conflict log has of the transaction."""
        for one in self.stalls:
            if one.lsn is not None and self.verdict.lsn == parse_lsn(one.lsn):
                return one
        return next((one for one in self.stalls if one.xid == self.verdict.xid), None)


async def examine(
    config: Config, request: Request, log: psycopg.Connection[Any] | None
) -> Examined:
    """Ask the nodes, the conflict log and the publisher's slot; changes nothing.

    Raises:
        NodeUnavailableError: the node with the subscription did not answer.
        UsageError: there is no such node or subscription.
    """
    node = node_of(config, request.node)
    if request.publisher is not None:
        node_of(config, request.publisher)
    asked = await ask_all(config)
    facts = answered(asked, request.node)
    subscription = subscription_of(facts, request.name, request.database)
    connection = await connect_to(node, config, subscription.database, read_only=True)
    try:
        with translated(f"node {node.name}"):
            examination = _Examination(config, request, log, asked, facts, connection)
            return await examination.run(subscription)
    finally:
        connection.pgconn.finish()


def answered(asked: Asked, node: str) -> NodeFacts:
    """What the node said.

    Raises:
        NodeUnavailableError: it did not answer.
    """
    facts = asked.facts(node)
    if facts is not None:
        return facts
    for error in asked.silent:
        if str(error).startswith(f"node {node}"):
            raise error
    raise NodeUnavailableError(f"node {node} did not answer")


@dataclass(frozen=True, slots=True)
class _Examination:
    config: Config
    request: Request
    log: psycopg.Connection[Any] | None
    asked: Asked
    facts: NodeFacts
    connection: psycopg.AsyncConnection[Any]

    async def run(self, subscription: Subscription) -> Examined:
        publisher = await find(
            subscription,
            self.facts,
            self.asked.known,
            connection=self.connection,
            limits=self.config.limits,
            named=self.request.publisher,
        )
        rows = self._stalled(subscription)
        stalls = [_stall(row) for row in rows]
        progress = self._progress(subscription, publisher)
        found = Peek(None, "there is nothing to look for")
        if not judgement.settled(self.request.lsn, stalls, progress):
            stall = judgement.target(self.request.lsn, stalls, progress.passed)
            found = await peek(
                subscription,
                publisher,
                limits=self.config.limits,
                upto=None if stall is None else stall.lsn,
                applied=progress.origin_lsn or 0,
            )
        verdict = judgement.judge(self.request.lsn, stalls, progress, found.pending)
        if verdict.refusal is Refusal.UNPROVEN and subscription.enabled:
            # Only now: it takes as long as the worker waits between two attempts.
            progress = await self._observed(subscription, progress)
            verdict = judgement.judge(self.request.lsn, stalls, progress, found.pending)
        missing, remedy = self._privilege(subscription)
        return Examined(
            facts=self.facts,
            subscription=subscription,
            publisher=publisher,
            stalls=rows,
            conflicts=self._conflicts(subscription, verdict),
            verdict=verdict,
            not_peeked=None if found.pending is not None else found.why_not,
            missing=missing,
            remedy=remedy,
        )

    def _stalled(self, subscription: Subscription) -> list[StalledTransaction]:
        if self.log is None:
            return []
        system = self.facts.server.system_identifier
        return stalled(self.log, system, subscription.subid, self.request.lsn)

    def _conflicts(
        self, subscription: Subscription, verdict: Verdict
    ) -> list[KnownConflict]:
        if self.log is None or (verdict.lsn is None and verdict.xid is None):
            return []
        return conflicts_of(
            self.log,
            self.facts.server.system_identifier,
            subscription.subid,
            verdict.lsn,
            verdict.xid,
        )

    def _progress(self, subscription: Subscription, publisher: Publisher) -> Progress:
        origins = self.facts.origins
        slot = publisher.slot
        certain = publisher.certainty is not None and publisher.certainty.proves
        return Progress(
            origin_lsn=None if origins is None else origins.get(subscription.subid, 0),
            # Another subscription's slot of the same name says nothing about this one.
            confirmed_lsn=slot.confirmed_lsn if slot is not None and certain else None,
            skip_lsn=subscription.skip_lsn,
            enabled=subscription.enabled,
            failing=False,
        )

    async def _observed(
        self, subscription: Subscription, progress: Progress
    ) -> Progress:
        seconds = min(2 * self.facts.server.retry_ms / 1000 + 2, LONGEST_LOOK_S)
        failing = await skip.seen_failing(
            self.connection, self.facts, subscription, seconds
        )
        now = await look(self.connection, self.facts, subscription.subid)
        moved = progress.origin_lsn if now.origin_lsn is None else now.origin_lsn
        return msgspec.structs.replace(progress, failing=failing, origin_lsn=moved)

    def _privilege(self, subscription: Subscription) -> tuple[str | None, str | None]:
        server = self.facts.server
        known = capability(major_version(self.connection))
        if server.superuser or (known.skip_by_owner and subscription.owned_by_us):
            return None, None
        role = identifier(server.role)
        owner = identifier(subscription.owner)
        if known.skip_by_owner:
            missing = f"role {role} is no member of {owner}, which owns it"
            return missing, f"GRANT {owner} TO {role};"
        missing = f"role {role} is no superuser: on {known.major} no other may skip"
        return missing, "run the statement as a superuser, or give the node such a dsn"


def _stall(row: StalledTransaction) -> Stall:
    return Stall(
        lsn=None if row.lsn is None else parse_lsn(row.lsn),
        xid=row.xid,
        status=row.status,
    )
