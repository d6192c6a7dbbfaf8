"""`pgconflict sequences sync --from A --to B`: the plan, and with --apply the proof."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from pgconflict.cli import output
from pgconflict.cli.nodes import node_of
from pgconflict.cli.sequences_access import (
    DENIED,
    FINDINGS,
    configured,
    conflict_log,
    databases_of,
    interruptible,
    opened,
    refuse_none,
    say,
    say_how_to_permit,
    storing,
    watch,
)
from pgconflict.cli.sequences_options import add_options, request_of
from pgconflict.cli.sequences_plan import plan_document, print_plan, summary
from pgconflict.cli.sequences_proof import (
    print_proof,
    print_stored,
    proof_document,
    stored_values,
)
from pgconflict.conflict_log import sequence_syncs
from pgconflict.conflict_log.sequence_syncs import Ending, Run
from pgconflict.core.sequence_plan import Obstacle
from pgconflict.errors import PgConflictError, UsageError
from pgconflict.server.sequence_advance import Applied, Patience
from pgconflict.server.sequence_cutover import (
    CutoverError,
    Waited,
    Writing,
    links,
    wait_applied,
    writing,
)
from pgconflict.server.sequence_sync import (
    Done,
    Look,
    look,
    move_and_prove,
    refuse_same,
)

if TYPE_CHECKING:
    import argparse

    import psycopg

    from pgconflict.config import Config
    from pgconflict.core.sequence import SequenceName
    from pgconflict.core.sequence_proof import Proof
    from pgconflict.server.sequences import SequenceNode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take two nodes and what is asked for."""
    add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the plan, or do it and print the proof.

    0: proved, or only planned; 3: something is not as asked; 77: not permitted.
    """
    config = configured(arguments)
    if arguments.proof:
        return _print_kept(config, arguments)
    if not arguments.source or not arguments.target:
        raise UsageError("--from NODE and --to NODE are needed")
    if arguments.source == arguments.target:
        raise UsageError("--from and --to are the same node")
    if arguments.require_read_only and not arguments.cutover:
        raise UsageError("--require-read-only belongs to --cutover")
    with interruptible(changes=arguments.apply):
        return max(
            asyncio.run(_Sync(config, arguments, database).run())
            for database in databases_of(arguments)
        )


def _print_kept(config: Config, arguments: argparse.Namespace) -> int:
    if arguments.proof != "last" and not arguments.proof.isdigit():
        raise UsageError(f"--proof {output.visible(arguments.proof)}: not a number")
    sync_id = None if arguments.proof == "last" else int(arguments.proof)
    with conflict_log(config) as connection, storing():
        stored = sequence_syncs.stored(connection, sync_id)
        if stored is None:
            raise UsageError("there is no such run in the conflict log")
        values = sequence_syncs.values(connection, stored.sync_id)
    print_stored(stored, values, as_json=arguments.json)
    return 0


class _Sync:
    """One database, from the first look to the proof."""

    def __init__(
        self, config: Config, arguments: argparse.Namespace, database: str | None
    ) -> None:
        self._config = config
        self._arguments = arguments
        self._database = database
        self._request = request_of(arguments)
        self._seen: list[str] = []
        self._waited: Waited | None = None

    async def run(self) -> int:
        config, arguments = self._config, self._arguments
        source_node = node_of(config, arguments.source)
        target_node = node_of(config, arguments.target)
        source = await opened(source_node, config, arguments, self._database)
        async with source:
            target = await opened(
                target_node,
                config,
                arguments,
                self._database,
                read_only=not arguments.apply,
            )
            async with target:
                await refuse_same(source, target)
                return await self._synchronise(source, target)

    async def _synchronise(self, source: SequenceNode, target: SequenceNode) -> int:
        await self._say_native(source, target)
        if self._arguments.cutover:
            await self._wait(source, target)
        seen = await look(source, target, self._request)
        count = len(seen.sources) + len(seen.targets)
        refuse_none(self._arguments, count, source.database)
        if not self._arguments.json:
            print_plan(seen)
        say(summary(seen.plan))
        if not self._arguments.apply:
            return self._planned(seen, target)
        if self._arguments.no_store:
            return await self._apply(source, target, seen, None)
        with conflict_log(self._config) as connection:
            return await self._apply(source, target, seen, connection)

    async def _say_native(self, source: SequenceNode, target: SequenceNode) -> None:
        native = [link for link in await links(source, target) if link.sequences]
        for link in native:
            say(
                f"subscription {link.subscription} of node {target.name} has"
                f" {output.plural(link.sequences, 'sequence')} that PostgreSQL copies"
                " at ALTER SUBSCRIPTION ... REFRESH SEQUENCES, and only then, also"
                " backwards: do not run that after this"
            )

    async def _wait(self, source: SequenceNode, target: SequenceNode) -> None:
        found = await writing(source)
        self._note_writers(source, found)
        if self._arguments.require_read_only and not found.stopped:
            raise CutoverError(
                f"node {source.name} still takes writes: {'; '.join(found.texts())}",
                hint="ALTER SYSTEM SET default_transaction_read_only = on; SELECT"
                " pg_reload_conf(); then end the sessions that write",
            )
        seconds = self._arguments.timeout.total_seconds()
        self._waited = await wait_applied(source, target, seconds, say)
        self._seen.append(f"waited {self._waited.seconds:.1f} s for the target")

    def _note_writers(self, source: SequenceNode, found: Writing) -> None:
        for text in found.texts():
            note = f"node {source.name} may still write: {text}"
            if note not in self._seen:
                self._seen.append(note)
                say(note)

    def _planned(self, seen: Look, target: SequenceNode) -> int:
        if self._arguments.json:
            output.print_json(plan_document(seen, target.database))
        say("nothing was changed: --apply does it")
        if any(one.obstacle is Obstacle.UNREADABLE for one in seen.plan.blocked):
            say_how_to_permit()
            return DENIED
        if self._arguments.cutover and seen.plan.advances:
            return FINDINGS
        short = any(one.note is not None for one in seen.plan.advances)
        return FINDINGS if seen.plan.blocked or short else 0

    async def _apply(
        self,
        source: SequenceNode,
        target: SequenceNode,
        seen: Look,
        connection: psycopg.Connection[Any] | None,
    ) -> int:
        store = storing if connection is not None else nullcontext
        sync_id = None
        if connection is not None:
            with store():
                sync_id = sequence_syncs.begin(connection, self._run(target))
        try:
            done = await self._move(source, target, seen)
        except PgConflictError:
            if connection is not None and sync_id is not None:
                with store():
                    ending = Ending(outcome="failed", seen=self._seen)
                    sequence_syncs.end(connection, sync_id, ending)
            raise
        ending = self._ending(done)
        if connection is not None and sync_id is not None:
            with store():
                values = stored_values(done.proof.lines, target.name)
                sequence_syncs.end(connection, sync_id, ending, values)
        if self._arguments.json:
            document = plan_document(seen, target.database)
            document["mean_lock_s"] = done.applied.mean_lock_s
            output.print_json(document | proof_document(done.proof, ending, sync_id))
        else:
            print_proof(done.proof, ending, sync_id)
        if done.proof.unreadable:
            say_how_to_permit()
            return DENIED
        return 0 if ending.outcome == "proved" else FINDINGS

    def _run(self, target: SequenceNode) -> Run:
        arguments = self._arguments
        margin = arguments.margin
        return Run(
            kind="cutover" if arguments.cutover else "sync",
            source_node=arguments.source,
            target_nodes=[target.name],
            database=target.database,
            options={
                "schema": arguments.schema,
                "name": arguments.name,
                "margin": margin if isinstance(margin, int) else str(margin),
                "check_columns": arguments.check_columns,
                "allow_backwards": arguments.allow_backwards,
                "with_definition": arguments.with_definition,
                "create_missing": arguments.create_missing,
                "require_read_only": arguments.require_read_only,
            },
            node_role=target.first.info.user,
        )

    async def _move(
        self, source: SequenceNode, target: SequenceNode, seen: Look
    ) -> Done:
        lock = self._arguments.lock_timeout or self._config.sequences.lock_timeout
        patience = Patience(lock=lock, total=self._arguments.patience)
        done = await move_and_prove(source, target, seen, patience, watch=watch)
        if self._arguments.cutover:
            self._note_writers(source, await writing(source))
            for name in _still_moving(seen, done.proof):
                text = f"{name} gave out values on node {source.name} meanwhile"
                self._seen.append(text)
                say(text)
        return done

    def _ending(self, done: Done) -> Ending:
        proof, applied = done.proof, done.applied
        proved = not proof.doubts and not proof.blocked
        if self._arguments.cutover and _still_moving(done.look, proof):
            proved = False
        return Ending(
            outcome="proved" if proved else "not_proved",
            moved=proof.moved,
            unchanged=sum(not (one.moved or one.blocked) for one in proof.lines),
            blocked=len(proof.blocked),
            doubts=len(proof.doubts),
            source_lsn=self._waited.goal if self._waited else None,
            applied_lsn=self._waited.applied if self._waited else None,
            longest_lock_s=_longest(applied),
            seen=self._seen,
        )


def _longest(applied: Applied) -> float | None:
    return applied.longest_lock_s if applied.results else None


def _still_moving(seen: Look, proof: Proof) -> list[SequenceName]:
    """Return what the source gave out while its sequences were synchronised."""
    return [
        line.name
        for line in proof.lines
        if line.source is not None
        and (before := seen.sources.get(line.name)) is not None
        and (before.last_value, before.is_called)
        != (line.source.last_value, line.source.is_called)
    ]
