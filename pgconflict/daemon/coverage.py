"""What can't be seen: per database, which conflicts leave no trace, and why. No I/O.

The names are those of `pgconflict check`; here the answer is short enough for a
metric, and holds for every database of the server, not only the one of the dsn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pgconflict.core.capability import CAPABILITIES, NEWEST
from pgconflict.core.translation import catalogs
from pgconflict.server.checks import Check
from pgconflict.server.checks.log import escapes, formats, worker_level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from pgconflict.server.checks.contents import Constraint, UnidentifiedTable
    from pgconflict.server.checks.facts import Facts, Subscription

ALL_TYPES: Final = CAPABILITIES[NEWEST].counted_types
STOPPING: Final = frozenset(
    {"insert_exists", "update_exists", "multiple_unique_conflicts"}
)
MISSING: Final = frozenset({"update_missing", "delete_missing"})
ORIGIN_DIFFERS: Final = frozenset({"update_origin_differs", "delete_origin_differs"})

# Levels of log_min_messages that hide conflicts. LOG ranks above ERROR there.
_HIDDEN: Final[Mapping[str, AbstractSet[str]]] = {
    "log": STOPPING,
    "fatal": ALL_TYPES,
    "panic": ALL_TYPES,
}
_DEBUG: Final = frozenset({"debug1", "debug2", "debug3", "debug4", "debug5"})
_ENGLISH: Final = ("c", "posix", "en")


@dataclass(frozen=True, slots=True)
class Tables:
    """What one database's subscribed tables leave unseen."""

    deferrable: Sequence[Constraint]
    unidentified: Sequence[UnidentifiedTable]


@dataclass(frozen=True, slots=True)
class Gap:
    """Conflicts that can't be seen, or are seen as something else."""

    database: str
    check: Check
    types: frozenset[str]
    subscriptions: tuple[str, ...]
    """Empty: all of the database."""

    tables: tuple[str, ...] = ()
    """Empty: all of the subscriptions."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is seen of one node's conflicts."""

    covered: Mapping[tuple[str, Check], bool]
    """By database and check; one that can't be known is absent."""

    gaps: Sequence[Gap]


def coverage(
    facts: Facts,
    tables: Mapping[str, Tables],
    retention_stopped: AbstractSet[int] = frozenset(),
) -> Coverage:
    """Return what is seen in each database that has a subscription.

    Args:
        facts: Of the node; its own `deferrable` and `unidentified` don't count.
        tables: By database; one that could not be asked is absent.
        retention_stopped: Subscriptions that gave up retaining dead rows.
    """
    covered: dict[tuple[str, Check], bool] = {}
    gaps: list[Gap] = []
    databases: dict[str, list[Subscription]] = {}
    # The subscriptions of a standby are those of its primary; none applies here.
    if not facts.server.in_recovery:
        for subscription in facts.subscriptions:
            databases.setdefault(subscription.database, []).append(subscription)
    for database, subscriptions in databases.items():
        found = [
            *_by_server(facts),
            *_by_worker(facts, subscriptions),
            _retention(facts, subscriptions, retention_stopped),
            *_by_tables(tables.get(database)),
        ]
        for one in found:
            if one.hidden is None:
                continue
            covered[database, one.check] = not one.hidden
            if one.hidden:
                names = tuple(sorted(one.subscriptions))
                gaps.append(Gap(database, one.check, one.hidden, names, one.tables))
    return Coverage(covered, gaps)


@dataclass(frozen=True, slots=True)
class _Judged:
    """One check: the types it hides, none if it hides none; None if not known."""

    check: Check
    hidden: frozenset[str] | None
    subscriptions: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


def _by_server(facts: Facts) -> Iterator[_Judged]:
    collector = facts.setting("logging_collector")
    yield _Judged(
        Check.LOGGING_COLLECTOR,
        None if collector is None else _if(collector == "off", ALL_TYPES),
    )
    written = formats(facts)
    yield _Judged(
        Check.LOG_DESTINATION, None if written is None else _if(not written, ALL_TYPES)
    )
    prefix = facts.setting("log_line_prefix")
    if written == {"stderr"} and prefix is not None:
        nobody = not {"%p", "%c"} & escapes(prefix)
        yield _Judged(Check.LOG_LINE_PREFIX, _if(nobody, ALL_TYPES))
    else:
        yield _Judged(Check.LOG_LINE_PREFIX, None if written is None else frozenset())
    known = facts.capability
    seen = known.counted_types
    if known.debug1_missing_rows:
        seen = MISSING | {"insert_exists", "update_exists"}
    yield _Judged(Check.UNSEEN_TYPES, ALL_TYPES - seen)
    timestamps = facts.setting("track_commit_timestamp")
    reported = ORIGIN_DIFFERS & known.counted_types
    yield _Judged(
        Check.TRACK_COMMIT_TIMESTAMP,
        None if timestamps is None else _if(timestamps == "off", reported),
    )


def _by_worker(facts: Facts, subscriptions: Sequence[Subscription]) -> list[_Judged]:
    """Judge what a role's or a database's setting may change for its workers."""

    def judged(
        check: Check, setting: str, hides: Callable[[str], AbstractSet[str]]
    ) -> _Judged:
        hidden: set[str] = set()
        names = []
        for one in subscriptions:
            value = facts.worker_setting(setting, one)
            if value is None:
                return _Judged(check, None)
            if types := hides(value):
                hidden |= types
                names.append(one.name)
        return _Judged(check, frozenset(hidden), tuple(names))

    stderr_only = formats(facts) == {"stderr"}
    before_18 = facts.capability.debug1_missing_rows

    def of_level(value: str) -> AbstractSet[str]:
        return _HIDDEN.get(worker_level(value), frozenset())

    def of_debug(value: str) -> AbstractSet[str]:
        return _if(before_18 and worker_level(value) not in _DEBUG, MISSING)

    def of_verbosity(value: str) -> AbstractSet[str]:
        return _if(stderr_only and value == "terse", ALL_TYPES)

    def of_language(value: str) -> AbstractSet[str]:
        return _if(not _readable(value), ALL_TYPES)

    return [
        judged(Check.LOG_MIN_MESSAGES, "log_min_messages", of_level),
        judged(Check.MISSING_ROWS, "log_min_messages", of_debug),
        judged(Check.LOG_ERROR_VERBOSITY, "log_error_verbosity", of_verbosity),
        judged(Check.LC_MESSAGES, "lc_messages", of_language),
    ]


def _readable(locale: str) -> bool:
    """Whether messages of this locale are recognised; '' is the environment's.

    >>> _readable("de_DE.UTF-8"), _readable("C"), _readable("tlh")
    (True, True, False)
    """
    name = locale.partition(".")[0]
    language = name.partition("_")[0]
    known = {name, language} & catalogs().keys()
    return bool(known) or not locale or locale.lower().startswith(_ENGLISH)


def _retention(
    facts: Facts, subscriptions: Sequence[Subscription], stopped: AbstractSet[int]
) -> _Judged:
    without = [
        one.name
        for one in subscriptions
        if one.retain_dead_tuples is False or one.subid in stopped
    ]
    can = facts.capability.retain_dead_tuples
    hidden = _if(can and bool(without), {"update_deleted"})
    return _Judged(Check.RETAIN_DEAD_TUPLES, hidden, tuple(without) if can else ())


def _by_tables(tables: Tables | None) -> Iterator[_Judged]:
    if tables is None:
        return
    deferrable = [(one.schemaname, one.relname) for one in tables.deferrable]
    yield _Judged(
        Check.DEFERRABLE_UNIQUE,
        _if(bool(deferrable), STOPPING),
        tables=_names(deferrable),
    )
    without = [(one.schemaname, one.relname) for one in tables.unidentified]
    hidden = _if(bool(without), ORIGIN_DIFFERS)
    if any(not one.has_unique for one in tables.unidentified):
        hidden |= STOPPING
    yield _Judged(Check.REPLICA_IDENTITY, hidden, tables=_names(without))


def _names(tables: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(f"{schema}.{name}" for schema, name in dict.fromkeys(tables))


def _if(condition: bool, types: AbstractSet[str]) -> frozenset[str]:  # noqa: FBT001 - private
    return frozenset(types) if condition else frozenset()
