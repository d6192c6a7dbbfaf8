"""`sequences sync`: the plan, the change, the proof."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.fixtures.nodes import numbers
from tests.fixtures.sequence_nodes import stands

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.sequence_nodes import Pair

VERSION_PAIRS = [
    (15, 16),
    (16, 17),
    (17, 18),
    (18, 19),
    (15, 19),
    (15, 18),
    (16, 19),
    (19, 15),
]

KINDS = """
create schema app;
create table app.t (s serial primary key, i int generated always as identity);
create sequence app."Od""d; name" increment 10 minvalue 5 maxvalue 500 cache 4;
create sequence app.down increment -3 minvalue -300 maxvalue -1;
create sequence app.round maxvalue 100 cycle;
create sequence app.small as smallint;
create unlogged sequence app.unlogged;
create sequence app.fresh start 77;
create sequence app.not_called;
create sequence app.ahead;
create sequence app.last maxvalue 50;
create sequence app."größe_数";
"""
MOVE = """
select nextval('app.t_s_seq'), nextval('app.t_i_seq'), nextval('app."Od""d; name"'),
       nextval('app.down'), nextval('app.round'), nextval('app.small'),
       nextval('app.unlogged') from generate_series(1, 7);
select setval('app.not_called', 1234, false), setval('app.last', 50),
       setval('app."größe_数"', 8);
"""


@pytest.mark.parametrize(("source", "target"), VERSION_PAIRS)
def test_all_kinds_from_any_version_to_any(
    two: Callable[..., Pair], source: int, target: int
) -> None:
    pair = two(source, target)
    pair.both(KINDS)
    pair.a.execute(MOVE)
    pair.b.execute("select setval('app.ahead', 900)")
    names = [f"app.{name}" for name in pair.diff() if name[1] == "b"]
    assert names

    planned = pair.sync()
    untouched = stands(pair.b, "app.t_s_seq")
    done = pair.sync("--apply")
    again = pair.sync("--apply")

    assert planned.code == 0
    assert "10 sequences to move, 0 left alone, 2 as they should be" in planned.err
    assert "nothing was changed" in planned.err
    assert untouched == (1, False)
    assert done.code == 0
    assert "proved by reading both nodes again: all 12 sequences" in done.err
    for name in ("t_s_seq", "t_i_seq", "down", "round", "small", "unlogged", "last"):
        assert stands(pair.b, f"app.{name}") == stands(pair.a, f"app.{name}"), name
    assert stands(pair.b, "app.not_called") == (1234, False)
    assert stands(pair.b, "app.fresh") == (77, False)
    assert stands(pair.b, 'app.Od"d; name') == stands(pair.a, 'app.Od"d; name')
    assert stands(pair.b, "app.größe_数") == (8, True)
    assert stands(pair.b, "app.ahead") == (900, True)
    assert again.code == 0
    assert "0 sequences to move, 0 left alone, 12 as they should be" in again.err


def test_the_margin_counts_the_sources_values(same: Pair) -> None:
    same.both(
        "create schema app; create sequence app.x increment 10; "
        "create sequence app.y increment -5"
    )
    same.a.execute("select setval('app.x', 101), setval('app.y', -46)")

    assert same.sync("--apply", "--margin", "100").code == 0
    assert stands(same.b, "app.x") == (1101, True)
    assert stands(same.b, "app.y") == (-546, True)
    assert "0 sequences to move" in same.sync("--margin", "100").err


@pytest.mark.majors(15, 19)
def test_a_margin_without_room_is_said_by_name(same: Pair) -> None:
    same.both(
        "create schema app; create sequence app.near maxvalue 200;"
        "create sequence app.far"
    )
    same.a.execute("select setval('app.near', 150), setval('app.far', 150)")

    moved = same.sync("--apply", "--margin", "100", "--no-store")
    again = same.sync("--apply", "--margin", "100", "--no-store", "--json")

    assert moved.code == again.code == 3
    assert stands(same.b, "app.near") == (150, True)
    assert stands(same.b, "app.far") == (250, True)
    why = "the margin would reach 250, beyond its MAXVALUE 200: a smaller --margin"
    assert f"behind the source; {why}" in moved.out
    assert "moved 2, unchanged 0, not as asked 1" in moved.err
    (left,) = again.json["left_alone"]
    assert (left["sequencename"], left["obstacle"]) == (
        "near",
        "no room for the margin",
    )
    assert why in left["detail"]
    assert (again.json["unchanged"], again.json["blocked"]) == (1, 1)
    assert same.sync("--apply", "--margin", "50", "--no-store").code == 0


@pytest.mark.majors(15, 19)
def test_a_margin_in_time_follows_the_rate(same: Pair) -> None:
    same.both("create schema app; create sequence app.fast; create sequence app.still")
    same.a.execute("select setval('app.still', 10)")
    stop = threading.Event()

    def write() -> None:
        with same.a.connect() as connection:
            while not stop.is_set():
                connection.execute("select nextval('app.fast')")
                time.sleep(0.002)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = same.sync("--apply", "--margin", "60s", "--sample", "1s")
        source = stands(same.a, "app.fast")[0]
    finally:
        stop.set()
        writer.join()

    assert done.code == 0
    ahead = stands(same.b, "app.fast")[0] - source
    # About 300 to 500 a second; under load it may be far less.
    assert 600 < ahead < 60_000
    assert stands(same.b, "app.still") == (10, True)


def test_the_column_counts_when_it_is_asked(same: Pair) -> None:
    same.both("create schema app; create table app.t (id serial primary key)")
    same.a.execute("select setval('app.t_id_seq', 20)")
    same.b.execute("insert into app.t values (500), (3)")

    plain = same.sync("--json")
    asked = same.sync("--check-columns", "--json")
    done = same.sync("--check-columns", "--apply")

    assert plain.json["plan"][0]["last_value"] == 20
    assert asked.json["plan"][0]["last_value"] == 500
    assert asked.json["plan"][0]["column_value"] == 500
    assert asked.json["plan"][0]["reason"] == "below its column"
    assert done.code == 0
    same.b.execute("insert into app.t default values")
    assert same.b.value("select max(id) from app.t") == 501


@pytest.mark.majors(16)
def test_only_values_of_its_own_residue_count_in_the_column(same: Pair) -> None:
    same.both(
        "create schema app; create table app.t (id serial primary key);"
        "alter sequence app.t_id_seq increment 2"
    )
    same.a.execute("select setval('app.t_id_seq', 2)")
    same.b.execute(
        "select setval('app.t_id_seq', 11); insert into app.t values (600), (20), (17)"
    )

    done = same.sync("--check-columns", "--apply")

    assert done.code == 0
    assert stands(same.b, "app.t_id_seq") == (17, True)


@pytest.mark.majors(18)
def test_the_column_is_read_by_its_index(same: Pair) -> None:
    same.both("create schema app; create table app.t (id bigserial primary key)")
    same.b.execute("insert into app.t select generate_series(1, 200000); analyze app.t")

    began = time.monotonic()
    done = same.sync("--check-columns", "--json")

    assert done.json["plan"][0]["last_value"] == 200_000
    assert time.monotonic() - began < 5


def test_backwards_only_what_is_named(same: Pair) -> None:
    same.both("create schema app; create sequence app.x; create sequence app.y")
    same.a.execute("select setval('app.x', 10), setval('app.y', 10)")
    same.b.execute("select setval('app.x', 99), setval('app.y', 99)")

    done = same.sync("--apply", "--allow-backwards", "app.x")

    assert done.code == 0
    assert stands(same.b, "app.x") == (10, True)
    assert stands(same.b, "app.y") == (99, True)


def test_definitions_are_left_alone_or_taken(same: Pair) -> None:
    same.both("create schema app")
    same.a.execute(
        "create sequence app.x as integer increment 5 maxvalue 5000 cache 3 cycle;"
        "create sequence app.y maxvalue 100; select setval('app.x', 61)"
    )
    same.b.execute(
        "create sequence app.x; create sequence app.y maxvalue 200;"
        "select setval('app.y', 150)"
    )

    left = same.sync("--apply")
    taken = same.sync("--apply", "--with-definition")

    assert left.code == 3
    assert "definition differs: data_type integer / bigint" in left.out
    assert taken.code == 3
    # y has given out 150, which the source's definition has no place for.
    assert "out of the target's bounds: 150 is not between 1 and 100" in taken.out
    rows = same.diff()
    x = rows["x", "b"]
    assert x["states"] == ["in_sync"]
    assert (x["data_type"], x["increment"], x["maximum"]) == ("integer", 5, 5000)
    assert (x["cache"], x["cycle"], x["last_value"]) == (3, True, 61)
    assert rows["y", "b"]["maximum"] == 200


def test_missing_sequences_are_listed_or_created(same: Pair) -> None:
    same.both("create schema app; create table app.t (id int)")
    same.a.execute(
        "create sequence app.x as smallint increment 3 start 7 cache 2;"
        "create unlogged sequence app.u; create schema only_a;"
        "create sequence only_a.z; create table app.i (id int generated always"
        " as identity); alter table app.t add column n int;"
        "create sequence app.owned owned by app.t.id;"
        "create sequence app.column_missing owned by app.t.n;"
        "select nextval('app.x'), nextval('app.owned')"
    )

    left = same.sync("--apply")
    made = same.sync("--apply", "--create-missing")

    assert left.code == 3
    assert left.out.count("--create-missing creates it") == 2 * 5
    assert "it comes with the identity column app.i.id" in left.out
    assert made.code == 3
    assert 'schema "only_a" does not exist' in made.out
    rows = same.diff("--schema", "app")
    x = rows["x", "b"]
    assert x["states"] == ["in_sync"]
    assert (x["data_type"], x["increment"], x["start"]) == ("smallint", 3, 7)
    assert (x["cache"], x["last_value"], x["is_called"]) == (2, 10, True)
    assert rows["u", "b"]["unlogged"] is True
    assert rows["owned", "b"]["columns"] == ["app.t.id"]
    assert rows["column_missing", "b"]["columns"] == []
    assert rows["i_id_seq", "b"]["states"] == ["missing"]


def test_who_keeps_a_sequence_locked_is_named_and_later_it_goes_on(same: Pair) -> None:
    same.both("create schema app; create sequence app.busy; create sequence app.free")
    same.a.execute("select setval('app.busy', 10), setval('app.free', 10)")
    with same.b.connect(application_name="nightly job") as busy:
        with busy.transaction():
            busy.execute("select nextval('app.busy')")

            began = time.monotonic()
            done = same.sync("--apply", "--patience", "1s")
            took = time.monotonic() - began

            # Nobody else waits behind us for long.
            with same.b.connect() as other:
                other.execute("set lock_timeout = '300ms'")
                other.execute("select nextval('app.busy')")
        assert done.code == 3
        assert "app.busy" in done.out
        assert "busy: locked by pid" in done.out
        assert "nightly job, idle in transaction" in done.out
        assert took < 8
        assert stands(same.b, "app.free") == (10, True)

    assert same.sync("--apply").code == 0
    assert stands(same.b, "app.busy") == (10, True)


@pytest.mark.majors(15, 19)
def test_a_sequence_that_is_busy_for_a_moment_is_waited_for(same: Pair) -> None:
    same.both("create schema app; create sequence app.x")
    same.a.execute("select setval('app.x', 10)")
    held = threading.Event()

    def hold() -> None:
        with same.b.connect() as busy, busy.transaction():
            busy.execute("select nextval('app.x')")
            held.set()
            time.sleep(1)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()

    done = same.sync("--apply")

    holder.join()
    assert done.code == 0
    assert stands(same.b, "app.x") == (10, True)


def test_writing_needs_ownership_and_nothing_else(same: Pair) -> None:
    role = f"mover_{next(numbers)}"
    for node in same.nodes:
        node.execute(f"create role {role} login; grant pg_read_all_data to {role}")
    same.both("create schema app; create sequence app.mine; create sequence app.theirs")
    same.b.execute(f"alter sequence app.mine owner to {role}")
    same.a.execute("select setval('app.mine', 10), setval('app.theirs', 10)")
    same.run.roles = {"a": role, "b": role}

    done = same.sync("--apply")

    assert done.code == 77
    assert "app.theirs: denied: our role does not own it" in done.err
    assert stands(same.b, "app.mine") == (10, True)
    assert stands(same.b, "app.theirs") == (1, False)


@pytest.mark.majors(18)
def test_a_target_that_is_read_only_by_default_is_no_obstacle(same: Pair) -> None:
    same.both("create schema app; create sequence app.x")
    same.a.execute("select setval('app.x', 10)")
    same.b.execute(
        f"alter database {same.b.dbname} set default_transaction_read_only = on",
        dbname="postgres",
    )

    assert same.sync("--apply").code == 0
    assert stands(same.b, "app.x") == (10, True)


@pytest.mark.majors(18)
def test_the_proof_is_kept_and_printed_again(same: Pair) -> None:
    same.both("create schema app; create sequence app.x; create sequence app.y")
    same.a.execute("select setval('app.x', 10)")

    done = same.sync("--apply", "--json", "--margin", "5").json
    kept = same.run("sync", "--proof", str(done["sync_id"]), "--json").json
    text = same.run("sync", "--proof")

    assert done["outcome"] == kept["outcome"] == "proved"
    assert (kept["kind"], kept["source_node"], kept["target_nodes"]) == (
        "sync",
        "a",
        ["b"],
    )
    assert kept["database"] == same.a.dbname
    assert kept["options"]["margin"] == 5
    assert kept["moved"] == 2
    x, y = kept["values"]
    assert (x["sequencename"], x["moved"], x["doubt"]) == ("x", True, None)
    assert (x["source_last_value"], x["old_last_value"], x["last_value"]) == (10, 1, 15)
    assert y["last_value"] == 5
    assert kept["os_user"]
    assert kept["host"]
    assert "app.x" in text.out
    assert "proved" in text.out


@pytest.mark.majors(18)
def test_without_the_conflict_log_nothing_is_done_unless_so_asked(
    same: Pair, sequence_log: str
) -> None:
    same.both("create schema app; create sequence app.x")
    same.a.execute("select setval('app.x', 10)")
    same.run.conflict_log = "host=127.0.0.1 port=1 dbname=none user=postgres"

    refused = same.sync("--apply")
    untouched = stands(same.b, "app.x")
    done = same.sync("--apply", "--no-store")

    assert refused.code == 69
    assert "--no-store" in refused.err
    assert untouched == (1, False)
    assert done.code == 0
    assert stands(same.b, "app.x") == (10, True)
    with psycopg.connect(sequence_log) as connection:
        rows = connection.execute(
            "select from pgconflict.sequence_sync where database = %s",
            (same.a.dbname,),
        ).fetchall()
    assert rows == []


@pytest.mark.majors(18)
def test_one_database_is_not_synchronised_with_itself(same: Pair) -> None:
    same.run.nodes = (same.a, type(same.a)("b", same.a.cluster, same.a.dbname))

    done = same.sync()

    assert done.code == 78
    assert "are the same database" in done.err


@pytest.mark.majors(18)
def test_usage(same: Pair) -> None:
    assert same.run("sync").code == 2
    assert same.run("sync", "--from", "a", "--to", "a").code == 2
    assert same.run("sync", "--from", "a", "--to", "z").code == 2
    assert same.sync("--margin", "60 parsecs").code == 2
    assert same.sync("--allow-backwards", "x").code == 2
    assert same.sync("--require-read-only").code == 2
    assert same.run("sync", "--proof", "x").code == 2
    assert same.run("sync", "--proof", "999999999").code == 2


@pytest.mark.majors(15, 19)
def test_a_live_source_that_overtakes_is_not_called_proved(same: Pair) -> None:
    """Without a margin the source goes on; the proof is about what it has given out."""
    same.both("create schema app; create sequence app.x")
    same.a.execute("select setval('app.x', 10)")
    stop = threading.Event()

    def write() -> None:
        with same.a.connect() as connection:
            while not stop.is_set():
                connection.execute(
                    "select nextval('app.x') from generate_series(1, 50)"
                )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = same.sync("--apply")
    finally:
        stop.set()
        writer.join()

    assert done.code == 3
    assert "NOT proved for 1 of 1" in done.err
    assert "the source has given out" in done.out
