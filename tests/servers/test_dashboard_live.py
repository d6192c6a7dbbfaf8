"""Every query of the dashboard and the rules, asked of a real Prometheus and daemon."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml

from tests.contracts.promql import selectors
from tests.contracts.test_metrics_documented import WRITER
from tests.contracts.tree import ROOT
from tests.fixtures.conflict_logs import new_conflict_log
from tests.fixtures.daemon import Daemon
from tests.fixtures.prometheus import RULES, Prometheus
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.nodes import Pair, Replicated
    from tests.fixtures.servers import ConflictLogServer, Servers

DASHBOARD = json.loads(
    (ROOT / "config/grafana/dashboards/pgconflict.json").read_text(encoding="utf-8")
)
SETTINGS: dict[str, str | int | float | bool] = {
    "max_prepared_transactions": 5,
    "max_slot_wal_keep_size": "1GB",
    "idle_replication_slot_timeout": "1h",
}
SELECTOR = re.compile(r"\bpgconflict_\w+(?:\{[^}]*\})?")


class Site:
    """Two nodes with conflicts, their daemon, and a Prometheus."""

    def __init__(self, pair: Pair, conflict_log: str, folder: Path) -> None:
        self.pair = pair
        self.conflict_log = conflict_log
        self.daemon = Daemon(
            folder,
            conflict_log,
            {node.name: node.dsn for node in pair.nodes},
            metrics={"top_tables": 3},
            verdict={"enabled": True},
            sequences={
                "interval": "1s",
                "pairs": [{"name": "a-to-b", "from": "a", "to": "b"}],
            },
        )
        self.daemon.config["metrics"]["listen"] = f"127.0.0.1:{self.daemon.port}"


@pytest.fixture(scope="module")
def site(
    servers: Servers, conflict_log_server: ConflictLogServer
) -> Iterator[tuple[Site, Prometheus]]:
    pair = servers.new_pair(18, settings=SETTINGS)
    a, b = pair.nodes
    dsn = new_conflict_log(conflict_log_server)
    pair.both("create table other (id int primary key); insert into other values (1)")
    with tempfile.TemporaryDirectory() as folder:
        site = Site(pair, dsn, Path(folder))
        with pair.replicate("create table {t} (id serial primary key, v text)") as made:
            site.daemon.start()
            _make_trouble(site, made)
            # Some things are only looked at now and then, and at the start.
            site.daemon.stop()
            site.daemon.start()
            with Prometheus(f"127.0.0.1:{site.daemon.port}") as prometheus:
                wait_until(lambda: _seen(prometheus), "Prometheus has seen it")
                yield site, prometheus
            b.execute("rollback prepared 'p'")
            a.execute("select pg_drop_replication_slot('spare')")
            site.daemon.stop()
    for node in pair.nodes:
        node.cluster.destroy()


def _make_trouble(site: Site, made: Replicated) -> None:
    """A change for a missing row, one that stops apply, and what else has a panel."""
    a, b = site.pair.nodes
    table = made.table
    a.execute(f"insert into {table} select g, 'a' from generate_series(1, 20) g")
    a.execute("select pg_create_logical_replication_slot('spare', 'pgoutput')")
    b.execute("begin; delete from other; prepare transaction 'p'")
    b.execute("select pg_replication_origin_create('quiet')")
    made.catch_up()
    # What has an origin is not sent to a: only b gets into trouble.
    b.execute(
        "select pg_replication_origin_session_setup('quiet');"
        f"delete from {table} where id = 1; insert into {table} values (200, 'b')"
    )
    a.execute(f"update {table} set v = 'b' where id = 1")
    a.execute(f"insert into {table} values (200, 'a')")
    for node in site.pair.nodes:
        node.execute("checkpoint")
    site.daemon.wait_count(1, "conflict_type = 'insert_exists' and attempts > 1")
    site.daemon.wait_count(1, "conflict_type = 'update_missing'")


def _seen(prometheus: Prometheus) -> bool:
    """Whether it has scraped a daemon whose jobs have all done something."""
    samples = prometheus.query("min(count_over_time(pgconflict_slot_active[1h]))")
    late = prometheus.query("sum(pgconflict_job_late)")
    return (
        bool(samples)
        and float(samples[0]["value"][1]) >= 4
        and bool(prometheus.query("pgconflict_diverged_rows"))
        and bool(late)
        and float(late[0]["value"][1]) == 0
    )


def targets(kind: str) -> list[Any]:
    return [
        pytest.param(target, id=f"{panel['title']}-{target['refId']}")
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
        if kind in target
    ]


def as_grafana(expression: str) -> str:
    """The expression with variables filled in, as for `All`."""
    return (
        expression.replace("$__rate_interval", "1m")
        .replace("$node", "(a|b)")
        .replace("$subscription", ".+")
    )


@pytest.mark.parametrize("target", targets("expr"))
def test_every_panel_has_data(
    site: tuple[Site, Prometheus], target: dict[str, Any]
) -> None:
    _, prometheus = site

    assert prometheus.query(as_grafana(target["expr"]))


def test_every_legend_names_its_series(site: tuple[Site, Prometheus]) -> None:
    _, prometheus = site
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            for label in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")):
                found = prometheus.query(as_grafana(target["expr"]))
                assert any(label in one["metric"] for one in found), panel["title"]


def test_every_rule_is_evaluated_and_every_selector_of_it_finds_something(
    site: tuple[Site, Prometheus],
) -> None:
    _, prometheus = site
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    wait_until(
        lambda: all(rule["health"] == "ok" for rule in prometheus.rules()),
        "each rule was evaluated",
    )

    assert len(prometheus.rules()) == len(rules)
    for rule in rules:
        for selector in SELECTOR.findall(rule["expr"]):
            found = prometheus.query(selector)
            assert found, (rule["alert"], selector)
        assert selectors(rule["expr"])


def test_what_is_wrong_here_is_what_becomes_an_alert(
    site: tuple[Site, Prometheus],
) -> None:
    _, prometheus = site

    def active() -> set[str]:
        return {one["metric"]["alertname"] for one in prometheus.query("ALERTS")}

    wait_until(lambda: "PgconflictApplyBlocked" in active(), "it is pending or firing")
    assert active() == {"PgconflictApplyBlocked"}


def test_the_catalogue_is_what_a_running_daemon_serves(
    site: tuple[Site, Prometheus],
) -> None:
    """Names, types, help and labels, off the page itself."""
    status, page = site[0].daemon.get("/metrics")
    helps = dict(re.findall(r"^# HELP (pgconflict_\w+) (.*)$", page, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (pgconflict_\w+) (\w+)$", page, re.MULTILINE))
    labels: dict[str, set[str]] = {}
    for name, inside in re.findall(r"^(pgconflict_\w+)(\{.*\})? ", page, re.MULTILINE):
        labels.setdefault(name, set()).update(re.findall(r'(\w+)="', inside))

    assert status == 200
    assert {(name, types[name], helps[name]) for name in helps} == {
        (name, kind, text) for name, kind, _, text in WRITER.exported()
    }
    expected = {name: set(names) for name, _, names, _ in WRITER.exported()}
    assert labels == expected


def test_promtool_has_nothing_to_say_of_the_page(
    site: tuple[Site, Prometheus],
) -> None:
    _, page = site[0].daemon.get("/metrics")

    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=page.encode(),
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("target", targets("rawSql"))
def test_every_panel_on_the_conflict_log_has_rows(
    site: tuple[Site, Prometheus], target: dict[str, Any]
) -> None:
    assert _asked(site[0], target["rawSql"])


def test_annotations_can_be_asked(site: tuple[Site, Prometheus]) -> None:
    for annotation in DASHBOARD["annotations"]["list"]:
        if "target" in annotation:
            assert _asked(site[0], annotation["target"]["rawSql"]) == []


def _asked(site: Site, statement: str) -> list[tuple[Any, ...]]:
    """What a role gets that has only the grants of the provisioning file."""
    text = (ROOT / "config/grafana/provisioning/datasources/pgconflict.yml").read_text()
    grants = re.findall(r"(GRANT [^;]*;)", re.sub(r"(?m)^#", "", text))
    assert len(grants) == 2
    filled = re.sub(
        r"\$__timeFilter\(([^)]*)\)",
        r"\1 BETWEEN now() - interval '6 hours' AND now()",
        statement,
    ).replace("${node:sqlstring}", "'a','b'")
    with psycopg.connect(site.conflict_log) as connection:
        connection.execute("drop role if exists grafana_test")
        connection.execute("create role grafana_test")
        for grant in grants:
            connection.execute(grant.replace("TO grafana", "TO grafana_test").encode())
        connection.execute("set local role grafana_test")
        rows = connection.execute(filled.encode()).fetchall()
        connection.rollback()
    return rows
