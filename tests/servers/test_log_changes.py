"""A stderr log whose lines, files and directory change while the daemon follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.checked import reload
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.nodes import Node, Pair, Replicated

MOVE = {"log_directory": "elsewhere", "log_filename": "other-%Y%m%d%H%M%S.log"}
CHANGES = [
    {"log_line_prefix": "%t [%p] %l %q<%a> "},
    MOVE,
    {"log_line_prefix": "%m "},  # nobody's: what is certain is recorded
    {"log_line_prefix": "%m [%p] %q%u@%d "},
]


def collide(made: Replicated, daemon: Daemon, number: int) -> int:
    """Stop apply until it is recorded, then let it go on; the transaction."""
    node = made.to_b.subscriber
    node.execute(f"insert into {made.table} values ({number}, 'mine')")
    with made.to_b.publisher.connect() as on, on.transaction():
        row = on.execute("select pg_current_xact_id()::text::int8").fetchone()
        on.execute(f"insert into {made.table} values ({number}, 'theirs')".encode())
    assert row is not None
    daemon.wait_count(1, "remote_xid = %s", row[0])
    node.execute(f"delete from {made.table} where id = {number}")
    made.catch_up()
    return int(row[0])


def change(node: Node, settings: Mapping[str, str]) -> None:
    """Let all of them take effect at once."""
    for name, value in settings.items():
        node.execute(f"alter system set {name} = '{value}'")
    reload(node)


def follow_through(
    pair: Pair, daemon: Daemon, changes: Sequence[Mapping[str, str]]
) -> None:
    """A conflict before and after each change: each is recorded, and once."""
    daemon.start()
    made = pair.replicate(both=False, subscription={"streaming": False})
    xids = [collide(made, daemon, 0)]
    for number, settings in enumerate(changes, 1):
        change(pair.b, settings)
        xids.append(collide(made, daemon, number))

    recorded = daemon.query(
        "select conflict_type, remote_xid, subname, relname, index_names, source"
        " from pgconflict.conflict_log where remote_xid is not null order by remote_xid"
    )

    told = (made.to_b.name, made.relname, [f"{made.relname}_pkey"], "stderr")
    assert recorded == [("insert_exists", xid, *told) for xid in xids]
    errors = "select apply_error_count from pg_stat_subscription_stats"
    wait_until(
        lambda: (
            daemon.query(
                "select sum(attempts)::int8 from pgconflict.conflict_log"
                " where remote_xid is not null"
            )
            == pair.b.execute(errors)
        ),
        "each attempt is counted once, as the server counts",
    )
    assert daemon.metric("log_gaps_total") == 0


@pytest.mark.majors(15, 18, 19)  # from 15 to 17 nothing of this differs
def test_changes_of_prefix_file_name_and_directory_are_followed(
    new_pair: Callable[..., Pair], major: int, new_daemon: Callable[..., Daemon]
) -> None:
    pair = new_pair(major, settings={"log_destination": "stderr"})
    follow_through(pair, new_daemon({"b": pair.b.dsn}), CHANGES)


@pytest.mark.majors(16, 17)
def test_a_change_of_file_name_and_directory_is_followed(
    new_pair: Callable[..., Pair], major: int, new_daemon: Callable[..., Daemon]
) -> None:
    pair = new_pair(major, settings={"log_destination": "stderr"})
    follow_through(pair, new_daemon({"b": pair.b.dsn}), [MOVE])
