"""What realigning costs beside one model: ratios measured side by side in one process, interleaved.
Run by `make bench`; prints tables and writes benchmarks/results.md. Uses the stand-in models of tests/.
"""

from __future__ import annotations

import conftest  # noqa: F401  starts ComfyUI and imports the pack

# isort: split
import argparse
import gc
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import comfy.hooks
import comfy.lora
import comfy.sd
import comfy.utils
import error
import overhead
import torch
from comfy.model_patcher import ModelPatcher
from subjects import ONE, SUM, Subject, Trio, counted, subjects
from support import engine, standins
from support.engine import Task

FULL = {
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
}


@dataclass(frozen=True)
class Size:
    """One set of models, how they are sampled, and how often. task: from the steps."""

    name: str
    build: Callable[[], tuple[Trio, Callable[[int], Task]]]
    steps: tuple[int, ...]
    rounds: int


def stand_ins(
    network: dict[str, object], latent: int, rank: int, kind: str = "sd15"
) -> tuple[Trio, Callable[[int], Task]]:
    """Untrained models of a class (sd15, sdxl): their speed and their size are real, their images are not.

    rank: of the LoRA. Rank 8 is 1 % of SD1.5's weights; a smaller model has less to be a share of.
    """
    weights = standins.unet(kind, 0, sizes=network)
    lora = standins.lora(weights, 2, rank=rank)
    aligned = standins.unet(kind, 1, weights, sizes=network)
    reference = comfy.sd.load_diffusion_model_state_dict(weights)
    del weights
    gc.collect()
    separate = comfy.sd.load_diffusion_model_state_dict(aligned)
    given = {"samples": torch.zeros(1, 4, latent, latent)}
    return _with_lora(reference, separate, lora), lambda steps: engine.task_for(kind, latent=given, steps=steps)


def demo_pair() -> tuple[Trio, Callable[[int], Task]]:
    """The trained pair; its aligned model of its own weights is the same LoRA on a second copy of the file."""
    with tempfile.TemporaryDirectory() as folder:
        demo, copy = error.load(Path(folder)), error.load(Path(folder))
        lora = comfy.utils.load_torch_file(str(Path(folder) / "loras" / error.LORA), safe_load=True)
    trio = _with_lora(demo.reference, copy.aligned, lora)
    return trio, lambda steps: replace(demo.task("euler", steps), latent=engine.empty_latent("sd15", side=8))


def _with_lora(reference: ModelPatcher, separate: ModelPatcher, lora: dict[str, torch.Tensor]) -> Trio:
    adapted, _ = comfy.sd.load_lora_for_models(reference, None, lora, 1.0, 0.0)
    return Trio(reference, separate, adapted, comfy.hooks.create_hook_lora(lora, strength_model=1.0, strength_clip=0.0))


SIZES = {
    "demo": Size("demo pair, 16.2 M parameters, 64 px", demo_pair, (20, 50), 21),
    "small": Size("13.6 M parameters, 128 px", partial(stand_ins, standins.SMALLEST, 16, 4), (20, 50), 5),
    "full": Size("SD1.5's own 860 M parameters, 256 px", partial(stand_ins, FULL, 32, 8), (3,), 5),
}


def timed(found: Sequence[Subject], rounds: int) -> dict[str, list[float]]:
    """Seconds of each subject in each round; the first round warms up. Each round has an order of its own, as neighbours matter."""
    seconds: dict[str, list[float]] = {subject.name: [] for subject in found}
    for turn in range(rounds + 1):
        for subject in random.Random(turn).sample(found, len(found)):
            begin = time.perf_counter()
            subject.sample()
            if turn:
                seconds[subject.name].append(time.perf_counter() - begin)
    return seconds


def rows(size: Size, found: Sequence[Subject], steps: int) -> list[str]:
    """Interleaved rounds; each ratio is formed inside its round, then the median and the range are taken."""
    seconds = timed(found, size.rounds)
    both = [a + b for a, b in zip(seconds[ONE], seconds[SUM], strict=True)]
    evaluations, weights = {}, {}
    for subject in found:
        with counted(subject.models) as count:
            subject.sample()
        evaluations[subject.name], weights[subject.name] = count["rows"], count["bytes"]
    made = []
    for name, taken in seconds.items():
        cells = [
            f"{size.name}, {steps} steps",
            name,
            _spread([a / b for a, b in zip(taken, seconds[ONE], strict=True)]),
            _spread([a / b for a, b in zip(taken, both, strict=True)]),
            f"{evaluations[name] / evaluations[ONE]:.2f}",
            f"{weights[name] / weights[ONE]:.3f}",
        ]
        made.append(f"| {' | '.join(cells)} |")
    return made


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.md"))
    options = parser.parse_args()
    lines = [
        "# What realigning costs",
        "",
        f"Measured by `make bench` on {platform.machine()}, {torch.get_num_threads()} thread(s), no GPU, torch {torch.__version__}. "
        "Every ratio is formed inside one round of runs that follow each other, in an order drawn for each round, then the median over the rounds is taken "
        "(smallest to largest in brackets). Lambda 0.5, euler. Evaluations: rows through the networks / those of one "
        "model. Weight bytes: what is held during a run, with core's backups and caches / the reference alone. The error of "
        "reuse and stochastic is in [errors.md](errors.md).",
        "",
        "| model | how | time / one model | time / (reference + aligned) | evaluations | weight bytes |",
        "|---|---|---|---|---|---|",
    ]
    with torch.inference_mode():
        for name in options.sizes:
            trio, task = SIZES[name].build()
            for steps in SIZES[name].steps:
                lines += rows(SIZES[name], subjects(trio, task(steps)), steps)
            del trio, task
            gc.collect()
        lines += ["", *overhead.lines()]
    text = "\n".join(lines) + "\n"
    options.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
