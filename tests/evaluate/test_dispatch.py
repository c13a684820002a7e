"""Handing out rows to workers that fail, die and come back in every order: each row ends once. The workers compute nothing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import pytest
from deradiff.evaluate.dispatch import Dispatcher, Lost, Useless
from deradiff.evaluate.rows import Plan, Row
from deradiff.evaluate.store import Record
from deradiff.nodes.runs.prompt_files import Prompt


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the starts of a worker that fails."""
    sleep = asyncio.sleep
    monkeypatch.setattr("deradiff.evaluate.dispatch.asyncio.sleep", lambda _seconds: sleep(0))


@dataclass
class Pretending:
    """A worker that says it made a row, unless `fate` has it otherwise: an error, or the exception it raises."""

    name: str
    fate: Callable[[Row], str | Exception | None] = lambda _row: None
    on_start: Callable[[], None] = lambda: None
    asked: list[tuple[Row, ...]] = field(default_factory=list)

    async def start(self) -> None:
        self.on_start()
        await asyncio.sleep(0)

    async def run(self, rows: Sequence[Row], again: bool) -> AsyncIterator[Record]:
        self.asked.append(tuple(rows))
        for row in rows:
            await asyncio.sleep(0)
            fate = self.fate(row)
            if isinstance(fate, Exception):
                raise fate
            yield {"key": row.key, "error": fate}


def _plan(prompts: int, seeds: int = 1, strengths: int = 3) -> Plan:
    texts = [Prompt(f"prompt {number}") for number in range(prompts)]
    return Plan(texts, range(seeds), tuple(n / 2 for n in range(strengths)))


def _run(plan: Plan, *workers: Pretending) -> tuple[Dispatcher, list[Record]]:
    """Until all are done or one of them raises; what was noted."""
    noted: list[Record] = []

    async def run() -> Dispatcher:
        dispatcher = Dispatcher(plan.groups(), noted.append)
        await asyncio.gather(*(dispatcher.serve(worker) for worker in workers))
        return dispatcher

    return asyncio.run(run()), noted


def _each_once(plan: Plan, noted: list[Record]) -> bool:
    return Counter(record["key"] for record in noted) == Counter(row.key for group in plan.groups() for row in group)


@pytest.mark.parametrize("seed", range(20))
def test_every_row_ends_once_whatever_dies(seed: int) -> None:
    chance = random.Random(seed)
    died: Counter[str] = Counter()

    def fate(row: Row) -> str | Exception | None:
        what = chance.random()
        if what < 0.1 and died[row.key] < 2:
            died[row.key] += 1
            return Lost("killed")
        return "failed" if what > 0.95 else None

    plan = _plan(30, seeds=2)
    dispatcher, noted = _run(plan, *(Pretending(f"worker-{n}", fate) for n in range(chance.randint(1, 9))))
    assert _each_once(plan, noted)
    assert (dispatcher.worked, dispatcher.failed) == tuple(
        sum((record["error"] is None) == good for record in noted) for good in (True, False)
    )


def test_the_lambdas_of_a_prompt_and_seed_stay_together() -> None:
    worker = Pretending("worker-0")
    _run(_plan(4, seeds=2), worker)
    assert [len(rows) for rows in worker.asked] == [3] * 8
    assert all(len({(row.prompt, row.seed) for row in rows}) == 1 for rows in worker.asked)


def test_a_row_that_kills_its_worker_is_recorded_and_its_neighbours_are_not() -> None:
    deadly = "prompt 1"
    plan = _plan(4)
    fate = lambda row: Lost("ComfyUI died") if row.text == deadly and row.strength == 0.5 else None  # noqa: E731
    _, noted = _run(plan, Pretending("worker-0", fate), Pretending("worker-1", fate))
    assert _each_once(plan, noted)
    (failed,) = [record for record in noted if record["error"]]
    assert (failed["text"], failed["lambda"], failed["attempts"], failed["error"]) == (deadly, 0.5, 3, "ComfyUI died")


def test_a_prompt_that_works_at_the_third_try_worked() -> None:
    tries: Counter[str] = Counter()

    def fate(row: Row) -> str | None:
        tries[row.key] += 1
        return "not yet" if tries[row.key] < 3 else None

    plan = _plan(2)
    _, noted = _run(plan, Pretending("worker-0", fate))
    assert _each_once(plan, noted) and {record["attempts"] for record in noted} == {3}
    assert not any(record["error"] for record in noted)


def test_where_nothing_works_the_run_ends_early() -> None:
    with pytest.raises(ValueError, match=r"The first 10 rows failed.*no such node"):
        _run(_plan(100), Pretending("worker-0", lambda _row: "no such node"))


def test_a_full_disk_ends_the_run() -> None:
    with pytest.raises(OSError, match="No space left"):
        _run(_plan(100), Pretending("worker-0", lambda _row: OSError(28, "No space left on device")))


def test_a_worker_that_never_starts_is_given_up() -> None:
    starts = 0

    def start() -> None:
        nonlocal starts
        starts += 1
        raise Lost("ComfyUI stopped while starting")

    with pytest.raises(Useless, match=r"failed 4 times.*stopped while starting"):
        _run(_plan(1), Pretending("worker-0", on_start=start))
    assert starts == 4
