"""Servers that speak other languages, and change it: the same is recorded and scanned.

On the versions whose server here has its translations; in CI these are 15 and 19.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.cli.main import main
from tests.fixtures.checked import set_and_reload
from tests.fixtures.languages import LOCALES, translated_majors
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.nodes import Pair, Replicated

EVERYTHING = "stderr,csvlog,jsonlog"
# A language, where the server writes to then, and what the daemon reads of that.
PHASES = [
    ("de", EVERYTHING, "jsonlog"),
    ("ja", "stderr", "stderr"),
    ("ru", "stderr", "stderr"),
]
PREFIX = "%m [%p] %q%u@%d "
RECORDED = """
select kind, conflict_type, operation, schemaname || '.' || relname, index_names,
       remote_xid, subname, status, source
  from pgconflict.conflict_log
 where remote_xid = any(%s)
 order by remote_xid
"""
SCANNED = (
    *("kind", "conflict_type", "operation", "relation", "index_names"),
    *("remote_xid", "subname", "remote_origin"),
)


class Provoked:
    """One table on which the same is provoked again and again."""

    def __init__(self, made: Replicated, daemon: Daemon) -> None:
        self.made, self.daemon = made, daemon
        self.node = made.to_b.subscriber
        self.name = f"public.{made.relname}"
        self.sub = made.to_b.name
        self.number = 0

    def write(self, statement: str) -> int:
        """Execute on the publisher; returns the transaction."""
        with self.made.to_b.publisher.connect() as on, on.transaction():
            row = on.execute("select pg_current_xact_id()::text::int8").fetchone()
            on.execute(statement.replace("{t}", self.made.table).encode())
        assert row is not None
        return int(row[0])

    def all(self) -> dict[int, tuple[Any, ...]]:
        """Provoke each kind and let it end; what is true of each, by transaction."""
        return dict([self.missing(), self.skipped(), self.disabled()])

    def missing(self) -> tuple[int, tuple[Any, ...]]:
        self.number += 1
        self.write(f"insert into {{t}} values ({self.number}, 'lost')")
        self.made.to_b.catch_up()
        self.node.execute(f"delete from {self.made.table} where id = {self.number}")
        xid = self.write(f"update {{t}} set v = 'late' where id = {self.number}")
        self.wait(xid, "applied")
        return xid, ("conflict", "update_missing", "UPDATE", self.name, [])

    def skipped(self) -> tuple[int, tuple[Any, ...]]:
        self.number += 1
        row = f"values ({self.number}, 'twice')"
        self.node.execute(f"insert into {self.made.table} {row}")
        xid = self.write(f"insert into {{t}} {row}")
        self.wait(xid, "open")
        ((lsn,),) = self.daemon.query(
            "select remote_commit_lsn::text from pgconflict.conflict_log"
            " where remote_xid = %s",
            [xid],
        )
        self.made.to_b.alter(f"skip (lsn = '{lsn}')")
        self.wait(xid, "skipped")
        index = f"{self.made.relname}_pkey"
        return xid, ("conflict", "insert_exists", "INSERT", self.name, [index])

    def disabled(self) -> tuple[int, tuple[Any, ...]]:
        self.number += 1
        self.made.to_b.alter("set (disable_on_error = true)")
        xid = self.write(f"insert into {{t}} values ({self.number}, 'refused')")
        self.wait(xid, "disabled")
        self.made.to_b.alter("set (disable_on_error = false)")
        table = self.made.table
        self.node.execute(f"alter table {table} drop constraint refuses")
        self.made.to_b.alter("enable")
        self.wait(xid, "applied")
        self.node.execute(
            f"delete from {table} where v = 'refused';"
            f"alter table {table} add constraint refuses check (v <> 'refused')"
        )
        return xid, ("apply_error", None, "INSERT", self.name, [])

    def wait(self, xid: int, status: str) -> None:
        wait_until(
            lambda: self.daemon.count("remote_xid = %s and status = %s", xid, status),
            f"{xid} is {status}",
        )


def speak(made: Replicated, language: str, destination: str) -> None:
    """Change language and destination at once, and let a new worker take them."""
    node = made.to_b.subscriber
    node.execute(f"alter system set log_destination = '{destination}'")
    set_and_reload(node, "lc_messages", LOCALES[language])
    old = made.to_b.worker()
    node.execute("select pg_terminate_backend(%s)", [old])
    wait_until(lambda: made.to_b.worker() not in (None, old), "another worker runs")
    wait_until(made.to_b.streaming, "it streams")


@pytest.mark.usefixtures("server_locales")
@pytest.mark.majors(*(translated_majors() or [15, 19]))
def test_what_is_said_in_any_language_is_known(
    new_pair: Callable[..., Pair],
    major: int,
    new_daemon: Callable[..., Daemon],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert major in translated_majors(), "its server here has no translations"
    pair = new_pair(
        major,
        settings={
            "log_destination": EVERYTHING,
            "log_line_prefix": PREFIX,
            "wal_retrieve_retry_interval": "100ms",
        },
    )
    # Below 18 a missing row is told at that level alone.
    pair.b.execute("alter role postgres set log_min_messages = 'debug1'")
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    made = pair.replicate(both=False, subscription={"streaming": False})
    pair.b.execute(
        f"alter table {made.table} add constraint refuses check (v <> 'refused')"
    )
    provoked = Provoked(made, daemon)
    written: dict[str, dict[int, tuple[Any, ...]]] = {}
    for language, destination, read in PHASES:
        speak(made, language, destination)

        true = provoked.all()

        recorded = daemon.query(RECORDED, [list(true)])
        ends = ["applied", "skipped", "applied"]
        assert recorded == [
            (*said, xid, provoked.sub, end, read)
            for (xid, said), end in zip(true.items(), ends, strict=True)
        ], (language, read)
        for suffix in (".json", ".csv", ".log") if read == "jsonlog" else (".log",):
            written.setdefault(suffix, {}).update(true)
    assert daemon.metric("log_gaps_total") == 0
    assert daemon.metric("unrecognised_records_total") == 0

    for suffix, true in written.items():
        files = [str(file) for file in pair.b.log_files(suffix)]
        assert main(["--json", "scan", *files]) == 0
        records = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
        scanned = sorted(
            tuple(record[field] for field in SCANNED)
            for record in records
            if record["remote_xid"] in true
        )
        assert scanned == sorted(
            (*said, xid, provoked.sub, made.to_b.origin) for xid, said in true.items()
        ), suffix
