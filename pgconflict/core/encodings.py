"""Encodings of databases: a worker writes the log in that of its own."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

UTF_8: Final = "utf-8"

_CODECS: Final = {
    "UTF8": UTF_8,
    "EUC_CN": "gb2312",
    "EUC_JP": "euc_jp",
    "EUC_JIS_2004": "euc_jis_2004",
    "EUC_KR": "euc_kr",
    "ISO_8859_5": "iso8859-5",
    "ISO_8859_6": "iso8859-6",
    "ISO_8859_7": "iso8859-7",
    "ISO_8859_8": "iso8859-8",
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
    "LATIN1": "iso8859-1",
    "LATIN2": "iso8859-2",
    "LATIN3": "iso8859-3",
    "LATIN4": "iso8859-4",
    "LATIN5": "iso8859-9",
    "LATIN6": "iso8859-10",
    "LATIN7": "iso8859-13",
    "LATIN8": "iso8859-14",
    "LATIN9": "iso8859-15",
    "LATIN10": "iso8859-16",
    "WIN866": "cp866",
    "WIN874": "cp874",
} | {f"WIN{number}": f"cp{number}" for number in range(1250, 1259)}


def codec_of(encoding: str) -> str | None:
    """Python's name of a server encoding; None where the bytes have no one meaning.

    That is SQL_ASCII, and what Python does not know (EUC_TW, MULE_INTERNAL).

    >>> codec_of("LATIN1")
    'iso8859-1'
    """
    return _CODECS.get(encoding)


def encoded(texts: Iterable[str], codec: str | None) -> Iterator[bytes]:
    """The bytes of those texts that can be written in the codec (UTF-8)."""
    for text in texts:
        with suppress(UnicodeEncodeError):
            yield text.encode(codec or UTF_8)


def only_codec(encodings: Iterable[str]) -> str | None:
    """The codec of a log whose workers all write one encoding that is not UTF-8.

    None for UTF-8, which needs none, and where workers write several: an entry does
    not say which.
    """
    codecs = {codec_of(encoding) for encoding in encodings}
    codec = codecs.pop() if len(codecs) == 1 else None
    return None if codec == UTF_8 else codec
