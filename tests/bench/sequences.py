"""Synchronising sequences, against what else a DBA has for it.

Native is PostgreSQL 19's ALTER SUBSCRIPTION ... REFRESH SEQUENCES, timed until every
sequence is ready; it sets values and proves nothing. Ours is the whole program: start,
both nodes read, plan, locks, both nodes read again, proof.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from pgconflict.conflict_log.schema import install
from tests.bench.harness import (
    Line,
    Pairs,
    Workshop,
    at_least,
    measurement,
    pgconflict,
    say,
    seconds,
    without_aim,
)
from tests.fixtures.nodes import numbers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.nodes import Node, Pair

MANY = 100_000
SOME = 10_000
# As a server with so many sequences has it; each of them is a page.
SETTINGS: dict[str, Any] = {
    "fsync": True,
    "full_page_writes": True,
    "shared_buffers": "1200MB",
}
# What PostgreSQL has up to 18 where nobody sets anything; 19 has twice the locks.
DEFAULTS: dict[str, Any] = {
    "max_locks_per_transaction": 64,
    "max_connections": 100,
    "max_wal_senders": 10,
    "max_worker_processes": 8,
    "max_logical_replication_workers": 4,
}
# Native needs it for as many as this.
ENOUGH_LOCKS = {"max_locks_per_transaction": 2048}
AIM_ALL, AIM_FEW = 5, 12


@dataclass
class Setting:
    """Two nodes with as many sequences, and what is needed to run pgconflict."""

    pair: Pair
    config: Path
    count: int

    def move(self, part: float) -> None:
        """Make so large a part of the source's sequences go ahead."""
        oids = [
            oid
            for (oid,) in self.pair.a.execute(
                "select oid from pg_class where relkind = 'S'"
                " and relnamespace = 'app'::regnamespace order by oid"
            )
        ]
        statement = (
            "select count(setval(o::regclass, d.last_value + 100)) from"
            " unnest(%s::oid[]) o, lateral pg_get_sequence_data(o) d"
        )
        with self.pair.a.connect() as connection:
            for place in range(0, round(len(oids) * part), 1000):
                connection.execute(statement, [oids[place : place + 1000]])

    def sync(self, *words: str) -> dict[str, Any]:
        """Run the program; its JSON."""
        done = subprocess.run(
            pgconflict(
                *("--config", str(self.config), "sequences", "sync", "--from", "a"),
                *("--to", "b", "--schema", "app", "--apply", "--json", *words),
            ),
            check=True,
            capture_output=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def refresh(self) -> None:
        """Let PostgreSQL copy them."""
        with self.pair.b.connect() as connection:
            connection.execute("alter subscription native refresh sequences")
            _wait_ready(connection)


def _wait_ready(connection: psycopg.Connection[Any]) -> None:
    statement = "select 1 from pg_subscription_rel where srsubstate <> 'r' limit 1"
    while connection.execute(statement).fetchone():
        time.sleep(0.05)


def _create(node: Node, count: int) -> None:
    node.execute("create schema app")
    with node.connect() as connection:
        for first in range(0, count, 1000):
            connection.execute(
                f"do $$ begin for i in {first}..{first + 999} loop execute"
                " format('create sequence app.s_%s', i); end loop; end $$".encode()
            )
        connection.execute("checkpoint")
        connection.execute("analyze")


def _setting(workshop: Workshop, count: int, **settings: Any) -> Setting:
    pair = workshop.servers.new_pair(19, settings={**SETTINGS, **settings})
    for node in pair.nodes:
        say(f"{count} sequences on node {node.name}")
        _create(node, count)
    pair.b.execute("create database conflict_log", dbname="postgres")
    dsn = pair.b.cluster.dsn("conflict_log")
    with psycopg.connect(dsn, autocommit=True) as connection:
        install(connection)
    config = workshop.directory / f"sequences-{next(numbers)}.yml"
    config.write_text(
        f'conflict_log:\n  dsn: "{dsn}"\nnodes:\n'
        + "".join(f'  - name: {n.name}\n    dsn: "{n.dsn}"\n' for n in pair.nodes)
    )
    return Setting(pair, config, count)


def _alternate(setting: Setting, part: float, rounds: int) -> Pairs:
    """Time both ways, each after the same change; the change has no clock."""
    pairs = Pairs([], [])
    for number in range(rounds + 1):
        setting.move(part)
        ours = seconds(lambda: setting.sync("--no-store"))
        setting.move(part)
        theirs = seconds(setting.refresh)
        say(f"ours {ours:.2f} s, native {theirs:.2f} s")
        if number:
            pairs.ours.append(ours)
            pairs.theirs.append(theirs)
    return pairs


@measurement
def sequences(workshop: Workshop) -> list[Line]:
    """100,000 sequences, all and 1 % of them changed, against native and pg_dump."""
    setting = _setting(workshop, MANY, **ENOUGH_LOCKS)
    a, b = setting.pair.nodes
    a.execute("create publication native for all sequences")
    setting.move(1)
    with b.connect() as connection:
        statement = (
            f"create subscription native connection '{a.dsn}' publication native"
        )
        connection.execute(statement.encode())
        _wait_ready(connection)
    every = _alternate(setting, 1, workshop.rounds)
    few = _alternate(setting, 0.01, workshop.rounds)
    lines = [
        at_least("sequences: 100,000 changed", every.speeds, "x native", AIM_ALL),
        without_aim("  ours", every.ours, "s"),
        without_aim("  native REFRESH SEQUENCES until ready", every.theirs, "s"),
        at_least(
            "sequences: 1,000 of 100,000 changed", few.speeds, "x native", AIM_FEW
        ),
        without_aim("  ours", few.ours, "s"),
        without_aim("  native REFRESH SEQUENCES until ready", few.theirs, "s"),
    ]
    lines += _locks_and_proof(setting)
    b.execute("drop subscription native")
    return [*lines, _pg_dump(setting)]


def _locks_and_proof(setting: Setting) -> list[Line]:
    setting.move(1)
    begin = time.perf_counter()
    done = setting.sync()
    kept = time.perf_counter() - begin
    return [
        without_aim("sequences: with the proof kept", [kept], "s"),
        without_aim(
            "sequences: lock held, each on average", [1000 * done["mean_lock_s"]], "ms"
        ),
        without_aim(
            "sequences: lock held, longest", [1000 * done["longest_lock_s"]], "ms"
        ),
    ]


def _pg_dump(setting: Setting) -> Line:
    a, b = setting.pair.nodes
    programs = a.cluster.bin_dir
    setting.move(1)
    begin = time.perf_counter()
    # pg_dump of sequences only: there are no tables.
    dump = subprocess.Popen(
        [str(programs / "pg_dump"), "--data-only", "--schema=app", a.dsn],
        stdout=subprocess.PIPE,
    )
    subprocess.run(
        [str(programs / "psql"), "--quiet", "--no-psqlrc", "--dbname", b.dsn],
        stdin=dump.stdout,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    assert dump.wait() == 0
    took = time.perf_counter() - begin
    return without_aim("sequences: pg_dump of 100,000 piped into psql", [took], "s")


@measurement
def sequences_by_default(workshop: Workshop) -> list[Line]:
    """10,000 sequences at the lock table's default size up to 18."""
    setting = _setting(workshop, SOME, **DEFAULTS)
    a, b = setting.pair.nodes
    ours = []
    for number in range(workshop.rounds + 1):
        setting.move(1)
        took = seconds(lambda: setting.sync("--no-store"))
        ours += [took] if number else []
    a.execute("create publication native for all sequences")
    said = "succeeds"
    try:
        b.execute(f"create subscription native connection '{a.dsn}' publication native")
        b.execute("drop subscription native")
    except psycopg.errors.OutOfMemory as error:
        said = f"fails: {error.diag.message_primary}"
    return [
        without_aim("sequences: 10,000 changed, 64 locks a transaction", ours, "s"),
        Line("  native CREATE SUBSCRIPTION of them", said),
    ]
