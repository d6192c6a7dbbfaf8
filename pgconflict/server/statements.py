"""Statements for the operator to run; every identifier is quoted."""

from __future__ import annotations

from psycopg import sql

RELOAD = "SELECT pg_reload_conf();"
RESTART = "-- then restart the server"


def identifier(*parts: str) -> str:
    """Return a name as SQL needs it.

    >>> identifier("shop", "My Table")
    '"shop"."My Table"'
    """
    return sql.Identifier(*parts).as_string()


def alter_system(name: str, value: str) -> str:
    """Return the statement that sets it for the whole server."""
    return f"ALTER SYSTEM SET {name} = {literal(value)};"


def alter_role(role: str, name: str, value: str) -> str:
    """Return the statement that sets it for a role's sessions and workers."""
    return f"ALTER ROLE {identifier(role)} SET {name} = {literal(value)};"


def alter_subscription(name: str, what: str) -> str:
    """Return ALTER SUBSCRIPTION, to be run in the subscription's database."""
    return f"ALTER SUBSCRIPTION {identifier(name)} {what};"


def literal(value: str) -> str:
    """Return a text as SQL needs it."""
    return sql.quote(value)
