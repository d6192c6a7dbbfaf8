"""A publisher that keeps no commit times: no cause can be told, a row can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.servers import Pair
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.servers import Servers


@pytest.mark.majors(18)
def test_a_row_of_a_publisher_without_commit_times(
    pair: Pair, servers: Servers, new_daemon: Callable[..., Daemon]
) -> None:
    untimed = servers.node(18, name="b", settings={"track_commit_timestamp": "off"})
    try:
        with Pair(pair.a, untimed).replicate() as replicated:
            table = replicated.table
            pair.a.execute(f"insert into {table} values (1, ''), (2, '')")
            replicated.catch_up()
            daemon = new_daemon({"a": pair.a.dsn, "b": untimed.dsn})
            daemon.start()
            with untimed.connect() as session, session.transaction():
                session.execute(f"update {table} set v = 'b' where id = 1".encode())
                pair.a.execute(f"update {table} set v = 'a'")
                wait_until(
                    lambda: untimed.value(
                        "select count(*) from pg_locks where not granted"
                    ),
                    "apply waits for the session",
                )
            replicated.catch_up()
            untimed.execute(f"update {table} set v = 'over' where id = 2")
            ours = "relname = %s and effect is not null"
            daemon.wait_count(2, ours, replicated.relname, timeout=60)
            found = daemon.query(
                "select replica_identity ->> 'id', verdict, cause, effect"
                " from pgconflict.conflict_log where relname = %s order by 1",
                [replicated.relname],
            )
    finally:
        untimed.cluster.destroy()

    assert found == [
        ("1", "diverged", "unknown", "diverged"),
        ("2", "converged", "unknown", "unknown"),
    ]
