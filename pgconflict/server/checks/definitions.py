"""Where the same table is not the same on two nodes, and what makes it so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.server.checks.finding import Check, Finding, Severity
from pgconflict.server.statements import identifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgconflict.server.checks.node_view import Place, Table


def compare(
    publisher: Place,
    subscriber: Place,
    tables: Sequence[Table],
    seen: set[tuple[object, ...]],
) -> Iterator[Finding]:
    """Yield what the subscriber has otherwise than the publisher.

    Args:
        publisher: Whose tables are the model.
        subscriber: Where the remedies belong.
        tables: What it publishes to the subscriber.
        seen: Pairs of databases and tables that were compared; added to.
    """
    for model in tables:
        here = subscriber.tables.get(model.key)
        if here is None:
            continue
        pair = (frozenset((publisher.key, subscriber.key)), model.key)
        model_at = named(publisher, subscriber)
        differences = [*_missing(model, here)]
        if pair not in seen:
            differences += _otherwise(model, here)
        seen.add(pair)
        if not differences:
            continue
        fatal = any(one[0] for one in differences)
        yield Finding(
            node=subscriber.node,
            database=subscriber.database,
            check=Check.DEFINITIONS_DIFFER,
            severity=Severity.ERROR if fatal else Severity.WARNING,
            seen=f"{identifier(*model.key)} is not as {model_at} has it: "
            + "; ".join(text for _, text, _ in differences),
            why="A change that is right there is refused or stored otherwise here:"
            " apply stops, or the rows differ. The statements make it as it is there;"
            " if this node is right, change the other one.",
            remedy=tuple(statement for _, _, statement in differences),
        )


def named(place: Place, other: Place) -> str:
    """Return the node; with its database, if the other one is called otherwise."""
    if place.database == other.database:
        return f"node {place.node}"
    return f"database {identifier(place.database)} of node {place.node}"


def create(table: Table) -> list[str]:
    """Return what makes a table like this one, with its unique indexes and checks."""
    name = identifier(*table.key)
    parts = [
        f"{identifier(column)} {kind}{' NOT NULL' if not_null else ''}"
        for column, kind, not_null in _of(table)
    ]
    return [
        f"CREATE TABLE {name} ({', '.join([*parts, *table.checks])});",
        *(f"CREATE UNIQUE INDEX ON {name}{unique};" for unique in table.uniques),
        "-- and defaults, the primary key and grants as they are there",
    ]


def _missing(model: Table, here: Table) -> Iterator[tuple[bool, str, str]]:
    name = identifier(*model.key)
    for column, kind in zip(model.columns, model.types, strict=True):
        if column in model.published and column not in here.columns:
            yield (
                True,
                f"column {identifier(column)} is missing",
                f"ALTER TABLE {name} ADD COLUMN {identifier(column)} {kind};",
            )


def _otherwise(model: Table, here: Table) -> Iterator[tuple[bool, str, str]]:
    name = identifier(*model.key)
    yield from _columns(model, here)
    for what, add, there, own in (
        ("a unique index", "CREATE UNIQUE INDEX ON {}{};", model.uniques, here.uniques),
        ("the rule", "ALTER TABLE {} ADD {};", model.checks, here.checks),
    ):
        for one in there:
            if one not in own:
                yield False, f"it lacks {what} {one.strip()}", add.format(name, one)
        for one in own:
            if one not in there:
                statement = f"-- on the other node: {add.format(name, one)}"
                yield False, f"it has {what} {one.strip()} of its own", statement


def _columns(model: Table, here: Table) -> Iterator[tuple[bool, str, str]]:
    alter = f"ALTER TABLE {identifier(*model.key)} ALTER COLUMN"
    known = {name: (kind, not_null) for name, kind, not_null in _of(here)}
    for column, kind, not_null in _of(model):
        if column not in known:
            continue
        quoted = identifier(column)
        own_kind, own_not_null = known[column]
        if own_kind != kind:
            seen = f"column {quoted} is {own_kind}, there {kind}"
            cast = f"TYPE {kind} USING {quoted}::{kind}"
            yield False, seen, f"{alter} {quoted} {cast};"
        if own_not_null != not_null:
            seen = f"column {quoted} {'is' if own_not_null else 'is not'} NOT NULL"
            word = "SET" if not_null else "DROP"
            yield False, seen, f"{alter} {quoted} {word} NOT NULL;"


def _of(table: Table) -> Iterator[tuple[str, str, bool]]:
    return zip(table.columns, table.types, table.not_null, strict=True)
