"""A table that is published as a whole, and has other partitions on the other node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pgconflict.cli.main import main
from tests.fixtures.nodes import numbers
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.servers import Pair

PLAIN = "create table {t} (id int primary key, v text)"
PARTED = (
    PLAIN + " partition by range (id);"
    " create table {t}_low partition of {t} for values from (0) to ({bound});"
    " create table {t}_high partition of {t} for values from ({bound}) to (1000)"
)


@pytest.mark.majors(18)
@pytest.mark.parametrize("on_b", [PARTED, PLAIN], ids=["bounds", "plain"])
def test_other_partitions(
    pair: Pair,
    new_daemon: Callable[..., Daemon],
    on_b: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A row is looked for, and put right, in the whole: low on a, high on b."""
    name = f"parted{next(numbers)}"
    ddl = (
        f"do $$ begin if current_setting('port') = '{pair.b.port}' then"
        f" {on_b.format(t=name, bound=50)}; else {PARTED.format(t=name, bound=100)};"
        " end if; end $$"
    )
    with pair.replicate(
        ddl, relname=name, publication={"publish_via_partition_root": True}
    ) as replicated:
        pair.a.execute(f"insert into {name} values (75, ''), (76, '')")
        replicated.catch_up()
        daemon = new_daemon({node.name: node.dsn for node in pair.nodes})
        daemon.start()
        wait_until(
            lambda: len(daemon.query("select from pgconflict.log_complete")) == 2,
            "both logs are followed",
        )
        pair.a.execute(f"update {name} set v = 'a' where id = 75")
        replicated.catch_up()
        pair.b.execute(f"update {name} set v = 'over' where id = 75")
        with pair.b.connect() as session, session.transaction():
            session.execute(f"update {name} set v = 'of b' where id = 76".encode())
            pair.a.execute(f"update {name} set v = 'of a' where id = 76")
            wait_until(
                lambda: pair.b.value("select count(*) from pg_locks where not granted"),
                "apply waits for the session",
            )
        ours = f"strpos(relname, '{name}') = 1 and cause is not null"
        daemon.wait_count(3, ours, timeout=60)
        found = {
            (node, row, verdict): cause
            for node, row, verdict, cause in daemon.query(
                "select node, replica_identity ->> 'id', verdict, cause"
                f" from pgconflict.conflict_log where {ours}"
            )
        }
        repair = ["conflicts", "repair", "--all-diverged", "--winner", "a", "--apply"]
        code = main(["--config", str(daemon.config_file), *repair])
        said = capsys.readouterr()
        rows = [
            node.execute(f"select id, v from {name} order by id") for node in pair.nodes
        ]

    assert set(found) == {
        ("a", "75", "converged"),
        ("a", "76", "diverged"),
        ("b", "76", "diverged"),
    }
    # What a logs of its partition is not found by the name that b logs, nor missed.
    assert {found["a", "76", "diverged"], found["b", "76", "diverged"]} <= {
        "concurrent",
        "unknown",
    }
    assert code == 0, said
    assert rows == [[(75, "over"), (76, "of b")]] * 2
