"""`sequences check`: each risk is found on real servers, and nothing where none is."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.contracts.tree import ROOT

if TYPE_CHECKING:
    from tests.fixtures.sequence_nodes import Pair

RISKS = """
create schema app;
create table app.fine (id bigserial primary key, v text);
create table app.ahead (id serial primary key);
insert into app.ahead values (9);
create sequence app.wide as bigint;
create table app.narrow (id int primary key default nextval('app.wide'));
create table app.nearly (id smallserial primary key);
select setval('app.nearly_id_seq', 31000);
create table app.round (id int primary key);
create sequence app.cycle maxvalue 100 cycle owned by app.round.id;
create sequence app.cached cache 50;
create unlogged sequence app.unlogged;
"""


def test_each_risk_is_found(same: Pair) -> None:
    same.both(RISKS)

    done = same.run("check", "a", "--sample", "0", "--json")

    assert done.code == 3
    found = {(x["sequencename"], x["risk"]): x for x in done.lines}
    assert set(found) == {
        ("ahead_id_seq", "below_column"),
        ("wide", "integer_column"),
        ("nearly_id_seq", "exhaustion"),
        ("cycle", "cycle"),
        ("cached", "cache"),
        ("unlogged", "unlogged"),
    }
    assert (
        "its column holds 9, it will give out 1"
        in found["ahead_id_seq", "below_column"]["seen"]
    )
    assert "app.narrow.id ends at 2147483647" in found["wide", "integer_column"]["seen"]
    assert (
        "94.6% used, 1767 values left" in found["nearly_id_seq", "exhaustion"]["seen"]
    )
    assert all(x["remedy"] for x in done.lines)
    page = (ROOT / "docs" / "sequences.md").read_text()
    for line in done.lines:
        assert line["doc"] == f"docs/sequences.md#{line['risk']}"
        assert f"\n### {line['risk']}\n" in page


@pytest.mark.majors(15, 19)
def test_the_days_that_are_left_come_from_the_rate(same: Pair) -> None:
    same.both("create schema app; create sequence app.x as integer")
    stop = threading.Event()

    def write() -> None:
        with same.a.connect() as connection:
            while not stop.is_set():
                connection.execute(
                    "select nextval('app.x') from generate_series(1, 1000)"
                )
                time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = same.run("check", "a", "--sample", "1s", "--json")
    finally:
        stop.set()
        writer.join()

    assert done.code == 3
    (finding,) = done.lines
    assert finding["risk"] == "exhaustion"
    assert finding["severity"] == "error"
    assert " days at " in finding["seen"]


@pytest.mark.majors(18)
def test_nothing_is_found_where_nothing_is(same: Pair) -> None:
    same.both("create schema app; create table app.t (id bigserial primary key)")

    done = same.run("check", "--sample", "0")

    assert (done.code, done.out) == (0, "")
    assert "nothing found" in done.err


@pytest.mark.majors(18)
def test_two_databases_are_two_answers(same: Pair) -> None:
    same.both("create schema app; create sequence app.x cache 2")

    done = same.run(
        *("check", "a", "--sample", "0", "--json"),
        *("--database", same.a.dbname, "--database", "postgres"),
    )

    assert done.code == 0
    assert [x["database"] for x in done.lines] == [same.a.dbname]
    assert "database postgres: nothing found" in done.err


@pytest.mark.majors(18)
def test_without_the_conflict_log_the_rest_is_still_checked(same: Pair) -> None:
    same.both("create schema app; create sequence app.x cache 2")
    same.run.conflict_log = "host=127.0.0.1 port=1 dbname=none user=postgres"

    done = same.run("check", "a", "--sample", "0", "--json")

    assert done.code == 0
    assert [x["risk"] for x in done.lines] == ["cache"]
    assert "not looked for drift" in done.err
