"""The configuration file: what is accepted, and what is said about the rest."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from pgconflict.config import Config, ConfigFileError, ListenAddress, find, load, parse
from pgconflict.errors import ConfigError

MINIMAL = """\
conflict_log:
  dsn: dbname=log
nodes:
  - name: a
    dsn: host=10.0.0.1 dbname=app
"""
EXAMPLE = Path("config/pgconflict.example.yml")


def config(text: str, folder: Path = Path()) -> Config:
    return parse(text, folder / "pgconflict.yml")


def problems(text: str, folder: Path = Path()) -> list[str]:
    with pytest.raises(ConfigFileError) as caught:
        config(text, folder)
    assert caught.value.exit_code == 78
    return [str(problem) for problem in caught.value.problems]


def test_the_smallest_file_has_the_contracts_defaults() -> None:
    small = config(MINIMAL)

    assert small.conflict_log.destination == "table"
    assert small.conflict_log.retention == timedelta(days=90)
    assert small.conflict_log.row_data == "full"
    assert small.conflict_log.rules == ()
    assert small.metrics.listen == ListenAddress("127.0.0.1", 9745)
    assert small.nodes[0].server_log.read == "auto"
    assert small.nodes[0].server_log.poll_interval == timedelta(milliseconds=250)
    assert small.limits.statement_timeout == timedelta(seconds=5)
    assert small.limits.max_entry_bytes == 16 * 1024 * 1024


def test_everything_wrong_is_said_at_once_with_key_and_line() -> None:
    text = """\
conflict_log:
  dsn: dbname=log
  retention: 90
  row_data: some
  destnation: log
metrics:
  listen: here
nodes:
  - name: a
    dsn: host=10.0.0.1
    server_log:
      read: always
      poll_interval: 5 parsecs
  - name: a
  - name: 7
    dsn: host=10.0.0.3 prot=5432
nonsense: true
"""

    assert problems(text) == [
        (
            "line 3: conflict_log.retention: must be a duration such as 250ms or 5s:"
            " 90 has no unit"
        ),
        "line 4: conflict_log.row_data: must be 'full', 'keys' or 'none'",
        "line 5: conflict_log.destnation: unknown key; did you mean destination?",
        (
            "line 7: metrics.listen: must be an address such as 127.0.0.1:9745,"
            " [::1]:9745, or off"
        ),
        "line 12: nodes[0].server_log.read: must be 'auto', 'file' or 'sql'",
        (
            "line 13: nodes[0].server_log.poll_interval: must be a duration such as"
            " 250ms or 5s: the units are us, ms, s, m, min, h, d, not parsecs"
        ),
        "line 14: nodes[1].name: another node has the name 'a'",
        "line 14: nodes[1].dsn: is missing",
        "line 15: nodes[2].name: must be text; a number or yes/no needs quotes",
        (
            "line 16: nodes[2].dsn: is no connection string of libpq:"
            ' invalid connection option "..."'
        ),
        "line 17: nonsense: unknown key",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1: the file is empty"),
        ("# only comments\n", "line 1: the file is empty"),
        (
            "a:\n  b: 1\n\tc: 2\n",
            "line 3: a tab: YAML is indented with spaces",
        ),
        ("a: [1\nb: 2\n", "line 2: not YAML: expected ',' or ']', but got ':'"),
        ("a: \x07\n", "line 1: not YAML: character U+0007 is not allowed"),
        ("a: !!int x\n", "line 1: not YAML: invalid literal for int()"),
        ("a: " + "[" * 5000, "line 1: not YAML: maximum recursion depth exceeded"),
        ("a: &x [*x]\n", "line 1: not YAML: maximum recursion depth exceeded"),
        ("a: !!python/object:os.system {}\n", "line 1: not YAML: could not determine"),
        ("a: 1\n---\nb: 2\n", "line 2: not YAML: but found another document"),
    ],
)
def test_what_is_not_yaml_is_said_with_its_line(text: str, expected: str) -> None:
    (problem,) = problems(text)

    assert problem.startswith(expected)


def test_a_file_that_is_not_a_mapping() -> None:
    (problem,) = problems("- a\n- b\n")

    assert problem == "line 1: must be a mapping of keys to values"


def test_equal_keys_are_reported_with_the_first_ones_line() -> None:
    text = MINIMAL + "    dsn: host=10.0.0.2\nconflict_log: {}\n"

    assert problems(text)[:2] == [
        "line 6: nodes[0].dsn: the key is there already, in line 5",
        "line 7: conflict_log: the key is there already, in line 1",
    ]


def test_anchors_and_merge_keys_are_no_duplicates() -> None:
    text = """\
conflict_log: {dsn: dbname=log}
nodes:
  - name: a
    dsn: host=a
    server_log: &log {read: sql, poll_interval: 2s}
  - name: b
    dsn: host=b
    server_log:
      <<: *log
      poll_interval: 500ms
"""

    log = config(text).nodes[1].server_log

    assert (log.read, log.poll_interval) == ("sql", timedelta(milliseconds=500))


def test_a_section_with_every_line_commented_out_has_its_defaults() -> None:
    text = MINIMAL + "metrics:\n#  listen: off\nlimits:\n"

    assert config(text).metrics.listen is not None


def test_an_empty_required_section_names_what_it_lacks() -> None:
    assert problems("conflict_log:\nnodes: []\n") == [
        "line 1: conflict_log.dsn: is missing",
        "line 2: nodes: must name at least one",
    ]


@pytest.mark.parametrize("text", ["off", "null", "false", '"off"'])
def test_metrics_can_be_switched_off(text: str) -> None:
    assert config(f"{MINIMAL}metrics: {{listen: {text}}}\n").metrics.listen is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0:9745", ("0.0.0.0", 9745)),  # noqa: S104
        ("[::]:0", ("::", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_listen_addresses(text: str, expected: tuple[str, int]) -> None:
    listen = config(f'{MINIMAL}metrics: {{listen: "{text}"}}\n').metrics.listen

    assert listen == expected
    assert str(listen) == text


@pytest.mark.parametrize("text", ["9745", "true", "a:65536", "::1:80", ":80", "a:b"])
def test_what_is_no_listen_address(text: str) -> None:
    (problem,) = problems(f"{MINIMAL}metrics:\n  listen: {text}\n")

    assert problem.startswith("line 7: metrics.listen: must be an address")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", None),
        ("250ms", timedelta(milliseconds=250)),
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("15 min", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("90d", timedelta(days=90)),
    ],
)
def test_durations(text: str, expected: timedelta | None) -> None:
    small = MINIMAL.replace("dbname=log", f"dbname=log\n  retention: {text}")

    assert config(small).conflict_log.retention == expected


@pytest.mark.parametrize(
    "text", ["-1d", "1.5h", "90", "d", "1d2h", "true", "[1d]", "1" * 10 + "d", "40000d"]
)
def test_what_is_no_duration(text: str) -> None:
    small = MINIMAL.replace("dbname=log", f"dbname=log\n  retention: {text}")

    (problem,) = problems(small)

    assert problem.startswith("line 3: conflict_log.retention: must be ")


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ("max_entry_bytes: 4kB", "max_entry_bytes: must be from 64kB to 1GB"),
        ("statement_timeout: 0", "statement_timeout: must be from 100ms to 1h"),
        ("statistics_interval: 2h", "statistics_interval: must be from 10ms to 1h"),
    ],
)
def test_limits_have_bounds(limits: str, expected: str) -> None:
    assert problems(f"{MINIMAL}limits:\n  {limits}\n") == [f"line 7: limits.{expected}"]


@pytest.mark.parametrize("name", ['"-a"', '"a b"', '""', '"a\\nb"', "a" * 64, '"a/b"'])
def test_what_is_no_node_name(name: str) -> None:
    (problem,) = problems(MINIMAL.replace("name: a", f"name: {name}"))

    assert problem.startswith("line 4: nodes[0].name: must be 1 to 63 letters")


@pytest.mark.parametrize(
    "dsn",
    [
        "host=a password=hunter2",
        "postgresql://u:hunter2@a/app",
        "postgresql://a/app?password=hunter2",
        "host=a sslpassword=hunter2",
        "host=a password=x hunter2",
        "host=a password='hunter2",
        "postgresql://u:%hunter2@a/app",
        "host=a hunter2=x",
    ],
)
def test_a_password_in_a_connection_string_is_refused_and_never_repeated(
    dsn: str,
) -> None:
    with pytest.raises(ConfigFileError) as caught:
        config(MINIMAL.replace("host=10.0.0.1 dbname=app", f'"{dsn}"'))

    assert "line 5: nodes[0].dsn: " in str(caught.value)
    assert "hunter2" not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None


def test_a_passfile_is_named_as_the_remedy() -> None:
    (problem,) = problems(MINIMAL.replace("dbname=log", "dbname=log password=x"))

    assert "passfile" in problem


def test_a_config_does_not_print_its_connection_strings() -> None:
    assert "10.0.0.1" not in repr(config(MINIMAL))


def test_files_named_in_a_connection_string_must_be_readable(tmp_path: Path) -> None:
    open_to_all = tmp_path / "passfile"
    open_to_all.write_text("*:*:*:*:x\n")
    open_to_all.chmod(0o640)
    text = MINIMAL.replace("dbname=log", f"dbname=log passfile={open_to_all}").replace(
        "dbname=app", f"dbname=app sslkey={tmp_path}/none sslrootcert=system"
    )

    assert problems(text) == [
        (
            f"line 2: conflict_log.dsn: passfile: libpq ignores {open_to_all},"
            f" which others may read: chmod 0600 {open_to_all}"
        ),
        (
            f"line 5: nodes[0].dsn: sslkey: can't read {tmp_path}/none:"
            " No such file or directory"
        ),
    ]

    open_to_all.chmod(0o600)
    config(MINIMAL.replace("dbname=log", f"dbname=log passfile={open_to_all}"))


def test_a_relative_file_counts_from_the_folder_of_the_configuration(
    tmp_path: Path,
) -> None:
    (tmp_path / "users").write_text("prometheus:x\n")
    text = MINIMAL + "metrics: {basic_auth_file: users}\n"

    assert config(text, tmp_path).metrics.basic_auth_file == tmp_path / "users"
    (problem,) = problems(text, tmp_path / "elsewhere")
    assert problem.startswith("line 6: metrics.basic_auth_file: can't read ")


def test_keys_that_need_each_other(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x")
    text = """\
conflict_log:
  dsn: dbname=log
  rules:
    - {table: t, action: keep}
    - schema: hr
      columns: [salary]
      action: hash
metrics:
  tls_key_file: key
nodes:
  - {name: a, dsn: host=a}
"""

    assert problems(text, tmp_path) == [
        "line 7: conflict_log.rules[1].action: hash needs conflict_log.hash_key_file",
        "line 9: metrics.tls_key_file: needs tls_cert_file beside it",
    ]


def test_where_the_file_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named, local = (tmp_path / name for name in ("given", "named", "local"))
    local.write_text(MINIMAL)
    etc = tmp_path / "etc"
    monkeypatch.setattr("pgconflict.config.file.PLACES", (etc, local))

    assert find(given, {"PGCONFLICT_CONFIG": str(named)}) == given
    assert find(None, {"PGCONFLICT_CONFIG": str(named)}) == named
    assert find(None, {}) == local
    etc.write_text(MINIMAL)
    assert find(None, {}) == etc
    etc.unlink()
    local.unlink()
    with pytest.raises(ConfigError, match="no configuration file"):
        find(None, {})


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't read .*none: No such file"):
        load(tmp_path / "none")
    (tmp_path / "latin1").write_bytes(b"# \xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 2"):
        load(tmp_path / "latin1")


def test_the_example_is_the_reference() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")

    assert keys_in_yaml(yaml.safe_load(text)) == keys_of_model(Config)


def test_the_example_shows_every_default() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")

    example = config(text)

    assert list(differences(example)) == []


def keys_in_yaml(data: Any) -> set[str]:
    if isinstance(data, list):
        return {f"[].{key}" for item in data for key in keys_in_yaml(item)}
    if not isinstance(data, dict):
        return set()
    found = set(data)
    for key, value in data.items():
        found |= {f"{key}.{inner}" for inner in keys_in_yaml(value)}
    return found


def keys_of_model(model: type[BaseModel]) -> set[str]:
    found = set(model.model_fields)
    for key, field in model.model_fields.items():
        annotation: Any = field.annotation
        items: tuple[Any, ...] = getattr(annotation, "__args__", ())
        inner: Any = items[0] if key == "nodes" and items else annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            mark = "[]." if key == "nodes" else ""
            found |= {f"{key}.{mark}{name}" for name in keys_of_model(inner)}
    return found


def differences(section: BaseModel) -> list[str]:
    found = []
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            found += differences(value)
        elif key == "nodes":
            found += [name for node in value for name in differences(node)]
        elif not field.is_required() and value != field.default:
            found.append(f"{key}: {value!r} is not the default {field.default!r}")
    return found


def test_every_key_is_described_in_the_model() -> None:
    sections: list[type[BaseModel]] = [Config]
    for section in sections:
        for key, field in section.model_fields.items():
            assert field.description, f"{section.__name__}.{key}"
            if isinstance(field.annotation, type) and issubclass(
                field.annotation, BaseModel
            ):
                sections.append(field.annotation)
