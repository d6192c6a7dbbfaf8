"""What publications leave out, and what fires when changes are applied."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pgconflict.server.checks.finding import Check, Finding, Severity
from pgconflict.server.statements import identifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgconflict.server.checks.contents import Contents, PartlyPublished, Trigger
    from pgconflict.server.checks.facts import Facts


def judge(facts: Facts) -> Iterator[Finding]:
    """Yield what is published in part, and triggers that fire."""
    for contents in facts.databases:
        for found in _contents(facts, contents):
            yield replace(found, database=contents.database)


def _contents(facts: Facts, contents: Contents) -> Iterator[Finding]:
    for one in contents.partly:
        yield from _columns(facts, one)
        yield from _generated(facts, one)
        yield from _filter(facts, one)
    for trigger in contents.triggers:
        yield _trigger(facts, trigger)


def _columns(facts: Facts, one: PartlyPublished) -> Iterator[Finding]:
    if not one.missing:
        return
    yield Finding(
        node=facts.node,
        check=Check.COLUMNS_UNPUBLISHED,
        severity=Severity.WARNING,
        seen=f"{_where(one)} without {_names(one.missing)}",
        why="Subscribers never get these columns: the same row differs between nodes,"
        " and a row that is inserted anew after a conflict lacks them.",
        remedy=_whole_table(one),
    )


def _generated(facts: Facts, one: PartlyPublished) -> Iterator[Finding]:
    if not one.generated:
        return
    name = identifier(one.publication)
    yield Finding(
        node=facts.node,
        check=Check.GENERATED_PUBLISHED,
        severity=Severity.WARNING,
        seen=f"{_where(one)} with generated {_names(one.generated)}",
        why="A subscriber where the column is generated, too, stops at the first row;"
        " one where it is not keeps the publisher's value.",
        remedy=(
            f"ALTER PUBLICATION {name} SET (publish_generated_columns = none);",
            *(() if one.all_tables else _whole_table(one)),
        ),
    )


def _filter(facts: Facts, one: PartlyPublished) -> Iterator[Finding]:
    if one.row_filter is None:
        return
    yield Finding(
        node=facts.node,
        check=Check.ROW_FILTER,
        severity=Severity.WARNING,
        seen=f"{_where(one)} WHERE {one.row_filter}",
        why="Nodes do not have the same rows. An update that takes a row out of the"
        " filter is sent as a delete, one that brings it in as an insert: conflicts"
        " name operations that nobody made.",
        remedy=_whole_table(one),
    )


def _whole_table(one: PartlyPublished) -> tuple[str, ...]:
    name = identifier(one.publication)
    table = identifier(one.schemaname, one.relname)
    drop = f"ALTER PUBLICATION {name} DROP TABLE {table};"
    add = f"ALTER PUBLICATION {name} ADD TABLE {table};"
    return (
        f"BEGIN; {drop} {add} COMMIT;",
        "-- and on each subscriber: ALTER SUBSCRIPTION ... REFRESH PUBLICATION;",
    )


def _where(one: PartlyPublished) -> str:
    table = identifier(one.schemaname, one.relname)
    return f"publication {identifier(one.publication)} publishes {table}"


def _names(columns: Sequence[str]) -> str:
    listed = [identifier(name) for name in columns]
    noun = "column" if len(listed) == 1 else "columns"
    return f"{noun} {', '.join(listed)}"


def _trigger(facts: Facts, trigger: Trigger) -> Finding:
    table = identifier(trigger.schemaname, trigger.relname)
    name = identifier(trigger.name)
    return Finding(
        node=facts.node,
        check=Check.TRIGGER_FIRES,
        severity=Severity.WARNING,
        seen=f"trigger {name} of {table} is enabled ALWAYS or REPLICA",
        why="It fires when changes are applied: an error in it stops apply, and what it"
        " changes, it changes on every node. What it writes to published tables"
        " is sent on.",
        remedy=(f"ALTER TABLE {table} ENABLE TRIGGER {name};",),
    )
