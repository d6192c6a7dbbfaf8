"""The configuration file: where it is, what may stand in it, what is wrong with it."""

from pgconflict.config.file import ConfigFileError, find, load, parse
from pgconflict.config.models import (
    Config,
    ConflictLog,
    Limits,
    Metrics,
    Node,
    RowDataRule,
    ServerLog,
)
from pgconflict.config.sequences import SequencePair, Sequences
from pgconflict.config.values import ListenAddress

__all__ = [
    "Config",
    "ConfigFileError",
    "ConflictLog",
    "Limits",
    "ListenAddress",
    "Metrics",
    "Node",
    "RowDataRule",
    "SequencePair",
    "Sequences",
    "ServerLog",
    "find",
    "load",
    "parse",
]
