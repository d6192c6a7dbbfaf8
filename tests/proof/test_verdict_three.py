"""Causes among three real nodes, against writes that carry their truth.

Each update appends a token of its own to what it found, so that a row tells which
writes it was built upon. The row's own node deletes it, too, and inserts it again upon
what it deleted.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.conflict_logs import new_conflict_log
from tests.fixtures.mesh import Mesh
from tests.fixtures.waiting import wait_until
from tests.proof.daemons import Daemon

if TYPE_CHECKING:
    from tests.fixtures.nodes import Node
    from tests.fixtures.servers import ConflictLogServer, Pair, Servers

SECONDS = float(os.environ.get("PGCONFLICT_VERDICT_SECONDS", "10"))
KEYS = int(os.environ.get("PGCONFLICT_VERDICT_KEYS", "300"))
SEED = int(os.environ.get("PGCONFLICT_VERDICT_SEED", "1"))
LONGEST_S = float(os.environ.get("PGCONFLICT_VERDICT_PAUSE", "1.2"))
BETWEEN_S = float(os.environ.get("PGCONFLICT_VERDICT_BETWEEN", "0.02"))
"""Between two writes of a node, on average."""

COMES_AND_GOES = 0.05
"""How many of the writes delete a row, or insert it again."""

FOUND = """
select c.cause, local_conflicts[1] -> 'tuple' ->> 'w', remote_tuple ->> 'w',
       local_conflicts[1] ->> 'origin_kind', subname, remote_xid
  from pgconflict.conflict_log c
 where conflict_type in ('update_origin_differs', 'delete_origin_differs')
"""
MISSING = """
select conflict_type, cause, count(*) from pgconflict.conflict_log
 where conflict_type not in ('update_origin_differs', 'delete_origin_differs')
 group by 1, 2
"""
REASONS = """
select evidence ->> 'reason', count(*) from pgconflict.verdict
 where cause = 'unknown' group by 1 order by 2 desc
"""


UPDATE = """
update {t} set v = v || ' ' || %(token)s, w = %(token)s where id = %(id)s
returning v, pg_current_xact_id()::text::int8
"""
DELETE = """
delete from {t} where id = %(id)s
returning v || ' ' || %(token)s, pg_current_xact_id()::text::int8
"""
INSERT = """
insert into {t} values (%(id)s, %(v)s || ' ' || %(token)s, %(token)s)
returning v, pg_current_xact_id()::text::int8
"""


class Writers:
    """A thread a node that writes rows, and one that holds up subscriptions."""

    def __init__(self, mesh: Mesh, seconds: float, seed: int) -> None:
        self._mesh = mesh
        self._until = time.monotonic() + seconds
        self._seed = seed
        self.chains: dict[str, frozenset[str]] = {}
        """Token to all that the row had been built upon, itself included."""

        self.deleted: dict[tuple[str, int], str] = {}
        """Node and transaction to the token of a deletion."""

        self._lull = threading.Event()

    @property
    def _goes_on(self) -> bool:
        return time.monotonic() < self._until

    def run(self) -> None:
        with ThreadPoolExecutor(len(self._mesh.nodes) + 1) as pool:
            tasks = [pool.submit(self._write, node) for node in self._mesh.nodes]
            tasks.append(pool.submit(self._hold_up))
            for task in tasks:
                task.result()

    def _write(self, node: Node) -> None:
        chance = random.Random(f"{self._seed} {node.name}")
        number = 0
        own = range(self._mesh.nodes.index(node) + 1, KEYS + 1, len(self._mesh.nodes))
        gone: dict[int, str] = {}
        with node.connect() as session:
            while self._goes_on:
                time.sleep(chance.expovariate(1 / BETWEEN_S))
                if self._lull.is_set():
                    continue
                number += 1
                token = f"{node.name}{number}"
                statement, key = UPDATE, chance.randint(1, KEYS)
                if chance.random() < COMES_AND_GOES:
                    key = chance.choice(own)
                    statement = INSERT if key in gone else DELETE
                found = session.execute(
                    statement.format(t=self._mesh.table).encode(),
                    {"token": token, "id": key, "v": gone.get(key)},
                ).fetchone()
                if found is None:
                    continue
                value, xid = found
                self.chains[token] = frozenset(value.split())
                if statement is INSERT:
                    del gone[key]
                if statement is DELETE:
                    gone[key] = value
                    self.deleted[node.name, xid] = token

    def _hold_up(self) -> None:
        chance = random.Random(self._seed)
        while self._goes_on:
            time.sleep(chance.uniform(0, LONGEST_S))
            if chance.random() < 0.3:
                self._lull.set()
                time.sleep(chance.uniform(0, 3))
                self._lull.clear()
                continue
            way = chance.choice(self._mesh.ways)
            way.alter("disable")
            time.sleep(chance.uniform(0, LONGEST_S))
            way.alter("enable")


@pytest.mark.majors(18, 19)
@pytest.mark.timeout(600 + 12 * SECONDS)
def test_causes_among_three_nodes_are_never_wrong(
    pair: Pair,
    servers: Servers,
    conflict_log_server: ConflictLogServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    nodes = (*pair.nodes, servers.node(pair.major, name="c"))
    dsn = new_conflict_log(conflict_log_server)
    with Mesh(*nodes) as mesh:
        # The token comes first: the log cuts long values.
        pair.a.execute(
            f"insert into {mesh.table} select n, 'i', 'i'"
            f" from generate_series(3, {KEYS}) n"
        )
        for way in mesh.ways:
            way.catch_up()
        with Daemon(mesh, dsn) as daemon:
            writers = Writers(mesh, SECONDS, SEED)
            writers.run()
            for way in mesh.ways:
                wait_until(way.worker, f"{way.name} applies")
                way.catch_up(timeout=120)
            daemon.settle(timeout=120 + 4 * SECONDS)
            found = daemon.rows(FOUND)
            reasons = [*daemon.rows(REASONS), *daemon.rows(MISSING)]
        publishers = {way.name: way.publisher.name for way in mesh.ways}

    def truth(local: str, remote: str) -> str:
        if local in writers.chains[remote]:
            return "hand_over"
        late = remote in writers.chains.get(local, frozenset())
        return "late" if late else "concurrent"

    told = [
        (cause, truth(local, remote or writers.deleted[publishers[subname], xid]), kind)
        for cause, local, remote, kind, subname, xid in found
    ]
    with capsys.disabled():
        print(f"\n{pair.major}: {len(found)} {Counter(told)} {reasons}")
    wrong = [
        (row, true)
        for row, (cause, true, _) in zip(found, told, strict=True)
        if cause not in {"unknown", true}
    ]
    assert wrong == []
    assert len(found) > 200
    assert sum(row[0] == "hand_over" for row in found) > len(found) / 2
