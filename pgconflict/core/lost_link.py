"""An apply worker that loses its publisher: the server counts it as an apply error.

Such an error has no CONTEXT, and so no origin. Others without one, of a worker that
does not get as far as applying (the publisher is away, its slot is gone or another
worker's), raise no counter: measured on 15 to 19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.core.conflict import Kind
from pgconflict.core.messages import in_english
from pgconflict.core.translation import LOST

if TYPE_CHECKING:
    from pgconflict.core.conflict import Conflict


def is_lost_link(conflict: Conflict) -> bool:
    """Whether the worker was applying, and what ended it was the connection."""
    return (
        conflict.remote_origin is None
        and conflict.kind is Kind.APPLY_ERROR
        and conflict.severity == "ERROR"
        and in_english(conflict.message).startswith(LOST)
    )
