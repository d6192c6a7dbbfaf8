"""Does what was chosen for a transaction that stopped apply: one transaction, or none.

The session takes the subscription's own replication origin, as its worker does: so the
worker stays away meanwhile, and what is written counts as the publisher's and goes to
no node that takes only what was written here. Killed, the server takes everything back
and the worker comes again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from pgconflict.core.lsn import format_lsn, parse_lsn
from pgconflict.errors import PgConflictError
from pgconflict.server.connect import connect, translated
from pgconflict.server.repair import JOB, RefusedError
from pgconflict.server.repair_statements import statement
from pgconflict.server.row_reader import SETTINGS
from pgconflict.server.stopped_replay import replay
from pgconflict.server.stopped_statements import (
    follow_statement,
    grants,
    hold_statement,
    open_statement,
    orphans_statement,
    returned,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pgconflict.config import Limits
    from pgconflict.core.conflict import Values
    from pgconflict.core.stopped import Local, Names, Step
    from pgconflict.core.transaction import Transaction
    from pgconflict.server.stopped_look import Referred, Referring
    from pgconflict.server.table_nodes import TableNode

_AGAIN_S: Final = 0.05

Connection = psycopg.Connection[Any]


class FailedError(PgConflictError):
    """The connection was lost at the commit: it is not known whether it was done."""

    exit_code = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What the plan saw, and what is to be done about it."""

    subid: int
    transaction: Transaction
    nodes: Mapping[Names, TableNode]
    applied: Collection[Names]
    rows: Sequence[Local]
    """In the way; they must be what the plan saw."""

    referred: Sequence[Referred]
    """What other rows must not refer to in vain afterwards."""

    follow: Mapping[int, Sequence[Referring]]
    """Foreign keys to a row, by its number, that follow it to its new key."""

    steps: Sequence[Step]
    lost: Collection[int]
    by_hand: bool
    """Whether the transaction is applied here, without what is lost; else the worker
    applies it whole once there is room."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done."""

    without: int
    """Changes that found no row here, as they would in apply."""

    keys: Sequence[Values]
    """Keys that rows got."""


def apply(one: Stopped, limits: Limits, wait: float) -> Done:
    """Do it, in one transaction.

    Args:
        one: The plan.
        limits: Of the configuration.
        wait: Seconds to wait for the worker to be away between two attempts.

    Raises:
        RefusedError: nothing was changed; something is not as planned, or the
            transaction would fail all the same.
        FailedError: it is not known whether it was changed.
        PrivilegeMissingError: with what is to be granted; nothing was changed.
    """
    on = next(iter(one.nodes.values()))
    who = f"node {on.name}"
    connection = connect(on.node.dsn, job=JOB, who=who, limits=limits, read_only=False)
    try:
        try:
            hint = grants(connection, _touched(one), _referring(one))
            with translated(who, privilege_hint=hint):
                work = _Work(one, connection)
                done = work.run(wait)
        except psycopg.Error as error:
            raise RefusedError(
                f"{who}: {' '.join(str(error).split())}; nothing was changed"
            ) from error
        except KeyboardInterrupt as error:
            raise RefusedError("interrupted; nothing was changed") from error
        try:
            connection.execute(work.commit().encode())
        except (psycopg.Error, KeyboardInterrupt) as error:
            raise _uncommitted(one, who, error) from error
        return done
    finally:
        # At once: this ends the transaction if it has not committed.
        connection.pgconn.finish()


def _uncommitted(one: Stopped, who: str, error: BaseException) -> PgConflictError:
    """What is known after a commit that failed, or of which the answer was lost."""
    why = " ".join(str(error).split()) or "interrupted"
    refused = isinstance(error, psycopg.Error) and not isinstance(
        error, psycopg.OperationalError
    )
    if refused and not one.by_hand:
        return RefusedError(f"{who}: {why}; nothing was changed")
    hint = "run the same command again: it looks anew at what is there"
    if one.by_hand:
        # The server may have moved the origin with a transaction that it aborted.
        hint += (
            "; if apply goes on and the rows are not there, `pgconflict conflicts"
            " verify` finds them"
        )
    return FailedError(f"{who}: the commit was not confirmed: {why}", hint=hint)


@dataclass(frozen=True, slots=True)
class _Work:
    one: Stopped
    connection: Connection

    def run(self, wait: float) -> Done:
        """All but the commit."""
        one, connection = self.one, self.connection
        settings = ", ".join(
            f"pg_catalog.set_config('{name}', '{value}', false)"
            for name, value in SETTINGS.items()
        )
        connection.execute(f"select {settings}".encode())
        self._take_origin(time.monotonic() + wait)
        self._still_ahead()
        connection.execute("begin")
        connection.execute("set local session_replication_role = 'replica'")
        self._hold()
        for step in one.steps:
            if step.quiet:
                self._quiet(step)
        if one.by_hand:
            return self._by_hand()
        return self._make_room()

    def _by_hand(self) -> Done:
        """Apply the transaction and move the origin, as the worker would."""
        without = self._replay()
        self._no_orphans()
        # A transaction that writes nothing would not move the origin.
        self.connection.execute("select pg_catalog.pg_current_xact_id()")
        # What the commit would refuse is refused here.
        self.connection.execute("set constraints all immediate")
        return Done(without, ())

    def commit(self) -> str:
        """The statements of the commit; by hand it takes the origin along.

        Both at once: the server moves the origin also where a transaction is aborted
        that has been told of a position, and the publisher's would be lost.
        """
        if not self.one.by_hand:
            return "commit"
        transaction = self.one.transaction
        setup = sql.SQL(
            "select pg_catalog.pg_replication_origin_xact_setup({}::pg_lsn,"
            " {}::timestamptz); commit"
        ).format(
            sql.Literal(format_lsn(transaction.end_lsn)),
            sql.Literal(transaction.commit_ts),
        )
        return setup.as_string(None)

    def _make_room(self) -> Done:
        """See that the transaction will be applied, and leave that to the worker."""
        self.connection.execute("savepoint tried")
        keys = {step.of: self._openly(step, None) for step in self._open()}
        without = self._replay()
        self._no_orphans()
        self.connection.execute("rollback to savepoint tried")
        if not keys:
            return Done(without, ())
        # What follows is for the other nodes as well: it has no origin.
        self.connection.execute(
            "select pg_catalog.pg_replication_origin_session_reset()"
        )
        self.connection.execute("set local session_replication_role = 'origin'")
        for step in self._open():
            key = keys[step.of]
            self._openly(step, key)
            self._follow(step, key)
        return Done(without, list(keys.values()))

    def _open(self) -> list[Step]:
        return [step for step in self.one.steps if not step.quiet]

    def _replay(self) -> int:
        one = self.one
        tables = {names: on.table for names, on in one.nodes.items()}
        return replay(
            self.connection, one.transaction.changes, tables, one.lost, one.applied
        )

    def _take_origin(self, deadline: float) -> None:
        while True:
            try:
                self.connection.execute(
                    "select pg_catalog.pg_replication_origin_session_setup(%s)",
                    (f"pg_{self.one.subid}",),
                )
            except psycopg.errors.ObjectInUse as error:
                if time.monotonic() > deadline:
                    raise RefusedError(
                        "the subscription's worker is at work all the time: apply does"
                        " not stop, or waits for a lock",
                        hint="run it again; `pgconflict status` shows what apply does",
                    ) from error
                time.sleep(_AGAIN_S)
            else:
                return

    def _still_ahead(self) -> None:
        """See that the transaction was neither applied nor is to be skipped."""
        row = self.connection.execute(
            "select pg_catalog.pg_replication_origin_session_progress(false)::text,"
            " subskiplsn::text from pg_catalog.pg_subscription where oid = %s",
            (self.one.subid,),
        ).fetchone()
        if row is None:
            raise RefusedError("the subscription is gone")
        at = parse_lsn(row[0]) if row[0] else 0
        if at >= self.one.transaction.end_lsn:
            raise RefusedError(
                f"the subscription has come past it meanwhile: it is at {row[0]}"
            )
        if parse_lsn(row[1]):
            raise RefusedError(f"a skip of {row[1]} is set")

    def _hold(self) -> None:
        """Lock the rows in the way and see that they are what the plan saw."""
        for local in self.one.rows:
            on = self.one.nodes[local.names]
            row = self.connection.execute(hold_statement(on, local).encode()).fetchone()
            planned = (local.row.version, *local.row.values.values())
            if row != planned:
                raise RefusedError(
                    f"node {on.name}: the row {_shown(local)} was written since the"
                    " plan was made",
                    hint="run it again: the plan is made anew",
                )

    def _quiet(self, step: Step) -> None:
        on = self.one.nodes[step.names]
        self._one_row(self.connection.execute(statement(on, step.write).encode()))

    def _openly(self, step: Step, given: Values | None) -> Values:
        """Give a row its new key; what the row has then where that was new."""
        on = self.one.nodes[step.names]
        text = open_statement(on, step, given)
        cursor = self.connection.execute(text.encode())
        self._one_row(cursor)
        names = returned(step)
        row = cursor.fetchone() or ()
        return dict(zip(names, row, strict=True))

    def _one_row(self, cursor: psycopg.Cursor[Any]) -> None:
        if cursor.rowcount != 1:
            raise RefusedError(
                f"a statement wrote {cursor.rowcount} rows instead of one",
                hint="a trigger or a rule is in the way",
            )

    def _follow(self, step: Step, key: Values) -> None:
        """Have the rows that refer to the row refer to it under its new key."""
        old = self.one.rows[step.of].row.values
        for foreign in self.one.follow.get(step.of, ()):
            new = {name: key.get(name, old[name]) for name in foreign.referred}
            self.connection.execute(follow_statement(foreign, old, new).encode())

    def _no_orphans(self) -> None:
        """Refuse what would leave rows here that refer to none: apply never looks."""
        for one in self.one.referred:
            asked = orphans_statement(one)
            if asked and self.connection.execute(asked.encode()).fetchone():
                foreign = one.foreign
                raise RefusedError(
                    f"rows of {foreign.schemaname}.{foreign.relname} refer to"
                    f" {'.'.join(one.names)} by {foreign.name} and would refer to none",
                    hint="move or delete those first, or choose another way",
                )


def _touched(one: Stopped) -> list[Names]:
    """The tables whose rows may be written."""
    following = (each for keys in one.follow.values() for each in keys)
    followed = [(each.schemaname, each.relname) for each in following]
    return list(dict.fromkeys([*one.nodes, *followed]))


def _referring(one: Stopped) -> list[Names]:
    """Those that are only looked into."""
    there = [(each.foreign.schemaname, each.foreign.relname) for each in one.referred]
    return list(dict.fromkeys(each for each in there if each not in _touched(one)))


def _shown(local: Local) -> str:
    key = ", ".join(str(value) for value in local.key.values())
    return f"({', '.join(local.key)})=({key}) of {'.'.join(local.names)}"
