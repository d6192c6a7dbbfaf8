"""Tables that differ as a whole, are wide, in parts, or have names that bite."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.cli import conflicts_verify, verify_rows
from pgconflict.server import table_hash
from tests.fixtures.apart import apart, fill
from tests.fixtures.divergence import diverge
from tests.fixtures.settling import spy_on_settle
from tests.fixtures.waiting import wait_until
from tests.proof.daemons import Daemon
from tests.servers.repair.test_repair import same
from tests.servers.repair.test_verify import verify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pgconflict.server.table_nodes import KeyValues, Settled
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair

HOSTILE = 'we""ird, "t"(1);--\n%s $1 {t}'


@pytest.mark.majors(18)
def test_a_table_that_differs_as_a_whole_stops_and_goes_on(
    pair: Pair, desk: Desk
) -> None:
    words = ["--range", "200", "--most", "600"]
    with pair.replicate() as replicated:
        fill(replicated, 3000)
        apart(replicated, "b", "update {t} set v = v || '!'")

        code, said = verify(desk, replicated, *words)
        runs = [said]
        while said["stopped"]:
            code, said = verify(desk, replicated, *words, "--resume")
            runs.append(said)
        without = desk.run(
            "conflicts", "verify", replicated.table, *words, "--no-store"
        )

    assert code == 3
    assert [one["stopped"] for one in runs[:-1]] == [True] * (len(runs) - 1)
    assert len(runs) > 2
    assert all(600 <= len(one["findings"]) < 1200 for one in runs[:-1])
    found = [row["key"]["id"] for one in runs for row in one["findings"]]
    assert sorted(found, key=int) == [str(number) for number in range(1, 3001)]
    assert runs[-1]["differing"] == 3000
    assert runs[-1]["rows"] == {"a": 3000, "b": 3000}
    assert "stopped before the end" in without.err
    assert "--resume" not in without.err


@pytest.mark.majors(18)
def test_killed_it_goes_on_where_it_was(
    pair: Pair, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pair.replicate() as replicated:
        fill(replicated)
        apart(replicated, "b", "update {t} set v = 'other' where id in (5, 2900)")
        monkeypatch.setattr(conflicts_verify, "SAVE_S", 0.0)
        monkeypatch.setattr(table_hash, "MOST", 300)
        child = os.fork()
        if child == 0:
            _die_at_the_fifth_range(
                lambda: desk.run(
                    "conflicts", "verify", replicated.table, "--range", "300"
                )
            )
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL

        code, said = verify(desk, replicated, "--resume")

    assert code == 3
    assert [row["key"]["id"] for row in said["findings"]] == ["2900"]
    assert (said["differing"], said["rows"]) == (2, {"a": 3000, "b": 3000})


def _die_at_the_fifth_range(run: Callable[[], object]) -> None:
    real = conflicts_verify._Verification._note
    seen = 0

    async def note(self: Any, *more: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        await real(self, *more)

    conflicts_verify._Verification._note = note  # type: ignore[assignment,method-assign]
    try:
        run()
    finally:
        os._exit(1)


@pytest.mark.majors(15, 18)
def test_hostile_names_and_values(pair: Pair, desk: Desk) -> None:
    column = '"a""b, $1"'
    ddl = f"create table {{t}} (id text primary key, {column} text)"
    with pair.replicate(
        ddl, both=False, schemaname='s"x', relname=HOSTILE
    ) as replicated:
        table = replicated.table.replace("%", "%%")
        insert = f"insert into {table} values (%s, %s)"
        for number, text in enumerate(["'; drop table x; --", "\\x\n\t", '"', "()"]):
            pair.a.execute(insert, [text, str(number)])
        replicated.catch_up()
        equal = desk.run("--json", "conflicts", "verify", replicated.table)
        pair.b.execute(f"delete from {replicated.table} where id = '\"'")
        code, said = verify(desk, replicated, "--range", "2")
        shown = desk.run("conflicts", "verify", replicated.table)

    assert equal.code == 0, equal.err
    assert (code, [row["key"] for row in said["findings"]]) == (3, [{"id": '"'}])
    assert shown.code == 3


@pytest.mark.majors(16, 18)
@pytest.mark.parametrize("root", [True, False])
def test_partitioned_and_wide_tables(pair: Pair, desk: Desk, root: bool) -> None:  # noqa: FBT001 - a parameter
    columns = ", ".join(f"c{number} text default 'x'" for number in range(100))
    ddl = (
        (
            f"create table {{t}} (id int primary key, {columns})"
            " partition by range (id);"
            "create table {t}_low partition of {t} for values from (0) to (500);"
            "create table {t}_high partition of {t} for values from (500) to (9999)"
        )
        .replace("{t}_low", "public.{r}_low")
        .replace("{t}_high", "public.{r}_high")
    )
    relname = f"parts_{pair.major}_{root}".lower()
    ddl = ddl.replace("{r}", relname)
    options = {"publish_via_partition_root": root}
    with pair.replicate(ddl, relname=relname, publication=options) as replicated:
        fill(replicated, 900, "insert into {t} (id) select n")
        equal = verify(desk, replicated, "--range", "250")
        apart(replicated, "b", "update {t} set c99 = null where id in (7, 8)")
        apart(replicated, "b", "delete from {t} where id = 600")
        code, said = verify(desk, replicated)
        ids = [str(row["conflict_id"]) for row in said["findings"]]
        words = ["--winner", "a", "--apply"]
        # By its own name it is the same finding.
        low = desk.run("--json", "conflicts", "verify", f"{relname}_low")
        parts = [str(row["conflict_id"]) for row in low.document["findings"]]
        whole = desk.run("conflicts", "repair", *ids, *words)
        assert same(replicated)
        again = verify(desk, replicated)[0]
        left = desk.run("conflicts", "repair", "--all-diverged", *words)
        replicated.to_b.alter("disable")
        pair.a.execute(f"update {replicated.table} set c9 = 'late' where id = 9")
        late = verify(desk, replicated, "--wait", "0.5")[1]

    assert (equal[0], equal[1]["rows"]) == (0, {"a": 900, "b": 900})
    assert (code, len(ids)) == (3, 3)
    differ = [row["columns"] for row in said["findings"] if row["rows"]["b"]]
    assert differ == [["c99"]] * 2
    assert (whole.code, again) == (0, 0), whole.out + whole.err
    # What is on its way to a partition is no finding either.
    assert (late["differing"], late["unsettled"]) == (0, 1)
    if root:
        # Named as the partition's, they are looked at in what brings them.
        assert "2 rows: 2 equal" in left.out
    else:
        assert parts == ids[:2]
        assert left.out == "no row differs\n"
    names = (
        [relname] * 3 if root else [f"{relname}_{n}" for n in ("low", "low", "high")]
    )
    assert desk.ask_log(
        "select relname, verdict from pgconflict.conflict_log"
        " where conflict_id = any (%s) order by conflict_id",
        [int(one) for one in ids],
    ) == [(name, "converged") for name in names]


@pytest.mark.majors(18)
def test_the_daemon_sees_a_row_of_a_partition_heal(pair: Pair, desk: Desk) -> None:
    ddl = (
        "create table {t} (id int primary key, v text) partition by range (id);"
        "create table public.parts_heal_all partition of {t} default"
    )
    with pair.replicate(ddl, relname="parts_heal") as replicated:
        fill(replicated, 9)
        apart(replicated, "b", "update {t} set v = 'b' where id = 7")
        (found,) = verify(desk, replicated)[1]["findings"]
        pair.a.execute(f"update {replicated.table} set v = 'both' where id = 7")
        assert same(replicated)
        with Daemon(pair, desk.log_dsn) as daemon:

            def healed() -> bool:
                daemon.do("update pgconflict.verdict_due set due_at = now()")
                return daemon.rows(
                    "select verdict from pgconflict.conflict_log"
                    f" where conflict_id = {found['conflict_id']}"
                ) == [("converged",)]

            wait_until(healed, "it has healed")


@pytest.mark.majors(15, 16, 17)
def test_what_an_initial_copy_met_is_found(pair: Pair, desk: Desk) -> None:
    """The copy brings a's rows; one that b had before stays, and nobody logs it."""
    insert = "insert into {t} select n, 'v' from generate_series(%s) n where"
    here = "current_setting('port') ="
    ddl = (
        "create table {t} (id int primary key, v text);"
        f"{insert.replace('%s', '1, 5')} {here} '{pair.a.port}';"
        f"{insert.replace('%s', '9, 9')} {here} '{pair.b.port}'"
    )
    options = {"copy_data": True}
    with pair.replicate(ddl, both=False, subscription=options) as replicated:
        wait_until(
            lambda: pair.b.value(f"select count(*) from {replicated.table}") == 6,
            "the copy is there",
        )
        code, said = verify(desk, replicated)

    assert code == 3
    assert [row["key"]["id"] for row in said["findings"]] == ["9"]
    assert said["findings"][0]["rows"]["a"] is None


@pytest.mark.majors(18)
def test_without_commit_timestamps_nothing_is_logged_and_all_is_found(
    new_pair: Callable[..., Pair], desk: Desk
) -> None:
    pair = new_pair(18, settings={"track_commit_timestamp": "off"})
    desk.knows(a=pair.a.dsn, b=pair.b.dsn)
    with pair.replicate() as replicated:
        fill(replicated, 20)
        diverge(replicated, keys=20, writes=60)
        logged = [node.logged("conflict=update_origin") for node in pair.nodes]
        code, said = verify(desk, replicated)
        ids = [str(row["conflict_id"]) for row in said["findings"]]
        latest = desk.run("conflicts", "repair", *ids, "--winner", "latest", "--apply")
        given = desk.run("conflicts", "repair", *ids, "--winner", "b", "--apply")
        assert same(replicated)

    assert logged == [[], []]
    assert (code, latest.code, given.code) == (3, 3, 0)
    assert ids
    assert "is not known: --winner NODE" in latest.out


@pytest.mark.majors(18)
def test_a_node_that_answers_late_is_asked_again(
    pair: Pair, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for node, pause_s in ((pair.a, 0.15), (pair.b, 0)):
        node.execute(
            "create type slow as (x int);"
            "create function slow_text(slow) returns text language sql as"
            f" $$ select pg_catalog.pg_sleep({pause_s}); select ($1).x::text $$;"
            "create cast (slow as text) with function slow_text"
        )
    real = table_hash.Comparison.prepare
    with (
        pair.replicate("create table {t} (id int primary key, v slow)") as replicated,
        pair.b.connect() as locking,
    ):
        # Each of ours waits for a lock for a second, while the other node is at work.
        insert = "insert into {t} select n, row(n)::slow from generate_series(1, 10) n"
        pair.a.execute(insert.format(t=replicated.table))
        replicated.catch_up()

        async def prepare(self: table_hash.Comparison) -> int:
            found = await real(self)
            locking.execute(f"begin; lock table {replicated.table}".encode())
            threading.Timer(1.3, locking.rollback).start()
            return found

        monkeypatch.setattr(table_hash.Comparison, "prepare", prepare)
        answer = desk.run("--json", "conflicts", "verify", replicated.table)

    for node in pair.nodes:
        node.execute("drop type slow cascade")
    assert answer.out, answer.err
    assert (answer.code, answer.document["differing"]) == (0, 0)
    assert answer.document["rows"] == {"a": 10, "b": 10}


@pytest.mark.majors(18)
def test_rows_that_take_long_are_looked_at_a_few_at_a_time(
    pair: Pair, desk: Desk
) -> None:
    pair.both(
        "create type slow as (x int);"
        "create function slow_text(slow) returns text language sql as"
        " $$ select pg_catalog.pg_sleep(0.02); select ($1).x::text $$;"
        "create cast (slow as text) with function slow_text"
    )
    desk.limits = "statement_timeout: 500ms"
    try:
        with pair.replicate("create table {t} (id int primary key, v slow)") as one:
            insert = (
                "insert into {t} select n, row(n)::slow from generate_series(1, 60) n"
            )
            apart(one, "a", insert)
            apart(one, "b", insert.replace("row(n)", "row(n + 1)"))

            answer = desk.run("--json", "conflicts", "verify", one.table)
    finally:
        pair.both("drop type slow cascade")
    assert answer.out, answer.err
    assert (answer.code, answer.document["differing"]) == (3, 60)


@pytest.mark.majors(18)
def test_large_rows_are_not_all_kept_in_memory(
    pair: Pair, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_rows, "LARGE", 1_000_000)
    looked_at: list[int] = []

    def note(_: float, found: dict[KeyValues, Settled]) -> None:
        rows = [row for one in found.values() for row in one.rows.values()]
        looked_at.append(verify_rows.size_of(rows))

    spy_on_settle(monkeypatch, note)
    with pair.replicate() as one:
        values = (
            "insert into {t} select n, repeat('a', 50000) from generate_series(1, 60) n"
        )
        apart(one, "a", values)
        apart(one, "b", values.replace("'a'", "'b'"))

        answer = desk.run("conflicts", "verify", one.table)
        # The first look does not know yet how large they are.
        most = max(looked_at[1:])
        monkeypatch.setattr(conflicts_verify, "MOST_KEPT", 1_000_000)
        monkeypatch.setattr(conflicts_verify, "AT_ONCE", 20)
        document = desk.run("--json", "conflicts", "verify", one.table, "--range", "20")

    assert "60 rows differ" in answer.out
    assert most < 1_200_000
    assert document.document["stopped"]
    assert document.document["differing"] == 20


@pytest.mark.majors(18)
def test_cut_short_by_a_lost_node_it_says_what_is_recorded(
    pair: Pair, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conflicts_verify, "SAVE_S", 0.0)
    real = table_hash.Comparison.ranges

    async def ranges(
        self: table_hash.Comparison, after: KeyValues | None
    ) -> AsyncIterator[table_hash.Range]:
        number = 0
        async for one in real(self, after):
            yield one
            number += 1
            if number == 2:
                pair.b.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where application_name = 'pgconflict/verify'"
                )

    with pair.replicate() as one:
        fill(one, 900)
        apart(one, "b", "update {t} set v = 'b' where id in (5, 895)")
        with monkeypatch.context() as patch:
            patch.setattr(table_hash.Comparison, "ranges", ranges)
            lost = desk.run("conflicts", "verify", one.table, "--range", "100")
        again = desk.run("conflicts", "verify", one.table, "--resume")

    assert lost.code == 69
    assert "cut short: 1 difference recorded so far; --resume goes on" in lost.err
    assert again.code == 3
    assert "2 rows differ" in again.out
