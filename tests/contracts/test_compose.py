"""docker-compose.yml and Dockerfile: well formed, careful, and of existing parts."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgconflict.config import parse
from pgconflict.server.grants import monitor_grants
from tests.contracts.tree import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NOT_OURS = {"postgres", "prom/prometheus", "grafana/grafana"}


@pytest.fixture(params=sorted(SERVICES))
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_what_it_mounts_is_there(service: str) -> None:
    for volume in SERVICES[service].get("volumes", []):
        source, target, *options = volume.split(":")
        if source.startswith("./"):
            assert (ROOT / source).exists(), source
            assert options == ["ro"]
        else:
            assert source in COMPOSE["volumes"]
        assert target.startswith("/")


def test_nobody_else_on_the_network_reaches_it(service: str) -> None:
    for port in SERVICES[service].get("ports", []):
        assert port.startswith("127.0.0.1:")


def test_images_have_a_version(service: str) -> None:
    name, _, tag = SERVICES[service]["image"].partition(":")

    assert tag
    assert tag != "latest"
    assert (name in NOT_OURS) == ("build" not in SERVICES[service])


def test_what_it_waits_for_can_happen(service: str) -> None:
    for name, how in SERVICES[service].get("depends_on", {}).items():
        waited = SERVICES[name]
        if how["condition"] == "service_healthy":
            assert "healthcheck" in waited or "build" in waited
        else:
            # Once done it must not start again.
            assert how["condition"] == "service_completed_successfully"
            assert "restart" not in waited


def test_ours_may_do_nothing_it_need_not(service: str) -> None:
    ours = SERVICES[service]
    if "build" in ours:
        assert ours["read_only"] is True
        assert ours["cap_drop"] == ["ALL"]
        assert ours["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in ours  # the image has one that is not root


def test_the_parts_name_each_other() -> None:
    """Hosts in the daemon's, Prometheus' and Grafana's configuration are services."""
    config = parse(
        (ROOT / "docker" / "pgconflict.yml").read_text(), Path("pgconflict.yml")
    )
    hosts = {re.findall(r"host=(\w+)", node.dsn)[0] for node in config.nodes}
    prometheus = yaml.safe_load((ROOT / "docker" / "prometheus.yml").read_text())
    (scrape,) = prometheus["scrape_configs"]
    (target,) = scrape["static_configs"][0]["targets"]
    grafana = SERVICES["grafana"]["environment"]

    assert hosts == {"a", "b"}
    assert hosts <= SERVICES.keys()
    assert config.metrics.listen is not None
    assert target == f"pgconflict:{config.metrics.listen.port}"
    assert grafana["PROMETHEUS_URL"].removeprefix("http://") == "prometheus:9090"
    assert grafana["CONFLICT_LOG_HOST"].split(":")[0] in SERVICES
    mounted = " ".join(SERVICES["prometheus"]["volumes"])
    assert f"/etc/prometheus/{prometheus['rule_files'][0]}:ro" in mounted


def test_the_daemon_s_role_has_what_init_prints() -> None:
    text = (ROOT / "docker" / "node.sql").read_text()

    for statement in monitor_grants("pgconflict"):
        assert statement in text


def test_the_image_holds_what_the_wheel_is_made_of() -> None:
    copied = set(re.findall(r"[\w./]+", " ".join(re.findall(
        r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE))))  # fmt: skip
    copied = {name.strip("/") for name in copied}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        "pyproject.toml",
        project["project"]["readme"],
        *project["project"]["license-files"],
        *wheel["packages"],
        *wheel["force-include"],
    }

    assert copied == needed
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == needed


def test_the_image_runs_as_nobody_special_and_says_how_it_is() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]

    assert re.search(r"^USER 970:970$", last, re.MULTILINE)
    assert last.index("USER ") < last.index("ENTRYPOINT")
    assert "HEALTHCHECK" in last
    assert "/healthz" in last
    assert re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])$", last, re.MULTILINE) == [
        '["pgconflict"]',
        '["run"]',
    ]
    # Of the interpreter the same in both stages, or the environment is of no use.
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(set(stages)) == 1
