"""Comparing a whole table on two nodes, beside what a DBA would type by hand.

By hand: `select count(*), sum(hashtext(t::text))` on both nodes at once, which is one
long statement, says nothing of which rows differ, and takes what is on its way for a
difference.
"""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.bench.harness import (
    Line,
    Workshop,
    measurement,
    pgconflict,
    say,
    seconds,
    without_aim,
)

if TYPE_CHECKING:
    from tests.fixtures.servers import Node

ROWS = int(os.environ.get("PGCONFLICT_BENCH_ROWS", "10000000"))
BY_HAND = "select count(*), sum(hashtext(t::text)) from big t"


@measurement
def verify(workshop: Workshop) -> list[Line]:
    """`conflicts verify` of a large table beside count(*) and sum(hashtext())."""
    pair = workshop.servers.new_pair(18, settings={"shared_buffers": "512MB"})
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_fill, pair.nodes))
        config = workshop.directory / "verify.yml"
        nodes = "".join(f'  - {{name: {n.name}, dsn: "{n.dsn}"}}\n' for n in pair.nodes)
        config.write_text(f'conflict_log: {{dsn: "host=nowhere"}}\nnodes:\n{nodes}')
        words = ["--config", str(config), "--json", "conflicts", "verify", "big"]
        ours, theirs, ranges = [], [], 0
        for _ in range(min(workshop.rounds, 3)):
            say("verify: by hand")
            theirs.append(seconds(lambda: list(pool.map(_by_hand, pair.nodes))))
            say("verify: pgconflict")
            done = subprocess.run(
                pgconflict(*words, "--no-store"), check=True, capture_output=True
            )
            said = json.loads(done.stdout)
            assert (said["differing"], said["rows"]) == (0, {"a": ROWS, "b": ROWS})
            ours.append(said["seconds"])
            ranges = said["ranges"]
    ratios = [one / two for one, two in zip(ours, theirs, strict=True)]
    millions = ROWS / 1e6
    return [
        without_aim(f"verify of {millions:g} million rows", ours, "s"),
        Line("verify: statements a node", f"{ranges} hashes and as many bounds"),
        without_aim("count(*) and sum(hashtext()) on both", theirs, "s"),
        without_aim("verify", ratios, "x by hand"),
    ]


def _fill(node: Node) -> None:
    say(f"verify: {ROWS} rows on {node.name}")
    node.execute(
        "create table big (id bigint primary key, v text, n numeric, at timestamptz)"
    )
    node.execute(
        "insert into big select n, md5(n::text), n / 7.0, '2026-01-01'::timestamptz"
        f" + n * interval '1 second' from generate_series(1, {ROWS}) n"
    )
    node.execute("vacuum analyze big")


def _by_hand(node: Node) -> None:
    node.execute(BY_HAND)
