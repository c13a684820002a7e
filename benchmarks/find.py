"""What an image of Find Lambda costs beside KSampler (DeRaDiff), VAE Decode and Score Images: ratios from one process, interleaved.
Run by `make bench`; prints a table and writes benchmarks/find.md. Uses the demo pair.
"""

from __future__ import annotations

import conftest  # noqa: F401  starts ComfyUI and imports the pack

# isort: split
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from deradiff.nodes.find_lambda import DeRaDiffFindLambda
from deradiff.nodes.finding import unfinished
from deradiff.nodes.sample import DeRaDiffKSampler
from deradiff.nodes.score import DeRaDiffLoadScorer, DeRaDiffScoreImages
from error import Demo, load

BUDGET, ROUNDS = 25, 5
SETTINGS = {
    "steps": 20,
    "cfg": 3.0,
    "sampler_name": "euler",
    "scheduler": "normal",
    "denoise": 1.0,
    "evaluation": "exact",
}
LATENT = {"samples": torch.zeros(1, 4, 8, 8)}


def _common(demo: Demo) -> dict[str, Any]:
    return {"reference": demo.reference, "aligned": demo.aligned, "latent_image": LATENT, **SETTINGS}


def search(demo: Demo, scorer: Any, seed: int) -> tuple[float, list[tuple[int, float]]]:
    """Seconds of a search, and the (block, lambda) of its images in their order."""
    search = {"lowest": 0.0, "highest": 1.5, "budget": BUDGET, "confidence": 0.95, "indifference": 0.15}
    given = {**_common(demo), **search, "seed": seed, "vae": demo.vae, "scorer": scorer}
    lists = {"positive": [_one(demo.positive)], "negative": [demo.negative], "prompt": [""]}
    begin = time.perf_counter()
    DeRaDiffFindLambda.execute(**lists, **{name: [value] for name, value in given.items()})
    seconds = time.perf_counter() - begin
    kept = unfinished.last()
    assert kept is not None
    return seconds, list(kept.samples)


def separately(demo: Demo, scorer: Any, seed: int, images: list[tuple[int, float]]) -> float:
    """Seconds of the same images by the nodes that one would use."""
    conditions = {"positive": _one(demo.positive), "negative": demo.negative}
    begin = time.perf_counter()
    for block, strength in images:
        out = DeRaDiffKSampler.execute(**_common(demo), **conditions, seed=seed + block, **{"lambda": strength}).args[0]
        DeRaDiffScoreImages.execute(demo.vae.decode(out["samples"]), "", scorer, 1.0, "raw")
    return time.perf_counter() - begin


def _one(positive: list) -> list:
    """The first caption of the batch."""
    return [[positive[0][0][:1], {}]]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        demo = load(Path(folder))
        scorer = DeRaDiffLoadScorer.execute("warmth (built in)", "auto").args[0]
        ratios = []
        for turn in range(ROUNDS + 1):
            seconds, images = search(demo, scorer, 1000 * turn)
            alone = separately(demo, scorer, 1000 * turn, images)
            if turn:
                ratios.append(seconds / alone)
    text = (
        "# What a search costs\n\n"
        f"Time of one search by Find Lambda with a budget of {BUDGET} images, with its plot, table and best image / time of the same images by "
        "KSampler (DeRaDiff), VAE Decode and Score Images, one after the other; on the demo pair, whose images take a fraction of those of a "
        f"public model, 20 steps, no GPU, {ROUNDS} rounds, interleaved, new seeds: median {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f}). Below 1: the runs of one prompt and seed share their first step.\n"
    )
    Path(__file__).with_name("find.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
