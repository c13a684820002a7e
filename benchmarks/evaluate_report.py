"""benchmarks/evaluate.md from what was measured."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

TITLE = "# What an evaluation on many workers costs, and what it survives\n"


def text(results: dict[str, Any]) -> str:
    """The page; parts that were not measured are left out."""
    found = [PARTS[part](results[part]) for part in PARTS if part in results]
    return "\n".join([TITLE, *(found or ["Nothing was measured yet: `make evaluate-bench`.\n"])])


def _several(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):.3f} (median of {len(values)}; {low:.3f} to {high:.3f})"


def _overhead(found: dict[str, Any]) -> str:
    return (
        f"## Overhead\n\nTime of {found['rows']} rows through one worker / of the same prompts in one ComfyUI's own queue, both ComfyUIs on the same "
        f"core, after the first prompt, which loads the models; in turns: **{_several(found['ratio'])}**. By hand: {_several(found['by_hand'])} "
        f"seconds.\n"
    )


def _scale(found: dict[str, Any]) -> str:
    return (
        f"## Two workers\n\nImages a second of two workers on two cores / of one on one, in turns: **{_several(found['ratio'])}**. One: "
        f"{_several(found['one'])} images a second.\n"
    )


def _simulation(found: dict[str, Any]) -> str:
    lines = [
        "## A simulation\n",
        f"{found['workers']:,} workers that sleep {found['sleep']:g} s a row, as slots of four Ray actors on this machine, over {found['rows']:,} "
        f"rows; plan, dispatch, Ray and Parquet are the real ones. **{found['rate']:.0f} rows a second** over {found['seconds']:.0f} s; the driver used "
        f"{found['cpu'] / found['rows'] * 1000:.2f} ms of CPU a row. The table has {found['in_table']:,} rows in {found['parts']} parts.\n",
        "| rows | seconds | rows a second since | driver, MB |",
        "|---:|---:|---:|---:|",
    ]
    samples = found["samples"]
    for before, now in zip([(0, 0, 0), *samples], samples, strict=False):
        rate = (now[1] - before[1]) / (now[0] - before[0]) if now[0] > before[0] else 0
        lines.append(f"| {now[1]:,} | {now[0]:.0f} | {rate:.0f} | {now[2]:.0f} |")
    return "\n".join([*lines, ""])


def _kills(found: dict[str, Any]) -> str:
    runs = found["runs"]
    total = Counter(what for run in runs for what in run["killed"])
    kinds = ", ".join(f"{count} of a {what}" for what, count in sorted(total.items()))
    equal = sum(run["equal"] for run in runs)
    return (
        f"## Kills\n\n{len(runs)} runs of {found['rows']} rows on two workers under SIGKILL at random times: {kinds}. After each kill of a driver "
        f"the same command was given again. **{equal} of {len(runs)} finished tables had every row once and were equal to the undisturbed run's**, "
        "scores, KL and every pixel.\n"
    )


PARTS = {"overhead": _overhead, "scale": _scale, "simulation": _simulation, "kills": _kills}
