"""A row that differed and was written once more is found to agree, unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.mesh import Mesh

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.servers import Pair

VERDICTS = """
select v.verdict from pgconflict.verdict v
  join pgconflict.conflict_log c using (conflict_id)
 where c.relname = %s and c.effect = 'write_lost'
 order by v.conflict_id, v.looked_at
"""


@pytest.mark.majors(18)
def test_a_row_that_heals(pair: Pair, new_daemon: Callable[..., Daemon]) -> None:
    with Mesh(*pair.nodes) as mesh:
        daemon = mesh.followed(new_daemon)
        with mesh.apart():
            for node in pair.nodes:
                node.execute(f"update {mesh.table} set v = '{node.name}' where id = 1")
        ours = f"relname = '{mesh.table}'"
        daemon.wait_count(2, f"effect = 'diverged' and {ours}", timeout=60)

        pair.a.execute(f"update {mesh.table} set v = 'both' where id = 1")

        healed = f"verdict = 'converged' and effect = 'write_lost' and {ours}"
        daemon.wait_count(2, healed, timeout=60)
        assert daemon.count(f"verdict = 'diverged' and {ours}") == 0
        found = [verdict for (verdict,) in daemon.query(VERDICTS, [mesh.table])]
        # The history is kept.
        assert found == ["diverged", "converged"] * 2
