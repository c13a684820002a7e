"""What lambda's approximation costs where the truth is known in closed form: mixtures of Gaussians, no training at all."""

from __future__ import annotations

from pathlib import Path

import tables
import torch
from support import mixtures
from support.mixtures import CASES, Outcome

LAMBDAS = (0.25, 0.5, 0.75, 1.5, 2.0)
COUNT = 3000
SAMPLERS = ("euler_ancestral", "dpmpp_2m")

Results = dict[tuple[str, str, float], Outcome]


@torch.inference_mode()
def results() -> Results:
    """Of every case, sampler and lambda."""
    return {
        (name, sampler, weight): mixtures.outcome(name, weight, sampler, COUNT)
        for name in CASES
        for sampler in SAMPLERS
        for weight in LAMBDAS
    }


def write(found: Results, path: Path) -> None:
    """The raw numbers."""
    header = ("case", "sampler", "lambda", "reward_error_percent_of_range", "energy_distance_percent", "kl_nats")
    rows = [
        (name, sampler, weight, f"{row.error:.3f}", f"{row.distance:.3f}", f"{row.kl:.5f}")
        for (name, sampler, weight), row in found.items()
    ]
    tables.write_csv(path, header, rows)


def markdown(found: Results) -> list[str]:
    """One row for each case: error of the mean reward, and energy distance, at each lambda."""
    rows = []
    for name in CASES:
        for sampler in SAMPLERS:
            cells = [found[name, sampler, weight] for weight in LAMBDAS]
            rows.append([name, sampler, *(f"{cell.error:+.1f} / {cell.distance:.1f}" for cell in cells)])
    return tables.markdown(("distribution and reward", "sampler", *(f"λ {weight:g}" for weight in LAMBDAS)), rows)
