"""The job `coverage`: what can't be seen on a node, and what is still being copied.

Every three minutes, over connections that are closed again: settings change rarely,
and a database's tables can only be looked at from inside it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Final

from pgconflict.core.capability import capability
from pgconflict.daemon.coverage import Coverage, Tables, coverage
from pgconflict.daemon.node_metrics import RELATION_STATES
from pgconflict.errors import NodeNotReadyError, PrivilegeMissingError
from pgconflict.server.checks.contents import Constraint, UnidentifiedTable
from pgconflict.server.checks.facts import (
    SETTINGS,
    Facts,
    Privileges,
    RoleSetting,
    Server,
    Setting,
    Subscription,
)
from pgconflict.server.checks.log_access import LogAccess
from pgconflict.server.session import NodeSession

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pgconflict.config import Config, Node
    from pgconflict.daemon.job import Job
    from pgconflict.daemon.node_metrics import NodeMetrics

ROUND_S: Final = 180.0
"""Between two looks."""


async def read_facts(session: NodeSession, node: Node) -> Facts:
    """Return what `pgconflict check` judges by, as far as this connection tells.

    Raises:
        NodeUnavailableError: the node can't be asked now.
    """
    settings = [
        Setting(**row) for row in await session.rows("check_settings", list(SETTINGS))
    ]
    known = capability(session.major)
    return Facts(
        node=node.name,
        read=node.server_log.read,
        capability=known,
        newer_than_known=session.major > known.major,
        server=Server(**await session.row("check_server")),
        settings={setting.name: setting for setting in settings},
        role_settings=[
            RoleSetting(**row) for row in await session.rows("check_role_settings")
        ],
        privileges=Privileges(**await session.row("check_privileges")),
        subscriptions=[
            Subscription(**row) for row in await session.rows("check_subscriptions")
        ],
        passwords=None,
        # The job `tail` knows, and says so by itself.
        log=LogAccess(as_file=False),
    )


async def read_tables(session: NodeSession) -> Tables:
    """Return what the subscribed tables of the session's database leave unseen."""
    return Tables(
        [Constraint(**row) for row in await session.rows("check_deferrable")],
        [
            UnidentifiedTable(**row)
            for row in await session.rows("check_replica_identity")
        ],
    )


class CoverageJob:
    """The job `coverage` of one node."""

    def __init__(
        self, node: Node, config: Config, job: Job, metrics: NodeMetrics
    ) -> None:
        self._node = node
        self._limits = config.limits
        self._job = job
        self._metrics = metrics
        self._refused: dict[str, str] = {}
        self.latest: Coverage | None = None
        """What the last look found; None before the first."""

        self._wanted = asyncio.Event()

    def look_soon(self) -> None:
        """Look before the next round: somebody misses conflicts and wonders why."""
        self._wanted.set()

    async def run(self) -> None:
        """Look at the node again and again, until it does not answer.

        Raises:
            PgConflictError: it can't be asked.
        """
        try:
            while True:
                await self._look()
                self._job.passed()
                self._wanted.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wanted.wait(), ROUND_S)
        finally:
            self.latest = None
            self._metrics.lose_coverage(self._node.name)

    async def _look(self) -> None:
        session = await NodeSession.open(self._node, self._limits, job="coverage")
        try:
            facts = await read_facts(session, self._node)
            stopped = {row["subid"] for row in await session.rows("retention_stopped")}
            since = (await session.row("commit_timestamps_since"))["since"]
            databases = {one.database for one in facts.subscriptions}
            tables: dict[str, Tables] = {}
            relations: dict[tuple[int, str], int] = {}
            for database in sorted(databases):
                own = database == facts.server.database
                opened = session if own else await self._open(database)
                if opened is None:
                    continue
                try:
                    tables[database] = await read_tables(opened)
                    relations |= await _relations(opened)
                finally:
                    if not own:
                        await opened.close()
        finally:
            await session.close()
        self.latest = coverage(facts, tables, stopped)
        self._show(facts, self.latest, relations, since)

    async def _open(self, database: str) -> NodeSession | None:
        """Connect there; None, said once, where the role is not let in."""
        try:
            session = await NodeSession.open(
                self._node, self._limits, job="coverage", database=database
            )
        except (NodeNotReadyError, PrivilegeMissingError) as error:
            if self._refused.get(database) != str(error):
                self._refused[database] = str(error)
                self._job.log.warning(
                    "the tables of database %s can't be looked at: %s", database, error
                )
            return None
        self._refused.pop(database, None)
        return session

    def _show(
        self,
        facts: Facts,
        found: Coverage,
        relations: Mapping[tuple[int, str], int],
        since: datetime | None,
    ) -> None:
        node, metrics = self._node.name, self._metrics
        metrics.coverage.show(
            node,
            {
                (database, str(check)): v
                for (database, check), v in found.covered.items()
            },
        )
        metrics.commit_timestamps_since.show_one(
            node, None if since is None else since.timestamp()
        )
        known = {subid for subid, _ in relations}
        # Of one name in several databases the sum.
        numbers: Counter[tuple[str, ...]] = Counter()
        for one in facts.subscriptions:
            if one.subid in known:
                for state, word in RELATION_STATES.items():
                    numbers[one.name, word] += relations.get((one.subid, state), 0)
        metrics.relations.show(node, numbers)


async def _relations(session: NodeSession) -> dict[tuple[int, str], int]:
    rows = await session.rows("subscription_relations")
    return {(row["subid"], row["state"]): row["relations"] for row in rows}
