"""What docs/adr/0007-sequence-lock.md says about locks, on every version."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec
import psycopg
import pytest

from pgconflict import config
from pgconflict.core.capability import capability
from pgconflict.core.sequence import SequenceName, SequenceState
from pgconflict.core.sequence_change import Change, Outcome
from pgconflict.queries import query
from pgconflict.server import sequence_lock
from pgconflict.server.sequence_advance import apply
from pgconflict.server.sequences import SequenceNode, part_of
from tests.fixtures.sequence_nodes import Writers, stands

if TYPE_CHECKING:
    from tests.fixtures.sequence_nodes import Pair

ROW = (
    "select relfilenode, xmin::text, relpersistence, relowner from pg_class"
    " where oid = 'public.x'::regclass"
)


def state(*, unlogged: bool = False, cache: int = 1) -> SequenceState:
    return SequenceState(
        oid=0,
        name=SequenceName("public", "x"),
        owner="postgres",
        unlogged=unlogged,
        data_type="bigint",
        start=1,
        increment=1,
        minimum=1,
        maximum=(1 << 63) - 1,
        cache=cache,
        cycle=False,
    )


@pytest.mark.parametrize("unlogged", [False, True])
def test_the_lock_keeps_nextval_out_and_changes_nothing(
    same: Pair,
    unlogged: bool,  # noqa: FBT001
) -> None:
    kind = "unlogged" if unlogged else ""
    same.b.execute(f"create {kind} sequence public.x")
    before = same.b.execute(ROW)

    with same.b.connect() as holder, same.b.connect() as other:
        other.execute("set lock_timeout = '50ms'")
        with holder.transaction():
            holder.execute(sequence_lock.lock([state(unlogged=unlogged)]))
            for statement in ("select nextval('x')", "select setval('x', 9)"):
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    other.execute(statement.encode())
        assert other.execute("select nextval('x')").fetchone() == (1,)

    assert same.b.execute(ROW) == before


def test_reading_and_setting_without_the_lock_gives_out_values_twice(
    same: Pair,
) -> None:
    """The reason for the lock: one statement is not enough."""
    same.b.execute("create sequence public.x; select nextval('public.x')")
    # The pause is what a busy server adds by itself, now and then.
    statement = (
        b"select setval('public.x', seen + 7) from (select last_value as seen,"
        b" pg_sleep(0.001) from public.x offset 0) read"
    )
    with Writers(same.b, "public.x") as writers, same.b.connect() as setter:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for _ in range(100):
                setter.execute(statement)
            values = writers.values
            if len(values) > len(set(values)):
                break

    assert len(writers.values) > len(set(writers.values))


def test_reserved_values_survive_setval_but_not_our_statement(same: Pair) -> None:
    same.b.execute("create sequence public.x cache 20")
    with same.b.connect() as session:

        def nextval() -> int:
            row = session.execute("select nextval('public.x')").fetchone()
            assert row is not None
            return int(row[0])

        assert nextval() == 1
        same.b.execute("select setval('public.x', 1000)")
        assert nextval() == 2

        with same.b.connect() as holder:
            holder.execute(sequence_lock.drop_reserved(state(cache=20)))
        assert nextval() == 1001


def test_sync_leaves_no_session_with_old_values(same: Pair) -> None:
    same.both("create schema app; create sequence app.x cache 20")
    same.a.execute("select setval('app.x', 5000)")
    with same.b.connect() as session:
        session.execute("select nextval('app.x')")

        done = same.sync("--apply")

        assert done.code == 0
        row = session.execute("select nextval('app.x')").fetchone()
        assert row is not None
        assert row[0] > 5000
    assert stands(same.b, "app.x") == (5020, True)


@pytest.mark.parametrize("cache", [1, 20])
def test_a_sequence_that_has_another_name_by_now_is_left_alone(
    same: Pair, cache: int
) -> None:
    """The lock is taken by name: it would be that of the one that has the name now."""
    same.b.execute(f"create sequence public.x cache {cache}")
    ((oid,),) = same.b.execute("select 'public.x'::regclass::oid")
    planned = msgspec.structs.replace(state(cache=cache), oid=oid)
    change = Change(before=planned, last_value=5000, is_called=True)
    same.b.execute(
        f"alter sequence public.x rename to y; create sequence public.x cache {cache}"
    )

    async def move() -> list[Outcome]:
        node = config.Node(name="b", dsn=same.b.dsn)
        async with await SequenceNode.open(node, job="t", read_only=False) as opened:
            applied = await apply(opened, [change])
        return [result.outcome for result in applied.results]

    assert asyncio.run(move()) == [Outcome.GONE]
    assert stands(same.b, "public.x") == stands(same.b, "public.y") == (1, False)


def test_nothing_is_locked_when_nothing_is_behind(same: Pair) -> None:
    same.both("create schema app; create sequence app.x; select nextval('app.x')")
    with same.b.connect() as busy, busy.transaction():
        busy.execute("select nextval('app.x')")

        done = same.sync("--apply")

    assert done.code == 0
    assert "moved 0" in done.err


def test_statements_and_program_share_sequences_out_alike(same: Pair) -> None:
    """The connection that has read a sequence moves it: it opens it faster."""
    same.b.execute(
        "do $$ begin for i in 1..60 loop"
        " execute format('create table t_%s (id serial)', i); end loop; end $$"
    )
    with same.b.connect() as connection:
        major = connection.info.server_version // 10_000
        cursor = psycopg.RawCursor(connection)
        for part in range(3):
            definitions = query("sequence_definitions", major).encode()
            cursor.execute(definitions, (None, None, 3, part))
            oids = {row[0] for row in cursor}

            assert {part_of(oid, 3) for oid in oids} == {part}
            # Their oids are at a regular distance, which must not matter.
            assert len(oids) > 10
            if capability(major).sequence_data_function:
                cursor.execute(
                    query("sequence_states", major).encode(), (None, 3, part)
                )
                assert {oid for row in cursor for oid in row[10]} == oids
