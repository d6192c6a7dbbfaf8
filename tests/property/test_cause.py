"""The decision rule is never wrong about histories of two nodes, their truth known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pgconflict.core.cause import decide
from pgconflict.core.evidence import Cause, Logged
from pgconflict.core.progress import Positions, Sample, Samples, place_write

if TYPE_CHECKING:
    from collections.abc import Sequence

START = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = (1, 2)


@dataclass(frozen=True)
class Change:
    """What one transaction does to one row, as it is sent."""

    number: int
    node: int
    at: datetime
    lsn: int
    what: str
    key: int
    new_key: int


@dataclass(frozen=True)
class Version:
    number: int  # of the transaction
    node: int
    at: datetime


@dataclass
class Entry:
    """What was logged, and the truth about it."""

    node: int
    key: int
    new_key: int
    logged: Logged
    remote: int
    local: int | None
    concurrent: bool | None


@dataclass
class Simulated:
    """One node."""

    name: int
    clock: datetime
    rows: dict[int, Version] = field(default_factory=dict)
    inbox: list[Change] = field(default_factory=list)
    applied: set[int] = field(default_factory=set)
    skipped: dict[Change, datetime] = field(default_factory=dict)
    passed: int = 0
    """The last change of the other node that changed a row here."""

    samples_written: Samples = field(default_factory=Samples)
    samples_applied: Samples = field(default_factory=Samples)


class History:
    """Two nodes, each with the changes that wait for it; random steps."""

    def __init__(self, offset: int) -> None:
        ahead = timedelta(microseconds=offset)
        self.nodes = (Simulated(0, START), Simulated(1, START + ahead))
        self.entries: list[Entry] = []
        self.seen: dict[int, frozenset[int]] = {}  # transaction -> others' seen by it
        self.changes: dict[int, Change] = {}
        self.number = 0

    def tick(self, microseconds: int) -> None:
        for node in self.nodes:
            node.clock += timedelta(microseconds=microseconds)

    def write(self, at: int, what: str, key: int, *, share: bool = True) -> None:
        node = self.nodes[at]
        new_key = key
        if what == "move":
            new_key = KEYS[1 - KEYS.index(key)]
            if key not in node.rows or new_key in node.rows:
                return
        if (what == "insert") == (key in node.rows):
            return
        self.number += 1
        change = Change(
            self.number, at, node.clock, 2 * self.number, what, key, new_key
        )
        self.changes[self.number] = change
        self.seen[self.number] = frozenset(node.applied)
        self.put(node, change, Version(self.number, at, node.clock))
        if share:
            self.nodes[1 - at].inbox.append(change)

    def put(self, node: Simulated, change: Change, version: Version) -> None:
        if change.what in ("delete", "move"):
            del node.rows[change.key]
        if change.what != "delete":
            node.rows[change.new_key] = version

    def sample(self, at: int) -> None:
        """Ask a node how far it is."""
        node = self.nodes[at]
        seen = (node.clock, node.clock)
        written = Sample(*seen, 2 * self.number + 1, START, self.number + 1)
        node.samples_written.add(written)
        node.samples_applied.add(Sample(*seen, node.passed, START))

    def positions(self, entry: Entry) -> Positions:
        """What the samples tell of an entry."""
        change = self.changes[entry.remote]
        met = None if entry.local is None else self.changes[entry.local]
        if met in self.nodes[1 - entry.node].skipped:
            return Positions()
        return place_write(
            written=self.nodes[entry.node].samples_written,
            applied=self.nodes[1 - entry.node].samples_applied,
            commit=None if met is None else met.at,
            xid=None if met is None else met.number,
            other=change.at,
        )

    def deliver(self, at: int) -> None:
        node = self.nodes[at]
        if not node.inbox:
            return
        change = node.inbox[0]
        blocked = self.blocked(node, change)
        met = node.rows.get(change.new_key if blocked else change.key)
        if blocked:
            self.log(node, change, blocked, met, stalls=True)
            return
        node.inbox.pop(0)
        node.applied.add(change.number)
        if change.what != "insert":
            word = "delete" if change.what == "delete" else "update"
            if met is None:
                self.log(node, change, f"{word}_missing", None)
                return
            if met.node == at:
                self.log(node, change, f"{word}_origin_differs", met)
        self.put(node, change, Version(change.number, change.node, change.at))
        node.passed = change.lsn + 1  # where its commit record ends

    def blocked(self, node: Simulated, change: Change) -> str | None:
        if change.what == "insert" and change.key in node.rows:
            return "insert_exists"
        moved = change.what == "move" and change.key in node.rows
        return "update_exists" if moved and change.new_key in node.rows else None

    def skip(self, at: int) -> None:
        """Somebody gives up a transaction: it stops apply, perhaps by another row."""
        node = self.nodes[at]
        if node.inbox:
            node.skipped[node.inbox.pop(0)] = node.clock

    def log(
        self,
        node: Simulated,
        change: Change,
        word: str,
        met: Version | None,
        *,
        stalls: bool = False,
    ) -> None:
        at = node.clock.replace(microsecond=node.clock.microsecond // 1000 * 1000)
        for entry in self.entries:
            same = (entry.node, entry.remote) == (node.name, change.number)
            if same and entry.logged.conflict_type == word:
                entry.logged = msgspec.structs.replace(
                    entry.logged, attempts=entry.logged.attempts + 1, last_logged_at=at
                )
                return
        own = met is not None and met.node == node.name
        logged = Logged(
            conflict_id=len(self.entries) + 1,
            conflict_type=word,
            stalls=stalls,
            logged_at=at,
            last_logged_at=at,
            attempts=1,
            remote_at=change.at,
            remote_lsn=change.lsn,
            local_at=met.at if met else None,
            local_kind=None if met is None else "local" if own else "origin",
        )
        concurrent: bool | None = None
        local = met.number if met and own else None
        if local is not None:
            concurrent = local not in self.seen[change.number]
        if met is None:
            # Nobody's version to name: any of its own writes that was not seen.
            concurrent = any(
                write.node == node.name
                and key in (write.key, write.new_key)
                and write.number not in self.seen[change.number]
                for write in self.changes.values()
                for key in (change.key, change.new_key)
            )
        key = change.new_key if stalls else change.key
        self.entries.append(
            Entry(
                node.name, key, change.new_key, logged, change.number, local, concurrent
            )
        )

    def decided(self, *, complete: bool) -> list[tuple[Entry, Cause]]:
        found: list[tuple[Entry, Cause]] = []
        handed_over: set[int] = set()
        for entry in sorted(self.entries, key=lambda one: one.logged.logged_at):
            theirs = self.around(1 - entry.node, entry.key, handed_over)
            ours = [
                other
                for other in self.around(entry.node, entry.key, handed_over)
                if other.conflict_id != entry.logged.conflict_id
            ]
            doubts = self.doubts_of_skips(entry)
            if not complete:
                doubts.append("the log was not read that far")
            cause = decide(
                entry.logged, theirs, ours, doubts, self.positions(entry)
            ).cause
            if cause is Cause.UNKNOWN and self.never_applied(entry):
                cause = Cause.CONCURRENT
            found.append((entry, cause))
            if cause is Cause.HAND_OVER:
                handed_over.add(entry.logged.conflict_id)
        return found

    def never_applied(self, entry: Entry) -> bool:
        if entry.local is None:
            return False
        skipped = self.nodes[1 - entry.node].skipped.get(self.changes[entry.local])
        return skipped is not None and self.changes[entry.remote].at < skipped

    def doubts_of_skips(self, entry: Entry) -> list[str]:
        here, there = self.nodes[entry.node], self.nodes[1 - entry.node]
        written, met = entry.logged.remote_at, entry.logged.local_at
        earlier = any(one.at < written for one in here.skipped if written)
        of_ours = any(met is None or one.at <= met for one in there.skipped)
        return ["skipped"] if earlier or of_ours else []

    def around(self, node: int, key: int, handed_over: set[int]) -> list[Logged]:
        return [
            msgspec.structs.replace(
                entry.logged,
                moves_here=entry.new_key == key and entry.key != key,
                handed_over=entry.logged.conflict_id in handed_over,
            )
            for entry in self.entries
            if entry.node == node and key in (entry.key, entry.new_key)
        ]


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["update"] * 6
            + ["deliver"] * 8
            + ["delete", "insert", "insert", "move", "deliver-all", "skip"]
            + ["sample"] * 3
        ),
        st.sampled_from([0, 1]),
        st.sampled_from(KEYS),
        st.sampled_from([1, 7, 120, 900, 2500]),
    ),
    max_size=60,
)


def play(offset: int, taken: Sequence[tuple[str, int, int, int]]) -> History:
    history = History(offset)
    for key in KEYS:
        history.write(0, "insert", key)
        history.tick(5000)
    for _ in KEYS:
        history.deliver(1)
    for what, at, key, microseconds in taken:
        history.tick(microseconds)
        if what == "deliver":
            history.deliver(at)
        elif what == "deliver-all":
            for _ in range(len(history.nodes[at].inbox)):
                history.deliver(at)
                history.tick(3)
        elif what == "sample":
            history.sample(at)
        elif what == "skip":
            history.skip(at)
        else:
            history.write(at, what, key)
    return history


def deliver_all(history: History) -> bool:
    """Apply everything; False if apply is stopped for good."""
    for _ in range(200):
        for at in (0, 1):
            history.tick(1500)
            history.deliver(at)
        if not any(node.inbox for node in history.nodes):
            return True
    return False


@settings(max_examples=3000, deadline=None)
@given(st.integers(-5_000_000, 5_000_000), steps)
# What was skipped there would have told that the row had gone.
@example(
    0,
    [("delete", 0, 2, 1), ("delete", 1, 2, 1), ("insert", 0, 2, 1), ("skip", 1, 1, 1)],
)
def test_a_cause_is_never_wrong(
    offset: int, taken: list[tuple[str, int, int, int]]
) -> None:
    check(offset, taken)


def check(offset: int, taken: Sequence[tuple[str, int, int, int]]) -> None:
    history = play(offset, taken)
    for complete in (False, True):
        if complete:
            complete = deliver_all(history)  # noqa: PLW2901 - stopped for good: not
        for entry, cause in history.decided(complete=complete):
            if cause is Cause.UNKNOWN:
                continue
            assert (cause is Cause.CONCURRENT) == entry.concurrent, (
                entry,
                history.changes,
            )


stops = st.lists(
    st.tuples(
        st.sampled_from(
            ["update"] * 3
            + ["deliver"] * 8
            + ["delete"] * 3
            + ["insert"] * 3
            + ["move", "deliver-all", "sample"]
        ),
        st.sampled_from([0, 1]),
        st.sampled_from((1, 1, 1, 2)),
        st.sampled_from([1, 120, 2500]),
    ),
    min_size=8,
    max_size=50,
)


@settings(max_examples=3000, deadline=None)
@given(st.just(0), stops)
def test_nor_where_apply_stops_and_rows_come_and_go(
    offset: int, taken: list[tuple[str, int, int, int]]
) -> None:
    check(offset, taken)


@settings(max_examples=500, deadline=None)
@given(
    st.integers(-5_000_000, 5_000_000),
    st.lists(
        st.tuples(
            st.sampled_from(["update", "update", "deliver", "deliver-all"]),
            st.sampled_from([0, 1]),
            st.just(1),
            st.sampled_from([1, 7, 120, 900, 2500]),
        ),
        max_size=60,
    ),
)
def test_updates_alone_are_always_decided(
    offset: int, taken: list[tuple[str, int, int, int]]
) -> None:
    """Without deletes, inserts and stops, a complete log leaves nothing unknown."""
    history = play(offset, taken)
    assert deliver_all(history)

    causes = Counter(cause for _, cause in history.decided(complete=True))

    assert causes[Cause.UNKNOWN] == 0


def test_what_meets_a_repair_was_handed_over() -> None:
    """The first change of a repaired row is reported once more; nothing is wrong."""
    met = Logged(
        conflict_id=1,
        conflict_type="update_origin_differs",
        stalls=False,
        logged_at=START,
        last_logged_at=START,
        attempts=1,
        remote_at=START,
        remote_lsn=1,
        local_at=START,
        local_kind="origin",
    )
    by_repair = msgspec.structs.replace(met, met_repair=True)

    assert decide(met, [], [], []).cause is Cause.UNKNOWN
    assert decide(by_repair, [], [], ["a doubt"]).cause is Cause.HAND_OVER


def test_what_apply_stopped_on_proves_no_hand_over() -> None:
    """Seen on real nodes: an insert stops on a row, a session deletes that row, the
    insert is applied unlogged, and the deletion meets it on the other node."""
    deleted = START + timedelta(milliseconds=100)
    stopped = Logged(
        conflict_id=1,
        conflict_type="insert_exists",
        stalls=True,
        logged_at=START,
        last_logged_at=START,
        attempts=1,
        remote_at=START,
        remote_lsn=1,
        local_at=None,
        local_kind="origin",
    )
    met = Logged(
        conflict_id=2,
        conflict_type="delete_origin_differs",
        stalls=False,
        logged_at=START + timedelta(milliseconds=300),
        last_logged_at=START + timedelta(milliseconds=300),
        attempts=1,
        remote_at=deleted,
        remote_lsn=9,
        local_at=START,
        local_kind="local",
    )

    assert decide(met, [stopped], [], []).cause is Cause.UNKNOWN
    assert decide(met, [], [stopped], []).cause is Cause.UNKNOWN
    assert decide(met, [], [], []).cause is Cause.HAND_OVER


def test_an_insert_that_meets_no_row_is_not_logged() -> None:
    """One node has the row, the other inserts it, and the first deletes it unseen."""
    came_apart = [
        (0, "delete"),
        (0, "insert"),
        (1, "delete"),
        (0, "deliver"),
        (1, "deliver"),
        (1, "deliver"),
    ]
    once_more = [
        (0, "insert"),
        (1, "update"),
        (0, "deliver"),
        (1, "delete"),
        (0, "deliver"),
        (1, "deliver"),
    ]
    history = play(0, [(what, at, 1, 2500) for at, what in came_apart + once_more])

    (entry,) = [one for one in history.entries if one.concurrent and one.local == 6]
    assert history.entries[-1] is entry
    causes = {one.remote: cause for one, cause in history.decided(complete=True)}
    assert causes[entry.remote] is Cause.UNKNOWN


def test_nor_is_one_after_a_delete_that_met_no_row() -> None:
    taken = [
        (1, "update"),
        (0, "delete"),
        (0, "insert"),
        (0, "deliver"),
        (1, "delete"),
        (0, "deliver"),
        (1, "deliver"),
        (1, "deliver"),
        (1, "delete"),
        (0, "insert"),
        (0, "deliver"),
        (1, "deliver"),
    ]
    check(0, [(what, at, 1, 2500) for at, what in taken])
