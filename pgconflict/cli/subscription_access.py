"""What the commands about subscriptions have in common: nodes, names, conflict log."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg import conninfo

from pgconflict.cli import output
from pgconflict.cli.nodes import node_of
from pgconflict.cli.parser import amount
from pgconflict.config import load
from pgconflict.conflict_log import schema
from pgconflict.conflict_log.reader import refuse_other_schema
from pgconflict.conflict_log.row_policy import RowPolicy, policy_of
from pgconflict.errors import (
    ConflictLogUnavailableError,
    PgConflictError,
    PrivilegeMissingError,
    UsageError,
)
from pgconflict.server.connect import connect, connect_async, translated
from pgconflict.server.subscriptions.facts import NodeFacts, Subscription, ask

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    import psycopg

    from pgconflict.config import Config, Node

FINDINGS: Final = 3
"""Exit code: refused, or not done as it should be."""

JOB: Final = "subscriptions"
_LOG: Final = "the conflict log"

SAMPLE_S: Final = 1.0
"""Between two looks at how far the WAL is, where a slot may be lost."""


def add_subscription(parser: argparse.ArgumentParser) -> None:
    """Take one subscription of one node."""
    parser.add_argument("name", metavar="NAME", help="the subscription")
    parser.add_argument(
        "--node", required=True, metavar="NODE", help="the node that has it"
    )
    parser.add_argument(
        "--database",
        metavar="NAME",
        help="its database, where several of the node have a subscription of this name",
    )
    parser.add_argument(
        "--publisher",
        metavar="NODE",
        help="the node that publishes to it; default: found out",
    )


def add_change(parser: argparse.ArgumentParser) -> None:
    """Take what turns the plan into a change."""
    parser.add_argument(
        "--apply", action="store_true", help="do it; without it nothing is changed"
    )
    parser.add_argument("--reason", metavar="TEXT", help="why; it is recorded")
    parser.add_argument(
        "--wait",
        type=amount,
        default=60.0,
        metavar="SECONDS",
        help="how long to watch each step; default: 60",
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """All nodes that answered, and why the others did not."""

    known: Sequence[NodeFacts]
    silent: Sequence[PgConflictError]

    def facts(self, node: str) -> NodeFacts | None:
        """What the node said; None if it did not."""
        return next((one for one in self.known if one.node.name == node), None)


async def ask_all(config: Config) -> Asked:
    """Ask every node at the same time."""
    answers = await asyncio.gather(
        *(ask(node, config.limits) for node in config.nodes), return_exceptions=True
    )
    known, silent = [], []
    for answer in answers:
        if isinstance(answer, NodeFacts):
            known.append(answer)
        elif isinstance(answer, PgConflictError):
            silent.append(answer)
        else:
            raise answer
    return Asked(known, silent)


def add_nodes(parser: argparse.ArgumentParser) -> None:
    """Take the nodes that are looked at."""
    parser.add_argument(
        "--nodes",
        nargs="+",
        metavar="NODE",
        help="which nodes; default: all of the configuration",
    )


def nodes_named(config: Config, arguments: argparse.Namespace) -> list[Node]:
    """The nodes of --nodes, or all.

    Raises:
        UsageError: one is not known, or there are not two.
    """
    names = arguments.nodes or [one.name for one in config.nodes]
    nodes = [node_of(config, name) for name in dict.fromkeys(names)]
    if len(nodes) < 2:  # noqa: PLR2004 - one node agrees with itself
        raise UsageError("two nodes are needed", hint="--nodes A B")
    return nodes


def two_nodes(config: Config, arguments: argparse.Namespace) -> list[Node]:
    """The two nodes of --nodes, or of the configuration.

    Raises:
        UsageError: these are not two.
    """
    nodes = nodes_named(config, arguments)
    if len(nodes) > 2:  # noqa: PLR2004 - said just so
        known = ", ".join(one.name for one in nodes)
        raise UsageError("two nodes are compared", hint=f"--nodes with two of {known}")
    return nodes


def subscription_of(facts: NodeFacts, name: str, database: str | None) -> Subscription:
    """The subscription of this name; with several, the database must be named.

    Raises:
        UsageError: there is none, or it is not clear which.
    """
    named = [one for one in facts.subscriptions if one.name == name]
    found = [one for one in named if one.database == (database or one.database)]
    if len(found) == 1:
        return found[0]
    node = facts.node.name
    if found:
        where = ", ".join(one.database for one in found)
        raise UsageError(
            f"node {node} has subscription {name} in several databases: {where}",
            hint="--database names one",
        )
    known = ", ".join(f"{one.name} ({one.database})" for one in facts.subscriptions)
    raise UsageError(
        f"node {node} has no subscription {name}"
        + (f" in database {database}" if database else ""),
        hint=f"it has {known}" if known else "it has none",
    )


async def connect_to(
    node: Node, config: Config, database: str, *, read_only: bool
) -> psycopg.AsyncConnection[Any]:
    """A connection to a database of the node."""
    return await connect_async(
        conninfo.make_conninfo(node.dsn, dbname=database),
        job=JOB,
        who=f"node {node.name}",
        limits=config.limits,
        read_only=read_only,
    )


@contextmanager
def conflict_log(
    config: Config, *, write: bool
) -> Iterator[psycopg.Connection[Any] | None]:
    """The conflict log, of the schema known here; None where none is configured.

    Raises:
        ConflictLogUnavailableError: it can't be reached.
        PrivilegeMissingError: with the statements that grant what is missing.
        ConfigError: the schema is another one.
    """
    if config.conflict_log.destination == "log":
        yield None
        return
    role = ""
    try:
        with (
            connect(
                config.conflict_log.dsn,
                job=JOB,
                who=_LOG,
                limits=config.limits,
                read_only=not write,
                unavailable=ConflictLogUnavailableError,
            ) as connection,
            translated(_LOG, unavailable=ConflictLogUnavailableError),
        ):
            role = connection.info.user
            connection.execute("set timezone = 'UTC'")
            refuse_other_schema(connection)
            yield connection
    except PrivilegeMissingError as error:
        # Of a node, it has its own hint already.
        if not role or not str(error).startswith(_LOG):
            raise
        grants = schema.grants(None if write else role, role if write else None)
        raise PrivilegeMissingError(str(error), hint=" ".join(grants)) from error


def policy(config: Config) -> RowPolicy:
    """What may be recorded of rows.

    Raises:
        PgConflictError: the file with the hash key can't be read.
    """
    settings = config.conflict_log
    key = b""
    if settings.hash_key_file is not None:
        try:
            key = settings.hash_key_file.read_bytes().strip()
        except OSError as error:
            raise PgConflictError(f"conflict_log.hash_key_file: {error}") from error
    return policy_of(settings.row_data, settings.rules, key)


def configured(arguments: argparse.Namespace) -> Config:
    """The configuration that the command line names."""
    return load(arguments.config)


def say(text: str) -> None:
    """Tell what is being done, while it is being done."""
    output.print_message(output.visible(text))


async def ask_with_rates(config: Config) -> tuple[Asked, Mapping[str, float]]:
    """All nodes, and how fast they write WAL now, where a slot may be lost."""
    began = time.monotonic()
    asked = await ask_all(config)
    if all(slot.safe_wal_size is None for one in asked.known for slot in one.slots):
        return asked, {}
    await asyncio.sleep(SAMPLE_S)
    again = await ask_all(config)
    seconds = time.monotonic() - began
    rates = {}
    for facts in again.known:
        before = asked.facts(facts.node.name)
        if before is not None:
            written = facts.server.current_lsn - before.server.current_lsn
            rates[facts.node.name] = written / seconds
    return again, rates
