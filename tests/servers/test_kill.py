"""kill -9 of the daemon at random moments loses nothing and doubles nothing."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.waiting import wait_until
from tests.fixtures.watched import lose_rows, miss

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.nodes import Pair

CONFLICTS = 24_000
TRANSACTIONS = 400
KILLS = 50


@pytest.mark.majors(18)
@pytest.mark.timeout(280)
def test_rows_are_the_truth_and_attempts_the_servers_counters(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    """A stream of conflicts, and 50 daemons that die somewhere in it."""
    chance = random.Random()
    daemon = new_daemon({"b": pair.b.dsn})
    size = CONFLICTS // TRANSACTIONS
    with pair.replicate(both=False) as made:
        sub = made.to_b
        lose_rows(made, range(1, CONFLICTS + 1))
        stop = threading.Event()

        def stream() -> None:
            """Spread over the life of the daemons."""
            for number in range(TRANSACTIONS):
                miss(made, range(number * size + 1, (number + 1) * size + 1))
                stop.wait(0.02)

        streaming = threading.Thread(target=stream)
        streaming.start()
        try:
            for kill in range(KILLS):
                daemon.start(ready=False)
                # From before its first connection to well into its work.
                time.sleep(chance.uniform(0.1, 0.9))
                daemon.kill()
                if kill == KILLS // 2:
                    # One conflict that stops apply: logged again by each worker.
                    pair.b.execute(f"insert into {made.table} values (-1, 'mine')")
                    pair.a.execute(f"insert into {made.table} values (-1, 'theirs')")
                if kill == KILLS // 2 + 8:
                    pair.b.execute(f"delete from {made.table} where id = -1")
        finally:
            stop.set()
            streaming.join()
        pair.b.execute(f"delete from {made.table} where id = -1 and v = 'mine'")
        made.catch_up(timeout=60)
        daemon.start()

        def counted() -> dict[str, int]:
            ((missing, exists),) = pair.b.execute(
                "select confl_update_missing, confl_insert_exists"
                " from pg_stat_subscription_stats where subid = %s",
                [sub.oid],
            )
            return {"update_missing": missing, "insert_exists": exists}

        def recorded() -> dict[str, int]:
            rows = daemon.query(
                "select conflict_type, sum(attempts)::bigint"
                " from pgconflict.conflict_log where subname = %s group by 1",
                [sub.name],
            )
            return {str(kind): int(number) for kind, number in rows}

        wait_until(
            lambda: recorded() == counted(),
            "attempts are the server's counters",
            timeout=60,
        )
        missing = "subname = %s and conflict_type = 'update_missing'"
        ((rows, keys),) = daemon.query(
            "select count(*), count(distinct replica_identity->>'id')"
            f" from pgconflict.conflict_log where {missing}",
            [sub.name],
        )
        assert (rows, keys) == (CONFLICTS, CONFLICTS)
        assert (
            daemon.count("subname = %s and conflict_type = 'insert_exists'", sub.name)
            == 1
        )
        # What was recorded stays what it is, whoever reads on.
        time.sleep(2)
        assert recorded() == counted()
    daemon.stop()
