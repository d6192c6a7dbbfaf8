"""Server logs for measurements: a busy server's ordinary entries, and conflicts."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PREFIX: Final = "%m [%p] %q%u@%d "
POOL: Final = 60_000  # entries made once, then shuffled together again and again

_WORDS = [
    "select",
    "update",
    "insert",
    "into",
    "orders",
    "customers",
    "where",
    "and",
    "order_id",
    "customer_id",
    "status",
    "shipped",
    "pending",
    "total",
    "numeric",
    "left",
    "join",
    "on",
    "group",
    "by",
    "having",
    "count",
    "sum",
    "returning",
    "accounts",
    "balance",
    "session",
    "product",
    "price",
    "warehouse",
    "stock",
    "region",
    "limit",
]


class _Entry:
    """One ordinary entry before a format is chosen."""

    def __init__(self, at: datetime, dice: random.Random) -> None:
        self.time = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} UTC"
        self.pid = dice.randrange(1000, 4_000_000)
        self.line = dice.randrange(1, 500)
        self.session = f"{int(at.timestamp()):x}.{self.pid:x}"
        self.client = True
        self.severity, self.state, self.statement = "LOG", "00000", ""
        kind = dice.random()
        words = " ".join(dice.choices(_WORDS, k=dice.randrange(8, 40)))
        if kind < 0.80:
            self.message = f"duration: {dice.random() * 90:.3f} ms  statement: {words}"
        elif kind < 0.90:
            self.message = f"connection authorized: user=app database=app {words[:20]}"
        elif kind < 0.97:
            self.client = False
            self.message = (
                f"checkpoint complete: wrote {self.line} buffers (0.2%); 0 WAL file(s)"
                " added, 0 removed, 1 recycled; write=26.9 s, sync=0.004 s, total=27 s"
            )
        else:
            self.severity, self.state = "ERROR", "42P01"
            self.message = f'relation "{words[:12]}" does not exist at character 15'
            self.statement = words

    @property
    def backend(self) -> str:
        return "client backend" if self.client else "checkpointer"


def _json(entry: _Entry) -> bytes:
    fields: dict[str, object] = {"timestamp": entry.time}
    if entry.client:
        fields |= {"user": "app", "dbname": "app"}
    fields["pid"] = entry.pid
    if entry.client:
        fields |= {"remote_host": "10.0.0.7", "remote_port": 40000}
    fields |= {
        "session_id": entry.session,
        "line_num": entry.line,
        "ps": "SELECT",
        "session_start": entry.time,
        "vxid": "12/3456",
        "txid": 0,
        "error_severity": entry.severity,
        "message": entry.message,
    }
    if entry.statement:
        fields |= {"state_code": entry.state, "statement": entry.statement}
    fields |= {
        "application_name": "app",
        "backend_type": entry.backend,
        "query_id": 0,
    }
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _csv(entry: _Entry) -> bytes:
    who = '"app","app"' if entry.client else ","
    client = '"10.0.0.7:40000"' if entry.client else ""
    message = entry.message.replace('"', '""')
    statement = f'"{entry.statement}"' if entry.statement else ""
    return (
        f'{entry.time},{who},{entry.pid},{client},{entry.session},{entry.line},"SELECT"'
        f",{entry.time[:19]} UTC,12/3456,0,{entry.severity},{entry.state}"
        f',"{message}",,,,,,{statement},,,"app","{entry.backend}",,0\n'
    ).encode()


def _stderr(entry: _Entry) -> bytes:
    who = "app@app " if entry.client else ""
    prefix = f"{entry.time} [{entry.pid}] {who}"
    text = f"{prefix}{entry.severity}:  {entry.message}\n"
    if entry.statement:
        text += f"{prefix}STATEMENT:  {entry.statement}\n"
    return text.encode()


FORMATS: Final[dict[str, Callable[[_Entry], bytes]]] = {
    "jsonlog": _json,
    "csvlog": _csv,
    "stderr": _stderr,
}


def missing_row(log_format: str, number: int, pid: int = 24272) -> bytes:
    """An update_missing as 18 logs it."""
    at = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(milliseconds=number)
    time = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} UTC"
    message = 'conflict detected on relation "shop.orders": conflict=update_missing'
    detail = (
        "Could not find the row to be updated.\nRemote row "
        f"({number}, {number * 7}, open, some text of a row, 2026-11-20 10:00:00+00); "
        f"replica identity (id)=({number})."
    )
    context = (
        'processing remote data for replication origin "pg_16702" during message type'
        ' "UPDATE" for replication target relation "shop.orders" in transaction '
        f"{5000 + number % 1000}, finished at 0/{0x1BB5CA8 + number % 1000:X}"
    )
    backend = "logical replication apply worker"
    if log_format == "jsonlog":
        fields = {
            "timestamp": time,
            "pid": pid,
            "session_id": f"6b008375.{pid:x}",
            "line_num": number + 2,
            "session_start": "2026-11-20 00:00:00 UTC",
            "vxid": "79/2",
            "txid": 0,
            "error_severity": "LOG",
            "state_code": "40001",
            "message": message,
            "detail": detail,
            "context": context,
            "backend_type": backend,
            "query_id": 0,
        }
        return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
    if log_format == "csvlog":
        texts = [text.replace('"', '""') for text in (message, detail, context)]
        return (
            f"{time},,,{pid},,6b008375.{pid:x},{number + 2},,2026-11-20 00:00:00 UTC,"
            f'79/2,0,LOG,40001,"{texts[0]}","{texts[1]}",,,,"{texts[2]}",,,,"",'
            f'"{backend}",,0\n'
        ).encode()
    prefix = f"{time} [{pid}] "
    lines = (
        f"{prefix}LOG:  {message}",
        f"{prefix}DETAIL:  {detail}".replace("\n", "\n\t"),
        f"{prefix}CONTEXT:  {context}",
    )
    return "".join(f"{line}\n" for line in lines).encode()


def started(log_format: str, pid: int = 24272) -> bytes:
    """The start of the worker that logs the conflicts; stderr needs it."""
    if log_format != "stderr":
        return b""
    return (
        f"2026-11-20 00:00:00.000 UTC [{pid}] LOG:  logical replication apply worker"
        ' for subscription "sub" has started\n'
    ).encode()


def write_quiet(path: Path, log_format: str, size: int, share: float = 1e-5) -> int:
    """Write about `size` bytes of which `share` of the entries are conflicts.

    Returns how many conflicts there are.
    """
    dice = random.Random(16)
    start = datetime(2026, 11, 20, tzinfo=UTC)
    render = FORMATS[log_format]
    pool = [
        render(_Entry(start + timedelta(milliseconds=number), dice))
        for number in range(POOL)
    ]
    written = conflicts = 0
    with path.open("wb") as file:
        file.write(started(log_format))
        while written < size:
            dice.shuffle(pool)
            for block in _blocks(pool):
                if dice.random() < share * len(block):
                    file.write(missing_row(log_format, conflicts))
                    conflicts += 1
                written += file.write(b"".join(block))
    return conflicts


def _blocks(pool: list[bytes]) -> Iterator[list[bytes]]:
    for begin in range(0, len(pool), 1000):
        yield pool[begin : begin + 1000]
