"""`pgconflict preflight`: the gate before a major upgrade or a switchover."""

from __future__ import annotations

import asyncio
import textwrap
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pgconflict import __version__
from pgconflict.cli import output
from pgconflict.cli.nodes import node_of
from pgconflict.cli.parser import amount
from pgconflict.cli.preflight_plan import Asked, Method, Report, examine
from pgconflict.cli.subscription_access import FINDINGS, configured
from pgconflict.config import Node
from pgconflict.core.capability import NEWEST, OLDEST
from pgconflict.errors import UsageError
from pgconflict.server.preflight.finding import Finding, Item, Severity

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pgconflict.config import Config
    from pgconflict.server.preflight.facts import ClusterFacts

NEW: Final = "new"
"""What the cluster of --new-dsn is called."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the old server, the new one, and what is accepted as it is."""
    parser.add_argument(
        "--from",
        "--node",
        dest="old",
        metavar="NODE",
        help="the server to be upgraded or given up; default: the only node",
    )
    new = parser.add_mutually_exclusive_group()
    new.add_argument(
        "--to", dest="new", metavar="NODE", help="the node that takes over"
    )
    new.add_argument(
        "--new-dsn",
        metavar="DSN",
        help="the new, empty cluster for pg_upgrade, started for this",
    )
    parser.add_argument(
        "--method",
        choices=("upgrade", "switchover"),
        help="pg_upgrade, or another node takes over; default: switchover with --to,"
        " else upgrade",
    )
    parser.add_argument(
        "--to-version",
        type=int,
        metavar="MAJOR",
        help=f"version to upgrade to, without a new cluster; default: {NEWEST}",
    )
    parser.add_argument(
        "--accept",
        action="append",
        choices=[*Item],
        default=[],
        metavar="ITEM",
        help="count findings of this kind as dealt with; may be repeated",
    )
    parser.add_argument(
        "--wait",
        type=amount,
        default=10.0,
        metavar="SECONDS",
        help="how long subscribers may take for what is written by now; default: 10",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; 0 only if it is safe, else 3."""
    config = configured(arguments)
    asked = _asked(config, arguments)
    report = asyncio.run(examine(config, asked))
    open_ = [
        one
        for one in report.findings
        if one.counts and one.item not in arguments.accept
    ]
    if arguments.json:
        document = _document(asked, report, arguments.accept, safe=not open_)
        output.print_json(document)
    else:
        _print(asked, report, arguments.accept, len(open_))
    return FINDINGS if open_ else 0


def _asked(config: Config, arguments: argparse.Namespace) -> Asked:
    if arguments.old is None and len(config.nodes) > 1:
        known = ", ".join(node.name for node in config.nodes)
        raise UsageError("--from is needed", hint=f"the nodes are {known}")
    old = node_of(config, arguments.old or config.nodes[0].name)
    new = None
    if arguments.new is not None:
        new = node_of(config, arguments.new)
        if new.name == old.name:
            raise UsageError("--from and --to are the same node")
    elif arguments.new_dsn is not None:
        new = Node(name=NEW, dsn=arguments.new_dsn)
    method: Method = arguments.method or ("switchover" if arguments.new else "upgrade")
    if method == "switchover" and arguments.new is None:
        raise UsageError("a switchover needs --to NODE")
    _refuse_version(arguments)
    return Asked(
        method=method,
        old=old,
        new=new,
        to_major=arguments.to_version,
        wait=arguments.wait,
    )


def _refuse_version(arguments: argparse.Namespace) -> None:
    version = arguments.to_version
    if version is None:
        return
    if arguments.new is not None or arguments.new_dsn is not None:
        raise UsageError("--to-version is for when there is no new cluster to ask")
    if not OLDEST <= version <= NEWEST:
        raise UsageError(f"--to-version {version}: {OLDEST} to {NEWEST} are known")


def _document(
    asked: Asked, report: Report, accepted: Sequence[str], *, safe: bool
) -> object:
    return {
        "pgconflict": __version__,
        "made_at": datetime.now(UTC),
        "method": asked.method,
        "old": _cluster(report.old),
        "new": None if report.new is None else _cluster(report.new),
        "to_major": report.to.major,
        "safe": safe,
        "findings": [
            {
                **asdict(one),
                "doc": one.doc,
                "accepted": one.item in accepted,
            }
            for one in report.findings
        ],
        "accepted": sorted(set(accepted)),
        "looked_at": [*Item],
    }


def _cluster(facts: ClusterFacts) -> object:
    return {
        "node": facts.node,
        "version": facts.server.version,
        "system_identifier": facts.server.system_identifier,
        "settings": facts.settings,
        "slots": [
            {
                "name": slot.name,
                "database": slot.database,
                "active": slot.active,
                "consumed": slot.name in facts.consumed,
                "invalidated": slot.invalidated,
            }
            for slot in facts.slots
        ],
        "subscriptions": [
            {"name": one.name, "database": one.database, "enabled": one.enabled}
            for one in facts.subscriptions
        ],
        "databases": [
            {
                "name": one.name,
                "tables": len(one.tables),
                "large_objects": one.objects.large_objects,
                "unlogged_tables": one.objects.unlogged_tables,
                "unlogged_sequences": one.objects.unlogged_sequences,
                "materialized_views": one.objects.materialized_views,
            }
            for one in facts.databases
        ],
    }


def _print(asked: Asked, report: Report, accepted: Sequence[str], count: int) -> None:
    old = f"node {report.old.node} (PostgreSQL {report.old.server.version})"
    new = f"PostgreSQL {report.to.major}"
    if report.new is not None:
        new = f"{report.new.node} (PostgreSQL {report.new.server.version})"
    what = "pg_upgrade of" if asked.method == "upgrade" else "switchover from"
    print(f"{what} {old} to {new}")
    for finding in report.findings:
        _print_finding(finding, accepted=finding.item in accepted)
    verdict = "safe" if not count else f"NOT safe: {output.plural(count, 'finding')}"
    print(f"\n{verdict}")
    if asked.method == "upgrade" and not count:
        print("Run pg_upgrade --check, too: it looks at more than replication.")


def _print_finding(finding: Finding, *, accepted: bool) -> None:
    where = f"node {finding.node}" if finding.node else "conflict log"
    database = f", database {finding.database}" if finding.database else ""
    mark = " (accepted)" if accepted and finding.severity is not Severity.NOTICE else ""
    head = f"{finding.severity} {finding.item}: {where}{database}{mark}"
    print(f"\n  {output.visible(head)}")
    _field("seen", finding.seen)
    _field("why", finding.why)
    for place, statement in enumerate(finding.remedy):
        name = "" if place else "remedy"
        print(f"    {name:<8}{output.visible(statement)}")
    _field("more", finding.doc)


def _field(name: str, text: str) -> None:
    lines = textwrap.wrap(
        output.visible(text), 76, break_long_words=False, break_on_hyphens=False
    )
    for line in lines:
        print(f"    {name:<8}{line}")
        name = ""
