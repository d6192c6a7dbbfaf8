"""The last entry of a stderr log that stands still: is it whole?"""

from __future__ import annotations

from pgconflict.core.conflict import Conflict, StoryEvent
from pgconflict.core.recogniser import Recogniser

STARTED = (
    "2026-11-20 12:00:00.000 UTC [7] LOG:  logical replication apply worker for"
    ' subscription "s" has started\n'
)
CONTEXT = (
    "2026-11-20 12:00:01.000 UTC [7] CONTEXT:  processing remote data for replication"
    ' origin "pg_16400" during message type "INSERT" for replication target relation'
    ' "public.t" in transaction 700, finished at 0/1BB5CA8\n'
)
ERROR = (
    "2026-11-20 12:00:01.000 UTC [7] ERROR:  duplicate key value violates unique"
    ' constraint "t_pkey"\n'
)
DISABLED = (
    '2026-11-20 12:00:01.000 UTC [7] LOG:  subscription "s" has been disabled because'
    " of an error\n"
)


def recogniser(text: str) -> Recogniser:
    reader = Recogniser("stderr", log_line_prefix="%m [%p] ", languages=frozenset())
    reader.feed(text.encode())
    return reader


def test_the_context_that_others_had_is_waited_for() -> None:
    reader = recogniser(STARTED + ERROR + CONTEXT + ERROR)
    assert len(reader.flush()) == 0

    (found,) = [*reader.feed(CONTEXT.encode()), *reader.flush()]

    assert isinstance(found, Conflict)
    assert found.remote_xid == 700


def test_what_has_none_is_not_waited_for_for_ever() -> None:
    """Or a subscription's end would be known when the server says something else."""
    reader = recogniser(STARTED + ERROR + CONTEXT + DISABLED)
    assert not reader.flush()

    (found,) = reader.flush(settled=True)

    assert isinstance(found, StoryEvent)
    assert reader.consumed == len((STARTED + ERROR + CONTEXT + DISABLED).encode())
