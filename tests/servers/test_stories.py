"""How conflicts that stopped apply end, and what other nodes say of them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.nodes import Pair, Replicated


def collide(made: Replicated) -> None:
    made.to_b.subscriber.execute(f"insert into {made.table} values (1, 'mine')")
    made.to_b.publisher.execute(f"insert into {made.table} values (1, 'theirs')")


def status(daemon: Daemon, made: Replicated) -> str | None:
    rows = daemon.query(
        "select status from pgconflict.conflict_log where subname = %s and stalls"
        " and kind = 'conflict'",
        [made.to_b.name],
    )
    return rows[0][0] if len(rows) == 1 else None


def test_a_story_ends_as_it_did(pair: Pair, new_daemon: Callable[..., Daemon]) -> None:
    daemon = new_daemon({"a": pair.a.dsn, "b": pair.b.dsn})
    daemon.start()
    with contextlib.ExitStack() as stack:
        applied, skipped, disabled = (
            stack.enter_context(pair.replicate(both=False, subscription=options))
            for options in ({}, {}, {"disable_on_error": True})
        )
        for made in (applied, skipped, disabled):
            collide(made)
        wait_until(lambda: status(daemon, applied) == "open", "it is open")
        wait_until(lambda: status(daemon, skipped) == "open", "it is open too")
        wait_until(lambda: status(daemon, disabled) == "disabled", "it is disabled")

        pair.b.execute(f"delete from {applied.table}")
        ((lsn,),) = daemon.query(
            "select remote_commit_lsn::text from pgconflict.conflict_log"
            " where subname = %s and kind = 'conflict'",
            [skipped.to_b.name],
        )
        skipped.to_b.alter(f"skip (lsn = '{lsn}')")
        wait_until(lambda: status(daemon, applied) == "applied", "it is applied")
        wait_until(lambda: status(daemon, skipped) == "skipped", "it is skipped")
        pair.b.execute(f"delete from {disabled.table}")
        disabled.to_b.alter("enable")
        wait_until(lambda: status(daemon, disabled) == "applied", "it is applied too")

        assert pair.b.value(f"select v from {skipped.table}") == "mine"


def test_the_commit_time_is_the_publishers(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    daemon = new_daemon({"a": pair.a.dsn, "b": pair.b.dsn})
    daemon.start()
    with pair.replicate(both=False) as made:
        collide(made)
        wait_until(
            lambda: daemon.query(
                "select 1 from pgconflict.conflict_log where subname = %s"
                " and remote_commit_ts is not null",
                [made.to_b.name],
            ),
            "its commit time was looked up",
        )
        ((xid, at),) = daemon.query(
            "select remote_xid, remote_commit_ts from pgconflict.conflict_log"
            " where subname = %s and kind = 'conflict'",
            [made.to_b.name],
        )

        assert at == pair.a.value(
            "select pg_xact_commit_timestamp(%s::text::xid)", [xid]
        )


@pytest.mark.majors(since=16)
def test_the_publisher_knows_the_lsn_that_parallel_apply_does_not_log(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    daemon = new_daemon({"a": pair.a.dsn, "b": pair.b.dsn})
    daemon.start()
    pair.a.execute("alter system set logical_decoding_work_mem = '64kB'")
    pair.a.execute("select pg_reload_conf()")
    try:
        options = {"streaming": "parallel"}
        with pair.replicate(both=False, subscription=options) as made:
            pair.b.execute(f"insert into {made.table} values (7, 'local')")
            pair.a.execute(
                f"insert into {made.table} select i, repeat('x', 100)"
                " from generate_series(1, 3000) i"
            )
            daemon.wait_count(
                1,
                "subname = %s and conflict_type = 'insert_exists'"
                " and remote_commit_lsn is not null",
                made.to_b.name,
            )
            ((lsn, context),) = daemon.query(
                "select remote_commit_lsn::text, context from pgconflict.conflict_log"
                " where subname = %s and kind = 'conflict'",
                [made.to_b.name],
            )
            made.to_b.alter(f"skip (lsn = '{lsn}')")
            wait_until(lambda: status(daemon, made) == "skipped", "it is skipped")
    finally:
        pair.a.execute("alter system reset logical_decoding_work_mem")
        pair.a.execute("select pg_reload_conf()")

    assert "finished at" not in context


@pytest.mark.majors(until=17)
def test_at_debug1_missing_rows_are_recorded_and_no_password(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    """The worker logs its connection string; that goes nowhere."""
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    secret = f"geheim-{pair.major}"
    with pair.replicate(both=False) as made:
        pair.a.execute(f"insert into {made.table} values (1, 'a')")
        made.catch_up()
        pair.b.execute(f"delete from {made.table}")
        pair.b.execute("alter role postgres set log_min_messages = 'debug1'")
        try:
            pair.b.execute(
                sql.SQL("alter subscription {} connection {}").format(
                    sql.Identifier(made.to_b.name),
                    sql.Literal(f"{pair.a.dsn} password={secret}"),
                )
            )
            wait_until(lambda: pair.b.logged(secret), "the password is in the log")
            wait_until(made.to_b.streaming, "it streams")
            pair.a.execute(f"update {made.table} set v = 'b'")
            pair.a.execute(f"delete from {made.table}")
            missing = "subname = %s and conflict_type like '%%_missing'"
            daemon.wait_count(2, missing, made.to_b.name)
        finally:
            pair.b.execute("alter role postgres reset log_min_messages")
        found = daemon.query(
            "select conflict_type, severity, relname, operation, stalls,"
            " remote_xid is not null, replica_identity"
            " from pgconflict.conflict_log where subname = %s"
            # A worker that was restarted at once may meet its slot still in use.
            " and sqlstate is distinct from '55006' order by 1 desc",
            [made.to_b.name],
        )
        everything = daemon.query(
            "select c::text from pgconflict.conflict_log c union all"
            " select p::text from pgconflict.log_position p"
        )

    assert found == [
        ("update_missing", "DEBUG", made.relname, "UPDATE", False, True, None),
        ("delete_missing", "DEBUG", made.relname, "DELETE", False, True, None),
    ]
    assert secret not in str(everything)
    assert secret not in daemon.said()
    assert secret not in daemon.printed_file.read_text()
