"""`pgconflict demo`: two servers, every kind of conflict, what was recorded."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgconflict.cli import output
from pgconflict.demo import keep
from pgconflict.demo.errors import InterruptError
from pgconflict.demo.metrics import tables
from pgconflict.demo.program import spoken
from pgconflict.demo.programs import version_of
from pgconflict.demo.servers import CONFLICT_LOG, NODES
from pgconflict.demo.show import Demonstration, Shown
from pgconflict.demo.signals import Signals

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what happens at the end."""
    end = parser.add_mutually_exclusive_group()
    end.add_argument(
        "--keep",
        action="store_true",
        help="leave servers and daemon running; says how to look around",
    )
    end.add_argument(
        "--stop",
        type=Path,
        metavar="FOLDER",
        help="stop what --keep left running, and remove its files",
    )


def run(arguments: argparse.Namespace) -> int:
    """Show it; 0, or 128 and the signal's number where one ended it."""
    if arguments.stop:
        keep.stop(arguments.stop)
        output.print_message(f"stopped; {arguments.stop} is removed")
        return 0
    # Our own servers, whatever the environment says of others.
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    with Signals() as signals:
        try:
            _show(arguments, signals)
        except InterruptError as error:
            output.print_message(f"{error}: everything is stopped and removed")
            return 128 + error.number
    return 0


def _show(arguments: argparse.Namespace, signals: Signals) -> None:
    with Demonstration(signals, output.print_message) as demo:
        demo.start()
        shown = demo.show(json=arguments.json)
        if arguments.json:
            output.print_json(_document(demo, shown, kept=arguments.keep))
        else:
            _print(demo, shown, kept=arguments.keep)
        sys.stdout.flush()
        signals.check()
        if arguments.keep:
            demo.keep()


def _print(demo: Demonstration, shown: Shown, *, kept: bool) -> None:
    config = shlex.quote(str(demo.config))
    command = f"{spoken(anywhere=False)} --config {config}"
    print(f"\n$ {command} conflicts summary\n")
    print(shown.summary)
    print(f"$ {command} conflicts list\n")
    print(shown.listed)
    print(f"$ {command} conflicts show {shown.shown_id}\n")
    print(shown.shown)
    print(f"Metrics that moved, and how far, at {demo.address}/metrics")
    print("(all names begin with pgconflict_):")
    for table in tables(shown.moved):
        numbers = [output.Column(name, "right") for name in table.metrics]
        print()
        output.print_table([*table.labels, *numbers], table.rows)
    print("\nWhere everything is:\n")
    output.print_fields(_places(demo).items())
    print()
    _print_end(demo, config, kept=kept)


def _places(demo: Demonstration) -> dict[str, str]:
    version = version_of(demo.bin_dir)
    places = {}
    for node in NODES:
        places[f"node {node} (PostgreSQL {version})"] = demo.servers.dsn(node)
        directory = demo.servers.clusters[node].log_directory
        places[f"server log of {node}"] = str(directory)
    places["conflict log database"] = demo.servers.dsn(CONFLICT_LOG)
    places["configuration"] = str(demo.config)
    places["the daemon's messages"] = str(demo.daemon_log)
    places["metrics"] = f"{demo.address}/metrics"
    return places


def _print_end(demo: Demonstration, config: str, *, kept: bool) -> None:
    if not kept:
        print("All this is stopped and removed now; --keep leaves it running.")
        return
    psql = shlex.quote(str(demo.bin_dir / "psql"))
    program = spoken(anywhere=True)
    print("It runs on. To look around:\n")
    print(f"  {program} --config {config} conflicts list")
    print(f"  {program} --config {config} check")
    print(f"  curl -s {demo.address}/metrics")
    for name in (*NODES, CONFLICT_LOG):
        print(f"  {psql} {shlex.quote(demo.servers.dsn(name))}")
    print("\nTo stop it and remove every file:\n")
    print(f"  {program} demo --stop {shlex.quote(str(demo.directory))}")


def _document(demo: Demonstration, shown: Shown, *, kept: bool) -> dict[str, Any]:
    return {
        "summary": json.loads(shown.summary),
        "conflicts": [json.loads(line) for line in shown.listed.splitlines()],
        "shown": json.loads(shown.shown),
        "metrics": [
            {
                "name": each.name,
                "labels": dict(each.labels),
                "before": each.before,
                "after": each.after,
            }
            for each in shown.moved
        ],
        "places": {
            "directory": str(demo.directory),
            "config": str(demo.config),
            "daemon_log": str(demo.daemon_log),
            "metrics_url": f"{demo.address}/metrics",
            "conflict_log": {"dsn": demo.servers.dsn(CONFLICT_LOG)},
            "nodes": [
                {
                    "name": node,
                    "dsn": demo.servers.dsn(node),
                    "log_directory": str(demo.servers.clusters[node].log_directory),
                }
                for node in NODES
            ],
        },
        "kept": kept,
        "seconds": round(demo.seconds, 1),
    }
