"""Beyond lambda 1 on two trained pairs: what a guard on the difference and temporal alignment do to the reward, the caption and the look of the
images, beside lambda alone. `make beyond` runs it, an hour and a half; it trains what is missing of one fidelity pair (twenty minutes) and its time predictor
(ten). Resumable: it goes on after the last line of benchmarks/beyond.csv, and writes benchmarks/beyond.md at its end.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import conftest  # noqa: F401  starts ComfyUI and imports the pack

# isort: split
import beyond_report
import comfy.utils
import error
import network
import plan
import samples
import scenes
import torch
from beyond_report import ALIGNED, DEMO, DRAWINGS, GUARDED, PLAIN, REFERENCE, RETRAINED, Row
from comfy.model_patcher import ModelPatcher
from comfy_extras.nodes_eps import EpsilonScaling
from deradiff.nodes.engine.patch import guarded, realign
from deradiff.nodes.engine.predictors import bins_of, space_of
from deradiff.nodes.engine.temporal import align_in_time
from deradiff.nodes.engine.time_gap import watched
from deradiff.nodes.method.cap import Guard
from deradiff.nodes.method.predictor_card import TimePredictor
from deradiff.nodes.runs import predictor_files
from deradiff.nodes.runs.predictor_training import Task as Training
from deradiff.nodes.runs.predictor_training import train
from deradiff.nodes.scoring import measures, scorers
from support import engine
from support.engine import Task

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parent / "demo"
LAMBDAS = (1.25, 1.5, 2.0, 3.0)
BELOW = (0.25, 0.5, 0.75, 1.0)  # of lambda alone, to compare at an equal reward
CAPS = (0.5, 1.0, 2.0)
STRENGTHS = (1.0, 10.0)  # of temporal alignment
SEEDS = (1, 2)
SAMPLER, STEPS, CFG = "euler", 20, 3.0
DRAWN, ITERATIONS = 4_800, 10_000  # of the time predictor of the drawings
SCALING = 1.005  # of core's Epsilon Scaling, its default


class Parallel(Guard):
    """Without the part of the difference that is parallel to the reference's prediction (adaptive projected guidance's eta = 0)."""

    def bounded(self, mixed: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        apart, along = (mixed - reference).flatten(1), reference.flatten(1)
        share = (apart * along).sum(1, keepdim=True) / along.square().sum(1, keepdim=True).clamp_min(1e-30)
        return reference + (apart - share * along).view_as(mixed)


class Momentum(Guard):
    """The difference with half of the step before taken off (adaptive projected guidance's beta = -0.5), in runs of STEPS evaluations.

    cap: how many branches an evaluation has.
    """

    def bounded(self, mixed: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        held: list[torch.Tensor] = self.__dict__.setdefault("held", [])
        branches = int(self.cap)
        begins = len(held) % (STEPS * branches) < branches
        held.append(mixed - reference if begins else mixed - reference - 0.5 * held[-branches])
        return reference + held[-1]


@dataclass(frozen=True)
class Pair:
    """images: a MODEL -> images (N, H, W, 3) and whether each shows its caption, 0 to 1, (N,). retrained: models by the lambda they stand for.
    branches: how many there are at its cfg."""

    name: str
    reference: ModelPatcher
    aligned: ModelPatcher
    images: Callable[[ModelPatcher], tuple[torch.Tensor, torch.Tensor]]
    predictor: TimePredictor
    branches: int
    retrained: dict[float, ModelPatcher]


def demo(models: Path) -> Pair:
    """The demo pair over half of the captions of `make evaluate`, at cfg 3, judged by the demo's own judge."""
    with (WEIGHTS / "captions.tsv").open(encoding="utf-8", newline="") as file:
        captions = [row["Prompt"] for row in csv.DictReader(file, delimiter="\t")][::2]
    found = error.load(models)
    positive, negative = found.encoded(captions), found.encoded([""] * len(captions))
    latent = {"samples": torch.zeros(len(captions), 4, 8, 8)}
    _, judge = scorers.folder_scorer(WEIGHTS / "weights" / "caption_judge", "clipscore")

    def images(model: ModelPatcher) -> tuple[torch.Tensor, torch.Tensor]:
        tasks = (Task(positive, negative, latent, seed, STEPS, CFG, SAMPLER, "normal") for seed in SEEDS)
        decoded = torch.cat([found.vae.decode(engine.by_core(model, task)) for task in tasks])
        scores = [judge(decoded[i : i + 1], captions[i % len(captions)])[0] for i in range(len(decoded))]
        return decoded, torch.tensor(scores) / 100

    predictor = predictor_files.load(WEIGHTS / "weights" / "time_predictor.safetensors", "demo")
    return Pair(DEMO, found.reference, found.aligned, images, predictor, 2, {})


def drawings(work: Path) -> Pair:
    """A pair of the fidelity benchmark, at cfg 1, judged by the benchmark's classifier."""
    lab = plan.Lab(work)
    sampler = samples.Sampler(SAMPLER, STEPS)

    def images(model: ModelPatcher) -> tuple[torch.Tensor, torch.Tensor]:
        found = samples.plain(model, sampler, len(SEEDS) * samples.BATCH, SEEDS[0])
        return scenes.to_images(found.latents), lab.judge.believes(found.latents, found.captions)

    retrained = {2.0: network.patcher(lab.retrained(2.0, 1))}
    predictor = trained(work, lab.reference())
    return Pair(DRAWINGS, lab.reference(), network.patcher(lab.retrained(1.0, 0)), images, predictor, 1, retrained)


def trained(work: Path, model: ModelPatcher) -> TimePredictor:
    """The time predictor of the fidelity benchmark's drawings, trained on first use."""
    path = work / "time_predictor.safetensors"
    begin = predictor_files.load(path, "work") if path.exists() else None
    latents, sampling = scenes.draw(DRAWN, seed=3).latents, model.get_model_object("model_sampling")
    task = Training([latents], sampling, space_of(model), bins_of(model), ITERATIONS, 32, 1e-4, 0)
    return train(task, path, begin, lambda text: None)


def _ways(pair: Pair) -> Iterator[tuple[str, float, Callable[[], ModelPatcher]]]:
    """Method, lambda, and what makes the MODEL."""
    yield REFERENCE, 0.0, lambda: pair.reference
    for strength in (*BELOW, *LAMBDAS):
        yield PLAIN, strength, lambda s=strength: realign(pair.reference, pair.aligned, s)
    for strength, model in pair.retrained.items():
        yield RETRAINED, strength, lambda m=model: m
    for strength in LAMBDAS:
        realigned = realign(pair.reference, pair.aligned, strength)
        for cap in CAPS:
            yield f"{GUARDED} {cap:g}", strength, lambda m=realigned, c=cap: guarded(m, Guard(c))
        yield "without the parallel part", strength, lambda m=realigned: guarded(m, Parallel(1.0))
        yield "momentum -0.5", strength, lambda m=realigned: guarded(m, Momentum(pair.branches))
        for omega in STRENGTHS:
            yield f"{ALIGNED} {omega:g}", strength, lambda m=realigned, o=omega: align_in_time(m, pair.predictor, o)
        yield "Epsilon Scaling", strength, lambda m=realigned: EpsilonScaling.execute(m, SCALING).args[0]


def go_on(pair: Pair, table: Path) -> None:
    done = {(row.pair, row.method, row.strength) for row in beyond_report.read(table)}
    for method, strength, make in _ways(pair):
        if (pair.name, method, strength) in done:
            continue
        model, gaps = watched(make(), pair.predictor)
        images, shown = pair.images(model)
        seen = {"reward": measures.warmth(images), "caption": shown}
        seen |= {
            name: measures.MEASURES[name](images.clamp(0, 1)) for name in ("sharpness", "colourfulness", "contrast")
        }
        found = {
            name: (values.mean().item(), (values.std() / len(values) ** 0.5).item()) for name, values in seen.items()
        }
        sizes = torch.tensor([gap.size for gap in gaps.read()])
        found["time gap"] = (sizes.mean().item(), 0.0)
        row = Row(pair.name, method, strength, found)
        beyond_report.append(row, table)
        sys.stdout.write(row.line() + "\n")
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder of the fidelity benchmark's trainings")
    parser.add_argument("--only", choices=(DEMO, DRAWINGS), help="one pair alone, and no report")
    parser.add_argument("--table", type=Path, default=HERE / "beyond.csv")
    options = parser.parse_args()
    torch.set_num_threads(1)
    comfy.utils.PROGRESS_BAR_ENABLED = False
    with tempfile.TemporaryDirectory() as folder:
        makers = {DEMO: lambda: demo(Path(folder)), DRAWINGS: lambda: drawings(options.work)}
        for name, make in makers.items():
            if options.only in (None, name):
                pair = make()
                with torch.inference_mode():
                    go_on(pair, options.table)
    if options.only:
        return
    (HERE / "beyond.md").write_text(beyond_report.text(beyond_report.read(options.table)), encoding="utf-8")


if __name__ == "__main__":
    main()
