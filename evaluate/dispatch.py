"""Who makes which rows: one coroutine for each worker pulls them, and what a worker did not finish goes back.
Knows neither Ray nor ComfyUI: a worker is anything with start() and run().
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from .rows import Group, Row
from .store import Record

LOG = logging.getLogger("deradiff")
TRIES = 3
STARTS = 4  # that fail one after another, until a worker is given up
_PATIENCE = 10  # rows that fail before any works


class Lost(Exception):
    """A worker is gone for now; its rows are not."""


class Useless(Exception):
    """A worker that can never work: it lacks something, or is not like the others."""


class Remote(Protocol):
    """A worker as the dispatcher sees it."""

    name: str

    async def start(self) -> None:
        """Until it can work, however long that takes. Raises Lost if it died on the way, Useless if it cannot ever."""

    def run(self, rows: Sequence[Row], again: bool) -> AsyncIterator[Record]:
        """See Worker.run. Raises Lost."""


@dataclass(frozen=True)
class Task:
    """A row to make. failed: how often its prompt did; lost: how often its worker died over it."""

    row: Row
    failed: int = 0
    lost: int = 0


async def wait_for_another(worker: Remote, starts: int, lost: Lost) -> None:
    """Before a worker that was lost is started again. Raises Useless if that was tried STARTS times."""
    LOG.warning("%s is lost for now: %s", worker.name, str(lost).splitlines()[0])
    if starts >= STARTS:
        raise Useless(f"it failed {STARTS} times, the last time so: {lost}") from lost
    await asyncio.sleep(starts)


class Dispatcher:
    """Hands out groups of rows until each has a record. note: takes the records, in the order in which rows end.

    A row whose prompt failed three times, or whose worker died over it three times, has a record with its error.
    """

    def __init__(self, groups: Iterator[Group], note: Callable[[Record], None]) -> None:
        self._groups, self._note = groups, note
        self._returned: deque[Task] = deque()  # one by one: so the one that kills its worker shows itself
        self._changed = asyncio.Condition()
        self._out = 0  # batches
        self.finished = asyncio.Event()
        self.working: set[str] = set()  # the workers that are up
        self.worked = self.failed = 0  # rows

    async def serve(self, worker: Remote) -> None:
        """Have a worker work until no row is left. Raises Useless, what note raises, and ValueError if all rows fail."""
        starts = 0
        while not self.finished.is_set():
            try:
                starts += 1
                await worker.start()
                self.working.add(worker.name)
                while (batch := await self._take()) is not None:
                    await self._made(worker, batch)
                    starts = 0
            except Lost as lost:
                await wait_for_another(worker, starts, lost)
            finally:
                self.working.discard(worker.name)

    async def _made(self, worker: Remote, batch: Sequence[Task]) -> None:
        left, back = {task.row.key: task for task in batch}, []
        try:
            async for record in worker.run([task.row for task in batch], any(task.lost for task in batch)):
                back += self._noted(left.pop(record["key"]), record)
        except Lost as lost:
            for task in left.values():
                back += self._again(replace(task, lost=task.lost + 1), str(lost))
            raise
        finally:
            await self._give_back(back)

    def _noted(self, task: Task, record: Record) -> list[Task]:
        """Note what worked; the task again if it did not, and may yet."""
        if record["error"] is not None:
            return self._again(replace(task, failed=task.failed + 1), record["error"])
        self.worked += 1
        self._note(record | {"attempts": task.failed + task.lost + 1})
        return []

    def _again(self, task: Task, error: str) -> list[Task]:
        """The task if it has tries left; else its record is this error. Raises ValueError where nothing but errors has come."""
        if max(task.failed, task.lost) < TRIES:
            return [task]
        self.failed += 1
        self._note(_failure(task, error))
        if not self.worked and self.failed >= _PATIENCE:
            raise ValueError(
                f"The first {self.failed} rows failed, so the rest was not begun. The last one's error: {error}"
            )
        return []

    async def _take(self) -> list[Task] | None:
        """The next rows; None when all are done. Waits while others may yet give some back."""
        async with self._changed:
            while True:
                if self._returned:
                    batch = [self._returned.popleft()]
                elif (group := next(self._groups, None)) is not None:
                    batch = [Task(row) for row in group]
                elif self._out:
                    await self._changed.wait()
                    continue
                else:
                    self.finished.set()
                    return None
                self._out += 1
                return batch

    async def _give_back(self, tasks: Sequence[Task]) -> None:
        """End a batch, of which these are to do."""
        async with self._changed:
            self._returned.extend(tasks)
            self._out -= 1
            self._changed.notify_all()


def _failure(task: Task, error: str) -> Record:
    ended = {"attempts": task.failed + task.lost, "finished": time.time()}
    return {**task.row.columns, "error": error, "images": [], **ended}
