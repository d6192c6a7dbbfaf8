"""How long a replication slot's WAL will be there, as far as that can be foreseen."""

from __future__ import annotations


def seconds_to_loss(
    safe_wal_size: int | None,
    *,
    average: float | None,
    current: float | None,
) -> float | None:
    """Return when a slot may be invalidated if nobody reads it and writes go on.

    Args:
        safe_wal_size: Bytes that may still be written; None: without limit.
        average: Bytes of WAL a second since the server's statistics began.
        current: Bytes of WAL a second at this moment.

    Returns:
        Seconds at the faster of the two rates; None where there is no limit, or
        nothing is written.

    >>> seconds_to_loss(1000, average=10.0, current=100.0)
    10.0
    >>> seconds_to_loss(None, average=10.0, current=None) is None
    True
    """
    if safe_wal_size is None:
        return None
    if safe_wal_size <= 0:
        return 0.0
    rate = max(average or 0.0, current or 0.0)
    return safe_wal_size / rate if rate > 0 else None
