"""What really happened in a corpus run, and how far a scan of its logs agrees.

The truth was asked from the servers by SQL, not read from the logs (see README.md).
"""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgconflict.core.lsn import parse_lsn

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
SHOWN_BYTES = 64
MESSAGES_SINCE = 18
KINDS = {"conflict", "did_not_find_row", "duplicate_key", "plain_error", "sync_error"}
BOOLEANS = {"true": "t", "false": "f"}  # a cast to text is not the type's output
ORIGIN_KINDS = {"nonexistent_origin": "gone"}
Record = dict[str, Any]

# The server logs these, and no statement of the run caused them.
UNPROVOKED = (
    "could not send end-of-streaming message",
    "could not connect to the publisher",
    "could not start WAL streaming",
    "could not receive data from WAL stream",
    "replication origin with ID",
    "konnte ",
    "n'a pas pu ",
)


class Run:
    """One corpus run: a version and what was set for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"{path.parent.name}-{path.name}"
        self.settings = json.loads((path / "run.json").read_text())["settings"]
        self.major = int(path.parent.name)
        lines = gzip.decompress((path / "ground_truth.jsonl.gz").read_bytes())
        self.truth = [json.loads(line) for line in lines.splitlines()]

    def expected(self, node: str) -> list[Record]:
        """What the node's log must say; silent changes are in no log."""
        return [
            each
            for each in self.truth
            if each["node"] == node
            and each["kind"] in KINDS
            # 15-17 say "did not find row" only where DEBUG1 was on.
            and (each["kind"] != "did_not_find_row" or each["json_entries"])
        ]


def runs() -> list[Run]:
    return [Run(path.parent) for path in sorted(HERE.glob("*/*/run.json"))]


def kind_of(truth: Record) -> tuple[str, str | None]:
    """Kind and conflict type that pgconflict gives to what the run provoked."""
    match truth["kind"]:
        case "conflict":
            return "conflict", truth["conflict_type"]
        case "did_not_find_row":
            return "conflict", truth["conflict_type"]
        case "duplicate_key":
            # 15-17 report the first violated index only.
            word = "update_exists" if truth["op"] == "UPDATE" else "insert_exists"
            return "conflict", word
        case "plain_error":
            return "apply_error", None
        case kind:
            return kind, None


def matches(truth: Record, record: Record) -> bool:
    """Whether the record is about this conflict, by what no two have in common."""
    kind, conflict_type = kind_of(truth)
    if record["kind"] != kind:
        return False
    if kind == "sync_error":
        return bool(record["relname"] == truth["table"])
    if truth["case"].startswith("part_move"):  # UPDATE there, DELETE and INSERT here
        conflict_type = record["conflict_type"]
    if record["conflict_type"] != conflict_type:
        return False
    if record["remote_origin"] != truth["origin_name"]:
        return False
    if record["remote_xid"] != truth["remote_xid"]:
        return False
    key = shown_key(record)
    return key is None or truth["key"] is None or key_agrees(key, truth["key"])


def shown_key(record: Record) -> Record | None:
    """The key that the record shows: the indexes' if any, else the identity's."""
    keys = [local["key"] for local in record["local_conflicts"] if local["key"]]
    if keys:
        return {name: value for key in keys for name, value in key.items()}
    identity: Record | None = record["replica_identity"]
    return identity


def key_agrees(key: Record, truth: Record) -> bool:
    return all(truth.get(name) == value for name, value in key.items())


def differences(truth: Record, record: Record, major: int) -> Iterator[str]:
    """Fields of the record that are wrong. A null is not wrong."""
    severity = "DEBUG" if truth["kind"] == "did_not_find_row" else truth["severity"]
    wanted = {
        "severity": severity,
        "stalls": truth["stalls"],
        "relname": relation(truth, major)[1],
        "schemaname": relation(truth, major)[0],
        "subname": truth["subscription"],
        "subid": truth["suboid"],
    }
    if severity != "DEBUG":
        wanted["sqlstate"] = truth["sqlstate"]
    if truth.get("op") and not truth["case"].startswith("part_move"):
        wanted["operation"] = truth["op"]
    for name, value in wanted.items():
        if record[name] is not None and record[name] != value:
            yield f"{name} {record[name]!r}, not {value!r}"
    if record["remote_commit_lsn"] is not None and truth.get("finish_lsn"):
        lsn = parse_lsn(record["remote_commit_lsn"])
        if lsn != parse_lsn(truth["finish_lsn"]):
            yield f"LSN {record['remote_commit_lsn']}, not {truth['finish_lsn']}"
    yield from _index_differences(truth, record, major)
    yield from _local_differences(truth, record)
    yield from _text_differences(truth, record)
    key = shown_key(record)
    if key is not None and truth["key"] and not key_agrees(key, truth["key"]):
        yield f"key {key}, not {truth['key']}"


def relation(truth: Record, major: int) -> tuple[str, str]:
    """The local relation; 15-17 name the root of a partitioned table."""
    schema, table = truth["schema"], truth["table"]
    local = truth.get("local_relation")
    if major >= MESSAGES_SINCE and local and truth["kind"] == "conflict":
        # A quoted one is no partition.
        return schema, table if '"' in local else local.removeprefix(f"{schema}.")
    return schema, table


def unprovoked(record: Record) -> bool:
    """Whether the record is about what no statement of the run provoked."""
    return record["kind"] == "apply_error" and any(
        words in record["message"] for words in UNPROVOKED
    )


def attempts(truth: Record) -> int:
    """How often the conflict itself was logged; its leader's echo is no attempt."""
    return sum(
        entry["sev"] == truth["severity"]
        and "parallel apply worker exited" not in entry["msg"]
        for entry in truth["logged"]
    )


def _index_differences(truth: Record, record: Record, major: int) -> Iterator[str]:
    if truth["index"] is None:
        if record["index_names"]:
            yield f"indexes {record['index_names']}, not none"
        return
    names = [truth["index"]]
    if truth["conflict_type"] == "multiple_unique_conflicts":
        names = truth["index"].split(",")
    if major < MESSAGES_SINCE:
        names = names[:1]
    if list(record["index_names"]) != names:
        yield f"indexes {record['index_names']}, not {names}"


def _local_differences(truth: Record, record: Record) -> Iterator[str]:
    known = truth["local"]
    for position, local in enumerate(record["local_conflicts"]):
        if local["xid"] is None and local["tuple_text"] is None:
            continue
        if not known:
            if truth["conflict_type"] != "update_deleted":
                yield f"local row {local}, but there is none"
            continue
        real = known[min(position, len(known) - 1)]
        for name in ("xid", "origin", "origin_kind"):
            # Without commit timestamps the server knows the transaction only.
            true = ORIGIN_KINDS.get(real[name], real[name])
            if local[name] is not None and local[name] != true:
                yield f"local {name} {local[name]!r}, not {true!r}"
        if local["commit_ts"] is not None and not _same_time(
            local["commit_ts"], real["commit_ts"]
        ):
            yield f"local time {local['commit_ts']}, not {real['commit_ts']}"
        if local["tuple_text"] is not None:
            shown = row_text(real["row"], truth)
            if shown is not None and local["tuple_text"] != shown:
                yield f"local row {local['tuple_text']}, not {shown}"


def _text_differences(truth: Record, record: Record) -> Iterator[str]:
    shown = (
        None if truth["remote_row"] is None else row_text(truth["remote_row"], truth)
    )
    text = record["remote_tuple_text"]
    if text is not None and shown is not None and text != shown:
        yield f"remote row {text}, not {shown}"


def row_text(row: Record, truth: Record) -> str | None:
    """The row as the server displays it, or None where the truth lacks a column."""
    columns = truth.get("columns") or []
    if truth.get("visible_columns", "all") != "all":
        columns = [
            name for name in columns if name in truth.get("visible_columns", "all")
        ]
    if not columns or any(name not in row for name in columns):
        return None
    if truth["table"] in {"toast", "gen"}:
        return None  # what is unchanged or generated is not sent
    values = ", ".join(_shown(row[name]) for name in columns)
    if truth.get("visible_columns", "all") != "all":
        return f"({', '.join(columns)}) = ({values})"
    return f"({values})"


def _shown(value: str | None) -> str:
    if value is None:
        return "null"
    value = BOOLEANS.get(value, value)
    raw = value.encode()
    if len(raw) <= SHOWN_BYTES:
        return value
    return raw[:SHOWN_BYTES].decode(errors="ignore") + "..."


def _same_time(one: str, other: str) -> bool:

    return datetime.fromisoformat(one) == datetime.fromisoformat(
        other if other[-3] == ":" else f"{other}:00"
    )
