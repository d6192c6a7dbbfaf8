"""`pgconflict conflicts show`: everything that is known about one conflict."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.cli import output
from pgconflict.cli.conflict_access import opened, utc
from pgconflict.cli.conflict_effect import what_it_did
from pgconflict.cli.conflict_rows import rows_table, verbatim_rows
from pgconflict.cli.conflict_sides import print_difference, print_looks, print_sides
from pgconflict.cli.conflict_steps import next_steps
from pgconflict.cli.conflict_words import what_happened
from pgconflict.conflict_log.events import event_of
from pgconflict.conflict_log.looks import looks_at
from pgconflict.conflict_log.reader import SHOWN
from pgconflict.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from pgconflict.cli.conflict_step import Step
    from pgconflict.conflict_log.events import Event
    from pgconflict.conflict_log.looks import Look
    from pgconflict.conflict_log.reader import Attempt, Companion
    from pgconflict.conflict_log.stored import StoredConflict

WIDTH: Final = 78  # cells of running text
FEW: Final = 10
"""Attempts, and other conflicts of the transaction, that the text shows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take one conflict."""
    parser.add_argument("id", type=int, metavar="ID", help="the conflict's number")


def run(arguments: argparse.Namespace) -> int:
    """Print it; 0."""
    with opened(arguments) as reader:
        conflict = reader.by_id([arguments.id]).get(arguments.id)
        if conflict is None:
            raise UsageError(
                f"no conflict {arguments.id}",
                hint="`pgconflict conflicts list` shows their numbers; old ones go"
                " with conflict_log.retention",
            )
        transaction = reader.transaction_of(conflict)
        attempts = reader.attempts_of(conflict)
        event = event_of(reader, conflict)
        looks = looks_at(reader, conflict.conflict_id)
    if arguments.json:
        told = document(conflict, transaction, attempts, looks)
        output.print_json(told | _of_event(event, looks))
    else:
        _print(event, looks, transaction, attempts)
    return 0


def _of_event(event: Event, looks: Sequence[Look]) -> dict[str, object]:
    """The event with its conflicts whole, and the history of the verdict."""
    told: dict[str, object] | None = None
    if event.event_id is not None:
        told = {
            "event_id": event.event_id,
            "effect": event.effect,
            "members": event.members,
        }
    return {"event": told, "verdict_log": looks}


def document(
    conflict: StoredConflict,
    transaction: Sequence[Companion],
    attempts: Sequence[Attempt],
    looks: Sequence[Look] = (),
) -> dict[str, object]:
    """The conflict's own fields, then what `show` adds; newest attempts first."""
    return {
        **{name: getattr(conflict, name) for name in conflict.__struct_fields__},
        "what_it_did": what_it_did(conflict, looks),
        "what_happened": what_happened(conflict, transaction),
        "next_steps": msgspec.to_builtins(next_steps(conflict, transaction)),
        "transaction_conflicts": transaction,
        "attempt_log": attempts,
    }


def _print(
    event: Event,
    looks: Sequence[Look],
    transaction: Sequence[Companion],
    attempts: Sequence[Attempt],
) -> None:
    conflict = event.conflict
    print(
        output.visible(
            f"conflict {conflict.conflict_id}: {conflict.type} on"
            f" {conflict.table or 'no table'}, node {conflict.node}, {conflict.status}"
        )
    )
    if did := what_it_did(conflict, looks):
        _head(f"What it did to the data: {conflict.effect or 'not known yet'}")
        for paragraph in did:
            _paragraph(paragraph)
        print_difference(looks)
    _head("What happened")
    for paragraph in what_happened(conflict, transaction):
        _paragraph(paragraph)
    _print_rows(conflict)
    if event.event_id is not None:
        numbers = [one.conflict_id for one in event.members]
        _head(f"One event: conflicts {', '.join(map(str, numbers[:FEW]))}")
        print_sides(event)
    if looks:
        _head("What looking at the row found")
        print_looks(looks)
    _head("The transaction")
    output.print_fields(_transaction_fields(conflict))
    _print_companions(conflict, transaction)
    _head("Logged")
    output.print_fields(_log_fields(conflict))
    _print_attempts(conflict, attempts)
    _head("As the server logged it")
    logged = (
        ("message", conflict.message),
        ("detail", conflict.detail),
        ("context", conflict.context),
    )
    output.print_fields((name, text) for name, text in logged if text)
    _head("What to do")
    for number, step in enumerate(next_steps(conflict, transaction), start=1):
        _print_step(number, step)


def _print_rows(conflict: StoredConflict) -> None:
    columns, rows = rows_table(conflict)
    texts = verbatim_rows(conflict)
    if not rows and not texts:
        return
    _head("The rows")
    if rows:
        output.print_table(columns, rows)
    if texts:
        output.print_fields(texts)
    if conflict.truncated_columns:
        names = ", ".join(conflict.truncated_columns)
        _paragraph(f"The server cut values longer than 64 bytes: {names}.")


def _transaction_fields(conflict: StoredConflict) -> list[tuple[str, object]]:
    return [
        ("subscription", conflict.subname),
        ("database", conflict.database),
        ("origin", conflict.remote_origin),
        ("xid", conflict.remote_xid),
        ("finish LSN", conflict.remote_commit_lsn),
        ("committed (UTC)", utc(conflict.remote_commit_ts)),
    ]


def _print_companions(
    conflict: StoredConflict, transaction: Sequence[Companion]
) -> None:
    others = [one for one in transaction if one.conflict_id != conflict.conflict_id]
    if not others:
        return
    known = transaction[0].conflicts - 1
    print(f"\nIt met {output.plural(known, 'more conflict')}:")
    output.print_table(
        [output.Column("id", "right"), "type", "table", "key", "status"],
        [
            (
                one.conflict_id,
                one.conflict_type or one.kind,
                f"{one.schemaname}.{one.relname}" if one.schemaname else one.relation,
                one.replica_identity_text,
                one.status,
            )
            for one in others[:FEW]
        ],
    )
    if known > FEW:
        print(f"and {known - FEW} more: view pgconflict.transaction_conflicts")


def _log_fields(conflict: StoredConflict) -> list[tuple[str, object]]:
    return [
        ("first (UTC)", utc(conflict.first_logged_at)),
        ("last (UTC)", utc(conflict.last_logged_at)),
        ("attempts", conflict.attempts),
        ("severity", conflict.severity),
        ("SQLSTATE", conflict.sqlstate),
        ("read from", conflict.source),
        ("stored (UTC)", utc(conflict.ingested_at)),
    ]


def _print_attempts(conflict: StoredConflict, attempts: Sequence[Attempt]) -> None:
    if len(attempts) < 2:  # noqa: PLR2004 - the fields say it all
        return
    print()
    output.print_table(
        ["attempt (UTC)", output.Column("pid", "right"), "session", "line"],
        [
            (utc(one.logged_at), one.pid, one.session_id, one.line_num)
            for one in attempts[:FEW]
        ],
    )
    if conflict.attempts > FEW:
        most = min(conflict.attempts, SHOWN)
        print(f"the last {FEW} of {conflict.attempts}; --json has {most}")


def _print_step(number: int, step: Step) -> None:
    _paragraph(f"{number}. {step.what}", indent="   ")
    for statement in step.statements:
        print(f"     {output.visible(statement)}")


def _head(text: str) -> None:
    print(f"\n{text}")


def _paragraph(text: str, indent: str = "") -> None:
    for line in _wrapped(text, indent):
        print(line)


def _wrapped(text: str, indent: str) -> Iterable[str]:
    return textwrap.wrap(
        output.visible(text),
        WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
