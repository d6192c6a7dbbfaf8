"""Asks nodes what `pgconflict check` judges by: one connection each at a time.

First the database that the dsn names, on all nodes at once. Then the other databases
that replicate, one after the other, as long as there is time.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from psycopg import conninfo

from pgconflict.errors import NodeUnavailableError, PgConflictError
from pgconflict.server import checks
from pgconflict.server.connect import connect_async, translated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import psycopg

    from pgconflict.config import Limits, Node
    from pgconflict.server.checks import Contents, Facts, Finding, Other, Place, View

    Connection = psycopg.AsyncConnection[Any]

Answer = TypeVar("Answer")

_STATEMENTS: Final = 4
"""All questions to one database may take as long as so many at their
statement_timeout, and those to all other databases of the node as long again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a node said; no facts if it said nothing."""

    node: Node
    facts: Facts | None = None
    view: View | None = None
    """For the comparison with the other nodes, if there are any."""

    findings: Sequence[Finding] = ()
    """About what was not looked at."""

    exit_code: int = 0
    """Of what kept it from being asked."""


async def ask(nodes: Sequence[Node], limits: Limits) -> list[Asked]:
    """Return what each node says, in their order."""
    several = len(nodes) > 1
    # At the same time: each that is away takes its whole time limit.
    asked = await asyncio.gather(*(_node(node, limits, view=several) for node in nodes))
    pairs = zip(asked, _shared_out(asked), strict=True)
    return await asyncio.gather(*(_further(*pair, limits) for pair in pairs))


def _shared_out(asked: Sequence[Asked]) -> list[list[Other]]:
    """Give each database to one node, where several are the same server."""
    taken = {
        (one.view.facts.server.system_identifier, one.view.facts.server.database)
        for one in asked
        if one.view is not None
    }
    shares = []
    for one in asked:
        share = []
        for other in one.facts.others if one.facts else ():
            server = one.view and one.view.facts.server.system_identifier
            key = (server or 0, other.name)
            if key not in taken:
                share.append(other)
            taken.add(key)
        shares.append(share)
    return shares


async def _node(node: Node, limits: Limits, *, view: bool) -> Asked:
    async def read(connection: Connection) -> tuple[Facts, View | None]:
        return (
            await checks.read(connection, node, limits),
            await checks.read_view(connection, node, limits) if view else None,
        )

    try:
        facts, seen = await _within(_seconds(limits), node, node.dsn, limits, read)
    except PgConflictError as error:
        finding = checks.unreachable(node.name, error)
        return Asked(node, findings=(finding,), exit_code=error.exit_code)
    return Asked(node, facts, seen)


async def _further(asked: Asked, others: Sequence[Other], limits: Limits) -> Asked:
    """Add the node's other databases."""
    if asked.facts is None:
        return asked
    until = time.monotonic() + _seconds(limits)
    contents, places = list(asked.facts.databases), []
    findings = list(asked.findings)
    for other in others:
        try:
            checks.refuse_closed(other)
            seconds = until - time.monotonic()
            found, place = await _database(asked, other.name, seconds, limits)
        except PgConflictError as error:
            findings.append(checks.unread(asked.facts, other, error))
            continue
        contents.append(found)
        places += [place] if place else []
    view = asked.view and replace(asked.view, places=[*asked.view.places, *places])
    facts = replace(asked.facts, databases=contents)
    return replace(asked, facts=facts, view=view, findings=findings)


async def _database(
    asked: Asked, name: str, seconds: float, limits: Limits
) -> tuple[Contents, Place | None]:
    async def read(connection: Connection) -> tuple[Contents, Place | None]:
        return (
            await checks.read_contents(connection, name),
            await checks.read_place(connection, asked.node, limits, name)
            if asked.view
            else None,
        )

    if seconds <= 0:
        raise NodeUnavailableError("no time was left")
    dsn = conninfo.make_conninfo(asked.node.dsn, dbname=name)
    return await _within(seconds, asked.node, dsn, limits, read)


def _seconds(limits: Limits) -> float:
    return limits.statement_timeout.total_seconds() * _STATEMENTS


async def _within(
    seconds: float,
    node: Node,
    dsn: str,
    limits: Limits,
    read: Callable[[Connection], Awaitable[Answer]],
) -> Answer:
    who = f"node {node.name}"
    connection = await connect_async(dsn, job="check", who=who, limits=limits)
    asked = asyncio.ensure_future(read(connection))
    await asyncio.wait({asked}, timeout=seconds)
    # At once: psycopg would first ask the server to cancel, and wait for that.
    connection.pgconn.finish()
    if not asked.done():
        asked.cancel()
        await asyncio.wait({asked})
        raise NodeUnavailableError(f"{who} did not answer within {seconds:g} s")
    with translated(who):
        return asked.result()
