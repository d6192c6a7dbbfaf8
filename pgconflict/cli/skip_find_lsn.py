"""`subscriptions skip --find-lsn`: makes a server log what parallel apply leaves out.

An error of a parallel apply worker is logged without the finish LSN of its
transaction. Without streaming the leader applies the transaction itself once it has
committed, and its error has the LSN. The daemon records it; we wait for that.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from pgconflict.cli import output
from pgconflict.cli.subscription_access import FINDINGS, connect_to, say
from pgconflict.conflict_log.actions import stalled
from pgconflict.errors import PrivilegeMissingError, UsageError
from pgconflict.server.connect import translated
from pgconflict.server.statements import alter_subscription

if TYPE_CHECKING:
    import argparse

    import psycopg

    from pgconflict.cli.skip_plan import Examined
    from pgconflict.config import Config

_LOOK_S: Final = 0.5


async def find_lsn(
    config: Config,
    arguments: argparse.Namespace,
    log: psycopg.Connection[Any] | None,
    examined: Examined,
) -> int:
    """Print the LSN; 3 if it did not come to the conflict log in time.

    Raises:
        UsageError: the conflict log has no open conflict without LSN.
        PrivilegeMissingError: our role may not alter the subscription.
    """
    subscription = examined.subscription
    stall = next((one for one in examined.stalls if one.lsn is None), None)
    if stall is None or log is None:
        raise UsageError(
            "the conflict log has no open conflict of this subscription without LSN",
            hint="without --find-lsn the plan is shown",
        )
    off = alter_subscription(subscription.name, "SET (streaming = off)")
    back = alter_subscription(
        subscription.name, f"SET (streaming = {subscription.streaming})"
    )
    if not arguments.apply:
        for statement in (off, "-- wait until it fails again and is recorded", back):
            print(output.visible(statement))
        print("\nnothing was changed; --apply --reason TEXT does it")
        return 0
    if not examined.facts.server.superuser and not subscription.owned_by_us:
        raise PrivilegeMissingError(
            examined.missing or "only its owner may alter the subscription",
            hint=examined.remedy,
        )
    lsn = await _find(config, arguments, log, examined, stall.xid)
    if arguments.json:
        output.print_json({"remote_xid": stall.xid, "lsn": lsn})
    elif lsn is not None:
        print(f"transaction {stall.xid} finished at {lsn}")
    if lsn is None:
        say(
            f"it was not recorded within {arguments.wait:g} s: does the daemon run, and"
            " has the transaction committed on the publisher?"
        )
    return FINDINGS if lsn is None else 0


async def _find(
    config: Config,
    arguments: argparse.Namespace,
    log: psycopg.Connection[Any],
    examined: Examined,
    xid: int | None,
) -> str | None:
    facts, subscription = examined.facts, examined.subscription
    name = sql.Identifier(subscription.name)
    statement = sql.SQL("alter subscription {} set (streaming = {})")
    connection = await connect_to(
        facts.node, config, subscription.database, read_only=False
    )
    try:
        with translated(f"node {facts.node.name}"):
            await connection.execute(statement.format(name, sql.SQL("off")))
            try:
                return await _wait(log, examined, xid, arguments.wait)
            finally:
                before = sql.Identifier(subscription.streaming)
                await connection.execute(statement.format(name, before))
    finally:
        connection.pgconn.finish()


async def _wait(
    log: psycopg.Connection[Any], examined: Examined, xid: int | None, seconds: float
) -> str | None:
    system, subid = (
        examined.facts.server.system_identifier,
        examined.subscription.subid,
    )
    deadline = time.monotonic() + seconds
    while True:
        for one in stalled(log, system, subid, None):
            if one.xid == xid and one.lsn is not None:
                return one.lsn
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(_LOOK_S)
