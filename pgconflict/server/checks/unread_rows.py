"""Replicated tables whose rows our role can't read: their conflicts get no verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgconflict.server import grants
from pgconflict.server.checks.finding import Check, Finding, Severity, some_of
from pgconflict.server.statements import identifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgconflict.server.checks.facts import Facts


@dataclass(frozen=True, slots=True)
class UnreadTable:
    """A replicated table of which our role can't read every row."""

    schemaname: str
    relname: str
    no_privilege: bool
    hides_rows: bool
    """Row security is on for our role, whatever its policies say."""


def judge(facts: Facts) -> Iterator[Finding]:
    """Yield which tables no verdict is possible of; nothing about other databases."""
    role = facts.server.role
    lacking = [(t.schemaname, t.relname) for t in facts.unread if t.no_privilege]
    hiding = [(t.schemaname, t.relname) for t in facts.unread if t.hides_rows]
    if lacking:
        yield _finding(
            facts,
            f"role {identifier(role)} may not read {some_of(lacking)}",
            "Whether the nodes differ there after a conflict can't be told: its verdict"
            " is unverifiable (no_privilege). With verdict.enabled: false no row is"
            " read, and no right needed.",
            grants.grant_rows(role, separator=" "),
        )
    if hiding:
        yield _finding(
            facts,
            f"row security of {some_of(hiding)} applies to role {identifier(role)}",
            "A row that is hidden looks like one that is gone: the verdict is"
            " unverifiable (hidden), whatever a policy lets the role see.",
            grants.grant_hidden_rows(role),
        )


def _finding(facts: Facts, seen: str, why: str, remedy: str) -> Finding:
    return Finding(
        node=facts.node,
        database=facts.server.database,
        check=Check.ROWS_UNREAD,
        severity=Severity.WARNING,
        seen=seen,
        why=why,
        remedy=(remedy,),
    )
