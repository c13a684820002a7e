"""The first step that the runs of a sweep share: only at the very same latent and sigma, and no run can change it for another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from deradiff.nodes.engine.aligned import Branches, Call
from deradiff.nodes.engine.first_step import FirstStep
from deradiff.nodes.engine.patch import from_one_noise, realign
from support import engine
from support.engine import Pair

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

BOTH = (0, 1)


def _call(x: torch.Tensor, *sigmas: float) -> Call:
    return Call(lambda *_: [], [], x, torch.tensor(sigmas), {}, {})


class Counted:
    """Two branches of each model as a function of latent and sigma, and how often they were asked for."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, wanted: Sequence[int], call: Call) -> dict[int, Branches]:
        self.times += 1
        sigma = call.timestep.reshape(-1, 1)
        return {index: [call.x * (index + 2) / sigma, call.x - index * sigma] for index in wanted}


def _assert_found(found: dict[int, Branches], wanted: Sequence[int], call: Call) -> None:
    expected = Counted()(wanted, call)
    assert found.keys() == expected.keys()
    for index, branches in expected.items():
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(found[index], branches, strict=True))


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, 4, generator=torch.Generator().manual_seed(0))


def test_the_same_latent_and_sigma_are_evaluated_once(x: torch.Tensor) -> None:
    first_step, evaluate = FirstStep(), Counted()
    for _ in range(3):
        call = _call(x.clone(), 14.6, 14.6)
        _assert_found(first_step(BOTH, call, evaluate), BOTH, call)
    assert evaluate.times == 1


@pytest.mark.parametrize("what", ["latent", "sigma", "models"])
def test_anything_else_is_evaluated_by_itself(x: torch.Tensor, what: str) -> None:
    """One element of the latent off by its last bit, the sigma of one row, or other models."""
    first_step, evaluate = FirstStep(), Counted()
    first_step(BOTH, _call(x, 14.6, 14.6), evaluate)
    other = x.clone()
    other[1, 3] = torch.nextafter(x[1, 3], torch.tensor(9.0))
    wanted, call = {
        "latent": (BOTH, _call(other, 14.6, 14.6)),
        "sigma": (BOTH, _call(x, 14.6, 7.3)),
        "models": ((1,), _call(x, 14.6, 14.6)),
    }[what]
    _assert_found(first_step(wanted, call, evaluate), wanted, call)
    assert evaluate.times == 2


def test_what_one_run_changes_no_other_gets(x: torch.Tensor) -> None:
    first_step, evaluate = FirstStep(), Counted()
    call = _call(x, 14.6, 14.6)
    for _ in range(3):
        found = first_step(BOTH, call, evaluate)
        _assert_found(found, BOTH, call)
        for branches in found.values():
            for branch in branches:
                branch.zero_()
    assert evaluate.times == 1


@pytest.mark.parametrize("what", ["latent", "sigma"])
def test_a_latent_or_sigma_that_moves_on_in_place_is_another(x: torch.Tensor, what: str) -> None:
    first_step, evaluate = FirstStep(), Counted()
    call = _call(x, 14.6, 14.6)
    first_step(BOTH, call, evaluate)
    (call.x if what == "latent" else call.timestep).mul_(0.5)
    _assert_found(first_step(BOTH, call, evaluate), BOTH, call)
    assert evaluate.times == 2


def test_runs_of_other_seeds_share_nothing(sd15: Pair) -> None:
    plain = realign(sd15.reference, sd15.aligned, 0.5)
    shared = from_one_noise(plain)
    for seed in (5, 6, 5):
        task = replace(sd15.task, seed=seed, steps=2)
        assert torch.equal(engine.by_core(shared, task), engine.by_core(plain, task))


def test_guidance_that_works_in_place_changes_its_own_run_alone(sd15: Pair) -> None:
    def halved(args: dict) -> torch.Tensor:
        return args["denoised"] + args["cond_denoised"].mul_(0.5)

    plain, task = realign(sd15.reference, sd15.aligned, 0.0), replace(sd15.task, steps=2)
    plain.set_model_sampler_post_cfg_function(halved)
    shared, expected = from_one_noise(plain), engine.by_core(plain, task)
    for _ in range(3):
        assert torch.equal(engine.by_core(shared, task), expected)
