"""Finds the file that a position is in, whatever its name is now.

A file is known by its first bytes: servers use names again, and people rename files.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from pgconflict.errors import PrivilegeMissingError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from pgconflict.server.log_place import LogPlace, OpenLog

# A file that was renamed is looked for among so many, the newest first.
_SEARCHED_FILES: Final = 200
_COMPRESSED: Final = (".gz", ".xz", ".zst", ".bz2", ".lz4")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePosition:
    """A place in a file; `signature` digests its first `signature_length` bytes."""

    file_name: str
    signature: bytes
    signature_length: int
    byte_offset: int


async def find_file(
    place: LogPlace, position: FilePosition, *, other_than: Hashable = None
) -> OpenLog | None:
    """Open the file of a position; None where there is none any more."""
    for name in await _names_to_search(place, position, other_than):
        try:
            log = await place.open(name)
        except PrivilegeMissingError:
            if name == position.file_name:
                raise
            continue
        if log is None:
            continue
        piece = await log.read(0, 0, position.signature_length)
        if (
            piece is not None
            and log.identity != other_than
            and digest(piece.head) == position.signature
        ):
            return log
        log.close()
    return None


async def _names_to_search(
    place: LogPlace, position: FilePosition, other_than: Hashable
) -> list[str]:
    files = sorted(
        (f for f in await place.files() if f.identity != other_than),
        key=lambda file: file.modified,
        reverse=True,
    )
    least = max(position.byte_offset, position.signature_length)
    too_short = {file.name for file in files if file.size < least}
    # Where the directory can't be listed (any more) it may be there all the same.
    own = [position.file_name] if position.file_name not in too_short else []
    if position.signature_length == 0:
        # Nothing tells it from others but its name.
        return own
    others = [
        file.name
        for file in files
        if file.name not in too_short
        and file.name != position.file_name
        and not file.name.endswith(_COMPRESSED)
    ]
    return own + others[:_SEARCHED_FILES]


def digest(head: bytes) -> bytes:
    """16 bytes that tell one beginning of a file from another."""
    return blake2b(head, digest_size=16).digest()
