"""`pgconflict conflicts repair` of a conflict that stops apply: the ways out of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pgconflict.cli.skip_plan import Request, examine
from pgconflict.cli.stopped_planner import Planner
from pgconflict.cli.stopped_work import StoppedWork, storing
from pgconflict.cli.subscription_access import conflict_log
from pgconflict.conflict_log.actions import OpenStall, open_stalls
from pgconflict.conflict_log.reader import ConflictLogReader
from pgconflict.core.conflict import Kind, Status
from pgconflict.core.lsn import parse_lsn
from pgconflict.core.stopped import Keep
from pgconflict.errors import ConfigError, UsageError
from pgconflict.server.repair import RefusedError

if TYPE_CHECKING:
    import argparse

    import psycopg

    from pgconflict.cli.stopped_plan import Plan
    from pgconflict.config import Config
    from pgconflict.conflict_log.stored import StoredConflict
    from pgconflict.core.conflict import Values


def run(config: Config, arguments: argparse.Namespace) -> int:
    """Show the ways out, or take one; 3 if refused, or if apply does not run again."""
    keep = None if arguments.keep is None else Keep(arguments.keep)
    if arguments.apply and keep is None:
        raise UsageError("--apply needs --keep ours|theirs|both|skip")
    if arguments.apply and not arguments.reason:
        raise UsageError(
            "--apply needs --reason",
            hint="what is lost is lost: who looks later must find out why",
        )
    new_key = _new_key(arguments.new_key)
    if new_key and keep is not Keep.BOTH:
        raise UsageError("--new-key is for --keep both")
    (conflict_id,) = arguments.ids
    return asyncio.run(_run(config, arguments, conflict_id, keep, new_key))


def _new_key(given: list[str] | None) -> Values:
    found: Values = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise UsageError(f"--new-key {one!r}: not COLUMN=VALUE")
        found[name] = value
    return found


async def _run(
    config: Config,
    arguments: argparse.Namespace,
    conflict_id: int,
    keep: Keep | None,
    new_key: Values,
) -> int:
    with conflict_log(config, write=arguments.apply) as log:
        if log is None:
            raise ConfigError(
                "conflict_log.destination is log: there are no conflicts to name",
                hint="repair needs the conflict log's tables",
            )
        with storing():
            conflict = ConflictLogReader(log).by_id([conflict_id]).get(conflict_id)
        if conflict is None:
            raise UsageError(
                f"no conflict {conflict_id}",
                hint="`pgconflict conflicts list` shows their numbers",
            )
        request = _request(conflict)
        examined = await examine(config, request, log)
        plan = await Planner(config, conflict, examined, new_key).plan()
        with storing():
            plan = replace(plan, mirrored=_mirrored(log, plan))
        try:
            return await StoppedWork(config, arguments, log, plan, keep).run()
        finally:
            if plan.subscriber is not None:
                plan.subscriber.close()


def _mirrored(log: psycopg.Connection[Any], plan: Plan) -> list[OpenStall]:
    """What stops the publisher on the same table: often the same two rows."""
    publisher = plan.examined.publisher.facts
    if publisher is None:
        return []
    found = open_stalls(log, publisher.server.system_identifier)
    ours = (plan.conflict.schemaname, plan.conflict.relname)
    return [one for one in found.values() if (one.schemaname, one.relname) == ours]


def _request(conflict: StoredConflict) -> Request:
    """What to ask about a conflict that stops apply.

    Raises:
        UsageError: it does not.
        RefusedError: not any more.
    """
    number = conflict.conflict_id
    if not conflict.stalls or conflict.kind == Kind.SYNC_ERROR:
        raise UsageError(
            f"conflict {number} did not stop apply",
            hint="--winner latest|NODE|ask makes its row equal on all nodes",
        )
    if conflict.status not in (Status.OPEN, Status.DISABLED):
        raise RefusedError(
            f"conflict {number} is over: its transaction was {conflict.status}",
            hint="--winner latest|NODE|ask makes its row equal, should it differ",
        )
    if conflict.subname is None:
        raise UsageError(f"conflict {number}: its subscription's name is not known")
    lsn = conflict.remote_commit_lsn
    return Request(
        name=conflict.subname,
        node=conflict.node,
        database=conflict.database,
        publisher=None,
        lsn=None if lsn is None else parse_lsn(lsn),
    )
