"""How local rows make room for a transaction that stopped apply: the ways out of it.

Decided before anything is done, from the rows that it meets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.core.repair import Write
from pgconflict.core.stopped import Keep, Local, Names, Step, Table, Way, new_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgconflict.core.conflict import Values
    from pgconflict.core.pgoutput import Change
    from pgconflict.core.verdict import Row


def theirs(
    changes: Sequence[Change],
    tables: Mapping[Names, Table],
    rows: Sequence[Local],
    there: Mapping[int, Row | None],
    publisher: str,
) -> Way:
    """Return how the local rows make room for the publisher's.

    A row that the publisher has under a key of its own becomes what it is there;
    deleted, it would be missing here for ever.

    Args:
        changes: All of the transaction.
        tables: Of the subscriber.
        rows: In the way.
        there: What the publisher has under the key of each row, by its number.
        publisher: Its name.
    """
    steps, fates = [], []
    for number, row in enumerate(rows):
        version = there.get(number)
        replaced = any(
            new_key(changes[place], tables) == (row.names, tuple(row.key.values()))
            for place, _ in row.meets
        )
        changed = {}
        if version is not None and not replaced:
            sent = _sent(changes, row.names)
            changed = {
                name: value
                for name, value in version.values.items()
                if name in sent and row.row.values.get(name) != value
            }
        if changed:
            write = Write(operation="UPDATE", key=row.key, values=changed)
            fates.append(f"becomes node {publisher}'s version")
        else:
            write = Write(operation="DELETE", key=row.key, values={})
            fates.append("replaced" if replaced else "removed")
        steps.append(Step(names=row.names, write=write, quiet=True, of=number))
    return Way(keep=Keep.THEIRS, steps=steps, locals=fates)


def _sent(changes: Sequence[Change], names: Names) -> set[str]:
    """The columns that the publisher sends of a table: others are our own affair."""
    return {
        column
        for change in changes
        if (change.schemaname, change.relname) == names
        for column in {**(change.key or {}), **(change.row or {})}
    }


def both(
    tables: Mapping[Names, Table],
    generated: Mapping[Names, frozenset[str]],
    rows: Sequence[Local],
    new: Values,
) -> Way:
    """Return how the local rows make room and stay, under another key.

    Not by an update of the key: replicated, it would find the incoming row under the
    old key on the other node. So the row is deleted here only, and inserted anew for
    all. A row whose key does not change is updated like any other.

    Args:
        tables: Of the subscriber.
        generated: Columns of each table that the server computes.
        rows: In the way.
        new: What --new-key gives.
    """
    if new and len(rows) > 1:
        return _no_both(f"--new-key is for one row, and {len(rows)} are in the way")
    steps: list[Step] = []
    fates = []
    for number, row in enumerate(rows):
        table = tables[row.names]
        if unknown := sorted(set(new) - row.row.values.keys()):
            return _no_both(f"--new-key: no column {', '.join(unknown)}")
        given, fresh = dict(new), []
        for index in row.indexes:
            if any(
                new.get(c, row.row.values[c]) != row.row.values[c]
                for c in index.columns
            ):
                continue
            names = [name for name in index.columns if name in table.defaults]
            if not names:
                columns = ", ".join(index.columns)
                return _no_both(
                    f"index {index.name} needs another value of {columns}:"
                    f" --new-key {index.columns[0]}=VALUE"
                )
            fresh += [name for name in names if name not in fresh]
        steps += _moved(row, given, tuple(fresh), table, generated[row.names], number)
        parts = [f"{name}={value}" for name, value in given.items()]
        parts += [f"{name} by its default" for name in fresh]
        fates.append(f"gets {', '.join(parts)}")
    return Way(keep=Keep.BOTH, steps=steps, locals=fates)


def _moved(  # noqa: PLR0917 - of this module
    row: Local,
    given: Values,
    fresh: tuple[str, ...],
    table: Table,
    generated: frozenset[str],
    number: int,
) -> list[Step]:
    if not set(table.identity) & {*given, *fresh}:
        write = Write(operation="UPDATE", key=row.key, values=given)
        return [Step(names=row.names, write=write, quiet=False, fresh=fresh, of=number)]
    values = {
        name: given.get(name, value)
        for name, value in row.row.values.items()
        if name not in fresh and name not in generated
    }
    return [
        Step(
            names=row.names,
            write=Write(operation="DELETE", key=row.key, values={}),
            quiet=True,
            of=number,
        ),
        Step(
            names=row.names,
            write=Write(operation="INSERT", key=row.key, values=values),
            quiet=False,
            fresh=fresh,
            of=number,
        ),
    ]


def _no_both(reason: str) -> Way:
    return Way(keep=Keep.BOTH, refusal=reason)
