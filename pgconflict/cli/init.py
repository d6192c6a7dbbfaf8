"""`pgconflict init`: the conflict log's objects, and the rights that roles need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.cli import output
from pgconflict.cli.examples import EXAMPLES, example
from pgconflict.config import load
from pgconflict.conflict_log import schema
from pgconflict.errors import ConflictLogUnavailableError
from pgconflict.server.connect import connect, translated
from pgconflict.server.grants import grant_rows, monitor_grants

if TYPE_CHECKING:
    import argparse


_OWNER_HINT: Final = (
    "let conflict_log.dsn be of the database's owner for this:"
    " CREATE DATABASE pgconflict OWNER role"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what to do instead of installing."""
    instead = parser.add_argument_group("instead of changing the conflict log database")
    one = instead.add_mutually_exclusive_group()
    one.add_argument(
        "--print-sql",
        action="store_true",
        help="print everything it would run, as a script for psql",
    )
    one.add_argument(
        "--grants",
        metavar="ROLE",
        help="print what a node's monitoring role needs",
    )
    one.add_argument(
        "--reader",
        metavar="ROLE",
        help="print what a role needs in the conflict log database to ask it",
    )
    one.add_argument(
        "--writer",
        metavar="ROLE",
        help="print what the daemon's role needs in the conflict log database",
    )
    one.add_argument(
        "--example",
        choices=EXAMPLES,
        help="print a file to start from: every key of the configuration, the systemd"
        " unit, the alerting rules, the Grafana dashboard",
    )


def run(arguments: argparse.Namespace) -> int:
    """Install or upgrade, or print statements; 0."""
    if arguments.print_sql:
        print(schema.render_sql(), end="")
    elif arguments.example:
        print(example(arguments.example), end="")
    elif arguments.grants:
        _print_grants(arguments.grants)
    elif arguments.reader or arguments.writer:
        for statement in schema.grants(arguments.reader, arguments.writer):
            print(statement)
    else:
        _install(arguments)
    return 0


def _print_grants(role: str) -> None:
    print("-- In the database of the node's dsn, as a superuser; PostgreSQL 15 to 19.")
    for statement in monitor_grants(role, over_sql=False):
        print(statement)
    print(
        "-- For the verdict and `conflicts verify`: to read the rows of tables that are"
    )
    print("-- replicated now; again when there are more.")
    print(grant_rows(role))
    print("-- Only where the log is read over SQL (server_log.read: sql, or auto and")
    print("-- the daemon on another host): the role can then read every file of the")
    print("-- data directory.")
    for statement in monitor_grants(role):
        if statement not in monitor_grants(role, over_sql=False):
            print(statement)


def _install(arguments: argparse.Namespace) -> None:
    config = load(arguments.config)
    who = "the conflict log"
    unavailable = ConflictLogUnavailableError
    with (
        connect(
            config.conflict_log.dsn,
            job="init",
            who=who,
            limits=config.limits,
            read_only=False,
            unavailable=unavailable,
        ) as connection,
        translated(who, unavailable=unavailable, privilege_hint=_OWNER_HINT),
    ):
        # Another init may hold the lock, and a step may take its time.
        connection.execute("set statement_timeout = 0")
        connection.execute("set lock_timeout = '1min'")
        before = schema.installed_step(connection) or 0
        done = schema.install(connection)
        database = connection.info.dbname
    if arguments.json:
        output.print_json(
            {
                "database": database,
                "step_before": before,
                "step": schema.newest_step(),
                "applied": [step.name for step in done],
            }
        )
        return
    for step in done:
        print(f"applied {step.number:03} {step.name}")
    print(
        f"schema pgconflict of database {output.visible(database)} is at step"
        f" {schema.newest_step()}" + ("" if done else ": nothing to do")
    )
