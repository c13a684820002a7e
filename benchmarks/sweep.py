"""What a sweep of five lambdas costs beside five queued runs of the sampler: ratios from one ComfyUI server, interleaved.
Run by `make bench`; prints a table and writes benchmarks/sweep.md. Uses the demo pair and demo/'s server.
"""

from __future__ import annotations

import copy
import json
import statistics
import sys
import time
from pathlib import Path

import comfyui
from assemble import assemble
from graph import to_prompt

LAMBDAS = (0.0, 0.25, 0.5, 0.75, 1.0)
ROUNDS = 7


def _sampler(prompt: comfyui.Prompt) -> str:
    return next(key for key, node in prompt.items() if node["class_type"] == "DeRaDiffKSampler")


def single(prompt: comfyui.Prompt, value: float, seed: int) -> comfyui.Prompt:
    """The demo workflow at one lambda."""
    changed = copy.deepcopy(prompt)
    changed[_sampler(prompt)]["inputs"] |= {"lambda": value, "seed": seed}
    return changed


def swept(prompt: comfyui.Prompt, seed: int) -> comfyui.Prompt:
    """The demo workflow with a sweep in the sampler's place."""
    changed = single(prompt, 0.0, seed)
    node = changed[_sampler(prompt)]
    node["class_type"] = "DeRaDiffLambdaSweep"
    del node["inputs"]["lambda"]
    node["inputs"] |= {"lambdas": ", ".join(map(str, LAMBDAS)), "baseline": False}
    return changed


def measure(server: comfyui.Server, prompt: comfyui.Prompt) -> list[float]:
    """Seconds of the sweep / seconds of the separate runs, for each round but the first; a new seed each, so nothing is cached."""
    ratios = []
    for turn in range(ROUNDS + 1):
        begin = time.perf_counter()
        server.run([swept(prompt, 2 * turn)], quiet=True)
        middle = time.perf_counter()
        for value in LAMBDAS:
            server.run([single(prompt, value, 2 * turn + 1)], quiet=True)
        if turn:
            ratios.append((middle - begin) / (time.perf_counter() - middle))
    return ratios


def main() -> None:
    base = comfyui.base_directory()
    comfyui.prepare(base)
    assemble(base / "models")
    with comfyui.Server(base, log=base / "comfyui.log") as server:
        workflow = json.loads((comfyui.DEMO / "Lambda (demo pair).json").read_text("utf-8"))
        ratios = measure(server, to_prompt(workflow, server.get("/object_info")))
    text = (
        "# What a sweep costs\n\n"
        f"Time of one sweep over {len(LAMBDAS)} lambdas / time of {len(LAMBDAS)} queued runs of the sampler, on the demo pair, by HTTP "
        f"on one server; {ROUNDS} rounds, new seeds, no GPU: median {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f}).\n"
    )
    Path(__file__).with_name("sweep.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
