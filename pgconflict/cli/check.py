"""`pgconflict check`: what can't be read or seen, and what mends it."""

from __future__ import annotations

import asyncio
import textwrap
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pgconflict.cli import output
from pgconflict.cli.check_ask import ask
from pgconflict.cli.check_ledger import unaccounted
from pgconflict.cli.nodes import node_of
from pgconflict.config import load
from pgconflict.conflict_log import schema
from pgconflict.errors import (
    ConflictLogUnavailableError,
    PgConflictError,
    PrivilegeMissingError,
)
from pgconflict.queries import query
from pgconflict.server import checks
from pgconflict.server.checks import Check, Finding, Severity
from pgconflict.server.connect import connect, translated
from pgconflict.server.statements import identifier

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import psycopg

    from pgconflict.cli.check_ask import Asked
    from pgconflict.config import Config, Node
    from pgconflict.server.checks import View

FINDINGS: Final = 3
"""Exit code."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a node, or the conflict log, was found to be."""

    node: str | None
    version: str | None
    findings: Sequence[Finding]
    exit_code: int = 0
    """Of what kept it from being asked."""

    view: View | None = None
    """For the comparison with the other nodes."""

    database: str | None = None
    """That the dsn names."""

    @property
    def name(self) -> str:
        """As it is called in text."""
        return "conflict log" if self.node is None else f"node {self.node}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the names of nodes."""
    parser.add_argument(
        "--node",
        action="append",
        metavar="NAME",
        help="look at this node only, not at the conflict log; may be repeated:"
        " several are compared with each other, too",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print every finding; 3 if one is more than a notice, 69 for a silent server."""
    config = load(arguments.config)
    nodes = _chosen(config, arguments.node)
    asked = asyncio.run(ask(nodes, config.limits))
    reports = [_report(one, rows_are_read=_reads_rows(config)) for one in asked]
    _compare(reports)
    if not arguments.node and config.conflict_log.destination != "log":
        reports.append(_conflict_log(config))
    if arguments.json:
        output.print_json(_document(reports))
    else:
        for report in reports:
            _print(report)
    refused = max(report.exit_code for report in reports)
    counted = any(one.counts for report in reports for one in report.findings)
    return refused or (FINDINGS if counted else 0)


def _chosen(config: Config, names: Sequence[str] | None) -> list[Node]:
    if not names:
        return list(config.nodes)
    return [node_of(config, name) for name in names]


def _compare(reports: list[Report]) -> None:
    """Add what is found between nodes to the reports of those it is to be mended on."""
    views = [one.view for one in reports if one.view is not None]
    found = checks.judge_across(views) if len(views) > 1 else []
    for place, report in enumerate(reports):
        own = [one for one in found if one.node == report.node]
        if own:
            both = checks.sort([*report.findings, *own])
            reports[place] = replace(report, findings=both)


def _reads_rows(config: Config) -> bool:
    """Whether the daemon compares rows: two nodes are needed, and where to keep it."""
    kept = config.conflict_log.destination != "log"
    return config.verdict.enabled and kept and len(config.nodes) > 1


def _report(asked: Asked, *, rows_are_read: bool) -> Report:
    facts = asked.facts
    if facts is None:
        return Report(asked.node.name, None, asked.findings, asked.exit_code)
    return Report(
        node=asked.node.name,
        version=facts.server.version,
        findings=checks.sort(
            [*checks.judge(facts, rows_are_read=rows_are_read), *asked.findings]
        ),
        view=asked.view,
        database=facts.server.database,
    )


def _conflict_log(config: Config) -> Report:
    dsn, who = config.conflict_log.dsn, "the conflict log"
    unavailable = ConflictLogUnavailableError
    grants: Sequence[str] = ()
    try:
        with (
            connect(
                dsn, job="check", who=who, limits=config.limits, unavailable=unavailable
            ) as connection,
            translated(who, unavailable=unavailable),
        ):
            version = connection.info.parameter_status("server_version")
            grants = schema.grants(None, connection.info.user)
            found = _schema_findings(connection, grants)
    except PrivilegeMissingError as error:
        return Report(None, None, [_unusable(str(error), grants)])
    except PgConflictError as error:
        hints = [error.hint] if error.hint else []
        refused = isinstance(error, ConflictLogUnavailableError)
        code = error.exit_code if refused else 0
        return Report(None, None, [_unusable(str(error), hints)], code)
    return Report(None, version, found)


def _schema_findings(
    connection: psycopg.Connection[tuple[Any, ...]], grants: Sequence[str]
) -> list[Finding]:
    present = schema.installed_steps(connection) or frozenset()
    schema.refuse_newer(present)
    schema.refuse_where_published(connection)
    if lacking := schema.missing(present):
        seen = f"its schema is at step {max(present, default=0)}"
        seen += f" and lacks {len(lacking)} of {len(schema.steps())} steps"
        return [_unusable(seen, ["pgconflict init"])]
    row = connection.execute(query("check_writer").encode()).fetchone()
    if row is None or not row[0]:
        return [_unusable(f"role {connection.info.user} may not write it", grants)]
    return list(unaccounted(connection))


def _unusable(seen: str, remedy: Sequence[str]) -> Finding:
    return Finding(
        node=None,
        check=Check.CONFLICT_LOG,
        severity=Severity.ERROR,
        seen=seen,
        why="No conflict can be recorded.",
        remedy=tuple(remedy),
    )


def _document(reports: Sequence[Report]) -> object:
    return {
        "servers": [
            {
                "node": report.node,
                "version": report.version,
                "asked": not report.exit_code,
            }
            for report in reports
        ],
        "findings": [
            {**asdict(finding), "doc": finding.doc}
            for report in reports
            for finding in report.findings
        ],
    }


def _print(report: Report) -> None:
    version = f" (PostgreSQL {report.version})" if report.version else ""
    counts = [
        output.plural(number, severity.value)
        for severity in Severity
        if (number := sum(one.severity is severity for one in report.findings))
    ]
    print(f"{report.name}{version}: {', '.join(counts) or 'nothing found'}")
    for finding in report.findings:
        print(f"\n  {finding.severity} {finding.check}")
        if finding.database not in (None, report.database):
            _field("in", f"database {identifier(finding.database)}")
        _field("seen", finding.seen)
        _field("why", finding.why)
        for place, statement in enumerate(finding.remedy):
            name = "" if place else "remedy"
            print(f"    {name:<8}{output.visible(statement)}")
        _field("more", finding.doc)
    print()


def _field(name: str, text: str) -> None:
    lines = textwrap.wrap(
        output.visible(text), 76, break_long_words=False, break_on_hyphens=False
    )
    for line in lines:
        print(f"    {name:<8}{line}")
        name = ""
