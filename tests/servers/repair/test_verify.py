"""A table is compared on two nodes: what differs is found, nothing else is."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.cli import conflicts_verify
from pgconflict.server import table_hash
from tests.fixtures.apart import apart, fill

if TYPE_CHECKING:
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair, Replicated


def verify(desk: Desk, replicated: Replicated, *words: str) -> tuple[int, Any]:
    answer = desk.run("--json", "conflicts", "verify", replicated.table, *words)
    assert answer.out, answer.err
    return answer.code, answer.document


def test_equal_tables_are_equal(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated)

        code, said = verify(desk, replicated, "--range", "500")

    assert (code, said["differing"], said["unsettled"]) == (0, 0, 0)
    assert said["rows"] == {"a": 3000, "b": 3000}
    assert said["ranges"] > 2


def test_what_differs_is_found_and_recorded(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated)
        apart(replicated, "b", "update {t} set v = 'other' where id in (1, 1500)")
        apart(replicated, "b", "delete from {t} where id = 2")
        apart(replicated, "b", "insert into {t} values (9000, 'only here')")

        code, said = verify(desk, replicated, "--range", "700")
        again = verify(desk, replicated)[1]

    assert code == 3
    found = {row["key"]["id"]: row for row in said["findings"]}
    assert sorted(found) == ["1", "1500", "2", "9000"]
    assert found["1"]["columns"] == ["v"]
    assert found["1"]["rows"]["b"]["v"] == "other"
    assert found["2"]["rows"]["b"] is None
    assert found["9000"]["rows"]["a"] is None
    ids = {row["conflict_id"] for row in said["findings"]}
    # The same rows, found once more, are the same findings.
    assert {row["conflict_id"] for row in again["findings"]} == ids
    stored = desk.ask_log(
        "select kind, source, verdict, effect, relname, replica_identity ->> 'id'"
        " from pgconflict.conflict_log where conflict_id = any(%s)",
        list(ids),
    )
    relname = replicated.relname
    assert sorted(stored) == sorted(
        ("difference", "verify", "diverged", "diverged", relname, key) for key in found
    )
    listed = desk.run("conflicts", "list", "--kind", "difference")
    assert listed.code == 0
    assert "(id)=(9000)" in listed.out
    shown = desk.run("conflicts", "show", str(min(ids)))
    assert shown.code == 0, shown.err
    assert "differ" in shown.out


@pytest.mark.majors(15, 18)
def test_keys_of_several_columns(pair: Pair, desk: Desk) -> None:
    ddl = "create table {t} (x int, y text, v float8, primary key (y, x))"
    with pair.replicate(ddl) as replicated:
        fill(
            replicated,
            2000,
            "insert into {t} select n % 7, 'ü' || n, n / 3.0",
        )
        apart(replicated, "b", "update {t} set v = v + 1e-9 where y = 'ü77'")

        code, said = verify(desk, replicated, "--range", "300")

    assert code == 3
    assert [row["key"] for row in said["findings"]] == [{"y": "ü77", "x": "0"}]


@pytest.mark.majors(15, 19)
def test_values_print_alike_whatever_the_nodes_are_set_to(
    pair: Pair, desk: Desk
) -> None:
    ddl = (
        "create table {t} (id int primary key, f float8, r real, j json, b jsonb,"
        " at timestamptz, d date, i interval, x bytea, n numeric, m money, a text[])"
    )
    settings = (
        "timezone = 'Asia/Kolkata'",
        "datestyle = 'SQL, DMY'",
        "intervalstyle = 'iso_8601'",
        "bytea_output = 'escape'",
        "extra_float_digits = -3",
    )
    with pair.replicate(ddl) as replicated:
        fill(
            replicated,
            300,
            "insert into {t} select n, random(), random(), '{\"a\" :  1}', '{\"a\":1}',"
            " now(), now(), make_interval(days => n, mins => 7), decode('00ff', 'hex'),"
            " random()::numeric, 3.5, array['x,y', null, '\"']",
        )
        for setting in settings:
            pair.b.execute(f"alter database app set {setting}")
        try:
            code, said = verify(desk, replicated)
        finally:
            for setting in settings:
                pair.b.execute(f"alter database app reset {setting.split()[0]}")

    assert (code, said["differing"], said["rows"]["b"]) == (0, 0, 300)


@pytest.mark.majors(16, 18)
def test_generated_columns_and_those_not_sent_are_left_out(
    pair: Pair, desk: Desk
) -> None:
    ddl = (
        "create table {t} (id int primary key, v text, own text,"
        " g text generated always as (upper(v)) stored)"
    )
    with pair.replicate(ddl, both=False) as replicated:
        pair.a.execute(
            f"alter publication {replicated.to_b.publication}"
            f" set table {replicated.table} (id, v)"
        )
        fill(replicated, 9, "insert into {t} select n, 'v'")
        pair.b.execute(f"update {replicated.table} set own = 'mine'")

        code, said = verify(desk, replicated)

    assert (code, said["columns"]) == (0, ["id", "v"])


@pytest.mark.majors(15, 18)
def test_only_rows_that_are_sent_are_compared(pair: Pair, desk: Desk) -> None:
    with pair.replicate(both=False) as replicated:
        pair.a.execute(
            f"alter publication {replicated.to_b.publication}"
            f" set table {replicated.table} where (id > 10)"
        )
        fill(replicated, 20, "insert into {t} select n, 'v'")
        equal = verify(desk, replicated)
        pair.b.execute(f"delete from {replicated.table} where id = 15")
        differs = verify(desk, replicated)

    assert (equal[0], equal[1]["rows"]) == (0, {"a": 10, "b": 10})
    assert [row["key"]["id"] for row in differs[1]["findings"]] == ["15"]


# The one of the servers here that is built with ICU.
@pytest.mark.majors(15)
def test_text_keys_that_sort_differently(pair: Pair, desk: Desk) -> None:
    ddl = "create table {t} (id text primary key, v text)"
    with pair.replicate(ddl) as replicated:
        pair.b.execute(
            f'alter table {replicated.table} alter id type text collate "und-x-icu"'
        )
        pair.a.execute(f'alter table {replicated.table} alter id type text collate "C"')
        fill(
            replicated,
            1000,
            "insert into {t} select case n % 2 when 0 then 'A' else 'a' end || n, 'v'",
        )
        equal = verify(desk, replicated, "--range", "100")
        pair.b.execute(f"delete from {replicated.table} where id in ('A10', 'a999')")
        differs = verify(desk, replicated, "--range", "100")

    assert (equal[0], equal[1]["rows"]) == (0, {"a": 1000, "b": 1000})
    keys = sorted(row["key"]["id"] for row in differs[1]["findings"])
    assert keys == ["A10", "a999"]


@pytest.mark.majors(18)
def test_columns_of_different_types_are_no_finding(pair: Pair, desk: Desk) -> None:
    ddl = "create table {t} (id int primary key, v numeric(12, 3), w text, n int)"
    with pair.replicate(ddl, both=False) as replicated:
        pair.b.execute(
            f"alter table {replicated.table} alter v type float8,"
            " alter w type varchar(9), alter n type bigint"
        )
        fill(
            replicated,
            50,
            "insert into {t} select n, n / 8.0, 'w'",
        )
        pair.b.execute(f"update {replicated.table} set w = 'x' where id = 3")
        pair.b.execute(f"update {replicated.table} set n = 5 where id = 8")

        code, said = verify(desk, replicated)

    assert code == 3
    assert {row["key"]["id"] for row in said["findings"]} == {"3", "8"}
    assert said["types_differ"] > 20


@pytest.mark.majors(16, 18)
def test_rows_that_are_written_meanwhile_are_no_finding(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated)
        stop = threading.Event()

        def write() -> None:
            with pair.a.connect() as connection:
                number = 0
                while not stop.is_set():
                    number += 1
                    connection.execute(
                        f"update {replicated.table} set v = v || '.'"
                        f" where id % 97 = {number % 97}".encode()
                    )
                    time.sleep(0.002)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            found = [
                verify(desk, replicated, "--range", "200")[1]["differing"]
                for _ in range(3)
            ]
        finally:
            stop.set()
            thread.join()

    assert found == [0, 0, 0]


@pytest.mark.majors(18)
def test_what_was_cut_short_goes_on(
    pair: Pair, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pair.replicate() as replicated:
        fill(replicated)
        apart(replicated, "b", "update {t} set v = 'other' where id in (5, 2900)")
        monkeypatch.setattr(conflicts_verify, "SAVE_S", 0.0)
        monkeypatch.setattr(table_hash, "MOST", 300)
        real = conflicts_verify._Verification._note
        seen: list[Any] = []

        async def note(self: Any, part: Any, *more: Any) -> None:
            if len(seen) == 4:
                raise KeyboardInterrupt
            seen.append(part)
            await real(self, part, *more)

        with monkeypatch.context() as cut:
            cut.setattr(conflicts_verify._Verification, "_note", note)
            ended = desk.run("conflicts", "verify", replicated.table, "--range", "300")
        resumed = verify(desk, replicated, "--resume")
        once_more = desk.run("conflicts", "verify", replicated.table, "--resume")

    assert ended.code == 130
    assert [row["key"]["id"] for row in resumed[1]["findings"]] == ["2900"]
    assert resumed[1]["differing"] == 2
    assert resumed[1]["rows"] == {"a": 3000, "b": 3000}
    assert once_more.code == 2


@pytest.mark.majors(18)
def test_what_is_still_on_its_way_is_unsettled(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated)
        replicated.to_b.alter("disable")
        pair.a.execute(f"update {replicated.table} set v = 'new' where id = 7")

        code, said = verify(desk, replicated, "--wait", "0.5")

        replicated.to_b.alter("enable")

    assert (code, said["differing"], said["unsettled"]) == (3, 0, 1)
    assert said["unsettled_rows"] == [{"key": {"id": "7"}, "state": "behind"}]


@pytest.mark.majors(18)
def test_what_can_not_be_compared_says_why(pair: Pair, desk: Desk) -> None:
    with pair.replicate("create table {t} (id int, v text)") as replicated:
        without_key = desk.run("conflicts", "verify", replicated.table)
    absent = desk.run("conflicts", "verify", "no_such_table")

    assert (without_key.code, absent.code) == (78, 78)
    assert "unique index" in without_key.err
    assert "no table public.no_such_table" in absent.err


@pytest.mark.majors(15, 18)
def test_an_open_transaction_elsewhere_keeps_nothing_waiting(
    pair: Pair, desk: Desk
) -> None:
    """What it has written is flushed by the next commit, and nobody commits."""
    with pair.replicate() as replicated, pair.a.connect() as other:
        fill(replicated, 3)
        pair.a.execute("create table aside (n int)")
        apart(replicated, "b", "delete from {t} where id = 2")
        other.execute("begin")
        other.execute("insert into aside values (1)")
        try:
            code, said = verify(desk, replicated, "--wait", "4")
        finally:
            other.execute("rollback")
            pair.a.execute("drop table aside")

    assert (code, said["unsettled"], said["differing"]) == (3, 0, 1)
