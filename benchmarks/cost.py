"""What realigning costs beside one model: ratios measured side by side in one process, interleaved.
Run by `make bench`; prints a table and writes benchmarks/results.md. Uses the stand-in models of tests/.
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import conftest  # noqa: F401  starts ComfyUI and imports the pack
import standins
import torch

SMALL = standins.SMALLEST
FULL = {
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
}


@dataclass(frozen=True)
class Size:
    name: str
    network: dict[str, object]
    latent: int
    steps: int
    repeats: int


SIZES = {
    "small": Size("13.6 M parameters, 128 px", SMALL, 16, 8, 15),
    "full": Size("SD1.5's own 860 M parameters, 256 px", FULL, 32, 2, 5),
}


def models(size: Size) -> dict[str, object]:
    """The reference, an aligned model of its own weights, and a LoRA on the reference."""
    import comfy.lora
    import comfy.sd

    weights = standins.unet("sd15", 0, sizes=size.network)
    lora = standins.lora(weights, 2, rank=8)
    aligned = standins.unet("sd15", 1, weights, sizes=size.network)
    reference = comfy.sd.load_diffusion_model_state_dict(weights)
    del weights
    gc.collect()
    separate = comfy.sd.load_diffusion_model_state_dict(aligned)
    adapted, _ = comfy.sd.load_lora_for_models(reference, None, lora, 1.0, 0.0)
    return {"reference": reference, "aligned": separate, "lora": adapted}


def sampler(size: Size) -> Callable[[object], torch.Tensor]:
    import comfy.sample

    rng = torch.Generator().manual_seed(0)
    positive, negative = ([[torch.randn(1, 77, 768, generator=rng), {}]] for _ in range(2))
    latent = torch.zeros(1, 4, size.latent, size.latent)
    noise = comfy.sample.prepare_noise(latent, 0)

    def sample(model: object) -> torch.Tensor:
        return comfy.sample.sample(
            model, noise, size.steps, 7.0, "euler", "normal", positive, negative, latent, disable_pbar=True, seed=0
        )

    return sample


def measure(size: Size) -> list[str]:
    """Interleaved rounds; each ratio is formed inside its round, then the median and the range are taken."""
    from deradiff.nodes.runtime.patch import realign

    made = models(size)
    sample = sampler(size)
    subjects = {
        "reference": made["reference"],
        "aligned": made["aligned"],
        "exact, two models": realign(made["reference"], made["aligned"], 0.5),
        "exact, LoRA pair": realign(made["reference"], made["lora"], 0.5),
    }
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(size.repeats + 1):
        for name, model in subjects.items():
            begin = time.perf_counter()
            sample(model)
            if turn:  # the first round warms up
                seconds[name].append(time.perf_counter() - begin)
    single = seconds["reference"]
    both = [a + b for a, b in zip(seconds["reference"], seconds["aligned"], strict=True)]
    rows = []
    for name, taken in seconds.items():
        to_one = [a / b for a, b in zip(taken, single, strict=True)]
        to_both = [a / b for a, b in zip(taken, both, strict=True)]
        rows.append(f"| {size.name} | {name} | {_spread(to_one)} | {_spread(to_both)} |")
    return rows


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
        f"Measured by `make bench` on {platform.machine()}, {torch.get_num_threads()} threads, no GPU, torch {torch.__version__}. "
        "Every ratio is formed inside one round of runs that follow each other, then the median over the rounds is taken "
        "(smallest to largest in brackets). cfg 7, euler.",
        "",
        "| model | evaluation | time / reference alone | time / (reference + aligned) |",
        "|---|---|---|---|",
    ]
    for name in options.sizes:
        lines += measure(SIZES[name])
    text = "\n".join(lines) + "\n"
    options.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
