"""Concurrent is never said of writes of which one was seen over a further node."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pgconflict.core.cause import Cause, Logged, decide
from pgconflict.core.passing import Commit, PositionsSeen, Way, kept_from
from pgconflict.core.progress import Others, Positions, Sample, Samples, place_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Write:
    """A transaction that wrote the row."""

    number: int
    node: int
    at: datetime
    begin: int
    end: int
    seen: frozenset[int]
    """The writes that its writer had seen, in whatever way."""


@dataclass(frozen=True)
class Entry:
    node: int
    remote: Write
    local: Write
    logged: Logged


@dataclass
class Simulated:
    """One node: its row, and what is on its way to it."""

    number: int
    clock: datetime
    row: Write | None = None
    wal: int = 0
    had: frozenset[int] = frozenset()
    inbox: dict[int, list[Write]] = field(default_factory=lambda: defaultdict(list))
    applied: dict[int, int] = field(default_factory=dict)


class Mesh:
    """Nodes of which each sends its own writes of one row to each other."""

    def __init__(self, offsets: Sequence[int]) -> None:
        self.nodes = [
            Simulated(number, START + timedelta(milliseconds=offset))
            for number, offset in enumerate(offsets)
        ]
        self.entries: list[Entry] = []
        self.writes = 0
        self.seen = PositionsSeen(defaultdict(Samples), defaultdict(Samples))
        # Each subscription has applied something, and positions were seen, before.
        for node in self.nodes:
            self.write(node.number)
            self.deliver_all()
        self.entries.clear()
        for node in self.nodes:
            self.sample(node.number)

    def tick(self, milliseconds: int) -> None:
        for node in self.nodes:
            node.clock += timedelta(milliseconds=milliseconds)

    def write(self, at: int) -> None:
        self.tick(2)
        node = self.nodes[at]
        self.writes += 1
        write = Write(self.writes, at, node.clock, node.wal, node.wal + 1, node.had)
        node.wal += 1
        node.row, node.had = write, node.had | {write.number}
        for other in self.nodes:
            if other is not node:
                other.inbox[at].append(write)

    def deliver(self, at: int, publisher: int) -> None:
        self.tick(2)
        node = self.nodes[at]
        if not node.inbox[publisher]:
            return
        write = node.inbox[publisher].pop(0)
        if node.row is not None and node.row.node != publisher:
            self.log(node, write, node.row)
        node.wal += 1
        node.row, node.had = write, node.had | write.seen | {write.number}
        node.applied[publisher] = write.end

    def deliver_all(self) -> None:
        for node in self.nodes:
            for publisher in list(node.inbox):
                while node.inbox[publisher]:
                    self.deliver(node.number, publisher)

    def sample(self, at: int) -> None:
        """Ask a node how far it is, as the daemon does: its WAL first."""
        node = self.nodes[at]
        self.tick(1)
        self.seen.written[at].add(
            Sample(node.clock, node.clock, node.wal, START, self.writes + 1)
        )
        self.tick(1)
        for publisher, position in node.applied.items():
            self.seen.applied[at, publisher].add(
                Sample(node.clock, node.clock, position, START)
            )

    def log(self, node: Simulated, remote: Write, local: Write) -> None:
        logged = Logged(
            conflict_id=len(self.entries) + 1,
            subid=remote.node,
            conflict_type="update_origin_differs",
            stalls=False,
            logged_at=node.clock,
            last_logged_at=node.clock,
            attempts=1,
            remote_at=remote.at,
            remote_lsn=remote.begin,
            local_at=local.at,
            local_kind="local" if local.node == node.number else "origin",
        )
        self.entries.append(Entry(node.number, remote, local, logged))

    def about(self, at: int, publisher: int) -> list[Logged]:
        return [
            entry.logged
            for entry in self.entries
            if entry.node == at and entry.remote.node == publisher
        ]

    def ways(self, one: int, two: int) -> list[Way]:
        """All subscriptions but those between these two; named by their publisher."""
        return [
            Way(publisher.number, node.number, publisher.number)
            for node in self.nodes
            for publisher in self.nodes
            if publisher is not node and {publisher.number, node.number} != {one, two}
        ]

    def decide(self, entry: Entry) -> Cause:
        here, there = entry.node, entry.remote.node
        own = [
            one.logged for one in self.entries if one.node == here and one is not entry
        ]
        positions = self.positions(entry, here, there)
        return decide(
            entry.logged, self.about(there, here), own, ["more nodes"], positions
        ).cause

    def positions(self, entry: Entry, here: int, there: int) -> Positions:
        if entry.local.node != here:
            return Positions(others=Others.UNSURE)
        ours, theirs = Commit(here, entry.local.at), Commit(there, entry.remote.at)
        ways = self.ways(here, there)
        apart = kept_from(ours, theirs, ways, self.seen) and kept_from(
            theirs, ours, ways, self.seen
        )
        found = place_write(
            written=self.seen.written[here],
            applied=self.seen.applied[there, here],
            commit=entry.local.at,
            xid=entry.local.number,
            other=entry.remote.at,
        )
        others = Others.APART if apart else Others.UNSURE
        return msgspec.structs.replace(found, others=others)


steps = st.lists(
    st.tuples(
        st.sampled_from(["write"] * 3 + ["deliver"] * 12 + ["sample"] * 4),
        st.integers(0, 11),
        st.integers(0, 11),
    ),
    min_size=40,
    max_size=60,
)


def play(offsets: Sequence[int], taken: Iterable[tuple[str, int, int]]) -> Mesh:
    mesh = Mesh(offsets)
    most = len(offsets)
    for what, at, other in taken:
        if what == "write":
            mesh.write(at % most)
        elif what == "deliver":
            mesh.deliver(at % most, other % most)
        else:
            mesh.sample(at % most)
    mesh.deliver_all()
    for _ in range(2):
        for node in mesh.nodes:
            mesh.sample(node.number)
    return mesh


def check(mesh: Mesh) -> Counter[Cause]:
    found: Counter[Cause] = Counter()
    for entry in mesh.entries:
        cause = mesh.decide(entry)
        found[cause] += 1
        assert cause is not Cause.HAND_OVER
        if cause is Cause.CONCURRENT:
            assert entry.local.number not in entry.remote.seen, entry
            assert entry.remote.number not in entry.local.seen, entry
    return found


@settings(max_examples=500, deadline=None)
@given(st.lists(st.integers(-5000, 5000), min_size=3, max_size=4), steps)
def test_what_a_further_node_may_have_passed_on_is_not_concurrent(
    offsets: list[int], taken: list[tuple[str, int, int]]
) -> None:
    check(play(offsets, taken))


def test_it_is_not_where_a_further_node_did() -> None:
    """b was written on top of c, c on top of a; a comes to B last, c to A."""
    samples = [("sample", node, 0) for node in (0, 1, 2)]
    passed_on = [
        ("write", 0, 0),
        ("deliver", 2, 0),
        ("write", 2, 0),
        ("deliver", 1, 2),
        ("write", 1, 0),
        ("deliver", 0, 1),
        ("deliver", 1, 0),
    ]
    mesh = play((0, 100, -100), [step for one in passed_on for step in (one, *samples)])

    met = [one for one in mesh.entries if {one.node, one.remote.node} == {0, 1}]
    assert len(met) == 2
    assert {mesh.decide(one) for one in met} == {Cause.UNKNOWN}


def test_it_is_where_further_nodes_are_quiet() -> None:
    samples = [("sample", node, 0) for node in range(4)]
    mesh = play(
        (0, 100, -100, 0),
        [*samples, ("write", 0, 0), ("write", 1, 0), *samples],
    )

    met = [one for one in mesh.entries if {one.node, one.remote.node} == {0, 1}]
    assert [mesh.decide(one) for one in met] == [Cause.CONCURRENT] * 2
