"""Times as the server log prints them, to the millisecond."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_CERTAIN: Final = {"UTC": UTC, "GMT": UTC, "Z": UTC}
_NUMERIC: Final = re.compile(r"<?([+-])(\d\d):?(\d\d)?>?")
_KEPT: Final = 4096  # seconds remembered, a bound for logs of many days
_MILLISECOND_DIGITS: Final = 3


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

    def read(self, text: str) -> datetime | None:
        """The time in UTC; None if the text is no time or its zone is not certain.

        >>> LogClock().read("2026-11-20 17:29:23.683 +05:30").isoformat()
        '2026-11-20T11:59:23.683000+00:00'
        >>> LogClock().read("2026-11-20 17:29:23.683 IST") is None
        True
        >>> LogClock("Asia/Kolkata").read("2026-11-20 17:29:23 IST").isoformat()
        '2026-11-20T11:59:23+00:00'
        """
        if text[10:11] == ".":
            return _epoch(text)
        if text[19:20] == ".":
            second, fraction, zone = text[:19], text[20:23], text[24:]
            if not fraction.isdecimal() or len(fraction) != _MILLISECOND_DIGITS:
                return None
        else:
            second, fraction, zone = text[:19], "", text[20:]
        try:
            whole = self._seconds[second, zone]
        except KeyError:
            whole = self._remember(second, zone)
        if whole is None or not fraction:
            return whole
        return whole.replace(microsecond=int(fraction) * 1000)

    def _remember(self, second: str, zone: str) -> datetime | None:
        if len(self._seconds) >= _KEPT:
            self._seconds.clear()
        whole = self._seconds[second, zone] = self._read(second, zone)
        return whole

    def _read(self, second: str, zone: str) -> datetime | None:
        try:
            local = datetime.strptime(second, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
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
    return _zone(name) is not None


def _zone(name: str | None) -> tzinfo | None:
    if not name:
        return None
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
