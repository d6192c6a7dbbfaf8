"""Every key of the configuration file, its type and its default.

The text under a key is its description in the reference; the example file is
compared with this module by a test.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pgconflict.config import values
from pgconflict.config.section import Section as _Section
from pgconflict.config.section import listed as _listed
from pgconflict.config.section import section as _section
from pgconflict.config.sequences import Sequences

MS = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


Interval = Annotated[
    timedelta, BeforeValidator(values.between(values.duration, "10ms", "1h"))
]
Timeout = Annotated[
    timedelta, BeforeValidator(values.between(values.duration, "100ms", "1h"))
]
Retention = Annotated[timedelta | None, BeforeValidator(values.retention)]
EntrySize = Annotated[int, BeforeValidator(values.between(values.size, "64kB", "1GB"))]
Dsn = Annotated[str, AfterValidator(values.connection_string), Field(repr=False)]
File = Annotated[
    Path | None,
    BeforeValidator(values.optional(values.readable_file)),
]
Directory = Annotated[Path | None, BeforeValidator(values.optional(values.directory))]
Listen = Annotated[values.ListenAddress | None, BeforeValidator(values.listen_address)]
Text = Annotated[str, Field(min_length=1)]


class RowDataRule(_Section):
    """What is kept of some columns' values; the first rule that matches decides."""

    schema_name: Annotated[Text | None, Field(alias="schema")] = None
    """Schema; null stands for every schema."""

    table: Text | None = None
    """Table; null stands for every table."""

    columns: Annotated[tuple[Text, ...] | None, BeforeValidator(_listed)] = None
    """List of columns; null stands for every column."""

    action: Literal["keep", "hash", "drop"]
    """keep the value, hash it with the key of hash_key_file, or drop it."""


class ConflictLog(_Section):
    """The database for the conflicts, and what is kept in it."""

    dsn: Dsn
    """Connection string of libpq; a database of its own."""

    destination: Literal["table", "log", "all"] = "table"
    """table: rows; log: JSON lines on standard output; all: both."""

    retention: Retention = 90 * DAY
    """How long a conflict is kept, in whole UTC days; 0 keeps for ever."""

    row_data: Literal["full", "keys", "none"] = "full"
    """Values of rows that are kept: all, those of keys, none."""

    rules: Annotated[tuple[RowDataRule, ...], BeforeValidator(_listed)] = ()
    """Exceptions from row_data for tables or columns."""

    hash_key_file: File = None
    """File with the secret for `action: hash`."""


class Metrics(_Section):
    """The HTTP endpoint of the daemon."""

    listen: Listen = values.ListenAddress("127.0.0.1", 9745)
    """Address of /metrics, /healthz and /readyz; off for none."""

    tls_cert_file: File = None
    """Certificate (PEM); with it and its key the endpoint speaks HTTPS only."""

    tls_key_file: File = None
    """Private key of the certificate (PEM)."""

    basic_auth_file: File = None
    """Users who may read, one `user:password` a line; null lets everybody read."""

    top_tables: Annotated[int, Field(ge=0, le=1000)] = 0
    """How many tables of each subscription have a series of their own; 0: none."""


class ServerLog(_Section):
    """How a node's server log is read."""

    read: Literal["auto", "file", "sql"] = "auto"
    """auto: the file where this host can read it, else over SQL; file; sql."""

    directory: Directory = None
    """Folder of the log files, for read: file; null asks the server."""

    poll_interval: Interval = 250 * MS
    """Time between two looks at a log over SQL, or at a file without inotify."""


class Node(_Section):
    """One server that is watched."""

    name: Annotated[str, AfterValidator(values.node_name)]
    """Unique; the `node` label and column."""

    dsn: Dsn
    """Connection string of libpq, to the database with the subscriptions."""

    server_log: Annotated[ServerLog, BeforeValidator(_section)] = ServerLog()
    """How its log is read."""


class Verdict(_Section):
    """The looks at conflicting rows on both nodes: do they differ, was a write lost."""

    enabled: bool = True
    """false: no row of a node is ever read."""

    rate: Annotated[int, Field(ge=1, le=10_000)] = 50
    """Rows read from a node a second, at most; each by one index lookup."""


class Limits(_Section):
    """Bounds that keep pgconflict from hurting the servers and its own host."""

    connect_timeout: Timeout = 10 * SECOND
    """Longest wait for a connection; libpq counts whole seconds."""

    statement_timeout: Timeout = 5 * SECOND
    """Longest statement on a node."""

    lock_timeout: Timeout = 1 * SECOND
    """Longest wait for a lock on a node."""

    statistics_interval: Interval = 1 * SECOND
    """Time between two readings of a node's subscription statistics."""

    max_entry_bytes: EntrySize = 16 << 20
    """A longer log entry is not kept in memory: it is counted and passed over."""


class Config(_Section):
    """The whole file."""

    conflict_log: Annotated[ConflictLog, BeforeValidator(_section)]
    """The database for the conflicts."""

    metrics: Annotated[Metrics, BeforeValidator(_section)] = Metrics()
    """The HTTP endpoint."""

    nodes: Annotated[tuple[Node, ...], BeforeValidator(_listed), Field(min_length=1)]
    """The servers that are watched."""

    sequences: Annotated[Sequences, BeforeValidator(_section)] = Sequences()
    """Sequences that the daemon keeps in step."""

    verdict: Annotated[Verdict, BeforeValidator(_section)] = Verdict()
    """The looks at conflicting rows."""

    limits: Annotated[Limits, BeforeValidator(_section)] = Limits()
    """Bounds."""

    def node(self, name: str) -> Node | None:
        """Return the node of this name, if there is one."""
        return next((node for node in self.nodes if node.name == name), None)
