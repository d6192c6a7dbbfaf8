"""Ctrl-C and its kin, noticed only where the program can stop.

An exception at any bytecode could come between the start of a server and the note
that it must be stopped.  So a signal is only remembered; who waits looks.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final, Self, TypeVar

from pgconflict.demo.errors import DemoError, InterruptError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_TAKEN: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_S: Final = 0.05


class Signals:
    """Remembers the first signal that asks for the end, while it is entered."""

    def __init__(self) -> None:
        self._came: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in _TAKEN:
            # nohup's wish to outlive the terminal is respected.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # its own answer

    def _remember(self, number: int, _frame: object) -> None:
        self._came = self._came or number

    def check(self) -> None:
        """Raise InterruptError if the end was asked for."""
        if self._came is not None:
            raise InterruptError(self._came, signal.Signals(self._came).name)

    def wait_for(
        self, answer: Callable[[], T | None], what: str, *, timeout: float = 30
    ) -> T:
        """Return the first answer that is true.

        Raises:
            InterruptError: The end was asked for.
            DemoError: There was none within `timeout` seconds; names `what`.
        """
        deadline = time.monotonic() + timeout
        while not (found := answer()):
            self.check()
            if time.monotonic() > deadline:
                raise DemoError(f"{what}: not within {timeout:g} s")
            time.sleep(_LOOK_S)
        self.check()
        return found
