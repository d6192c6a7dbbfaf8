"""Times as the server log prints them, to the millisecond."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

_CERTAIN: Final = {"UTC": UTC, "GMT": UTC, "Z": UTC}
_SECOND: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_NUMERIC: Final = re.compile(r"<?([+-])(\d\d):?(\d\d)?>?")
_KEPT: Final = 4096  # seconds remembered, a bound for logs of many days
_NO_TIME: Final = timedelta()
_FRACTIONS: Final = {f"{ms:03d}": timedelta(milliseconds=ms) for ms in range(1000)}


def iso_time(text: str) -> str:
    """The server's time as ISO 8601, its digits and zone unchanged.

    >>> iso_time("2026-11-20 17:29:27.329385+00")
    '2026-11-20T17:29:27.329385+00:00'
    """
    text = text.replace(" ", "T", 1)
    return text if text[-3] == ":" else f"{text}:00"


class LogClock:
    """Turns `2026-11-20 17:29:23.683 UTC` into an aware time, or says that it can't.

    Only UTC, GMT and numeric zones mean one thing the world over. Any other
    abbreviation is read with `log_timezone`, the setting's value, and must be one
    of that zone's own at that moment.
    """

    def __init__(self, log_timezone: str | None = None) -> None:
        """`log_timezone`: a name of the time zone database; unknown ones are ignored.

        A server may also have a POSIX zone there, which Python does not know.
        """
        self._zone = _zone(log_timezone)
        self._seconds: dict[tuple[str, str], datetime | None] = {}
        self._last = ""
        self._last_time: datetime | None = None

    def read(self, text: str) -> datetime | None:
        """The time in UTC; None if the text is no time or its zone is not certain.

        >>> LogClock().read("2026-11-20 17:29:23.683 +05:30").isoformat()
        '2026-11-20T11:59:23.683000+00:00'
        >>> LogClock().read("2026-11-20 17:29:23.683 IST") is None
        True
        >>> LogClock("Asia/Kolkata").read("2026-11-20 17:29:23 IST").isoformat()
        '2026-11-20T11:59:23+00:00'
        """
        if text == self._last:
            return self._last_time
        self._last, self._last_time = text, self._time(text)
        return self._last_time

    def _time(self, text: str) -> datetime | None:
        if text[19:20] == ".":
            # Milliseconds by a table: datetime.replace() takes ten times as long.
            fraction = _FRACTIONS.get(text[20:23])
            key = text[:19], text[24:]
        elif text[10:11] == ".":
            return _epoch(text)
        else:
            fraction = _NO_TIME
            key = text[:19], text[20:]
        try:
            whole = self._seconds[key]
        except KeyError:
            whole = self._remember(*key)
        return None if whole is None or fraction is None else whole + fraction

    def _remember(self, second: str, zone: str) -> datetime | None:
        if len(self._seconds) >= _KEPT:
            self._seconds.clear()
        whole = self._seconds[second, zone] = self._read(second, zone)
        return whole

    def _read(self, second: str, zone: str) -> datetime | None:
        if _SECOND.fullmatch(second) is None:
            return None
        try:
            local = datetime.fromisoformat(second)
        except ValueError:
            return None
        if (offset := _CERTAIN.get(zone) or _numeric(zone)) is not None:
            return local.replace(tzinfo=offset).astimezone(UTC)
        if self._zone is None:
            return None
        for fold in (0, 1):
            moment = local.replace(tzinfo=self._zone, fold=fold)
            if moment.tzname() == zone:
                return moment.astimezone(UTC)
        return None


def _epoch(text: str) -> datetime | None:
    """%n of log_line_prefix: seconds since 1970, with milliseconds."""
    second, _, fraction = text.partition(".")
    if not (second.isdecimal() and fraction.isdecimal()):
        return None
    whole = datetime.fromtimestamp(int(second), UTC)
    return whole.replace(microsecond=int(fraction[:3]) * 1000)


def known_zone(name: str) -> bool:
    """Whether the time zone database has the name."""
    return name in _CERTAIN or _zone(name) is not None


def _zone(name: str | None) -> tzinfo | None:
    if not name or name in _CERTAIN:
        return None
    # Takes longer to import than a small log to read, and most logs are in UTC.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _numeric(zone: str) -> tzinfo | None:
    match = _NUMERIC.fullmatch(zone)
    if match is None:
        return None
    offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    try:
        return timezone(-offset if match[1] == "-" else offset)
    except ValueError:
        return None
