"""Progress of a slow command: the seconds so far on one line of stderr, where that is a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

FIRST = 1.0
"""Time after which progress is shown [s]."""


class _Clock:
    """A thread that prints the seconds since its start until it is stopped, and then clears its line."""

    def __init__(self) -> None:
        self._stopped, self._start = threading.Event(), time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Clear the line; nothing is printed after it."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        line = ""
        while not self._stopped.wait(FIRST):
            line = f"working: {time.monotonic() - self._start:.0f} s"
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
        if line:
            print(f"\r{' ' * len(line)}\r", end="", file=sys.stderr, flush=True)


_CLOCK: ContextVar[_Clock | None] = ContextVar("clock", default=None)


@contextmanager
def progress() -> Iterator[None]:
    """Show the progress within the context, if stderr is a terminal."""
    token = _CLOCK.set(_Clock() if sys.stderr.isatty() else None)
    try:
        yield
    finally:
        end_progress()
        _CLOCK.reset(token)


def end_progress() -> None:
    """Stop showing the progress, before something is printed."""
    if (clock := _CLOCK.get()) is not None:
        clock.stop()
