"""One run from its plan to its table: the cluster, the recipe, the workers as they come, the rows as they end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import filelock
import pyarrow as pa
import ray
from deradiff.nodes.scoring.search import Search

from . import recipe, store, ui_format
from .crew import Crew
from .dispatch import LOG, Dispatcher, Lost, Useless, wait_for_another
from .fleet import Fleet, RayWorker, Slot, connect
from .hunt import Hunt
from .progress import Progress
from .rows import Group, Plan
from .server import Settings

_FIRST = 900.0  # seconds that the first workers may take, until the others begin without them
_TOKEN = "run-of-now-"


@dataclass(frozen=True)
class Result:
    """What came of it. found: what a search says, "" for a run without."""

    out: str
    rows: int
    failed: int
    seconds: float
    found: str = ""

    def __str__(self) -> str:
        failed = (
            f", {self.failed} of them failed (their error is in the table; --retry-failed tries again)"
            if self.failed
            else ""
        )
        found = f"{self.found}.\n" if self.found else ""
        return f"{found}{self.rows} rows in {self.out}{failed}. {self.seconds:.0f} seconds."


@dataclass
class Campaign:
    """A plan, what each worker is, the command's options, and a search that chooses which of the plan's rows are made."""

    plan: Plan
    settings: Settings
    slot: Slot
    options: argparse.Namespace
    search: Search | None = None

    async def run(self) -> Result:
        """Until every row has a record. Raises ValueError if it cannot begin or go on, OSError if the place is full."""
        began = time.monotonic()
        out = self.options.out if "://" in self.options.out else os.path.abspath(self.options.out)
        place = store.Place(out)
        self._recipe_without_server()
        store.claim(place, {})
        with _alone(place), _token(place) as token:
            connect(self.options.address, self.slot, self.options.workers, self.options.dashboard)
            try:
                fleet = Fleet(self.slot, self.settings, out, token, self.options.workers, self.options.row_limit)
                table, found = await self._with(fleet, place)
            finally:
                ray.shutdown()
        return Result(out, len(table), len(table) - table["error"].null_count, time.monotonic() - began, found)

    async def _with(self, fleet: Fleet, place: store.Place) -> tuple[pa.Table, str]:
        """The table, and what a search found."""
        try:
            cooked = await self._begin(fleet)
            judges = [*cooked.judges, *cooked.held_out]
            identity = {"recipe": cooked.hash, "judges": judges, "held_out": [*cooked.held_out]} | fleet.models
            store.claim(place, identity)
            kept = store.Store(place, judges)
            done = kept.resume(again=self.options.retry_failed)
            if self.search is None:
                await self._rows(fleet, kept, done)
                return store.read(place.url), ""
            hunt = Hunt(self.search, self.plan, cooked.judges[0], next(iter(cooked.held_out), ""))
            found = await self._hunted(hunt, fleet, kept, done)
            return store.read(place.url), found
        finally:
            await fleet.close()

    async def _begin(self, fleet: Fleet) -> recipe.Recipe:
        """Have the first workers up and compared, before the first row. Raises ValueError if one of them cannot work."""
        if not fleet.grow():
            kind = "GPU" if self.slot.gpu else "CPU"
            raise ValueError(f"no machine of the cluster has a {kind} for a worker. Add one; --cpu uses no GPU.")
        LOG.warning("Starting ComfyUI on %d workers ...", len(fleet.workers))
        begun = {asyncio.ensure_future(self._ready(fleet, worker)): worker for worker in fleet.workers}
        try:
            done, _ = await asyncio.wait(begun, timeout=_FIRST, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                _raise_for(task, begun[task])
        finally:
            for task in begun:
                task.cancel()
        if fleet.recipe is None:
            raise ValueError(f"no worker came up within {_FIRST:.0f} seconds. Look at Ray's logs, in /tmp/ray.")
        return fleet.recipe

    async def _ready(self, fleet: Fleet, worker: RayWorker) -> None:
        """The first ComfyUI that is up says how the workflow is read."""
        for starts in itertools.count(1):
            try:
                nodes = await worker.up()
                if fleet.recipe is None:
                    fleet.recipe = self._recipe(nodes)
                return await worker.start()
            except Lost as lost:
                await wait_for_another(worker, starts, lost)

    def _recipe(self, nodes: dict[str, Any] | None) -> recipe.Recipe:
        return recipe.load(
            self.options.workflow,
            set_=self.options.set_,
            scorers=self.options.scorer,
            held_out=self.options.held_out,
            object_info=nodes,
            baseline=self.options.baseline,
        )

    def _recipe_without_server(self) -> None:
        """Raise ValueError for what is wrong with the workflow, as far as that can be seen before ComfyUI runs."""
        try:
            content = json.loads(self.options.workflow.read_text("utf-8"))
        except ValueError:
            content = None  # which recipe.load says better
        if not ui_format.is_ui(content):
            self._recipe(None)

    async def _rows(self, fleet: Fleet, kept: store.Store, before: set[str]) -> None:
        left = sum(len(group) for group in self.plan.groups(before)) if before else len(self.plan)
        with Progress(len(self.plan), len(self.plan) - left) as progress:
            await self._made(fleet, kept, self.plan.groups(before), kept.note, progress)

    async def _hunted(self, hunt: Hunt, fleet: Fleet, kept: store.Store, before: set[str]) -> str:
        """Round after round of the search: what it says in the end."""
        known = {record["key"]: record for record in store.records(kept.place) if record["key"] in before}

        def note(record: store.Record) -> None:
            known[record["key"]] = record
            kept.note(record)

        with Progress(hunt.search.budget, 0) as progress:
            while asks := hunt.search.round():
                progress.done(hunt.search.spent)
                if groups := [*hunt.groups(asks, known)]:
                    await self._made(fleet, kept, iter(groups), note, progress)
                hunt.learn(asks, known)
            progress.done(hunt.search.spent)
        from . import report_search  # takes seconds to import

        return report_search.write(hunt, kept.place, known)

    async def _made(
        self,
        fleet: Fleet,
        kept: store.Store,
        groups: Iterator[Group],
        note: Callable[[store.Record], None],
        progress: Progress,
    ) -> None:
        """Have the fleet make these rows."""
        dispatcher = Dispatcher(groups, note)
        crew = Crew(dispatcher, fleet)
        progress.follow(dispatcher)
        try:
            async for _ in crew.work():
                progress.show()
                await asyncio.to_thread(kept.flush, False)
        finally:
            await crew.dismiss()
            kept.flush()
            progress.show()


def _raise_for(task: asyncio.Future[None], worker: RayWorker) -> None:
    error = task.exception()
    if isinstance(error, Useless):
        raise ValueError(f"{worker.name} cannot work: {error}") from error
    if error is not None:
        raise error


@contextlib.contextmanager
def _alone(place: store.Place) -> Iterator[None]:
    """Raises ValueError if another run works on the place. Only folders can tell."""
    if not place.local:
        yield
        return
    lock = filelock.FileLock(place.path(".lock"), timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise ValueError(f"--out: another run works on {place.url}. Wait for it, or name another folder.") from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _token(place: store.Place) -> Iterator[str]:
    """The name of a file by which workers see that their folder is the driver's."""
    for left in place.names(""):
        if left.startswith(_TOKEN):
            place.remove(left)
    name = f"{_TOKEN}{uuid.uuid4().hex}"
    place.write(name, b"")
    try:
        yield name
    finally:
        place.remove(name)
