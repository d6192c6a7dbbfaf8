"""Log sequence numbers as integers, because their text form is not stable.

PostgreSQL up to 18 prints `0/171F180`, 19 pads to `0/0171F180` (seen on 18.4 and
19rc1), so texts must never be compared.
"""

from __future__ import annotations


def parse_lsn(text: str) -> int:
    """The position in bytes that PostgreSQL's text form names.

    Raises:
        ValueError: not two hexadecimal numbers with a slash.

    >>> parse_lsn("0/171F180") == parse_lsn("0/0171F180") == 24244608
    True
    """
    high, slash, low = text.partition("/")
    if not slash or not 0 < len(high) <= 8 or not 0 < len(low) <= 8:  # noqa: PLR2004
        raise ValueError(f"not an LSN: {text!r}")
    return int(high, 16) << 32 | int(low, 16)


def format_lsn(lsn: int) -> str:
    """The text form up to PostgreSQL 18, which every version reads.

    >>> format_lsn(24244608)
    '0/171F180'
    """
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
