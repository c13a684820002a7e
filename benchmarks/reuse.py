"""Does reuse keep its promise? Runs drawn from many settings on three trained pairs: the error that came out against the tolerance.
`make reuse` runs it, about an hour; it trains the two pairs of the fidelity benchmark that are missing (half an hour). Resumable: it goes
on after the last line of benchmarks/reuse.csv, and writes benchmarks/reuse.md at its end.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import conftest  # noqa: F401  starts ComfyUI and imports the pack

# isort: split
import comfy.utils
import error
import network
import plan
import reuse_report
import scenes
import torch
from comfy.model_patcher import ModelPatcher
from deradiff.nodes.engine.outcome import outcomes
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.method.evaluation import REUSE, Evaluation
from reuse_report import DEMO, TOLERANCES, Found
from subjects import counted
from support import engine
from support.engine import Task

HERE = Path(__file__).resolve().parent
SAMPLERS = ("euler", "dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde", "heun")
CFGS, STEPS, LAMBDAS, SEEDS = (1.0, 3.0, 7.0), (12, 20, 30, 50), (0.25, 0.5, 0.75), (1, 2, 3)
IMAGES = 2  # in a batch
TRAINED = ((1.0, 0), (2.0, 1))  # strength and seed of the fidelity benchmark's pairs
RUNS = {DEMO: 30}
OTHER_RUNS = 45


@dataclass(frozen=True)
class Setting:
    """One run: what the sampler is asked for, and lambda."""

    sampler: str
    cfg: float
    steps: int
    weight: float
    seed: int


@dataclass(frozen=True)
class Subject:
    """A trained pair with a batch of conditionings and an empty latent."""

    name: str
    reference: ModelPatcher
    aligned: ModelPatcher
    positive: list
    negative: list
    latent: torch.Tensor

    def task(self, setting: Setting) -> Task:
        latent = {"samples": self.latent}
        return Task(
            self.positive, self.negative, latent, setting.seed, setting.steps, setting.cfg, setting.sampler, "normal"
        )


def drawn(name: str) -> list[Setting]:
    """The runs of one pair: every sampler and cfg equally often, the rest by chance."""
    rng = random.Random(name)
    cells = itertools.cycle(itertools.product(SAMPLERS, CFGS))
    count = RUNS.get(name, OTHER_RUNS)
    return [
        Setting(*cell, rng.choice(STEPS), rng.choice(LAMBDAS), rng.choice(SEEDS))
        for cell in itertools.islice(cells, count)
    ]


def demo(models: Path) -> Subject:
    found = error.load(models)
    positive, negative = ([[cond[0][0][:IMAGES], {}]] for cond in (found.positive, found.negative))
    return Subject(DEMO, found.reference, found.aligned, positive, negative, torch.zeros(IMAGES, 4, 8, 8))


def others(work: Path) -> Iterator[Subject]:
    """The fidelity benchmark's pairs. They were trained without an empty caption: guidance is from the mean of all."""
    lab, contexts = plan.Lab(work), network.contexts()
    latent = torch.zeros(IMAGES, scenes.CHANNELS, scenes.SIDE, scenes.SIDE)
    for strength, seed in TRAINED:
        aligned = network.patcher(lab.retrained(strength, seed))
        negative = contexts.mean(dim=0, keepdim=True)
        name = f"drawings, beta {plan.ANCHOR / strength:g}"
        yield Subject(name, lab.reference(), aligned, [[contexts[:IMAGES], {}]], [[negative, {}]], latent)


def measured(subject: Subject, setting: Setting) -> Iterator[Found]:
    """One run at every tolerance, beside exact from the same noise."""
    task, models = subject.task(setting), [subject.reference, subject.aligned]
    with counted(models) as one:
        start = engine.by_core(subject.reference, task)
    span = (engine.by_core(subject.aligned, task) - start).norm()
    exact = engine.by_core(realign(subject.reference, subject.aligned, setting.weight), task)
    for tolerance in TOLERANCES:
        model = realign(subject.reference, subject.aligned, setting.weight, Evaluation(REUSE, tolerance))
        with counted(models) as count, outcomes() as found:
            latent = engine.by_core(model, task)
        off = ((latent - exact).norm() / span).item()
        predicted = found[-1].reuse.error if found[-1].reuse is not None else 0.0
        yield Found(subject.name, *astuple(setting), tolerance, count["rows"] / one["rows"], off, predicted)


def known(table: Path) -> list[Found]:
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return [Found.read(row) for row in csv.DictReader(file)]


def go_on(subject: Subject, table: Path) -> None:
    done = {replace(found, tolerance=0, evaluations=0, error=0, predicted=0) for found in known(table)}
    for setting in drawn(subject.name):
        if Found(subject.name, *astuple(setting), 0, 0, 0, 0) in done:
            continue
        rows = list(measured(subject, setting))
        fresh = not table.exists()
        with table.open("a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if fresh:
                writer.writerow([field.name for field in fields(Found)])
            writer.writerows(astuple(row) for row in rows)
        sys.stdout.write(f"{subject.name} {setting}: " + "; ".join(row.brief() for row in rows) + "\n")
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder of the fidelity benchmark's trainings")
    parser.add_argument("--table", type=Path, default=HERE / "reuse.csv")
    options = parser.parse_args()
    torch.set_num_threads(1)
    comfy.utils.PROGRESS_BAR_ENABLED = False
    with tempfile.TemporaryDirectory() as folder:
        for subject in itertools.chain(others(options.work), [demo(Path(folder))]):
            with torch.inference_mode():
                go_on(subject, options.table)
    options.table.with_suffix(".md").write_text(reuse_report.text(known(options.table)), encoding="utf-8")


if __name__ == "__main__":
    main()
