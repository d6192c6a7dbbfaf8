"""All conflicts that pass filters, oldest first, without holding them in memory.

A day at a time, each as it is at one moment: a transaction over all of a large log
would keep vacuum from the whole database for hours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg

from pgconflict.conflict_log import statements
from pgconflict.conflict_log.reader import planned, within
from pgconflict.conflict_log.stored import COLUMNS, from_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgconflict.conflict_log.filters import Filters
    from pgconflict.conflict_log.reader import ConflictLogReader
    from pgconflict.conflict_log.spans import Span
    from pgconflict.conflict_log.stored import StoredConflict

FETCHED: Final = 2000  # rows
_NO_CURSOR: Final = (None, None, None)


def expected(reader: ConflictLogReader, filters: Filters) -> int:
    """How many conflicts there are to export; more, if status or key are asked for."""
    return sum(span.matching for span in _days(reader, filters))


def batches(
    reader: ConflictLogReader, filters: Filters
) -> Iterator[list[StoredConflict]]:
    """The conflicts, FETCHED at a time, through a cursor of the server."""
    statement = statements.page(newest_first=False)
    connection = reader.connection
    for span in _days(reader, filters):
        values = (*within(filters, span).values(), *_NO_CURSOR)
        with (
            connection.transaction(),
            planned(connection, by_block=reader.by_block(filters, span)),
            psycopg.RawServerCursor(connection, "pgconflict_export") as cursor,
        ):
            cursor.execute(statement, values)
            while rows := cursor.fetchmany(FETCHED):
                yield from_rows(rows)


def csv_header() -> bytes:
    """The line with the names of the columns."""
    return (",".join(COLUMNS) + "\n").encode()


def csv_lines(reader: ConflictLogReader, filters: Filters) -> Iterator[bytes]:
    """Each conflict as PostgreSQL writes CSV: COPY ... (FORMAT csv) reads it."""
    statement = statements.page(newest_first=False, as_csv=True)
    connection = reader.connection
    for span in _days(reader, filters):
        values = (*within(filters, span).values(), *_NO_CURSOR)
        text = statements.written_out(statement, values, connection)
        with (
            planned(connection, by_block=reader.by_block(filters, span)),
            connection.cursor() as cursor,
            cursor.copy(f"copy ({text}) to stdout (format csv)".encode()) as copy,
        ):
            # The server sends each row by itself.
            for line in copy:
                yield bytes(line)


def arrow_schema() -> Any:
    """The columns of a Parquet file; needs pyarrow.

    JSON stays text: its objects have other columns in each table.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra

    text, texts = pa.string(), pa.list_(pa.string())
    types = {
        **dict.fromkeys(("stalls", "replica_identity_full"), pa.bool_()),
        **dict.fromkeys(("index_names", "local_conflicts", "truncated_columns"), texts),
        **dict.fromkeys(
            (
                *("conflict_id", "system_identifier", "subid", "relid"),
                *("remote_xid", "attempts"),
            ),
            pa.int64(),
        ),
        **{
            name: pa.timestamp("us", tz="UTC")
            for name in COLUMNS
            if name.endswith(("_at", "_ts"))
        },
    }
    return pa.schema([(name, types.get(name, text)) for name in COLUMNS])


def arrow_batch(conflicts: Sequence[StoredConflict]) -> Any:
    """These conflicts as a batch of `arrow_schema`."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    columns = zip(*map(_arrow_values, conflicts), strict=True)
    schema = arrow_schema()
    arrays = [
        pa.array(column, type=field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pa.record_batch(arrays, schema=schema)


def _arrow_values(conflict: StoredConflict) -> tuple[object, ...]:
    """The fields; objects of JSON as text."""
    return tuple(
        _json(value) if isinstance(value, dict) else value
        for name in COLUMNS
        for value in (
            [_json(local) for local in conflict.local_conflicts]
            if name == "local_conflicts"
            else getattr(conflict, name),
        )
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _days(reader: ConflictLogReader, filters: Filters) -> Iterator[Span]:
    return reader.spans(filters, newest_first=False)
