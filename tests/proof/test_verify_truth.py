"""Where no conflict is logged: what differs by the writes' own tokens is found."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.conflict_logs import new_conflict_log
from tests.fixtures.operated import Desk
from tests.fixtures.truth import TABLE, write_with_truth
from tests.proof.test_verdict import KEYS, LONGEST_S, SECONDS, SEED
from tests.servers.repair.test_repair import findings, repair
from tests.servers.repair.test_repair_divergence import sends

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.servers import ConflictLogServer, Node, Pair, Replicated


@pytest.fixture
def desk(
    pair: Pair,
    conflict_log_server: ConflictLogServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    made = Desk(tmp_path, new_conflict_log(conflict_log_server), capsys)
    made.knows(a=pair.a.dsn, b=pair.b.dsn)
    return made


def tokens(node: Node, replicated: Replicated) -> dict[int, str]:
    """The last write of each row."""
    return dict(node.execute(f"select id, last from {replicated.table}"))


@pytest.mark.majors(16, 17)
@pytest.mark.timeout(600 + 12 * SECONDS)
def test_what_differs_by_truth_is_found_and_put_right(pair: Pair, desk: Desk) -> None:
    with pair.replicate(TABLE) as replicated:
        truth = write_with_truth(
            replicated,
            seconds=SECONDS,
            keys=KEYS,
            seed=pair.major * SEED,
            longest_s=LONGEST_S,
        )
        one, two = (tokens(node, replicated) for node in pair.nodes)
        differ = {key for key in one | two if one.get(key) != two.get(key)}
        began = time.monotonic()
        ids = findings(desk, replicated)
        seconds = time.monotonic() - began
        found = desk.ask_log(
            "select (replica_identity ->> 'id')::int from pgconflict.conflict_log"
            " where conflict_id = any(%s)",
            ids,
        )
        sent = {one.publisher.name: sends(one) for one in replicated.subscriptions}
        words = ["--all-diverged", "--winner", "latest", "--apply"]
        answer, told = repair(desk, [], *words)
        outcomes = Counter(row["outcome"] for row in told)
        print(pair.major, len(truth.parents), len(one), len(differ), seconds, outcomes)

        assert differ
        assert sorted(key for (key,) in found) == sorted(differ)
        assert (answer.code, outcomes) == (0, {"repaired": len(differ)}), answer.out
        replicated.catch_up()
        after = [tokens(node, replicated) for node in pair.nodes]
        assert after[0] == after[1]
        # What stays is what one of them had.
        assert all(after[0][key] in {one.get(key), two.get(key)} for key in differ)
        written = {name for row in told for name in row["statements"]}
        assert all(count(repaired=name in written) == 0 for name, count in sent.items())
        assert findings(desk, replicated) == []
