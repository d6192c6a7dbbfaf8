"""What is said of a commit that failed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from pgconflict.server.repair import RefusedError
from pgconflict.server.stopped_apply import FailedError, _uncommitted

REFUSED = psycopg.errors.RaiseException("no")
LOST = psycopg.OperationalError("the connection is lost")


@pytest.mark.parametrize(
    ("error", "by_hand", "found", "verify"),
    [
        (REFUSED, False, RefusedError, False),
        # The server may have moved the origin all the same.
        (REFUSED, True, FailedError, True),
        (LOST, False, FailedError, False),
        (LOST, True, FailedError, True),
        (KeyboardInterrupt(), False, FailedError, False),
    ],
)
def test_nothing_was_changed_is_said_where_it_is_known(
    error: BaseException,
    found: type[Exception],
    *,
    by_hand: bool,
    verify: bool,
) -> None:
    one: Any = SimpleNamespace(by_hand=by_hand)

    said = _uncommitted(one, "node b", error)

    assert type(said) is found
    assert ("nothing was changed" in str(said)) == (found is RefusedError)
    assert ("conflicts verify" in (said.hint or "")) == verify
