"""The demonstration's servers: nodes a and b with two-way replication, and a third.

They listen on Unix sockets only, and only to the account they run as and to root:
nobody else on the machine can use a server that asks for no password.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pgconflict.demo.cluster import Cluster, ClusterError
from pgconflict.demo.errors import DemoError
from pgconflict.server.grants import monitor_grants

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pgconflict.demo.settings import SettingValue
    from pgconflict.demo.signals import Signals

NODES: Final = ("a", "b")
CONFLICT_LOG: Final = "log"
DATABASE: Final = "app"
CONFLICT_LOG_DATABASE: Final = "pgconflict"
ROLE: Final = "pgconflict"
SUBSCRIPTIONS: Final = {"a": "from_b", "b": "from_a"}
"""The one subscription on each node."""

_SETTINGS: Final[Mapping[str, SettingValue]] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # 5 s by default: the wait between two attempts of a stopped apply worker.
    "wal_retrieve_retry_interval": "300ms",
}

_TABLE: Final = """
create table customer (
    id integer primary key,
    email text unique,
    name text not null
)
"""


class Servers:
    """Three PostgreSQL servers below one folder."""

    def __init__(self, bin_dir: Path, directory: Path) -> None:
        self.clusters: dict[str, Cluster] = {}
        try:
            for name in (*NODES, CONFLICT_LOG):
                self.clusters[name] = Cluster(
                    bin_dir, directory, name=name, settings=_SETTINGS
                )
        except ClusterError:
            self.destroy()
            raise

    def start(self, signals: Signals) -> None:
        """Start all three at once, and make the databases and roles.

        Returns only when no start is under way any more, also after a failure.
        """
        with ThreadPoolExecutor(len(self.clusters)) as pool:
            starts = [pool.submit(each.start) for each in self.clusters.values()]
        for start in starts:
            signals.check()
            start.result()
        for name, cluster in self.clusters.items():
            signals.check()
            role = sql.Identifier(ROLE)
            with self._connect(cluster, "postgres") as connection:
                connection.execute(sql.SQL("create role {} login").format(role))
                if name in NODES:
                    connection.execute(f"create database {DATABASE}")
                else:
                    connection.execute(
                        sql.SQL("create database {} owner {}").format(
                            sql.Identifier(CONFLICT_LOG_DATABASE), role
                        )
                    )

    def replicate(self, signals: Signals) -> None:
        """Replicate the table both ways and let the monitoring role look.

        Returns when both apply workers stream.
        """
        for node in NODES:
            with self.connect(node) as connection:
                connection.execute(_TABLE)
                connection.execute("create publication app for table customer")
                for statement in monitor_grants(ROLE, over_sql=False):
                    connection.execute(statement.encode())
                connection.execute(
                    sql.SQL("grant select on customer to {}").format(
                        sql.Identifier(ROLE)
                    )
                )
        for node, other in zip(NODES, reversed(NODES), strict=True):
            signals.check()
            self.execute(
                node,
                sql.SQL(
                    "create subscription {} connection {} publication app"
                    " with (origin = none, copy_data = false)"
                ).format(
                    sql.Identifier(SUBSCRIPTIONS[node]), sql.Literal(self.dsn(other))
                ),
            )
        for node in NODES:
            signals.wait_for(
                lambda node=node: self.streams_to(node),  # type: ignore[misc]  # same
                f"subscription {SUBSCRIPTIONS[node]} on {node} streams",
            )

    def dsn(
        self, name: str, *, user: str = "postgres", dbname: str | None = None
    ) -> str:
        """Return the connection string of a node's database or the conflict log's."""
        own = DATABASE if name in NODES else CONFLICT_LOG_DATABASE
        return _dsn(self.clusters[name], dbname or own, user)

    def connect(self, name: str) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a superuser's connection, in autocommit mode."""
        own = DATABASE if name in NODES else CONFLICT_LOG_DATABASE
        return self._connect(self.clusters[name], own)

    def execute(
        self, name: str, statement: str | sql.Composed, *parameters: object
    ) -> list[tuple[Any, ...]]:
        """Execute as a superuser in a connection of its own; the rows, if any."""
        text = statement.encode() if isinstance(statement, str) else statement
        with self.connect(name) as connection:
            cursor = connection.execute(text, parameters or None)
            return [] if cursor.description is None else cursor.fetchall()

    def streams_to(self, node: str) -> bool:
        """Whether the other node sends its changes to this one."""
        (other,) = set(NODES) - {node}
        return bool(
            self.execute(
                other,
                "select from pg_stat_replication"
                " where application_name = %s and state = 'streaming'",
                SUBSCRIPTIONS[node],
            )
        )

    def detach(self) -> None:
        """Let the servers outlive this process."""
        for cluster in self.clusters.values():
            cluster.detach()

    def destroy(self) -> None:
        """Stop all servers at once and remove their files."""
        for cluster in self.clusters.values():
            cluster.destroy()

    @staticmethod
    def _connect(cluster: Cluster, dbname: str) -> psycopg.Connection[tuple[Any, ...]]:
        try:
            return psycopg.connect(
                _dsn(cluster, dbname, "postgres"),
                autocommit=True,
                connect_timeout=10,
                application_name="pgconflict/demo",
                options="-c statement_timeout=20s -c lock_timeout=10s"
                " -c idle_in_transaction_session_timeout=20s",
            )
        except psycopg.OperationalError as error:
            raise DemoError(
                f"server {cluster.name} does not answer: {error}"
            ) from error


def _dsn(cluster: Cluster, dbname: str, user: str) -> str:
    return make_conninfo(
        host=str(cluster.socket_directory),
        port=cluster.port,
        dbname=dbname,
        user=user,
    )
