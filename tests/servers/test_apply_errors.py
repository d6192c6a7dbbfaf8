"""Whatever stops apply on a real server is recorded, and what it was."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.nodes import Pair, Replicated


@dataclass(frozen=True)
class Trouble:
    """What makes the subscriber refuse a change; `{t}` is the table."""

    sqlstate: str
    on_b: str
    change: str = "insert into {t} values (2, 'x')"
    operation: str = "INSERT"


TROUBLES = {
    "check": Trouble("23514", "alter table {t} add check (v <> 'x')"),
    "not_null": Trouble("23502", "truncate {t}; alter table {t} add w int not null"),
    "trigger": Trouble(
        "P0001",
        "create function {f}() returns trigger language plpgsql"
        " as $$ begin raise 'no'; end $$;"
        " create trigger refuse before insert on {t}"
        " for each row execute function {f}();"
        " alter table {t} enable always trigger refuse",
    ),
    "foreign_key": Trouble(
        "23503",
        "create table {n}_parent (id int primary key);"
        " insert into {n}_parent values (1);"
        " alter table {t} add constraint fk foreign key (id) references {n}_parent;"
        " do $$ declare r record; begin for r in select tgname from pg_trigger"
        " where tgrelid = '{t}'::regclass loop execute format("
        "'alter table {t} enable always trigger %I', r.tgname); end loop; end $$",
    ),
    "exclusion": Trouble(
        "23P01",
        "alter table {t} add exclude using hash (v with =);"
        " insert into {t} values (9, 'x')",
    ),
    "wrong_input": Trouble("22P02", "alter table {t} alter v type int using 0"),
    "no_relation": Trouble("55000", "drop table {t}"),
    "no_column": Trouble("55000", "alter table {t} drop v"),
    "no_key": Trouble(
        "55000",
        "alter table {t} drop constraint {n}_pkey",
        "update {t} set v = 'x'",
        "UPDATE",
    ),
    "referenced": Trouble(
        "0A000",
        "create table {n}_child (id int references {t})",
        "truncate {t}",
        "TRUNCATE",
    ),
    "generated": Trouble(
        "55000",
        "alter table {t} drop v;"
        " alter table {t} add v text generated always as ('g') stored",
    ),
    "row_security": Trouble(
        "0A000",
        "{o}; grant all on {t} to {r}; alter table {t} enable row level security",
    ),
    "permission": Trouble("42501", "{o}"),
}
# 15 lets a superuser own a subscription, and does not look at it again. A role for
# each: while it is one, its worker may do all.
OWNED = (
    "create role {r} login superuser; grant create on database app to {r};"
    " alter subscription {s} owner to {r}; alter role {r} nosuperuser"
)


def filled(text: str, made: Replicated) -> str:
    for name, value in {
        "{o}": OWNED,
        "{t}": made.table,
        "{n}": made.relname,
        "{f}": f"refuse_{made.relname}",
        "{r}": f"applier_{made.relname}",
        "{s}": made.to_b.name,
    }.items():
        text = text.replace(name, value)
    return text


def prepare(made: Replicated, trouble: Trouble) -> None:
    """Make the subscriber refuse the change to come."""
    made.to_b.publisher.execute(filled("insert into {t} values (1, 'a')", made))
    made.catch_up()
    made.to_b.subscriber.execute(filled(trouble.on_b, made))
    # A worker is of the owner that the launcher has read, perhaps long before: busy
    # with others that fail, it starts one that is still a superuser.
    wait_until(
        lambda: runs_as(made) == owner(made), f"{made.to_b.name} is of its owner"
    )


def runs_as(made: Replicated) -> str:
    said = made.to_b.subscriber.value(
        "select usename from pg_stat_activity where pid = %s", [made.to_b.worker()]
    )
    return str(said)


def owner(made: Replicated) -> str:
    said = made.to_b.subscriber.value(
        "select pg_get_userbyid(subowner) from pg_subscription where subname = %s",
        [made.to_b.name],
    )
    return str(said)


def test_every_error_that_stops_apply(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    # 16 and later: the worker becomes the table's owner, unless told not to.
    as_owner = {"run_as_owner": True, "password_required": False}
    as_owner = as_owner if pair.major >= 16 else {}
    with contextlib.ExitStack() as stack:
        stalled = {
            name: stack.enter_context(pair.replicate(both=False, subscription=as_owner))
            for name in TROUBLES
        }
        for name, made in stalled.items():
            prepare(made, TROUBLES[name])
        for name, made in stalled.items():
            made.to_b.publisher.execute(filled(TROUBLES[name].change, made))
        found = {}
        for name, made in stalled.items():
            # Thirteen subscriptions that fail at once share few workers.
            daemon.wait_count(
                1,
                "subname = %s and sqlstate <> '55006' and attempts >= 2",
                made.to_b.name,
                timeout=120,
            )
            (found[name],) = daemon.query(
                "select kind, conflict_type, stalls, status, sqlstate, operation,"
                " remote_xid is not null, remote_commit_lsn is not null"
                # 55006: the walsender of the worker before had not ended yet.
                " from pgconflict.conflict_log where subname = %s"
                " and kind = 'apply_error' and sqlstate <> '55006'",
                [made.to_b.name],
            )
        for made in stalled.values():
            made.to_b.alter("disable")

    for name, (*said, sqlstate, operation, xid, lsn) in found.items():
        trouble = TROUBLES[name]
        assert said == ["apply_error", None, True, "open"], name
        assert (sqlstate, operation) == (trouble.sqlstate, trouble.operation), name
        assert (xid, lsn) == (True, True), name


def test_a_copy_that_fails_is_a_sync_error(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    with pair.replicate(both=False) as made:
        made.to_b.drop()
        pair.a.execute(f"insert into {made.table} values (1, 'x')")
        pair.b.execute(f"alter table {made.table} add check (v <> 'x')")
        made.to_b.create({"copy_data": True})
        daemon.wait_count(1, "subname = %s and attempts >= 2", made.to_b.name)

        found = daemon.query(
            "select kind, conflict_type, sqlstate, stalls, relation"
            " from pgconflict.conflict_log where subname = %s",
            [made.to_b.name],
        )

        assert found == [("sync_error", None, "23514", True, made.relname)]


@pytest.mark.majors(since=19)
def test_a_sequence_that_can_not_be_synchronised_is_a_sync_error(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    name = f"s_{pair.major}_mismatched"
    pair.a.execute(f"create sequence {name} increment 5")
    pair.b.execute(f"create sequence {name} increment 7")
    pair.a.execute(f"create publication {name} for all sequences")
    with contextlib.ExitStack() as stack:
        stack.callback(pair.both, f"drop sequence {name}")
        stack.callback(pair.a.execute, f"drop publication {name}")
        stack.callback(pair.b.execute, f"drop subscription {name}")
        pair.b.execute(
            f"create subscription {name} connection '{pair.a.dsn}' publication {name}"
        )
        daemon.wait_count(1, "subname = %s and attempts >= 2", name)

        found = daemon.query(
            "select distinct kind, conflict_type, sqlstate, stalls"
            " from pgconflict.conflict_log where subname = %s",
            [name],
        )

        assert found == [("sync_error", None, "55000", True)]
