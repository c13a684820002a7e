"""The Ray actor: one GPU or CPU slot, one ComfyUI. It makes rows into records and images, and tries nothing twice by itself.

Of Ray's two ways, actors and not Ray Data's map_batches: rows are pulled by workers that are free instead of being split beforehand,
the lambdas of a prompt and seed stay together, a worker that dies gives its rows back one by one, and machines join in mid-run.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import ray

from .fingerprint import Fingerprint, fingerprint, summary
from .recipe import Reading, Recipe
from .rows import Row
from .server import Done, Prompt, Server, Settings
from .store import SCORE, Place, Record, image_name, marked, record_of


class Worker:
    """Runs as a Ray actor. Its methods raise server.Ended when its ComfyUI is gone; start() brings it back."""

    def __init__(self, settings: Settings, out: str, limit: float = 0.0) -> None:
        """limit: seconds that a row may take, 0 for any."""
        self._server, self._place, self._limit = Server(settings), Place(out), limit or None
        self._recipe: Recipe | None = None
        self._nodes: dict[str, Any] = {}
        self._models = self._name = ""
        self._shown: list[dict[str, str]] = []

    @ray.method(max_task_retries=-1)
    async def node(self) -> str:
        """The machine it is on; Ray asks until it has found a place for it, again and again where that place goes."""
        return socket.gethostname()

    async def start(self, name: str, token: str) -> int:
        """Have ComfyUI run; its process id. token: a file that the driver wrote into the run's place, to see that it is the same here.

        Raises ValueError for settings or a place that cannot be, Ended if ComfyUI does not come up.
        """
        self._place.files.invalidate_cache()
        if not self._place.exists(token):
            raise ValueError(
                f"the folder {self._place.url} is not the one that the driver sees. Name a folder that all machines share, or a URL such as s3://."
            )
        if not self._server.alive:
            self._nodes = {}
        if not self._nodes:  # it did not run, or did not come up when it was last waited for
            await self._server.start()
            device = (await self._server.get("/system_stats"))["devices"][0]["name"]
            self._name = f"{name} on {socket.gethostname()}, {device}"
            self._nodes = await self._server.get("/object_info")
        return self._server.pid

    async def nodes(self) -> dict[str, Any]:
        """Its ComfyUI's /object_info."""
        return self._nodes

    async def prepare(self, recipe: Recipe) -> Fingerprint:
        """Take the recipe. Raises ValueError if a node or a model of it is missing here."""
        self._recipe = recipe
        found = await fingerprint(self._server, recipe.graph, self._nodes)
        self._models = summary(found)
        return found

    async def run(self, rows: list[dict[str, Any]], again: bool, every: float) -> AsyncGenerator[list[Record], None]:
        """A record for each row that worked and {"key", "error"} for each that did not, those of `every` seconds together.

        again: some may be done already. Raises Ended if ComfyUI is gone, TimeoutError if a row takes too long, OSError with ENOSPC if
        a disk is full.
        """
        async with aclosing(told(self._records(rows, again), every)) as parts:
            async for part in parts:
                yield part

    async def _records(self, rows: list[dict[str, Any]], again: bool) -> AsyncGenerator[Record, None]:
        assert self._recipe is not None, "prepare() comes first"
        prompts: dict[Row, Prompt] = {}
        for row in (Row(**row) for row in rows):
            if again and (record := record_of(self._place, row.key)):
                yield record
                continue
            try:
                prompts[row] = self._recipe.prompt(row)
            except ValueError as error:
                yield {"key": row.key, "error": str(error)}
        async with aclosing(self._server.run([*prompts.values()])) as ends:
            for row in prompts:
                yield await self._record(row, await self._in_time(anext(ends)))

    async def _in_time(self, end: Awaitable[Done]) -> Done:
        try:
            return await asyncio.wait_for(end, self._limit)
        except (TimeoutError, asyncio.TimeoutError) as error:
            await self._server.stop()
            raise TimeoutError(f"a row took longer than {self._limit:.0f} seconds (--row-limit)") from error

    async def close(self) -> None:
        await self._server.stop()

    async def _record(self, row: Row, done: Done) -> Record:
        if done.full:
            raise OSError(errno.ENOSPC, done.error)
        if done.error:
            return {"key": row.key, "error": done.error}
        assert self._recipe is not None
        try:
            reading = self._recipe.read(done.outputs)
        except ValueError as error:
            return {"key": row.key, "error": str(error)}
        record = _record(row, reading) | {"seconds": done.seconds, "worker": self._name}
        record |= {"recipe": self._recipe.hash, "models": self._models, "finished": time.time()}
        await self._keep(reading.images, record)
        return record

    async def _keep(self, images: tuple[dict[str, str], ...], record: Record) -> None:
        """Write the images to the run's place, that which carries the record last."""
        endings = [Path(image["filename"]).suffix.lower() for image in images]
        names = [image_name(record["key"], number, ending) for number, ending in enumerate(endings)]
        record["images"] = names
        for name, image in reversed([*zip(names, images, strict=True)]):
            data = await self._server.image(image)
            data = marked(data, record) if name == names[0] else data
            await asyncio.to_thread(self._place.write, name, data)
        for image in self._shown:  # not those of now: the next prompt may show them again, from ComfyUI's cache
            if image not in images:
                self._server.forget(image)
        self._shown = [*images]


async def told(records: AsyncGenerator[Record, None], every: float) -> AsyncGenerator[list[Record], None]:
    """The records that came in as many seconds, together; also those that came before an error."""
    part, since = [], time.monotonic()
    try:
        async for record in records:
            part.append(record)
            if time.monotonic() - since >= every:
                yield part
                part, since = [], time.monotonic()
    except Exception as error:
        if part:
            yield part
        raise error from None
    if part:
        yield part


def _record(row: Row, reading: Reading) -> Record:
    scores: Mapping[str, float] = {SCORE + judge: value for judge, value in reading.scores.items()}
    kl = None if reading.kl != reading.kl else reading.kl
    return {**row.columns, "error": None, **scores, "kl": kl}
