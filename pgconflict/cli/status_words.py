"""The words of `status` for ages, for what the ledger lacks, and for why."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from pgconflict.conflict_log.ledger_report import Completeness, Hole

_REASONS: Final = {
    "log_vanished": "a log file was removed before it was read",
    "log_truncated": "a log file was cut before it was read",
    "statistics_reset": "the server's statistics were reset",
    "statistics_restart": "the server lost its statistics: a crash, or a promotion",
    "statistics_dropped": "the subscription was dropped",
    "logging_collector": "logging_collector is off",
    "log_destination": "log_destination has no readable format",
    "log_min_messages": "log_min_messages hides them",
    "log_error_verbosity": "log_error_verbosity is terse, and the log stderr alone",
    "log_line_prefix": "log_line_prefix has no process id",
    "lc_messages": "lc_messages is a language that is not recognised",
}
_PASSED_OVER: Final = "unrecognised_"
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"))


def reason_text(reason: str) -> str:
    """Return a reason of the ledger in words.

    >>> reason_text("log_min_messages"), reason_text("unrecognised_torn")
    ('log_min_messages hides them', 'log records were passed over (torn)')
    """
    if reason.startswith(_PASSED_OVER):
        word = reason.removeprefix(_PASSED_OVER)
        return f"log records were passed over ({word})"
    return _REASONS.get(reason, reason)


def hole_text(hole: Hole) -> str:
    """Return what is missing, when, and why perhaps."""
    when = f"between {utc(hole.after)} and {utc(hole.until)} UTC"
    why = ", ".join(reason_text(reason) for reason in hole.reasons)
    if hole.entries is None:
        return f"not provable {when}: {why}"
    if hole.entries < 0:
        text = f"{-hole.entries} {hole.counter} recorded and not counted {when}"
    else:
        text = f"{hole.entries} {hole.counter} counted and not recorded {when}"
    if why:
        return f"{text}; likely: {why}"
    return f"{text}; no reason is known: pgconflict scan FILE looks at the log again"


def completeness_text(known: Completeness) -> str:
    """Return what the ledger proves, on one line."""
    span = f"{utc(known.began_at)} to {utc(known.checked_at)}"
    if known.unaccounted:
        return f"NOT complete: {known.unaccounted} missing, {span}"
    if any(hole.entries for hole in known.holes):
        return f"NOT complete, {span}"
    if known.holes:
        return f"complete but for {len(known.holes)} not provable, {span}"
    return f"complete {span}"


def utc(time: datetime) -> str:
    """Return a time to the second; it is UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def age(seconds: float | None) -> str | None:
    """Return a time as people say it, cut down to its largest unit.

    >>> age(90), age(7200), age(200000), age(5), age(None)
    ('1 min', '2 h', '2 d', '5 s', None)
    """
    if seconds is None:
        return None
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"
