"""Statements that make room for a transaction that stopped apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from pgconflict.server.repair_statements import condition
from pgconflict.server.statements import identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from pgconflict.core.conflict import Values
    from pgconflict.core.stopped import Local, Names, Step
    from pgconflict.server.stopped_look import Referred, Referring
    from pgconflict.server.table_nodes import TableNode

_FUNCTIONS: Final = (
    "pg_replication_origin_session_setup",
    "pg_replication_origin_session_progress",
    "pg_replication_origin_session_reset",
    "pg_replication_origin_xact_setup",
)


def returned(step: Step) -> tuple[str, ...]:
    """The columns whose new values are of interest: the key's, and those given."""
    return tuple(dict.fromkeys([*step.write.key, *step.fresh, *_given(step)]))


def _given(step: Step) -> Sequence[str]:
    return list(step.write.values) if step.write.operation == "UPDATE" else ()


def open_statement(on: TableNode, step: Step, given: Values | None) -> str:
    """Return the statement that gives a row its new key.

    Args:
        on: The table's node.
        step: Of the plan.
        given: What the server has chosen already; None: it chooses.
    """
    write, table = step.write, on.table
    values = [
        (name, _value(on, name, value))
        for name, value in {
            **write.values,
            **{name: (given or {})[name] for name in step.fresh if given},
        }.items()
    ]
    name = sql.Identifier(table.schemaname, table.relname)
    back = sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(column)) for column in returned(step)
    )
    if write.operation == "INSERT":
        return (
            sql.SQL(
                "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}) RETURNING {}"
            )
            .format(
                name,
                sql.SQL(", ").join(sql.Identifier(column) for column, _ in values),
                sql.SQL(", ").join(value for _, value in values),
                back,
            )
            .as_string(None)
        )
    if given is None:
        values += [(column, sql.SQL("DEFAULT")) for column in step.fresh]
    return (
        sql.SQL("UPDATE {} SET {} WHERE {} RETURNING {}")
        .format(
            name,
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(column), value)
                for column, value in values
            ),
            condition(on, write.key),
            back,
        )
        .as_string(None)
    )


def follow_statement(foreign: Referring, old: Values, new: Values) -> str:
    """Return the statement that moves what refers to a row along with it."""
    return (
        sql.SQL("UPDATE {} SET {} WHERE {}")
        .format(
            sql.Identifier(foreign.schemaname, foreign.relname),
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(c), sql.Literal(new[r]))
                for c, r in zip(foreign.columns, foreign.referred, strict=True)
            ),
            _refers(foreign, old),
        )
        .as_string(None)
    )


def _refers(foreign: Referring, values: Values) -> sql.Composable:
    parts = zip(
        foreign.columns,
        foreign.referred,
        foreign.types,
        foreign.operators,
        strict=True,
    )
    return sql.SQL(" AND ").join(
        sql.SQL("{}::{} {} {}").format(
            sql.Literal(values[referred]),
            sql.SQL(kind),
            sql.SQL(operator),
            sql.Identifier(column),
        )
        for column, referred, kind, operator in parts
    )


def orphans_statement(one: Referred) -> str | None:
    """Return what asks for a row that refers to one that is gone; None: none can."""
    foreign, values = one.foreign, one.values
    if any(values.get(column) is None for column in foreign.referred):
        return None
    text = sql.SQL(
        "select 1 from {} r where {} and not exists (select from {} t where {}) limit 1"
    ).format(
        sql.Identifier(foreign.schemaname, foreign.relname),
        _refers(foreign, values),
        sql.Identifier(*one.names),
        sql.SQL(" and ").join(
            sql.SQL("t.{} {} {}::{}").format(
                sql.Identifier(column),
                sql.SQL(operator),
                sql.Literal(values[column]),
                sql.SQL(kind),
            )
            for column, kind, operator in zip(
                foreign.referred, foreign.types, foreign.operators, strict=True
            )
        ),
    )
    return text.as_string(None)


def hold_statement(on: TableNode, local: Local) -> str:
    """Return what locks a row, and reads its version and values."""
    columns = sql.SQL(", ").join(
        sql.SQL("t.{}::text").format(sql.Identifier(name)) for name in local.row.values
    )
    return (
        sql.SQL(
            "select t.ctid::text || '/' || t.xmin::text, {} from {} t where {}"
            " for update"
        )
        .format(
            columns,
            sql.Identifier(on.table.schemaname, on.table.relname),
            condition(on, local.key),
        )
        .as_string(None)
    )


def _value(on: TableNode, column: str, value: str | None) -> sql.Composable:
    if value is None:
        return sql.SQL("NULL")
    return sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(on.table.types[column]))


def grants(
    connection: psycopg.Connection[Any],
    written: Sequence[Names],
    looked_into: Sequence[Names],
) -> str:
    """Return what a role that is no superuser needs, as statements."""
    role = identifier(connection.info.user)
    functions = _found(
        connection,
        "select p.oid::pg_catalog.regprocedure::text from pg_catalog.pg_proc p"
        " where p.proname = any(%s) order by p.proname",
        list(_FUNCTIONS),
    )
    tables = [identifier(*names) for names in written]
    sequences = _found(
        connection,
        "select pg_catalog.format('%%I.%%I', n.nspname, c.relname)"
        " from pg_catalog.pg_depend d"
        " join pg_catalog.pg_class c on c.oid = d.objid and c.relkind = 'S'"
        " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " where d.classid = 'pg_catalog.pg_class'::regclass and d.deptype = 'a'"
        " and d.refobjid = any(%s::regclass[])",
        tables,
    )
    found = [
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(tables)} TO {role};",
        f"GRANT SET ON PARAMETER session_replication_role TO {role};",
        f"GRANT EXECUTE ON FUNCTION {', '.join(functions)} TO {role};",
    ]
    if sequences:
        found.append(f"GRANT USAGE ON SEQUENCE {', '.join(sequences)} TO {role};")
    if looked_into:
        names = ", ".join(identifier(*one) for one in looked_into)
        found.append(f"GRANT SELECT ON {names} TO {role};")
    return " ".join(found)


def _found(
    connection: psycopg.Connection[Any], asked: str, names: Sequence[str]
) -> list[str]:
    rows = connection.execute(asked.encode(), (list(names),)).fetchall()
    return [row[0] for row in rows]
