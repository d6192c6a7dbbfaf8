"""What columns hold of the values that their sequences still have to give out.

max(column) alone says too little: with an increment above 1 the values of the other
nodes are in the column too, and a value beyond the sequence's end never collides.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg
from psycopg import sql

from pgconflict.core.sequence import DATA_TYPES, SequenceColumn, SequenceState
from pgconflict.server.connect import translated
from pgconflict.server.sequence_reader import array

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pgconflict.core.sequence import SequenceName
    from pgconflict.server.sequence_reader import Connection, Progress
    from pgconflict.server.sequences import SequenceNode, States

# Each takes locks on a table, its indexes and partitions.
BATCH: Final = 50

Columns = dict[int, tuple[SequenceColumn, ...]]
"""The columns of each sequence, by its oid."""


class Question(NamedTuple):
    """Which is the furthest value of the column that lies between two others?"""

    state: SequenceState
    column: SequenceColumn
    nearest: int
    anchor: int | None
    """Only values that are a whole number of increments from it; None: any."""


@dataclass(slots=True)
class Answers:
    """What columns hold, by sequence, and which could not be asked."""

    values: dict[SequenceName, int] = field(default_factory=dict)
    refused: dict[SequenceName, str] = field(default_factory=dict)

    def add(self, question: Question, value: int) -> None:
        """Keep the furthest value of all columns of a sequence."""
        name, direction = question.state.name, question.state.direction
        known = self.values.get(name)
        if known is None or (value - known) * direction > 0:
            self.values[name] = value


async def read_columns(
    node: SequenceNode, schemas: Sequence[str] | None = None
) -> Columns:
    """Return the columns of every sequence of these schemas; None for all."""
    with translated(node.who):
        rows = await node.fetch("sequence_columns", array(schemas) if schemas else None)
    found: dict[int, list[SequenceColumn]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(SequenceColumn(*row[1:]))
    return {oid: tuple(columns) for oid, columns in found.items()}


async def values_ahead(
    node: SequenceNode,
    states: States,
    columns: Columns,
    *,
    progress: Progress | None = None,
) -> Answers:
    """Return, of each sequence, the furthest existing value that it would give again.

    A sequence with nothing to fear has no entry.
    """
    questions = []
    for state in states.values():
        if state.last_value is None or state.next_value is None:
            continue
        following = state.used + state.increment
        if state.is_beyond_bound(following):
            following = state.origin
        anchor = following if abs(state.increment) > 1 else None
        questions += [
            Question(state, column, following, anchor)
            for column in columns.get(state.oid, ())
        ]
    return await _ask(node, questions, progress)


async def furthest_values(
    node: SequenceNode,
    states: Iterable[SequenceState],
    columns: Mapping[int, Sequence[SequenceColumn]],
    *,
    progress: Progress | None = None,
) -> Answers:
    """Return, of each sequence, the furthest value of its columns within its bounds."""
    questions = [
        Question(state, column, state.origin, None)
        for state in states
        for column in columns.get(state.oid, ())
    ]
    return await _ask(node, questions, progress)


async def _ask(
    node: SequenceNode, questions: Sequence[Question], progress: Progress | None
) -> Answers:
    answers = Answers()
    possible = []
    for question in questions:
        column = question.column
        if column.data_type not in DATA_TYPES and column.data_type != "numeric":
            continue  # text made of a number, say: nothing to compare
        if not column.readable:
            answers.refused[question.state.name] = f"{column} may not be read"
            continue
        possible.append(question)
    await node.widen(len(possible))
    with translated(node.who):
        shares = node.shares(possible, attrgetter("state.oid"))
        await asyncio.gather(
            *(
                _ask_all(connection, share, answers, progress)
                for connection, share in shares
            )
        )
    return answers


async def _ask_all(
    connection: Connection,
    questions: Sequence[Question],
    answers: Answers,
    progress: Progress | None,
) -> None:
    for place in range(0, len(questions), BATCH):
        batch = questions[place : place + BATCH]
        try:
            await _ask_together(connection, batch, answers)
        except (psycopg.errors.QueryCanceled, psycopg.ProgrammingError):
            # One of them took too long, or was dropped: find out which.
            for question in batch:
                await _ask_alone(connection, question, answers)
        if progress is not None:
            progress(len(batch))


async def _ask_alone(
    connection: Connection, question: Question, answers: Answers
) -> None:
    try:
        await _ask_together(connection, [question], answers)
    except psycopg.errors.QueryCanceled:
        answers.refused[question.state.name] = (
            f"{question.column} took too long: has it no index?"
        )
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return
    except psycopg.ProgrammingError as error:
        said = error.diag.message_primary or str(error)
        answers.refused[question.state.name] = f"{question.column}: {said}"


async def _ask_together(
    connection: Connection, questions: Sequence[Question], answers: Answers
) -> None:
    branches = [_statement(place, question) for place, question in enumerate(questions)]
    cursor = await connection.execute(sql.SQL(" union all ").join(branches))
    for place, value in await cursor.fetchall():
        answers.add(questions[place], value)


def _statement(place: int, question: Question) -> sql.Composed:
    state, column = question.state, question.column
    name = sql.Identifier(column.attname)
    low, high = sorted((question.nearest, state.bound))
    residue: sql.Composable = sql.SQL("")
    if question.anchor is not None:
        # numeric: the distance of two bigints may be none.
        residue = sql.SQL(" and ({}::numeric - {}) % {} = 0").format(
            name, sql.Literal(question.anchor), sql.Literal(abs(state.increment))
        )
    return sql.SQL(
        "(select {place}, {name}::int8 from {table} where {name} between {low}"
        " and {high}{residue} order by {name} {order} limit 1)"
    ).format(
        place=sql.Literal(place),
        name=name,
        table=sql.Identifier(column.schemaname, column.relname),
        # Quoted: the least bigint without quotes is a numeric, for which no index is.
        low=sql.SQL("{}::int8").format(sql.Literal(str(low))),
        high=sql.SQL("{}::int8").format(sql.Literal(str(high))),
        residue=residue,
        order=sql.SQL("desc" if state.direction > 0 else "asc"),
    )
