"""The ledger against real servers: 0 while nothing is missing, else how many, why."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg
import pytest

from pgconflict.conflict_log.ledger_report import Completeness, completeness
from tests.fixtures.operated import Answer, Desk
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.nodes import Node, Pair, Replicated

APPLY_ERROR = "apply_error"


@pytest.fixture
def daemon(pair: Pair, new_daemon: Callable[..., Daemon]) -> Daemon:
    return new_daemon({"b": pair.b.dsn})


@pytest.fixture
def command(
    daemon: Daemon, pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Run `pgconflict WORDS` beside the daemon."""
    return Desk(tmp_path, daemon.conflict_log, capsys, {"b": pair.b.dsn}).run


@contextlib.contextmanager
def settings(node: Node, **values: str) -> Iterator[None]:
    """Change settings of a node's server, apply workers included; back at the end."""
    try:
        for name, value in values.items():
            node.execute(f"alter system set {name} = '{value}'")
        node.cluster.reload()
        for name, value in values.items():
            wait_until(
                lambda name=name, value=value: node.value(  # type: ignore[misc]
                    "select current_setting(%s) = %s", [name, value]
                ),
                f"{name} is {value}",
            )
        yield
    finally:
        for name in values:
            node.execute(f"alter system reset {name}")
        node.cluster.reload()


def identity(node: Node) -> int:
    return int(node.value("select system_identifier from pg_control_system()"))


def reported(daemon: Daemon, node: Node, subid: int) -> Completeness | None:
    """What the ledger says of a subscription."""
    with psycopg.connect(daemon.conflict_log, autocommit=True) as connection:
        found = completeness(connection, identity(node), None)
    return next((one for one in found if one.subid == subid), None)


def wait_for(
    predicate: Callable[[], Completeness | None], what: str, *, timeout: float = 30
) -> Completeness:
    found = wait_until(predicate, what, timeout=timeout)
    assert found is not None
    return found


def compared(daemon: Daemon, made: Replicated) -> Completeness:
    """Wait until the subscription's counters have been compared."""
    sub = made.to_b

    def began() -> Completeness | None:
        one = reported(daemon, sub.subscriber, sub.oid)
        # The last one that is stored.
        return one if one and APPLY_ERROR in one.counters else None

    return wait_for(began, "its ledger began")


def wait_missing(daemon: Daemon, made: Replicated, number: int) -> Completeness:
    sub = made.to_b

    def missing() -> Completeness | None:
        one = reported(daemon, sub.subscriber, sub.oid)
        return one if one and one.unaccounted == number else None

    return wait_for(missing, f"{number} entries are missing")


def wait_reasons(daemon: Daemon, made: Replicated) -> set[str]:
    """Wait until what is missing is explained."""
    sub = made.to_b

    def reasons() -> set[str]:
        one = reported(daemon, sub.subscriber, sub.oid)
        return {
            reason for hole in (one.holes if one else ()) for reason in hole.reasons
        }

    return wait_until(reasons, "there is a reason")


def counted(made: Replicated, column: str) -> int:
    number = made.to_b.subscriber.value(
        f"select {column} from pg_stat_subscription_stats where subid = %s",
        [made.to_b.oid],
    )
    return int(number)


def recorded(daemon: Daemon, made: Replicated, counter: str) -> int:
    rows = daemon.query(
        "select entries from pgconflict.recorded_entry_count"
        " where system_identifier = %s and subid = %s and counter = %s",
        [identity(made.to_b.subscriber), made.to_b.oid, counter],
    )
    return int(rows[0][0]) if rows else 0


def compared_at(daemon: Daemon, made: Replicated) -> int:
    """How many apply errors the server had counted when it was compared last."""
    ((number,),) = daemon.query(
        "select server_count from pgconflict.ledger where subid = %s and counter = %s"
        " and ended_at is null",
        [made.to_b.oid, APPLY_ERROR],
    )
    return int(number)


def miss(made: Replicated, ids: range) -> None:
    """Make an update_missing for each id, all in one transaction."""
    publisher, subscriber = made.to_b.publisher, made.to_b.subscriber
    low, high = ids.start, ids.stop - 1
    publisher.execute(
        f"insert into {made.table} select g, 'v' from generate_series({low}, {high}) g"
    )
    made.catch_up()
    subscriber.execute(f"delete from {made.table} where id between {low} and {high}")
    publisher.execute(
        f"update {made.table} set v = v || '+' where id between {low} and {high}"
    )
    made.catch_up()


def stall(made: Replicated, id_: int, attempts: int) -> None:
    """Let apply fail so often, then go on."""
    before = counted(made, "apply_error_count")
    made.to_b.subscriber.execute(f"insert into {made.table} values ({id_}, 'here')")
    made.to_b.publisher.execute(f"insert into {made.table} values ({id_}, 'there')")
    wait_until(
        lambda: counted(made, "apply_error_count") >= before + attempts,
        f"apply has failed {attempts} times",
    )
    made.to_b.subscriber.execute(f"delete from {made.table} where id = {id_}")
    made.catch_up()


def test_conflicts_with_retries_make_no_difference(pair: Pair, daemon: Daemon) -> None:
    daemon.start()
    with pair.replicate(both=False) as made:
        began = compared(daemon, made)
        stall(made, 1, 3)
        errors = counted(made, "apply_error_count")
        wait_until(
            lambda: recorded(daemon, made, APPLY_ERROR) == errors,
            "each attempt is recorded",
        )
        if "update_missing" in began.counters:
            miss(made, range(10, 15))
            wait_until(
                lambda: recorded(daemon, made, "update_missing") >= 5,
                "each missing row is recorded",
            )

        wait_until(lambda: compared_at(daemon, made) == errors, "it was compared again")
        later = compared(daemon, made)
        assert (later.complete, later.unaccounted, later.before) == (True, 0, 0)
        assert later.began_at == began.began_at
        # Before 18 the server counts errors only: nothing else can be proved.
        assert (len(later.counters) == 1) == (pair.major < 18)
        name = made.to_b.name
        assert daemon.metric("unaccounted_apply_errors", subscription=name) == 0
        assert daemon.metric("unaccounted_conflicts", subscription=name) == 0


def test_a_lost_publisher_makes_no_difference(pair: Pair, daemon: Daemon) -> None:
    """The server counts the connection that broke, and none that did not come about."""
    daemon.start()
    with pair.replicate(both=False) as made:
        compared(daemon, made)
        sub = made.to_b
        before = counted(made, "apply_error_count")
        pair.a.execute(
            "select pg_terminate_backend(active_pid) from pg_replication_slots"
            f" where slot_name = '{sub.name}'"
        )
        wait_until(
            lambda: counted(made, "apply_error_count") > before, "the server counts it"
        )
        made.catch_up()
        pair.b.execute(f"alter subscription {sub.name} set (slot_name = 'not_there')")
        daemon.wait_count(1, "subname = %s and message like '%%not_there%%'", sub.name)
        pair.b.execute(f"alter subscription {sub.name} set (slot_name = '{sub.name}')")
        made.catch_up()

        errors = counted(made, "apply_error_count")
        wait_until(
            lambda: recorded(daemon, made, APPLY_ERROR) == errors,
            "as many are recorded",
        )
        wait_until(lambda: compared_at(daemon, made) == errors, "it was compared again")
        later = compared(daemon, made)
        assert (later.complete, later.unaccounted) == (True, 0)
        daemon.wait_count(1, "subid = %s and status = 'applied'", sub.oid)


@pytest.mark.majors(18)
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"log_min_messages": "fatal"}, "log_min_messages"),
        (
            {"log_destination": "stderr", "log_error_verbosity": "terse"},
            "log_error_verbosity",
        ),
    ],
    ids=["level", "terse"],
)
def test_what_a_setting_hides_is_missing_and_why(
    pair: Pair,
    daemon: Daemon,
    changed: dict[str, str],
    reason: str,
    command: Callable[..., Answer],
) -> None:
    daemon.start()
    with pair.replicate(both=False) as made:
        compared(daemon, made)
        with settings(pair.b, **changed):
            miss(made, range(1, 4))
            found = wait_missing(daemon, made, 3)
            assert reason in wait_reasons(daemon, made)

        shown, checked = command("status"), command("check")
        assert "NOT complete: 3 missing" in shown.out
        assert f"{reason} " in shown.out
        assert "unaccounted" in checked.out
        assert "3 update_missing counted by the server" in " ".join(checked.out.split())
        assert (shown.code, checked.code) == (3, 3)
        (hole,) = found.holes
        assert (hole.counter, hole.entries) == ("update_missing", 3)
        assert hole.after < hole.until
        assert (
            daemon.metric("unaccounted_conflicts", conflict_type="update_missing") == 3
        )
        # Seen again, it does not come back: what was hidden stays missing.
        miss(made, range(10, 12))
        wait_until(
            lambda: recorded(daemon, made, "update_missing") == 2, "two are recorded"
        )
        assert (
            wait_missing(daemon, made, 3).holes
            == (reported(daemon, pair.b, made.to_b.oid) or found).holes
        )


@pytest.mark.majors(15)
def test_errors_that_a_level_hides_are_missing_on_versions_that_count_no_conflicts(
    pair: Pair, daemon: Daemon
) -> None:
    daemon.start()
    with pair.replicate(both=False) as made:
        compared(daemon, made)
        with settings(pair.b, log_min_messages="fatal"):
            stall(made, 1, 1)
            errors = counted(made, "apply_error_count")
            found = wait_missing(daemon, made, errors)
            assert "log_min_messages" in wait_reasons(daemon, made)

        assert {hole.counter for hole in found.holes} == {APPLY_ERROR}
        assert (
            daemon.metric("unaccounted_apply_errors", subscription=made.to_b.name)
            == errors
        )


@pytest.mark.majors(18)
@pytest.mark.parametrize("how", ["removed", "cut"])
def test_a_log_that_went_away_unread_is_missing_and_why(
    new_pair: Callable[..., Pair], new_daemon: Callable[..., Daemon], how: str
) -> None:
    """Rotated away while nobody read; the server's counters know what it held."""
    pair = new_pair(18, settings={"log_destination": "jsonlog"})
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    with pair.replicate(both=False) as made:
        compared(daemon, made)
        miss(made, range(50, 51))
        # With its first conflict the daemon stores how far it has read.
        daemon.wait_count(1, "subname = %s", made.to_b.name)
        daemon.stop()
        miss(made, range(1, 5))
        wait_until(lambda: counted(made, "confl_update_missing") == 5, "all counted")
        files = pair.b.log_files()
        if how == "cut":
            for file in files:
                file.write_bytes(b"")
        else:
            pair.b.execute("select pg_rotate_logfile()")
            wait_until(lambda: len(pair.b.log_files()) > len(files), "it is rotated")
            for file in files:
                file.unlink()
        daemon.start()

        found = wait_missing(daemon, made, 4)

        assert wait_reasons(daemon, made) & {"log_vanished", "log_truncated"}
        assert [hole.counter for hole in found.holes] == ["update_missing"]


@pytest.mark.majors(18)
def test_what_was_before_the_daemon_is_told_apart(
    new_pair: Callable[..., Pair], new_daemon: Callable[..., Daemon]
) -> None:
    pair = new_pair(18, settings={"log_min_messages": "fatal"})
    daemon = new_daemon({"b": pair.b.dsn})
    with pair.replicate(both=False) as made:
        miss(made, range(1, 8))
        wait_until(lambda: counted(made, "confl_update_missing") == 7, "all counted")
        daemon.start()

        found = compared(daemon, made)

        assert (found.before, found.unaccounted, found.complete) == (7, 0, True)


@pytest.mark.majors(15, 18, 19)
def test_counters_that_begin_anew(
    new_pair: Callable[..., Pair], major: int, new_daemon: Callable[..., Daemon]
) -> None:
    """Reset, crash, another subscription: each begins an epoch, none a difference."""
    pair = new_pair(major)
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    with pair.replicate(both=False) as made:
        compared(daemon, made)
        stall(made, 1, 1)
        first = made.to_b.oid

        def hole(reason: str) -> Completeness | None:
            one = reported(daemon, pair.b, first)
            said = (
                {word for each in one.holes for word in each.reasons} if one else set()
            )
            return one if reason in said else None

        pair.b.execute(f"select pg_stat_reset_subscription_stats({first}::oid)")
        assert wait_until(lambda: hole("statistics_reset"), "the reset is known")

        # A crash after which the counter is no lower than it was.
        pair.b.cluster.restart("immediate")
        made.catch_up()
        stall(made, 2, 1)
        found = wait_for(
            lambda: hole("statistics_restart"), "the crash is known", timeout=90
        )
        assert found.unaccounted == 0

        name, publication = made.to_b.name, made.to_b.publication
        made.to_b.drop()
        pair.b.execute(
            f"create subscription {name} connection '{pair.a.dsn}'"
            f" publication {publication} with (copy_data = false)"
        )
        assert made.to_b.oid != first
        wait_until(made.to_b.streaming, "the new one streams")
        again = compared(daemon, made)
        old = reported(daemon, pair.b, first)
        assert old is not None
        assert old.ended_by == "dropped"
        assert (again.complete, again.unaccounted) == (True, 0)


@pytest.mark.majors(18, 19)
def test_a_promoted_standby_has_counters_of_its_own(
    new_pair: Callable[..., Pair], major: int, new_daemon: Callable[..., Daemon]
) -> None:
    """The same system, without the statistics: a base backup has none."""
    pair = new_pair(major)
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    with pair.replicate(both=False) as made:
        compared(daemon, made)
        miss(made, range(1, 4))
        daemon.wait_count(3, "subname = %s", made.to_b.name)
        cluster = pair.b.cluster
        cluster.stop()
        for file in (cluster.data_directory / "pg_stat").iterdir():
            file.unlink()
        (cluster.data_directory / "standby.signal").touch()
        cluster.start()
        assert pair.b.value("select pg_is_in_recovery()")
        pair.b.execute("select pg_promote()")
        made.catch_up()
        # As many as before: no counter is lower than it was.
        miss(made, range(10, 13))
        daemon.wait_count(6, "subname = %s", made.to_b.name)

        def known() -> Completeness | None:
            one = compared(daemon, made)
            return one if one.holes else None

        found = wait_for(known, "that its counters began anew", timeout=90)

        assert {word for hole in found.holes for word in hole.reasons} == {
            "statistics_restart"
        }
        assert found.unaccounted == 0


@pytest.mark.majors(18)
def test_one_name_in_two_databases(
    new_pair: Callable[..., Pair], new_daemon: Callable[..., Daemon]
) -> None:
    """Each has its own account; their metrics are one series, which never jumps."""
    pair = new_pair(18)
    daemon = new_daemon({"b": pair.b.dsn})
    with pair.replicate(both=False) as made:
        name = made.to_b.name
        pair.b.execute("create database other", dbname="postgres")
        pair.b.execute(f"create table {made.table} (id int primary key, v text)",
                       dbname="other")  # fmt: skip
        pair.a.execute(
            f"select pg_create_logical_replication_slot('{name}_2', 'pgoutput')"
        )
        pair.b.execute(
            f"create subscription {name} connection '{pair.a.dsn}'"
            f" publication {made.to_b.publication} with (copy_data = false,"
            f" create_slot = false, slot_name = '{name}_2')",
            dbname="other",
        )
        daemon.start()
        oids = [
            row[0]
            for row in pair.b.execute(
                "select oid::int8 from pg_subscription where subname = %s", [name]
            )
        ]
        assert len(oids) == 2
        pair.a.execute(f"insert into {made.table} values (1, 'v')")
        for dbname in ("app", "other"):
            wait_until(
                lambda dbname=dbname: pair.b.execute(  # type: ignore[misc]
                    f"select from {made.table}", dbname=dbname
                ),
                f"the row is in {dbname}",
            )
            pair.b.execute(f"delete from {made.table}", dbname=dbname)
        pair.a.execute(f"update {made.table} set v = 'w'")

        daemon.wait_count(2, "subname = %s", name)

        labels = {"node": "b", "subscription": name}
        for metric in ("conflicts_total", "server_conflicts_total"):
            wait_until(
                lambda metric=metric: daemon.metric(metric, **labels) == 2,  # type: ignore[misc]
                f"{metric} is the sum",
            )
        for oid in oids:
            found = wait_for(
                lambda oid=oid: reported(daemon, pair.b, oid),  # type: ignore[misc]
                "its ledger began",
            )
            assert found.complete
        assert {
            (one.database, one.subname)
            for one in (reported(daemon, pair.b, oid) for oid in oids)
            if one is not None
        } == {("app", name), ("other", name)}
        pair.b.execute(f"alter subscription {name} disable", dbname="other")
        pair.b.execute(
            f"alter subscription {name} set (slot_name = none)", dbname="other"
        )
        pair.b.execute(f"drop subscription {name}", dbname="other")
