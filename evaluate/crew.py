"""The dispatcher's coroutines: one for each worker, those that come later too. Knows neither Ray nor ComfyUI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from .dispatch import LOG, Dispatcher, Remote, Useless

_BREATH = 1.0  # seconds between looks for new machines


class Workers(Protocol):
    """Where workers come from."""

    @property
    def workers(self) -> Sequence[Remote]: ...

    def grow(self) -> Sequence[Remote]:
        """Those that have come since."""


class Crew:
    """The dispatcher's coroutines, one for each worker of the fleet, as machines come."""

    def __init__(self, dispatcher: Dispatcher, fleet: Workers) -> None:
        self._dispatcher, self._fleet = dispatcher, fleet
        self._serving: dict[asyncio.Future[Any], Remote] = {}

    async def work(self) -> AsyncIterator[None]:
        """Until the rows are done, a breath now and then. Raises what ends a run."""
        self._take_on(self._fleet.workers)
        finished: asyncio.Future[Any] = asyncio.ensure_future(self._dispatcher.finished.wait())
        while not finished.done():
            await asyncio.wait({finished, *self._serving}, timeout=_BREATH, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in self._serving if task.done()]:
                self._ended(task, self._serving.pop(task))
            self._take_on(self._fleet.grow())
            yield

    async def dismiss(self) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _take_on(self, workers: Sequence[Remote]) -> None:
        self._serving |= {asyncio.ensure_future(self._dispatcher.serve(worker)): worker for worker in workers}

    def _ended(self, task: asyncio.Future[None], worker: Remote) -> None:
        error = task.exception()
        if isinstance(error, Useless):
            LOG.warning("%s is given up: %s", worker.name, error)
            if not self._serving:
                raise ValueError(f"no worker is left. The last one was given up: {error}") from error
        elif error is not None:
            raise error
