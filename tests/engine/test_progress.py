"""Progress is ComfyUI's percent, whatever the model, the steps and the scheduler are."""

from __future__ import annotations

import comfy.samplers
import pytest
import torch
from deradiff.nodes.engine.progress import Progress
from support import engine, shaped
from support.engine import Pair
from support.shaped import schedule

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

FAMILIES = pytest.mark.parametrize("family", ["sd15", "sd3", "wan"])  # eps, flow, and flow with another shift
CLOSE = 1e-5


def _percents(pair: Pair, sigmas: torch.Tensor) -> list[float]:
    progress = Progress(pair.reference.model.model_sampling, sigmas.tolist())
    return [progress.at(sigma.repeat(2)) for sigma in sigmas]


def _sigmas(pair: Pair, scheduler: str, steps: int) -> torch.Tensor:
    return comfy.samplers.calculate_sigmas(pair.reference.model.model_sampling, scheduler, steps)[:-1]


@FAMILIES
def test_inverts_percent_to_sigma(request: pytest.FixtureRequest, family: str) -> None:
    pair: Pair = request.getfixturevalue(family)
    grid = [index / 200 for index in range(1, 200)]
    sigmas = torch.tensor([pair.reference.model.model_sampling.percent_to_sigma(percent) for percent in grid])
    assert _percents(pair, sigmas) == pytest.approx(grid, abs=CLOSE)


@FAMILIES
@pytest.mark.parametrize("scheduler", ["normal", "karras", "beta"])
def test_begins_at_zero_and_rises(request: pytest.FixtureRequest, family: str, scheduler: str) -> None:
    found = _percents(request.getfixturevalue(family), _sigmas(request.getfixturevalue(family), scheduler, 20))
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found == sorted(set(found)) and found[-1] <= 1


@pytest.mark.parametrize("steps", [10, 20, 50])
@FAMILIES
def test_means_the_same_at_any_number_of_steps(request: pytest.FixtureRequest, family: str, steps: int) -> None:
    """The normal scheduler's timesteps are even: an eps model's end at 0, a flow model's at its smallest sigma."""
    pair: Pair = request.getfixturevalue(family)
    sampling = pair.reference.model.model_sampling
    last = 1.0 if family == "sd15" else 1 - float(sampling.timestep(sampling.sigma_min)) / sampling.multiplier
    even = [last * index / (steps - 1) for index in range(steps)]
    assert _percents(pair, _sigmas(pair, "normal", steps)) == pytest.approx(even, abs=CLOSE)


@FAMILIES
@pytest.mark.parametrize("percent", [0.001, 0.25, 0.5, 0.731, 0.999])
def test_start_and_end_are_included(request: pytest.FixtureRequest, family: str, percent: float) -> None:
    """A step exactly at start_percent or end_percent is inside; just beyond, it is not."""
    pair: Pair = request.getfixturevalue(family)
    [found] = _percents(pair, torch.tensor([pair.reference.model.model_sampling.percent_to_sigma(percent)]))
    assert schedule(start=percent).at(found) == schedule(end=percent).at(found) == 1.0
    assert schedule(start=percent + 1e-3).at(found) == schedule(end=percent - 1e-3).at(found) == 0.0


def test_a_run_includes_the_step_at_its_start(sd15: Pair) -> None:
    """Three steps of the normal scheduler are at 0, 50 and 100 percent."""
    assert shaped.passes(sd15, lambda: shaped.by_us(sd15, 0.5, schedule=schedule(start=0.5))) == (3, 2)
    assert shaped.passes(sd15, lambda: shaped.by_us(sd15, 0.5, schedule=schedule(end=0.5))) == (3, 2)
    assert shaped.passes(sd15, lambda: shaped.by_us(sd15, 0.5, schedule=schedule(start=1.0))) == (3, 1)
    assert shaped.passes(sd15, lambda: shaped.by_us(sd15, 0.5, schedule=schedule(end=0.0))) == (3, 1)


def test_ksampler_advanced_follows_its_part_of_the_curve(sd15: Pair) -> None:
    """Of five steps the last three are at 50, 75 and 100 percent."""
    steps = {
        "add_noise": "enable",
        "start_at_step": 2,
        "end_at_step": 10000,
        "return_with_leftover_noise": "disable",
        "steps": 5,
    }
    settings = {key: value for key, value in engine._advanced(sd15.task).items() if key != "steps"}
    settings |= {**steps, "latent_image": engine.drawn_latent("sd15"), "evaluation": "exact", "lambda": 0.5}

    def run(part: object) -> tuple[int, int]:
        return shaped.passes(
            sd15,
            lambda: engine.DeRaDiffKSamplerAdvanced.execute(sd15.reference, sd15.aligned, **settings, schedule=part),
        )

    assert run(schedule(end=0.4)) == (3, 0)
    assert run(schedule(end=0.5)) == (3, 1)
    assert run(schedule(start=0.6)) == (3, 2)
