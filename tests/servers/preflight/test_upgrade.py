"""preflight and the real pg_upgrade agree on what both look at."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.cli.main import main
from tests.fixtures.upgrades import can_upgrade, execute, new_cluster, pg_upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pgconflict.demo.cluster import Cluster

WAYS = [(15, 18), (16, 18), (18, 19)]
SLOT = "select pg_create_logical_replication_slot('{}', 'pgoutput')"
TABLE = "create table t (id int primary key)"
SUBSCRIPTION = (
    "create subscription {} connection 'host=x' publication p"
    " with (connect = false, slot_name = none)"
)
STATE = (
    "insert into pg_subscription_rel"
    " select oid, 't'::regclass, '{}', null from pg_subscription"
)
PARENT = "create table p (v int); create table c () inherits (p)"


@dataclass(frozen=True)
class Case:
    """A difference from a cluster that can be upgraded, and what is said of it."""

    name: str
    item: str | None
    refused: bool
    old: Sequence[str] = ()
    new: Sequence[str] = ()
    undo: Sequence[str] = ()
    undo_new: Sequence[str] = ()
    old_settings: Mapping[str, Any] = field(default_factory=dict)
    new_settings: Mapping[str, Any] = field(default_factory=dict)
    ways: Sequence[tuple[int, int]] = ((18, 19),)


DROP_SLOTS = "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
DROP_SUBSCRIPTION = "drop subscription {}"

CASES = [
    Case("nothing special", None, False, ways=WAYS),
    Case(
        "a slot that has everything", None, False, [SLOT.format("s")],
        undo=[DROP_SLOTS],
    ),
    Case(
        "a slot with what the server writes for itself", None, False,
        [SLOT.format("s"), "select pg_log_standby_snapshot()", "checkpoint"],
        undo=[DROP_SLOTS],
    ),
    Case(
        "a slot with a change that is not published", "slot_unconsumed", True,
        [TABLE, SLOT.format("s"), "insert into t values (1)"],
        undo=[DROP_SLOTS, "drop table t"],
    ),
    Case(
        "a slot with a transaction that was rolled back", "slot_unconsumed", True,
        [TABLE, SLOT.format("s"), "begin; insert into t values (1); rollback"],
        undo=[DROP_SLOTS, "drop table t"],
    ),
    Case(
        "a slot with a logical message", "slot_unconsumed", True,
        [SLOT.format("s"), "select pg_logical_emit_message(false, 'a', 'b')"],
        undo=[DROP_SLOTS],
    ),
    Case(
        "fewer slots than there are", "target_slots", True,
        [SLOT.format("s"), SLOT.format("s2")],
        undo=[DROP_SLOTS], new_settings={"max_replication_slots": 1},
    ),
    Case(
        "slots in the new cluster", "target_slots", True, [SLOT.format("s")],
        [SLOT.format("n")], [DROP_SLOTS], [DROP_SLOTS],
    ),
    Case(
        "wal_level minimal", "target_wal_level", True, [SLOT.format("s")],
        undo=[DROP_SLOTS],
        new_settings={"wal_level": "minimal", "max_wal_senders": 0},
    ),
    Case(
        "wal_level replica", None, False, [SLOT.format("s")], undo=[DROP_SLOTS],
        new_settings={"wal_level": "replica"},
    ),
    Case(
        "a plugin that is not listed", "target_plugins", True, [SLOT.format("s")],
        undo=[DROP_SLOTS], new_settings={"output_plugin_libraries": "test_decoding"},
    ),
    Case(
        "fewer origins than subscriptions", "target_origins", True,
        [SUBSCRIPTION.format("s1"), SUBSCRIPTION.format("s2")],
        undo=[DROP_SUBSCRIPTION.format("s1"), DROP_SUBSCRIPTION.format("s2")],
        new_settings={"max_active_replication_origins": 1},
    ),
    Case(
        "an origin is missing", "origin_missing", True,
        [SUBSCRIPTION.format("s1"),
         "select pg_replication_origin_drop(roname) from pg_replication_origin"],
        undo=[DROP_SUBSCRIPTION.format("s1")],
    ),
    Case(
        "a copy that has begun", "copies_unfinished", True,
        [TABLE, SUBSCRIPTION.format("s1"), STATE.format("d")],
        undo=["delete from pg_subscription_rel", DROP_SUBSCRIPTION.format("s1"),
              "drop table t"],
    ),
    Case(
        "a copy that has not begun", "copies_unfinished", False,
        [TABLE, SUBSCRIPTION.format("s1"), STATE.format("i")],
        undo=["delete from pg_subscription_rel", DROP_SUBSCRIPTION.format("s1"),
              "drop table t"],
    ),
    Case(
        "a skip that was not met", "skip_lsn", False,
        [SUBSCRIPTION.format("s1"), "alter subscription s1 skip (lsn = '0/FFFF')"],
        undo=[DROP_SUBSCRIPTION.format("s1")],
    ),
    Case(
        "a prepared transaction", "prepared_transactions", True,
        [TABLE, "begin; insert into t values (1); prepare transaction 'it''s'"],
        undo=["rollback prepared 'it''s'", "drop table t"], ways=WAYS,
    ),
    Case(
        "a child without its parent's NOT NULL", "not_null", True,
        [PARENT, "alter table only p alter v set not null"],
        undo=["drop table p cascade"], ways=[(15, 18), (16, 18)],
    ),
    Case(
        "max_slot_wal_keep_size", None, False, [SLOT.format("s")], undo=[DROP_SLOTS],
        old_settings={"max_slot_wal_keep_size": "10MB"},
    ),
    Case(
        "slots and subscriptions of 16", "slots_lost", False,
        [SLOT.format("s"), SUBSCRIPTION.format("s1")],
        undo=[DROP_SLOTS, DROP_SUBSCRIPTION.format("s1")], ways=[(16, 18)],
    ),
]  # fmt: skip


@dataclass
class Bench:
    """Two clusters, up again after each try, and the command over them."""

    old: Cluster
    new: Cluster
    folder: Path

    def preflight(self, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
        file = self.folder / "pgconflict.yml"
        file.write_text(
            "conflict_log: {dsn: dbname=x, destination: log}\n"
            f'nodes: [{{name: a, dsn: "{self.old.dsn()}"}}]\n'
        )
        capsys.readouterr()
        code = main(
            ["--config", str(file), "preflight", "--json", "--wait", "0",
             "--new-dsn", self.new.dsn(), *words]
        )  # fmt: skip
        document = json.loads(capsys.readouterr().out)
        assert code == (0 if document["safe"] else 3)
        return document

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        self.old.stop()
        self.new.stop()
        yield
        self.old.start()
        self.new.start()

    def set(self, cluster: Cluster, settings: Mapping[str, Any]) -> None:
        if settings:
            cluster.stop()
            cluster.append_conf(settings)
            cluster.start()


@pytest.fixture(scope="module")
def benches() -> Iterator[Callable[[int, int], Bench]]:
    folder = Path(tempfile.mkdtemp(prefix="pgconflict-upgrades-"))
    folder.chmod(0o711)
    made: dict[tuple[int, int], Bench] = {}

    def bench(old: int, new: int) -> Bench:
        if not can_upgrade(old, new):
            pytest.skip(f"no programs here for pg_upgrade {old} to {new}")
        if (old, new) not in made:
            both = [
                new_cluster(major, folder, f"{old}-{new}-{name}", _SETTINGS)
                for name, major in (("old", old), ("new", new))
            ]
            for cluster in both:
                cluster.start()
            made[old, new] = Bench(both[0], both[1], folder)
        return made[old, new]

    yield bench
    for one in made.values():
        one.old.destroy()
        one.new.destroy()
    shutil.rmtree(folder, ignore_errors=True)


_SETTINGS = {"max_prepared_transactions": 5, "autovacuum": False}
_TRIED = [
    pytest.param(way, case, id=f"{way[0]}-{way[1]}-{case.name}")
    for way in WAYS
    for case in CASES
    if way in case.ways
]


@pytest.mark.parametrize(("way", "case"), _TRIED)
def test_both_say_the_same(
    way: tuple[int, int],
    case: Case,
    benches: Callable[[int, int], Bench],
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench = benches(*way)
    old, new = bench.old, bench.new
    before = {name: old.settings.get(name, -1) for name in case.old_settings}
    before_new = {
        name: new.settings.get(name, _DEFAULTS.get(name)) for name in case.new_settings
    }
    bench.set(old, case.old_settings)
    bench.set(new, case.new_settings)
    execute(old, *case.old)
    execute(new, *case.new)
    try:
        document = bench.preflight(capsys)
        with bench.down():
            told = pg_upgrade(old, new)
    finally:
        execute(old, *case.undo)
        execute(new, *case.undo_new)
        bench.set(old, before)
        bench.set(new, before_new)

    refusing = [one for one in document["findings"] if one["pg_upgrade_refuses"]]
    assert told.ok is not case.refused, told.said
    assert bool(refusing) is case.refused, document["findings"]
    counted = {
        one["item"] for one in document["findings"] if one["severity"] != "notice"
    }
    if case.item is not None:
        assert case.item in counted
        assert not document["safe"]
    else:
        assert counted == set()
        assert document["safe"]


_DEFAULTS = {"output_plugin_libraries": "pgoutput"}


@pytest.mark.parametrize("way", WAYS, ids=[f"{one}-{two}" for one, two in WAYS])
def test_what_is_safe_is_upgraded(
    way: tuple[int, int],
    benches: Callable[[int, int], Bench],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """The real thing, in clusters of their own: the verdict was no empty word."""
    benches(*way)
    folder = Path(tempfile.mkdtemp(prefix="pgconflict-upgrade-"))
    folder.chmod(0o711)
    old = new_cluster(way[0], folder, "old", _SETTINGS)
    new = new_cluster(way[1], folder, "new", _SETTINGS)
    try:
        old.start()
        new.start()
        execute(old, TABLE, "insert into t values (1)", "select lo_create(0)")
        document = Bench(old, new, tmp_path).preflight(capsys)
        old.stop()
        new.stop()

        told = pg_upgrade(old, new, check=False)

        assert document["safe"]
        assert {one["item"] for one in document["findings"]} == {
            "large_objects", "commit_timestamps", "statistics",
        }  # fmt: skip
        assert told.ok, told.said
        new.start()
        # What preflight says of commit timestamps is so.
        execute(new, "select 1 / (pg_xact_commit_timestamp(xmin) is null)::int from t")
    finally:
        old.destroy()
        new.destroy()
        shutil.rmtree(folder, ignore_errors=True)
