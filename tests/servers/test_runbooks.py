"""What the runbooks tell people to type is SQL, on every version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg

from tests.contracts.tree import ROOT
from tests.fixtures.conflict_logs import new_conflict_log

if TYPE_CHECKING:
    from tests.fixtures.nodes import Pair
    from tests.fixtures.servers import ConflictLogServer

# These do something; the others only look.
_ACTS = ("pg_terminate_backend", "pg_drop_replication_slot", "pg_reload_conf")


IN_CONFLICT_LOG = "-- in the conflict log\n"


def statements() -> list[tuple[str, str]]:
    """Page and statement, of every block of SQL for a node."""
    return [
        (page.stem, statement.strip())
        for page in sorted((ROOT / "docs" / "runbooks").glob("*.md"))
        for block in re.findall(r"```sql\n(.*?)```", page.read_text(), re.DOTALL)
        if not block.startswith(IN_CONFLICT_LOG)
        for statement in block.split(";")
        if statement.strip()
    ]


def test_questions_have_an_answer(pair: Pair) -> None:
    """Asked on a node with a subscription, a slot and a sequence."""
    asked = 0
    with pair.replicate("create table {t} (id serial primary key)", both=False):
        for node in pair.nodes:
            for page, statement in statements():
                looks = statement.startswith(("SELECT", "SHOW"))
                if not looks or any(word in statement for word in _ACTS):
                    continue
                setting = re.fullmatch(r"SHOW (\w+)", statement)
                rows = node.execute(statement)
                asked += 1
                assert rows or not setting, page
                # A name that no version has would give nothing, in silence.
                for name in re.findall(r"'([a-z]+_[a-z_]+)'", statement):
                    known = node.value(
                        "select count(*) from pg_settings where name = %s", [name]
                    )
                    new = name == "idle_replication_slot_timeout" and node.major < 18
                    assert known == 1 or new, (page, name)

    assert asked > 20


def test_actions_are_well_formed(pair: Pair) -> None:
    """plpgsql reads them with the server's own grammar, and does not run them."""
    done = 0
    for page, statement in statements():
        if statement.startswith(("SHOW", "SELECT")):
            continue
        if statement.startswith("ROLLBACK PREPARED"):
            continue  # which plpgsql knows is not for functions
        body = f"begin {statement}; end"
        pair.a.execute(
            f"create or replace function pg_temp.{page}() returns void"
            f" language plpgsql as $body${body}$body$"
        )
        done += 1

    assert done > 10


def test_questions_to_the_conflict_log_can_be_asked(
    conflict_log_server: ConflictLogServer,
) -> None:
    dsn = new_conflict_log(conflict_log_server)
    asked = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        for page in (ROOT / "docs" / "runbooks").glob("*.md"):
            for block in re.findall(r"```sql\n(.*?)```", page.read_text(), re.DOTALL):
                if block.startswith(IN_CONFLICT_LOG):
                    connection.execute(block.encode())
                    asked += 1

    assert asked > 0
