"""What no server here can show: minor versions that pg_upgrade can't start."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from pgconflict.core.capability import capability
from pgconflict.server.preflight.facts import ClusterFacts, Server
from pgconflict.server.preflight.slots import judge


def cluster(version_num: int, keep_size: str) -> ClusterFacts:
    server = Server(
        system_identifier=1,
        database="postgres",
        role="postgres",
        version=f"{version_num // 10000}.{version_num % 100}",
        version_num=version_num,
        in_recovery=False,
        insert_lsn=8192 + 24,
        flush_lsn=8192,
        next_xid=750,
    )
    return ClusterFacts(
        node="a",
        server=server,
        capability=capability(server.major),
        settings=MappingProxyType({"max_slot_wal_keep_size": keep_size}),
        slots=(),
        consumed=frozenset(),
        subscriptions=(),
        origins=frozenset(),
        prepared=(),
        databases=(),
        available=frozenset(),
    )


@pytest.mark.parametrize(
    ("version_num", "keep_size", "refused"),
    [
        (170000, "100", True),
        (170005, "100", True),
        (170005, "-1", False),
        (170006, "100", False),
        (160014, "100", False),
        (180004, "100", False),
    ],
)
def test_some_minors_of_17_do_not_start(
    version_num: int, keep_size: str, *, refused: bool
) -> None:
    found = list(judge(cluster(version_num, keep_size)))

    assert [one.item for one in found] == (["keep_size"] if refused else [])
    assert all(one.pg_upgrade_refuses for one in found)


def test_a_page_header_is_nothing_to_wait_for() -> None:
    server = cluster(180004, "-1").server

    assert server.written == 8192
    assert server.flushed
