"""Two nodes of different major versions, as in the middle of a rolling upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.servers import Pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.servers import Servers


@pytest.mark.majors(19)
def test_values_that_a_newer_server_prints_differently(
    pair: Pair, servers: Servers, new_daemon: Callable[..., Daemon]
) -> None:
    """0/1 is 0/00000001 on 19: no row differs by that, and one does by more."""
    ddl = "create table {t} (id int primary key, v text, l pg_lsn, m pg_lsn[])"
    mixed = Pair(servers.pair(18).a, pair.b)
    with mixed.replicate(ddl) as replicated:
        table = replicated.table
        mixed.a.execute(
            f"insert into {table} select n, '', '0/1', '{{0/1}}'"
            " from generate_series(1, 2) n"
        )
        replicated.catch_up()
        daemon = new_daemon({node.name: node.dsn for node in mixed.nodes})
        daemon.start()
        replicated.to_a.alter("disable") if replicated.to_a else None
        mixed.b.execute(f"update {table} set v = 'b' where id = 2")
        mixed.a.execute(f"update {table} set v = 'a'")
        replicated.to_b.catch_up()
        mixed.b.execute(f"update {table} set v = 'over' where id = 1")
        replicated.to_a.alter("enable") if replicated.to_a else None
        ours = "relname = %s and cause is not null"
        daemon.wait_count(3, ours, replicated.relname, timeout=60)
        found = daemon.query(
            "select node, replica_identity ->> 'id', verdict"
            " from pgconflict.conflict_log where relname = %s order by 1, 2",
            [replicated.relname],
        )

    assert found == [
        ("a", "1", "unverifiable"),
        ("a", "2", "diverged"),
        ("b", "2", "diverged"),
    ]
