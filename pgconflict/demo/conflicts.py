"""What two people do at the same time on two nodes, and how apply goes on after it.

The statements are users' and DBAs' own, not pgconflict's.  Subscriptions are disabled
while both nodes are written: what is concurrent by chance elsewhere is so here each
time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psycopg import sql

from pgconflict.core.conflict import ConflictType, Status
from pgconflict.demo.servers import CONFLICT_LOG, NODES, SUBSCRIPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgconflict.demo.servers import Servers
    from pgconflict.demo.signals import Signals

TYPES: Final = tuple(
    each for each in ConflictType if each is not ConflictType.UPDATE_DELETED
)
"""Every type of PostgreSQL 18; the last one is 19's."""

ATTEMPTS: Final = 3
"""How often a stopped apply worker tries before it is helped."""

_FIRST_ROWS: Final = """
insert into customer values
    (1, 'anna@example.com', 'Anna'), (2, 'ben@example.com', 'Ben'),
    (3, 'carla@example.com', 'Carla'), (4, 'dora@example.com', 'Dora'),
    (5, 'emil@example.com', 'Emil'), (6, 'fritz@example.com', 'Fritz'),
    (7, 'hanna@example.com', 'Hanna')
"""
_HANDED_OVER: Final = "update customer set name = 'Hannah' where id = 7"


@dataclass(frozen=True, slots=True)
class Moment:
    """What a and b do at the same time: one transaction each."""

    what: str
    a: tuple[str, ...]
    b: tuple[str, ...]


MOMENTS: Final = (
    Moment(
        "a renames customer 2, b deletes it, and customer 6",
        ("update customer set name = 'Benjamin' where id = 2",),
        ("delete from customer where id in (2, 6)",),
    ),
    Moment(
        "both delete customer 3",
        ("delete from customer where id = 3",),
        ("delete from customer where id = 3",),
    ),
    Moment(
        "both rename customer 1",
        ("update customer set name = 'Anna A.' where id = 1",),
        ("update customer set name = 'Anna B.' where id = 1",),
    ),
    Moment(
        "both give one e-mail address to different customers",
        ("update customer set email = 'office@example.com' where id = 4",),
        ("update customer set email = 'office@example.com' where id = 5",),
    ),
    # On b the first statement's conflict is logged with each attempt at the second.
    Moment(
        "both insert customer 101; a renames customer 6 in the same transaction",
        (
            "update customer set name = 'Friedrich' where id = 6",
            "insert into customer values (101, 'gina@example.com', 'Gina')",
        ),
        ("insert into customer values (101, 'hugo@example.com', 'Hugo')",),
    ),
    Moment(
        "both insert customer 102 with the same e-mail address",
        ("insert into customer values (102, 'ida@example.com', 'Ida')",),
        ("insert into customer values (102, 'ida@example.com', 'Ida B.')",),
    ),
)

# What frees b, where a's transaction is to be applied: b's own row makes room.
_MAKES_ROOM: Final = {
    ConflictType.UPDATE_EXISTS: (
        "update customer set email = 'emil@example.com' where id = 5"
    ),
    ConflictType.INSERT_EXISTS: "delete from customer where id = 101",
    ConflictType.MULTIPLE_UNIQUE_CONFLICTS: "delete from customer where id = 102",
}
_ORIGIN: Final = "resolution"


def provoke(servers: Servers, signals: Signals, say: Callable[[str], None]) -> None:
    """Write the same rows on both nodes while nothing is applied, then apply."""
    servers.execute("a", _FIRST_ROWS)
    signals.wait_for(
        lambda: servers.execute("b", "select from customer where id = 7"),
        "the first rows arrive on b",
    )
    say("b renames customer 7, which a had made: the server calls it a conflict")
    servers.execute("b", _HANDED_OVER)
    signals.wait_for(
        lambda: servers.execute("a", "select from customer where name = 'Hannah'"),
        "the change arrives on a",
    )
    say("subscriptions disabled; the same rows are written on both nodes:")
    _alter_subscriptions(servers, "disable")
    signals.wait_for(lambda: not _workers(servers), "the apply workers end")
    for moment in MOMENTS:
        signals.check()
        say(f"  {moment.what}")
        for node, statements in (("a", moment.a), ("b", moment.b)):
            servers.execute(node, "; ".join(statements))
    _alter_subscriptions(servers, "enable")


def free(servers: Servers, signals: Signals, say: Callable[[str], None]) -> None:
    """Wait for each conflict that stops apply, and end it in favour of node a.

    Returns when the conflict log holds every type, and the end of each that stopped
    apply.
    """
    servers.execute("b", "select pg_replication_origin_create(%s)", _ORIGIN)
    freed_at: dict[tuple[str, str], int] = {}

    def stopped() -> list[tuple[str, str, str, int]]:
        return [
            row
            for row in servers.execute(CONFLICT_LOG, _STOPPED, Status.OPEN)
            if row[3] >= freed_at.get(row[:2], 0) + ATTEMPTS
        ]

    def look() -> bool:
        for node, conflict_type, lsn, attempts in stopped():
            again = (node, conflict_type) in freed_at
            freed_at[node, conflict_type] = attempts
            head = f"{node}: {conflict_type} stopped apply, logged {attempts} times:"
            if node == "a":
                say(f"{head} skipping the transaction")
                _skip(servers, lsn)
            elif not again:
                say(f"{head} making room for the row from a")
                _make_room(servers, ConflictType(conflict_type))
        return _all_recorded(servers)

    signals.wait_for(
        look, "the conflict log holds every type, and the end of each story", timeout=40
    )


_STOPPED: Final = """
select node, conflict_type, remote_commit_lsn::text, attempts
  from pgconflict.conflict_log
 where stalls and status = %s and remote_commit_lsn is not null
 order by conflict_id
"""


def _alter_subscriptions(servers: Servers, what: str) -> None:
    for node, name in SUBSCRIPTIONS.items():
        servers.execute(
            node,
            sql.SQL("alter subscription {} {}").format(
                sql.Identifier(name), sql.SQL(what)
            ),
        )


def _workers(servers: Servers) -> bool:
    statement = "select from pg_stat_subscription where pid is not null"
    return any(servers.execute(node, statement) for node in NODES)


def _skip(servers: Servers, lsn: str) -> None:
    """Let a pass over b's transaction, by the LSN that the conflict log has.

    It may have to be said again: an earlier transaction that changes nothing here
    is sent once more before it, and its commit clears the LSN (seen on 18.4).
    """
    servers.execute(
        "a",
        sql.SQL("alter subscription {} skip (lsn = {})").format(
            sql.Identifier(SUBSCRIPTIONS["a"]), sql.Literal(lsn)
        ),
    )


def _make_room(servers: Servers, conflict_type: ConflictType) -> None:
    """Change b's own row without telling a, which keeps the row it has."""
    with servers.connect("b") as connection:
        # origin = none: what has a replication origin is not sent on.
        connection.execute("select pg_replication_origin_session_setup(%s)", (_ORIGIN,))
        connection.execute(_MAKES_ROOM[conflict_type].encode())


def _all_recorded(servers: Servers) -> bool:
    rows = servers.execute(
        CONFLICT_LOG,
        "select conflict_type, stalls and status = 'open' from pgconflict.conflict_log",
    )
    recorded = {conflict_type for conflict_type, _ in rows}
    return recorded >= set(TYPES) and not any(is_open for _, is_open in rows)
