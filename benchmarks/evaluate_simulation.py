"""A run whose workers only sleep: the real plan, dispatch, crew, Ray and Parquet, with 1,000 workers as slots of a few actors.
Run as: python evaluate_simulation.py OUT WORKERS ROWS SECONDS; prints JSON. A process of its own: its memory is what is measured.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "evaluate"))
import pack

sys.path.pop(0)
pack.make_importable()

import psutil  # noqa: E402
import ray  # noqa: E402
from deradiff.evaluate import store  # noqa: E402
from deradiff.evaluate.crew import Crew  # noqa: E402
from deradiff.evaluate.dispatch import Dispatcher  # noqa: E402
from deradiff.evaluate.fleet import _TOLD, Slot, connect  # noqa: E402
from deradiff.evaluate.rows import Plan, Row  # noqa: E402
from deradiff.evaluate.worker import told  # noqa: E402
from deradiff.nodes.runs.prompt_files import Prompt  # noqa: E402

ACTORS = 4
LAMBDAS = 10
SAMPLES = 40  # of memory and rate


class Sleeper:
    """An actor that says it made each row after a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def run(self, rows: list[dict[str, Any]], every: float) -> AsyncIterator[list[store.Record]]:
        async for part in told(self._records(rows), every):
            yield part

    async def _records(self, rows: list[dict[str, Any]]) -> AsyncGenerator[store.Record, None]:
        for row in rows:
            await asyncio.sleep(self._seconds)
            yield _record(row)


def _record(values: dict[str, Any]) -> store.Record:
    record = Row(**values).columns
    record |= {"error": None, "score:warmth": 0.5, "kl": 1.0, "seconds": 1.0}
    record |= {"worker": "worker-0", "recipe": "0" * 16, "models": "0" * 16, "images": [f"images/{record['key']}.png"]}
    return record | {"finished": time.time()}


class Slots:
    """A fleet: one slot of an actor for each worker."""

    def __init__(self, workers: int, seconds: float) -> None:
        kind = ray.remote(Sleeper).options(num_cpus=0, max_concurrency=workers)
        actors = [kind.remote(seconds) for _ in range(ACTORS)]
        self.workers = [
            _Slot(f"worker-{number}", actors[number % ACTORS], workers / _TOLD) for number in range(workers)
        ]

    def grow(self) -> list[_Slot]:
        ray.nodes()  # as a real fleet asks
        return []


class _Slot:
    def __init__(self, name: str, actor: Any, every: float) -> None:
        self.name, self._actor, self._every = name, actor, every

    async def start(self) -> None:
        pass

    async def run(self, rows: Sequence[Row], again: bool) -> AsyncIterator[store.Record]:
        async for part in self._actor.run.remote([asdict(row) for row in rows], self._every):
            for record in await part:
                yield record


async def simulate(out: Path, workers: int, count: int, seconds: float) -> dict[str, Any]:
    """Memory of the driver and rows a second, over time."""
    prompts = [
        Prompt(f"a prompt of a usual length, the number {n} of many, with a tag", tag="many") for n in range(1000)
    ]
    plan = Plan(prompts, range(count // (1000 * LAMBDAS)), tuple(n / LAMBDAS for n in range(LAMBDAS)))
    connect("", Slot(gpu=False), 2)
    try:
        kept = store.Store(store.Place(str(out)), ["warmth"])
        dispatcher = Dispatcher(plan.groups(), kept.note)
        crew, me, samples = Crew(dispatcher, Slots(workers, seconds)), psutil.Process(), []
        began, used = time.monotonic(), me.cpu_times()
        async for _ in crew.work():
            await asyncio.to_thread(kept.flush, False)
            if dispatcher.worked >= len(samples) * len(plan) / SAMPLES:
                samples.append((time.monotonic() - began, dispatcher.worked, me.memory_info().rss / 2**20))
        await crew.dismiss()
        kept.flush()
        took, cpu = time.monotonic() - began, me.cpu_times()
    finally:
        ray.shutdown()
    names = kept.place.names("rows")
    return {
        **{"workers": workers, "rows": len(plan), "sleep": seconds, "seconds": took, "rate": len(plan) / took},
        **{"samples": samples, "parts": len(names), "cpu": cpu.user + cpu.system - used.user - used.system},
        **{"in_table": len(store.read(str(out))), "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024},
    }


if __name__ == "__main__":
    found = asyncio.run(simulate(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
    sys.stdout.write(json.dumps(found) + "\n")
