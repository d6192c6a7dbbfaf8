"""The least that a node's monitoring role needs, as statements.

Measured on 15 to 19: pg_monitor shows the log's place and lists its files, but lets
nobody read them, and does not show pg_replication_origin_status.
"""

from __future__ import annotations

from typing import Final

from pgconflict.server.statements import identifier, literal

READ_FILE: Final = "pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)"
ORIGIN_STATUS: Final = "pg_catalog.pg_replication_origin_status"
ORIGIN_STATUS_FUNCTION: Final = "pg_catalog.pg_show_replication_origin_status()"


def grant_monitor(role: str) -> str:
    """Return the grant that shows settings, statistics and the list of log files."""
    return f"GRANT pg_monitor TO {identifier(role)};"


def grant_read_file(role: str) -> str:
    """Return the grant for reading the log over SQL."""
    return f"GRANT EXECUTE ON FUNCTION {READ_FILE} TO {identifier(role)};"


def grant_origin_status(role: str) -> tuple[str, ...]:
    """Return the grants that show how far each subscription has applied."""
    # The view's function is called with the rights of who asks (15 to 19).
    return (
        f"GRANT SELECT ON {ORIGIN_STATUS} TO {identifier(role)};",
        f"GRANT EXECUTE ON FUNCTION {ORIGIN_STATUS_FUNCTION} TO {identifier(role)};",
    )


def grant_rows(role: str, *, separator: str = "\n") -> str:
    """Return a block that grants reading every table that is replicated now.

    Args:
        role: Who is to read.
        separator: Of its lines; a space makes one of them.
    """
    name, tag = literal(role), "$rows$"
    while tag in role:
        tag = f"{tag[:-1]}_$"
    return separator.join(
        (
            f"DO {tag} DECLARE t record; BEGIN",
            "  FOR t IN WITH r AS (",
            "      SELECT format('%I.%I', schemaname, tablename)::regclass AS oid",
            "        FROM pg_catalog.pg_publication_tables",
            "      UNION SELECT srrelid FROM pg_catalog.pg_subscription_rel)",
            # What a partition does is logged with its own name.
            "    SELECT n.nspname AS s, c.relname AS r FROM pg_catalog.pg_class c",
            "      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
            "     WHERE c.relkind IN ('r', 'p') AND c.oid IN (SELECT oid FROM r",
            "      UNION SELECT relid FROM r, pg_catalog.pg_partition_tree(oid)) LOOP",
            f"  EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', t.s, {name});",
            f"  EXECUTE format('GRANT SELECT ON TABLE %I.%I TO %I', t.s, t.r, {name});",
            "  END LOOP;",
            f"END {tag};",
        )
    )


def grant_hidden_rows(role: str) -> str:
    """Return the statement that shows a role the rows that row security hides."""
    return f"ALTER ROLE {identifier(role)} BYPASSRLS;"


def monitor_grants(role: str, *, over_sql: bool = True) -> list[str]:
    """Return all statements for a role, to be run in the database it connects to.

    Args:
        role: The role of the node's dsn; it exists and may log in.
        over_sql: Whether the log is read over SQL; else the daemon reads its files.
    """
    return [
        grant_monitor(role),
        *([grant_read_file(role)] if over_sql else []),
        *grant_origin_status(role),
    ]
