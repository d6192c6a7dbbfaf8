"""`status`: one screen, one document, and an exit code for a monitoring system."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.operated import Desk, wait_for_stall
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.servers import Pair

AWAY = "host=127.0.0.1 port=1"


def document(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = desk.run("status", "--json").document
    return found


def of(found: dict[str, Any], subscription: str) -> dict[str, Any]:
    (one,) = [
        one for one in found["subscriptions"] if one["subscription"] == subscription
    ]
    return dict(one)


def test_all_is_well_until_apply_stops(
    pair: Pair, desk: Desk, log_dsn: str, new_daemon: Callable[..., Daemon]
) -> None:
    daemon = new_daemon({"a": pair.a.dsn, "b": pair.b.dsn}, dsn=log_dsn)
    daemon.start()
    with pair.replicate(both=False) as made:
        name = made.to_b.name
        wait_until(lambda: document(desk)["state"] == "ok", "all is well")
        well = desk.run("status")

        assert well.code == 0, well.out
        found = document(desk)
        assert found["exit_code"] == 0
        assert found["problems"] == []
        assert [node["name"] for node in found["nodes"]] == ["a", "b"]
        ledger = of(found, name)["ledger"]
        assert ledger["complete"]
        assert ledger["began_at"] <= ledger["checked_at"]
        # Before 18 no counter tells of conflicts: that is said, not passed over.
        assert bool(of(found, name)["not_provable"]) == (pair.major < 18)
        assert ("not provable" in well.out) == (pair.major < 18)
        assert f"b app {name}: complete 20" in well.out
        assert name in {slot["slot"] for slot in found["slots"]}
        assert desk.run("status", "--nagios").out.startswith("PGCONFLICT OK - ")

        pair.b.execute(f"insert into {made.table} values (1, 'local')")
        pair.a.execute(f"insert into {made.table} values (1, 'remote')")
        wait_for_stall(made.to_b)
        wait_until(
            lambda: "blocked" in {one["problem"] for one in document(desk)["problems"]},
            "it is recorded",
        )
        bad = desk.run("status")
        nagios = desk.run("status", "--nagios")

        assert bad.code == 3
        assert f"CRITICAL node b, subscription {name}: stopped by conflict" in bad.out
        assert "insert_exists" in bad.out
        assert nagios.code == 2
        assert nagios.out.startswith("PGCONFLICT CRITICAL - ")
        assert nagios.out.count("\n") == 1
        blocked = of(document(desk), name)["blocked_by"]
        assert blocked["attempts"] >= 1
        assert blocked["since"]
        # The other node has nothing of it.
        assert desk.run("status", "--node", "a").code == 0
        pair.b.execute(f"delete from {made.table}")
        made.catch_up()
    # What is no more was compared all the same.
    wait_until(
        lambda: f"{name} (dropped): " in desk.run("status").out,
        "it is known as dropped",
    )
    assert name in {one["ledger"]["subname"] for one in document(desk)["dropped"]}


@pytest.mark.majors(18)
def test_what_is_away_is_said_and_the_rest_is_shown(
    pair: Pair, desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pair.replicate(both=False) as made:
        desk.knows(a=AWAY, b=pair.b.dsn)
        one_away = desk.run("status")
        nagios = desk.run("status", "--nagios")
        no_log = Desk(tmp_path, AWAY, capsys, {"a": pair.a.dsn, "b": pair.b.dsn})
        without = no_log.run("status")
        nothing = Desk(tmp_path, AWAY, capsys, {"a": AWAY, "b": AWAY}).run("status")

        assert one_away.code == 69
        assert "CRITICAL node a can't be reached" in one_away.out
        assert "NOT REACHED" in one_away.out
        assert made.to_b.name in one_away.out
        assert nagios.code == 2
        assert without.code == 69
        assert "conflict log: NOT REACHED" in without.out
        assert made.to_b.name in without.out
        assert "ledger (UTC)" not in without.out
        assert no_log.run("status", "--nagios").code == 1
        assert nothing.code == 69
        assert nothing.out.count("NOT REACHED") == 3


@pytest.mark.majors(18)
def test_a_node_that_nobody_follows_is_a_warning(pair: Pair, desk: Desk) -> None:
    with pair.replicate(both=False) as made:
        answer = desk.run("status")

        assert answer.code == 3
        assert (
            f"WARNING node b, subscription {made.to_b.name}: no daemon has compared"
            in answer.out
        )
        assert desk.run("status", "--nagios").code == 1


@pytest.mark.majors(18)
def test_a_row_that_several_logged_differs_once(pair: Pair, desk: Desk) -> None:
    """Two rows logged by both nodes, one by b, one by what was dropped since."""
    with pair.replicate() as made:
        assert made.to_a is not None
        names = (made.to_a.name, made.to_b.name)
        on_a, on_b = ("a", names[0]), ("b", names[1])
        rows = {"x": [on_a, on_b, on_b], "y": [on_a, on_b], "z": [on_b]}
        for digest, places in (rows | {"w": [("b", "dropped")]}).items():
            for place in places:
                desk.ask_log(
                    "insert into pgconflict.verdict_due (conflict_id, first_logged_at,"
                    " node, subname, verdict, row_digest) select coalesce("
                    " max(conflict_id), 0) + 1, now(), %s, %s, 'diverged', %s"
                    " from pgconflict.verdict_due returning 1",
                    *(*place, digest.encode()),
                )

        found, shown = document(desk), desk.run("status").out
        only_a = desk.run("status", "--node", "a", "--json").document
        desk.ask_log("delete from pgconflict.verdict_due returning 1")
        none = document(desk)

    def problems(document: dict[str, Any]) -> list[dict[str, Any]]:
        return [one for one in document["problems"] if "diverged" in one["problem"]]

    assert found["rows_differing"] == 3
    assert [of(found, name)["diverged_rows"] for name in names] == [2, 3]
    (problem,) = problems(found)
    assert problem["node"] is problem["subscription"] is problem["database"] is None
    assert (
        "CRITICAL 3 rows with a conflict differ now"
        f" (node a, subscription {names[0]}; node b, subscription {names[1]})\n"
    ) in shown
    assert only_a["rows_differing"] == 2
    (problem,) = problems(only_a)
    assert (problem["node"], problem["subscription"]) == on_a
    assert problem["text"] == "2 rows with a conflict differ now"
    assert none["rows_differing"] == 0
    assert problems(none) == []


@pytest.mark.majors(18)
@pytest.mark.parametrize(
    "words",
    [
        ("--node", "x"),
        ("--since", "yesterday"),
        ("--watch", "5x"),
        ("--watch", "--json"),
        ("--watch", "--nagios"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused(desk: Desk, words: tuple[str, ...]) -> None:
    assert desk.run("status", *words).code == 2


@pytest.mark.majors(18)
def test_it_is_shown_again_on_a_dumb_terminal(pair: Pair, desk: Desk) -> None:
    assert desk.run("status").code in {0, 3}
    with pair.replicate(both=False) as made:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pgconflict"),
                *("--config", str(desk.folder / "pgconflict.yml")),
                *("status", "--watch", "200ms"),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={"TERM": "dumb", "LC_ALL": "C.UTF-8"},
        )
        try:
            assert process.stdout is not None
            shown = ""
            while shown.count("pgconflict status, ") < 3:
                line = process.stdout.readline()
                assert line, shown
                shown += line
        finally:
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=20)

    assert process.returncode == 130
    assert shown.count(made.to_b.name) >= 2
    assert "\x1b" not in shown + rest
