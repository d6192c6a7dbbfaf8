"""Concurrent is never said of writes of which one was seen over a further node."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pgconflict.core.cause import decide
from pgconflict.core.evidence import MORE_NODES, Cause, Logged
from pgconflict.core.further import Further, came_after
from pgconflict.core.passing import Commit, PositionsSeen, Way, kept_from
from pgconflict.core.progress import (
    Positions,
    Sample,
    Samples,
    place_write,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pgconflict.core.conflict import OriginKind

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Write:
    """A transaction that wrote the row."""

    number: int
    node: int
    what: str
    at: datetime
    begin: int
    end: int
    seen: frozenset[int]
    """The writes that its writer had seen, in whatever way."""

    chain: frozenset[int]
    """Those of which the row that it found had come, version upon version."""


@dataclass(frozen=True)
class Entry:
    node: int
    remote: Write
    local: Write | None
    local_xid: int
    """The node's own transaction that wrote or applied the version."""

    logged: Logged
    marks: tuple[int, ...]
    """How far each node had written when it was logged."""


@dataclass
class Simulated:
    """One node: its row, and what is on its way to it."""

    number: int
    clock: datetime
    row: Write | None = None
    row_xid: int = 0
    gone: Write | None = None
    """Who took the row away."""

    wal: int = 0
    xid: int = 0
    had: frozenset[int] = frozenset()
    inbox: dict[int, list[Write]] = field(default_factory=lambda: defaultdict(list))
    applied: dict[int, int] = field(default_factory=dict)
    skipped: dict[int, list[Write]] = field(default_factory=lambda: defaultdict(list))

    def put(self, write: Write) -> None:
        """Take a version of the row, in a transaction of its own."""
        self.wal += 1
        self.xid += 1
        deletes = write.what == "delete"
        self.gone = write if deletes else None
        self.row, self.row_xid = None if deletes else write, self.xid

    def pass_by(self) -> None:
        """Write another row, or apply that."""
        self.wal += 1
        self.xid += 1


class Mesh:
    """Nodes of which each sends its own writes of one row to each other."""

    def __init__(self, offsets: Sequence[int]) -> None:
        self.nodes = [
            Simulated(number, START + timedelta(milliseconds=offset), xid=100 * number)
            for number, offset in enumerate(offsets)
        ]
        self.entries: list[Entry] = []
        self.writes = 0
        self.seen = PositionsSeen(defaultdict(Samples), defaultdict(Samples))
        # Each subscription has applied something, and positions were seen, before.
        for node in self.nodes:
            self.write(node.number, "update" if node.row else "insert")
            self.deliver_all()
        self.entries.clear()
        for node in self.nodes:
            self.sample(node.number)

    def tick(self, milliseconds: int) -> None:
        for node in self.nodes:
            node.clock += timedelta(milliseconds=milliseconds)

    def write(self, at: int, what: str = "update") -> None:
        self.tick(2)
        node = self.nodes[at]
        if what != "other" and (what == "insert") == (node.row is not None):
            return
        self.writes += 1
        found = node.row or node.gone
        chain = frozenset() if found is None else found.chain
        write = Write(
            number=self.writes,
            node=at,
            what=what,
            at=node.clock,
            begin=node.wal,
            end=node.wal + 1,
            seen=node.had,
            chain=chain | {self.writes},
        )
        if what == "other":
            node.pass_by()
        else:
            node.put(write)
            node.had |= {write.number}
        for other in self.nodes:
            if other is not node:
                other.inbox[at].append(write)

    def deliver(self, at: int, publisher: int) -> None:
        self.tick(2)
        node = self.nodes[at]
        if not node.inbox[publisher]:
            return
        write, met = node.inbox[publisher][0], node.row
        if write.what == "insert" and met is not None:
            self.log(node, write, "insert_exists", stalls=True)
            return
        node.inbox[publisher].pop(0)
        if write.what == "other":
            node.pass_by()
            node.applied[publisher] = write.end
            return
        if write.what != "insert":
            if met is None:
                self.log(node, write, f"{write.what}_missing")
                return
            if met.node != publisher:
                self.log(node, write, f"{write.what}_origin_differs")
        node.put(write)
        # Not what met no row: nobody sees a change that changed nothing.
        node.had |= write.seen | {write.number}
        node.applied[publisher] = write.end

    def skip(self, at: int, publisher: int) -> None:
        """Pass what comes next by, as ALTER SUBSCRIPTION ... SKIP does."""
        self.tick(2)
        node = self.nodes[at]
        if node.inbox[publisher]:
            write = node.inbox[publisher].pop(0)
            node.skipped[publisher].append(write)
            node.applied[publisher] = write.end

    def deliver_all(self) -> None:
        """Apply everything, but what apply has stopped on."""
        for _ in range(50):
            for node in self.nodes:
                for publisher in list(node.inbox):
                    self.deliver(node.number, publisher)

    def settle(self, at: int) -> None:
        """Bring a node all that is on its way to it, and look at every node."""
        for publisher in list(self.nodes[at].inbox):
            while self.nodes[at].inbox[publisher]:
                left = len(self.nodes[at].inbox[publisher])
                self.deliver(at, publisher)
                if len(self.nodes[at].inbox[publisher]) == left:
                    break
        for node in self.nodes:
            self.sample(node.number)

    def sample(self, at: int) -> None:
        """Ask a node how far it is, as the daemon does: its WAL first."""
        node = self.nodes[at]
        self.tick(1)
        self.seen.written[at].add(
            Sample(node.clock, node.clock, node.wal, START, node.xid + 1)
        )
        self.tick(1)
        for publisher, position in node.applied.items():
            self.seen.applied[at, publisher].add(
                Sample(node.clock, node.clock, position, START)
            )

    def log(
        self, node: Simulated, remote: Write, word: str, *, stalls: bool = False
    ) -> None:
        local = node.row
        for number, entry in enumerate(self.entries):
            before = entry.logged
            if (entry.node, entry.remote, before.conflict_type) == (
                node.number,
                remote,
                word,
            ):
                again = msgspec.structs.replace(
                    before, attempts=before.attempts + 1, last_logged_at=node.clock
                )
                self.entries[number] = replace(entry, logged=again)
                return
        kind: OriginKind | None = None
        if local is not None:
            kind = "local" if local.node == node.number else "origin"
        logged = Logged(
            conflict_id=len(self.entries) + 1,
            subid=remote.node,
            conflict_type=word,
            stalls=stalls,
            logged_at=node.clock,
            last_logged_at=node.clock,
            attempts=1,
            remote_at=remote.at,
            remote_lsn=remote.begin,
            local_at=None if local is None else local.at,
            local_kind=kind,
        )
        marks = tuple(one.wal for one in self.nodes)
        self.entries.append(
            Entry(node.number, remote, local, node.row_xid, logged, marks)
        )

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
        if entry.local is not None and entry.local.node != here:
            return self.of_writer(entry)
        own = [
            one.logged for one in self.entries if one.node == here and one is not entry
        ]
        lost = entry.local in self.nodes[there].skipped[here]
        mirrored = self.about(there, here)
        positions = Positions() if lost else self.positions(entry)
        came = came_after(entry.logged, mirrored, positions)
        return decide(
            entry.logged,
            mirrored,
            own,
            [MORE_NODES, *self.behind(entry)],
            positions,
            further=Further(
                apart=self.apart(entry),
                doubts=("a deletion was skipped",)
                if any(
                    came is None or came <= one.at <= entry.remote.at
                    for one in self.nodes[here].skipped[there]
                )
                else (),
                all_came=self.all_came(entry),
                later=frozenset(
                    one.logged.conflict_id
                    for one in self.entries
                    if one.remote.begin >= entry.marks[one.remote.node]
                ),
                entries=tuple(
                    one.logged
                    for one in self.entries
                    if one.node == there and one.remote.node != here
                ),
            ),
        ).cause

    def of_writer(self, entry: Entry) -> Cause:
        """What the node says of the same two writes that wrote the version."""
        for one in self.entries:
            same = (one.remote, one.local) == (entry.remote, entry.local)
            if same and entry.local is not None and one.node == entry.local.node:
                return self.decide(one)
        return Cause.UNKNOWN

    def positions(self, entry: Entry) -> Positions:
        here, there, local = entry.node, entry.remote.node, entry.local
        return place_write(
            written=self.seen.written[here],
            applied=self.seen.applied[there, here],
            commit=None if local is None else local.at,
            xid=None if local is None else entry.local_xid,
            other=entry.remote.at,
        )

    def behind(self, entry: Entry) -> list[str]:
        """Why the publisher may not have met what this node had written by then."""
        here, there = entry.node, entry.remote.node
        left, ours = self.nodes[there], self.nodes[here]
        if any(one.begin < entry.marks[here] for one in left.inbox[here]):
            return ["behind"]
        return ["skipped"] if left.skipped[here] or ours.skipped[there] else []

    def all_came(self, entry: Entry) -> bool:
        """Whether what further nodes had written by then came to both."""
        two = (entry.node, entry.remote.node)
        return not any(
            write.begin < entry.marks[further.number]
            for at in two
            for further in self.nodes
            if further.number not in two
            for left in (self.nodes[at].inbox, self.nodes[at].skipped)
            for write in left[further.number]
        )

    def apart(self, entry: Entry) -> bool:
        here, there, local = entry.node, entry.remote.node, entry.local
        if local is None:
            return False
        ours, theirs = Commit(here, local.at), Commit(there, entry.remote.at)
        ways = self.ways(here, there)
        return kept_from(ours, theirs, ways, self.seen) and kept_from(
            theirs, ours, ways, self.seen
        )


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["update"] * 4
            + ["other"] * 3
            + ["delete", "insert", "skip"]
            + ["deliver"] * 12
            + ["sample"] * 4
            + ["settle"] * 3
        ),
        st.integers(0, 11),
        st.integers(0, 11),
    ),
    min_size=40,
    max_size=60,
)


def play(
    offsets: Sequence[int],
    taken: Iterable[tuple[str, int, int]],
    *,
    to_the_end: bool = True,
) -> Mesh:
    """Take these steps, and apply all that is on its way then, or not."""
    mesh = Mesh(offsets)
    most = len(offsets)
    for what, at, other in taken:
        if what == "deliver":
            mesh.deliver(at % most, other % most)
        elif what == "skip":
            mesh.skip(at % most, other % most)
        elif what == "sample":
            mesh.sample(at % most)
        elif what == "settle":
            mesh.settle(at % most)
        else:
            mesh.write(at % most, what)
    if to_the_end:
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
        if cause is Cause.UNKNOWN:
            continue
        assert entry.local is not None
        if cause is Cause.HAND_OVER:
            assert entry.local.number in entry.remote.chain, entry
        else:
            assert entry.local.number not in entry.remote.seen, entry
            assert entry.remote.number not in entry.local.seen, entry
    return found


offsets_of_clocks = st.lists(st.integers(-5000, 5000), min_size=3, max_size=4)


@settings(max_examples=500, deadline=None)
@given(offsets=offsets_of_clocks, taken=steps, to_the_end=st.booleans())
def test_what_a_further_node_may_have_passed_on_is_not_concurrent(
    *, offsets: list[int], taken: list[tuple[str, int, int]], to_the_end: bool
) -> None:
    check(play(offsets, taken, to_the_end=to_the_end))


def held_up(chance: random.Random, most: int) -> Iterator[tuple[str, int, int]]:
    """Steps in which some subscriptions bring nothing for a while."""
    ways = [(a, b) for a in range(most) for b in range(most) if a != b]
    held = set(chance.sample(ways, chance.randint(0, 3)))
    comes_and_goes = chance.random() < 0.4
    for _ in range(chance.randint(10, 50)):
        at, other = chance.choice(ways)
        what = chance.choices(
            ["hold", "update", "other", "row", "deliver", "sample"],
            [10, 25, 10, 5, 25, 25],
        )[0]
        if what == "hold":
            held ^= {(at, other)}
        elif what == "update":
            yield ("update", at, 0)
            if chance.random() < 0.7:
                to = [way for way in ways if way[1] == at and way not in held]
                yield from (("deliver", *way) for way in to)
        elif what == "row" and comes_and_goes:
            step = chance.choice(["delete", "insert", "insert", "skip"])
            yield (step, at, other)
        elif what == "deliver" and (at, other) not in held:
            yield ("deliver", at, other)
        elif what in {"other", "sample"}:
            yield (what, at, 0)
        if chance.random() < 0.4:
            yield from (("sample", node, 0) for node in range(most))


@settings(max_examples=500, deadline=None)
@given(offsets=offsets_of_clocks, seed=st.integers(0, 2**32), to_the_end=st.booleans())
def test_nor_is_it_where_subscriptions_are_held_up(
    *, offsets: list[int], seed: int, to_the_end: bool
) -> None:
    taken = held_up(random.Random(seed), len(offsets))
    check(play(offsets, taken, to_the_end=to_the_end))


def test_it_is_not_where_a_further_node_did() -> None:
    """b was written on top of c, c on top of a; a comes to B last, c to A."""
    samples = [("sample", node, 0) for node in (0, 1, 2)]
    passed_on = [
        ("update", 0, 0),
        ("deliver", 2, 0),
        ("update", 2, 0),
        ("deliver", 1, 2),
        ("update", 1, 0),
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
        [*samples, ("update", 0, 0), ("update", 1, 0), *samples],
    )

    met = [one for one in mesh.entries if {one.node, one.remote.node} == {0, 1}]
    assert [mesh.decide(one) for one in met] == [Cause.CONCURRENT] * 2


def test_it_is_where_further_nodes_write_other_rows() -> None:
    """What a further node wrote meanwhile has come to both, and was not to this row."""
    samples = [("sample", node, 0) for node in range(3)]
    steps = [
        ("update", 0, 0),
        ("deliver", 2, 0),
        ("other", 2, 0),
        ("deliver", 1, 2),
        *samples,
        ("update", 1, 0),
        *samples,
    ]
    mesh = play((0, 100, -100), [*samples, *steps])

    met = [one for one in mesh.entries if {one.node, one.remote.node} == {0, 1}]
    assert not any(map(mesh.apart, met))
    assert [mesh.decide(one) for one in met] == [Cause.CONCURRENT] * 2


def test_a_hand_over_between_two_looks_is_told_by_what_was_not_logged() -> None:
    samples = [("sample", node, 0) for node in range(3)]
    sent = [("update", 0, 0), ("deliver", 1, 0), ("deliver", 2, 0)]
    # The second meets the first, which is no conflict.
    taken = [*sent, *samples, *sent, ("update", 1, 0), *samples]
    mesh = play((0, 100, -100), taken)

    (met,) = [one for one in mesh.entries if (one.node, one.remote.node) == (0, 1)]
    assert mesh.positions(met).placed is None
    assert mesh.decide(met) is Cause.HAND_OVER
