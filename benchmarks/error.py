"""How far the cheaper evaluations are from exact, on the trained demo pair: no timing, so it may run on a busy machine.
Run by `make bench`; prints tables and writes benchmarks/errors.md.
"""

from __future__ import annotations

import conftest  # noqa: F401  starts ComfyUI and imports the pack

# isort: split
import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import comfy.sd
import comfy.utils
import torch
from assemble import CHECKPOINT, LORA, assemble
from comfy.model_patcher import ModelPatcher
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.method.evaluation import REUSE, STOCHASTIC, TOLERANCE, Evaluation
from subjects import counted
from support import engine
from support.engine import Task

CAPTIONS = ("a purple triangle", "a red circle", "a blue square", "a green circle")
SAMPLERS = ("euler", "dpmpp_2m", "euler_ancestral")
STEPS = (20, 50)
CFG, LAMBDA = 3.0, 0.5
LADDER = (0.0, 0.02, TOLERANCE, 0.1, 0.2)
RUNS = (1, 2, 3)  # seeds of everything but the bias
SEEDS = 64


@dataclass(frozen=True)
class Demo:
    """The demo pair with its encoder and decoder, and the conditionings of a batch, one caption each."""

    reference: ModelPatcher
    aligned: ModelPatcher
    clip: comfy.sd.CLIP
    vae: comfy.sd.VAE

    @cached_property
    def positive(self) -> list:
        return self.encoded(f"{caption} on a white background" for caption in CAPTIONS)

    @cached_property
    def negative(self) -> list:
        return self.encoded([""])

    def encoded(self, texts: Iterable[str]) -> list:
        """One conditioning for a batch of texts."""
        return [[torch.cat([self.clip.encode_from_tokens(self.clip.tokenize(text)) for text in texts]), {}]]

    def task(self, sampler: str, steps: int, seed: int = 1, scheduler: str = "normal", cfg: float = CFG) -> Task:
        latent = {"samples": torch.zeros(len(CAPTIONS), 4, 8, 8)}
        return Task(self.positive, self.negative, latent, seed, steps, cfg, sampler, scheduler)

    def realigned(self, weight: float, evaluation: Evaluation | None = None) -> ModelPatcher:
        return realign(self.reference, self.aligned, weight, evaluation)


def load(models: Path) -> Demo:
    assemble(models)
    reference, clip, vae, _ = comfy.sd.load_checkpoint_guess_config(str(models / "checkpoints" / CHECKPOINT))
    lora = comfy.utils.load_torch_file(str(models / "loras" / LORA), safe_load=True)
    aligned, _ = comfy.sd.load_lora_for_models(reference, None, lora, 1.0, 0.0)
    return Demo(reference, aligned, clip, vae)


@dataclass(frozen=True)
class Found:
    """Of one evaluation over several seeds: network evaluations / those of one model, relative latent errors, PSNR in dB."""

    costs: list[float]
    errors: list[float]
    psnr: list[float]

    def cells(self) -> str:
        """Means, and the largest error."""
        error = f"{statistics.mean(self.errors):.4f} ({max(self.errors):.4f})"
        return f"{statistics.mean(self.costs):.2f} | {error} | {statistics.mean(self.psnr):.1f} dB"


def compared(demo: Demo, task: Task, weight: float, evaluations: Sequence[Evaluation]) -> list[Found]:
    """Every evaluation beside exact, at each of the RUNS seeds."""
    found = [Found([], [], []) for _ in evaluations]
    for seed in RUNS:
        of = replace(task, seed=seed)
        with counted([demo.reference]) as one:
            start = engine.by_core(demo.reference, of)
        span = (engine.by_core(demo.aligned, of) - start).norm()
        exact = engine.by_core(demo.realigned(weight), of)
        images = demo.vae.decode(exact)
        for into, evaluation in zip(found, evaluations, strict=True):
            with counted([demo.reference]) as count:
                latent = engine.by_core(demo.realigned(weight, evaluation), of)
            mse = (demo.vae.decode(latent) - images).square().mean().item()
            into.costs.append(count["rows"] / one["rows"])
            into.errors.append(((latent - exact).norm() / span).item())
            into.psnr.append(-10 * math.log10(mse) if mse else math.inf)
    return found


def table(demo: Demo, settings: Iterable[tuple[str, int, str, float, float]]) -> list[str]:
    lines = [
        "| sampler | steps | scheduler | cfg | lambda | reuse: evaluations | error | PSNR | stochastic: evaluations | error | PSNR |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for sampler, steps, scheduler, cfg, weight in settings:
        task = demo.task(sampler, steps, scheduler=scheduler, cfg=cfg)
        both = compared(demo, task, weight, [Evaluation(REUSE), Evaluation(STOCHASTIC)])
        cells = " | ".join(found.cells() for found in both)
        lines.append(f"| {sampler} | {steps} | {scheduler} | {cfg:g} | {weight:g} | {cells} |")
        sys.stdout.write(lines[-1] + "\n")
        sys.stdout.flush()
    return lines


def ladder(demo: Demo) -> list[str]:
    lines = ["| sampler | cfg | reuse_tolerance | evaluations | error | PSNR |", "|---|---|---|---|---|---|"]
    for sampler, cfg in [(sampler, CFG) for sampler in SAMPLERS] + [("euler_ancestral", 7.0)]:
        rungs = [Evaluation(REUSE, tolerance) for tolerance in LADDER]
        for rung, found in zip(rungs, compared(demo, demo.task(sampler, 20, cfg=cfg), LAMBDA, rungs), strict=True):
            lines.append(f"| {sampler} | {cfg:g} | {rung.tolerance:g} | {found.cells()} |")
    return lines


def bias(demo: Demo, runs: int) -> list[str]:
    """Over seeds, how far the mean image of stochastic is from the mean image of exact, and how far a single one is."""
    offsets, spans = [], []
    for seed in range(runs):
        task = replace(demo.task("euler_ancestral", 10, seed=100 + seed), latent={"samples": torch.zeros(1, 4, 8, 8)})
        exact = engine.by_core(demo.realigned(LAMBDA), task)
        offsets.append(engine.by_core(demo.realigned(LAMBDA, Evaluation(STOCHASTIC)), task) - exact)
        spans.append(engine.by_core(demo.aligned, task) - engine.by_core(demo.reference, task))
    offset, span = torch.stack(offsets), torch.stack(spans)
    mean = (offset.mean(dim=0).norm() / span.mean(dim=0).norm()).item()
    noise = (offset.std(dim=0).norm() / math.sqrt(runs) / span.mean(dim=0).norm()).item()
    single = (offset.norm() / span.norm()).item()
    return [
        f"Over {runs} seeds (euler_ancestral, 10 steps, lambda {LAMBDA}, one caption): the mean latent of stochastic is {mean:.4f} of the "
        f"reference-aligned distance of the means away from exact's, where {noise:.4f} would be left by chance alone; exact's own is 0. A single image is "
        f"{single:.4f} away.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--models", type=Path, help="where to put the demo pair's files together; a temporary folder if missing"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("errors.md"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        demo = load(options.models or Path(folder))
        main_rows = [(sampler, steps, "normal", CFG, LAMBDA) for steps in STEPS for sampler in SAMPLERS]
        others = [("dpmpp_2m", 20, "karras", CFG, LAMBDA), ("heun", 10, "normal", CFG, LAMBDA)]
        others += [(sampler, 20, "normal", 7.0, LAMBDA) for sampler in ("euler", "euler_ancestral")]
        text = "\n".join(
            [
                "# How far the cheaper evaluations are from exact",
                "",
                f"On the trained demo pair, four captions, {len(RUNS)} seeds. Evaluations: rows through the network / those of one model, by a counter in the "
                "network. Error: distance of the final latent to exact's / the distance of the reference's and the aligned model's, over the batch; mean over "
                "the seeds, the largest in brackets. PSNR of the decoded images against exact's. Not measured: other pairs, larger models.",
                "",
                *table(demo, main_rows + others),
                "",
                f"## The tolerance of reuse (20 steps, lambda {LAMBDA})",
                "",
                *ladder(demo),
                "",
                "## The bias of stochastic",
                "",
                *bias(demo, options.seeds),
            ]
        )
    options.out.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
