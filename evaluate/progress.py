"""What is seen of a run while it goes: one bar with rate and time left, how many workers are up, and why if nothing moves."""

from __future__ import annotations

import time
from types import TracebackType

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from .dispatch import LOG, Dispatcher

_STILL = 60.0  # seconds without a row, until it is said


class Progress:
    """`with Progress(rows, done) as progress:`, progress.follow(dispatcher), and progress.show() now and then."""

    def __init__(self, rows: int, done: int) -> None:
        self._bar = tqdm(total=rows, initial=done, unit="row", smoothing=0.1, dynamic_ncols=True, mininterval=0.5)
        self._moved = time.monotonic()

    def follow(self, dispatcher: Dispatcher) -> None:
        """Show what it does from now on, added to what others did before."""
        self._dispatcher, self._before = dispatcher, self._bar.n

    def done(self, rows: int) -> None:
        """So many are done: those that were there before, too."""
        self._bar.update(rows - self._bar.n)

    def __enter__(self) -> Progress:
        self._above = logging_redirect_tqdm()  # warnings
        self._above.__enter__()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.close()
        self._above.__exit__(None, None, None)

    def show(self) -> None:
        dispatcher, now = self._dispatcher, time.monotonic()
        new = dispatcher.worked + dispatcher.failed + self._before - self._bar.n
        self._bar.set_postfix_str(_state(dispatcher), refresh=False)
        self._bar.update(new)
        if new:
            self._moved = now
        elif now - self._moved > _STILL:
            self._moved = now
            LOG.warning("No row ended for %.0f seconds. %s.", _STILL, _reason(dispatcher))


def _state(dispatcher: Dispatcher) -> str:
    failed = f", {dispatcher.failed} failed" if dispatcher.failed else ""
    return f"{len(dispatcher.working)} workers{failed}"


def _reason(dispatcher: Dispatcher) -> str:
    if not dispatcher.working:
        return "No worker is up: they start, or wait for a machine with room"
    return f"{len(dispatcher.working)} workers are at it; --row-limit ends a row that takes too long"
