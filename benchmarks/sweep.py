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


def swept(prompt: comfyui.Prompt, seed: int, measure_kl: bool) -> comfyui.Prompt:
    """The demo workflow with a sweep in the sampler's place."""
    changed = single(prompt, 0.0, seed)
    node = changed[_sampler(prompt)]
    node["class_type"] = "DeRaDiffLambdaSweep"
    del node["inputs"]["lambda"]
    node["inputs"] |= {"lambdas": ", ".join(map(str, LAMBDAS)), "baseline": False, "measure_kl": measure_kl}
    return changed


def measure(server: comfyui.Server, prompt: comfyui.Prompt) -> dict[bool, list[float]]:
    """Seconds of the sweep / seconds of the separate runs, by measure_kl, for each round but the first; a new seed each, so
    nothing is cached.
    """
    ratios: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(ROUNDS + 1):
        first = 3 * turn  # of this round's seeds
        alone = _seconds(server, [single(prompt, value, first) for value in LAMBDAS])
        for place, (measure_kl, found) in enumerate(ratios.items(), 1):
            together = _seconds(server, [swept(prompt, first + place, measure_kl)])
            if turn:
                found.append(together / alone)
    return ratios


def _seconds(server: comfyui.Server, prompts: list[comfyui.Prompt]) -> float:
    begin = time.perf_counter()
    for prompt in prompts:
        server.run([prompt], quiet=True)
    return time.perf_counter() - begin


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
        f"on one server; median of {ROUNDS} rounds, interleaved, new seeds, no GPU (smallest to largest in brackets). At lambda 1 those runs "
        "evaluate one model; a sweep with measure_kl, its default, evaluates the reference there too.\n\n"
        "| measure_kl | time of the sweep / time of the runs |\n|---|---|\n"
    )
    for measure_kl, found in ratios.items():
        text += (
            f"| {str(measure_kl).lower()} | {statistics.median(found):.3f} ({min(found):.3f} to {max(found):.3f}) |\n"
        )
    Path(__file__).with_name("sweep.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
