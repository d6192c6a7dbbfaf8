"""kill -9 at every statement of a repair, on the versions that the suite leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.conflict_logs import new_conflict_log
from tests.fixtures.operated import Desk
from tests.servers.repair.test_repair_killed import killed_at_every_statement

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.servers import ConflictLogServer, Pair


@pytest.mark.majors(16, 17, 19)
def test_killed_at_every_statement(
    pair: Pair,
    conflict_log_server: ConflictLogServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    desk = Desk(tmp_path, new_conflict_log(conflict_log_server), capsys)
    desk.knows(a=pair.a.dsn, b=pair.b.dsn)
    killed_at_every_statement(pair, desk)
