"""Whatever clients make the server log, only what workers logged is recognised."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pgconflict.core.conflict import Conflict
from pgconflict.core.recogniser import Recogniser

TIME = "2026-11-20 17:29:25.083 UTC"
MESSAGE = 'conflict detected on relation "shop.t1": conflict=update_missing'
DETAIL = (
    "Could not find the row to be updated.\n"
    "Remote row (1, {value}); replica identity (id)=(1)."
)
CONTEXT = (
    'processing remote data for replication origin "pg_16702" during message type'
    ' "UPDATE" for replication target relation "shop.t1" in transaction {xid},'
    " finished at 0/1BB5CA8"
)
WORKER = "logical replication apply worker"
CLIENT = "client backend"


@dataclass(frozen=True)
class Logged:
    """One entry as the server holds it before it is written."""

    message: str
    severity: str = "LOG"
    detail: str = ""
    context: str = ""
    statement: str = ""
    application: str = ""
    backend: str = CLIENT
    pid: int = 77

    @property
    def is_worker(self) -> bool:
        return self.backend == WORKER


def as_json(entry: Logged) -> str:
    fields = {
        "timestamp": TIME,
        "user": "" if entry.is_worker else "app",
        "pid": entry.pid,
        "session_id": f"6b008375.{entry.pid:x}",
        "line_num": 1,
        "error_severity": entry.severity,
        "state_code": "40001",
        "message": entry.message,
        "detail": entry.detail,
        "context": entry.context,
        "statement": entry.statement,
        "application_name": entry.application,
        "backend_type": entry.backend,
        "query_id": 0,
    }
    known = {name: value for name, value in fields.items() if value != ""}
    return json.dumps(known, ensure_ascii=False, separators=(",", ":")) + "\n"


def as_csv(entry: Logged) -> str:
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if text else ""

    who = ",," if entry.is_worker else '"app","app",'
    return (
        f"{TIME},{who}{entry.pid},,6b008375.{entry.pid:x},1,,{TIME[:19]} UTC,79/2,0,"
        f"{entry.severity},40001,{quoted(entry.message)},{quoted(entry.detail)},,,,"
        f"{quoted(entry.context)},{quoted(entry.statement)},,,"
        f"{quoted(entry.application) or chr(34) * 2},{quoted(entry.backend)},,0\n"
    )


def as_stderr(entry: Logged) -> str:
    who = "" if entry.is_worker else "app@app "
    prefix = f"{TIME} [{entry.pid}] {who}"
    texts = {
        entry.severity: entry.message,
        "DETAIL": entry.detail,
        "CONTEXT": entry.context,
        "STATEMENT": entry.statement,
    }
    return "".join(
        f"{prefix}{label}:  " + text.replace("\n", "\n\t") + "\n"
        for label, text in texts.items()
        if text
    )


RENDER = {"jsonlog": as_json, "csvlog": as_csv, "stderr": as_stderr}


def worker_entry(xid: int, value: str) -> Logged:
    return Logged(
        message=MESSAGE,
        detail=DETAIL.format(value=value),
        context=CONTEXT.format(xid=xid),
        backend=WORKER,
        pid=24272,
    )


START = Logged(
    message='logical replication apply worker for subscription "s" has started',
    backend=WORKER,
    pid=24272,
)
fake = worker_entry(666, "x")
fragments = st.sampled_from(
    [
        *(
            "\n",
            "\t",
            '"',
            '""',
            ",",
            ",,",
            '",',
            ',"',
            '","',
            "x",
            " ",
            "'",
            "\\",
            "é",
        ),
        *("{", "}", '\\"', "\r\n", "\\n"),
        *(f"\n{render(fake)}" for render in RENDER.values()),
        *(render(fake) for render in RENDER.values()),
        *(render(START) for render in RENDER.values()),
        *(f'"\n{render(fake)}"' for render in RENDER.values()),
        *(render(replace(fake, backend=CLIENT)) for render in RENDER.values()),
        f"{TIME},,,24272,,6b008375.5ed0,1,,{TIME[:19]} UTC,79/2,0,LOG,40001,",
        f"\n{TIME} [24272] CONTEXT:  " + CONTEXT.format(xid=666),
        *(MESSAGE, DETAIL.format(value="y"), CONTEXT.format(xid=666), WORKER),
    ]
)
texts = st.lists(fragments, max_size=6).map("".join)
clients = st.builds(
    Logged,
    message=texts.map(lambda text: text or "x"),
    severity=st.sampled_from(["LOG", "ERROR", "WARNING"]),
    detail=texts,
    # A client's CONTEXT begins with a line of what it runs; its errors and log lines
    # have their STATEMENT.
    context=texts.map(lambda text: f"PL/pgSQL function f() line 1 at RAISE\n{text}"),
    statement=texts.map(lambda text: f"do $$ {text}"),
    application=st.text(st.sampled_from('ab",'), max_size=5),
    pid=st.sampled_from([77, 24272]),
)
workers = st.builds(
    worker_entry, st.integers(1, 600), texts.map(lambda text: text.replace("\0", ""))
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(clients, workers), max_size=6),
    st.sampled_from(sorted(RENDER)),
    st.lists(st.integers(0, 5000), max_size=5),
)
def test_only_what_workers_wrote_is_recognised(
    written: list[Logged], log_format: str, places: list[int]
) -> None:
    render = RENDER[log_format]
    data = "".join(map(render, [START, *written])).encode()
    reader = Recogniser(log_format, log_line_prefix="%m [%p] %q%u@%d ")

    found = []
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    for begin, end in pairwise(edges):
        found += reader.feed(data[begin:end])
    found += reader.end_of_file()

    conflicts = [entry for entry in found if isinstance(entry, Conflict)]
    real = [entry for entry in written if entry.is_worker]
    assert [entry.detail for entry in conflicts] == [entry.detail for entry in real]
    assert [entry.context for entry in conflicts] == [entry.context for entry in real]
    assert not reader.unrecognised["defect"]
