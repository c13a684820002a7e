"""One model at each step: whose turn it is, what is reused, and what falls back to exact."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import comfy.samplers
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from deradiff.nodes.engine.outcome import Reused, outcomes
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.method.evaluation import EXACT, REUSE, STOCHASTIC, Evaluation, Steps, Turns
from deradiff.nodes.method.reuse import Differences
from deradiff.nodes.method.weights import weight
from support import engine
from support.engine import Pair, Task, Zoo

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

NEVER = 1e9  # a tolerance that no error exceeds


def _sampled(pair: Pair, evaluation: Evaluation, task: Task | None = None, value: float = 0.5) -> torch.Tensor:
    return engine.by_core(realign(pair.reference, pair.aligned, value, evaluation), task or pair.task)


@contextmanager
def _passes(**models: ModelPatcher) -> Iterator[dict[str, int]]:
    """How often each network ran."""
    count = dict.fromkeys(models, 0)

    def ran(name: str) -> None:
        count[name] += 1

    handles = [
        model.model.diffusion_model.out.register_forward_pre_hook(lambda *_, name=name: ran(name))
        for name, model in models.items()
    ]
    yield count
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.7, 0.3), (0.1, 0.9), (0.2, 0.5, 0.3), (0.0, 0.25, 0.75)])
@pytest.mark.parametrize("seed", [None, 0, 7])
def test_each_model_gets_its_share(weights: tuple[float, ...], seed: int | None) -> None:
    """However long the run is, no aligned model is more than two turns away from its weight."""
    turns, picked = Turns(len(weights) - 1, seed), [0] * len(weights)
    for step in range(1, 101):
        picked[turns.pick(weights)] += 1
        assert all(abs(count - step * share) < 2 for count, share in zip(picked, weights, strict=True))


@pytest.mark.parametrize("weights", [(0.75, 0.25), (0.5, 0.2, 0.3)])
def test_over_seeds_a_model_s_chance_is_its_weight(weights: tuple[float, ...]) -> None:
    """At every step, not only in the mean over the run: 4000 seeds, four standard errors."""
    for step in (0, 1, 5):
        picked = [0] * len(weights)
        for seed in range(4000):
            turns = Turns(len(weights) - 1, seed)
            picked[[turns.pick(weights) for _ in range(step + 1)][-1]] += 1
        for count, share in zip(picked, weights, strict=True):
            assert abs(count / 4000 - share) < 4 * (share * (1 - share) / 4000) ** 0.5


def test_steps_are_found_in_the_sigmas_a_sampler_asks_for() -> None:
    steps = Steps([8.0, 4.0, 2.0, 0.0])
    asked = [8.0, 5.7, 4.00001, 4.0, 2.8, 2.1, 2.0]
    assert [steps.new(sigma) for sigma in asked] == [True, False, True, False, False, False, True]
    assert (steps.at, steps.left, steps.ahead) == (2, 0, 1 / 3)


@pytest.mark.parametrize(("kind", "tolerance"), [("fast", 0.5), (REUSE, -0.1), (REUSE, float("nan"))])
def test_bad_evaluations(kind: str, tolerance: float) -> None:
    with pytest.raises(ValueError, match=r"evaluation|reuse_tolerance"):
        Evaluation(kind, tolerance)


def test_a_difference_is_measured_one_turn_late() -> None:
    """Predictions that are linear in log sigma: interpolation is exact, and half of what it says is believed."""
    at, to = torch.randn(2, 2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def denoised(model: int, sigma: float) -> torch.Tensor:
        return at[model] + to[model] * math.log(sigma)

    def eps(sigma: float) -> torch.Tensor:
        return (denoised(1, sigma) - denoised(0, sigma)) / sigma

    differences, weights = Differences(2), (0.7, 0.3)
    differences.learn(1, 8.0, {model: [denoised(model, 8.0)] for model in (0, 1)})
    (second,) = differences.mix(2, 5.0, 1, [denoised(1, 5.0)], weights)
    torch.testing.assert_close(second, denoised(1, 5.0) - 0.7 * 5.0 * eps(8.0))
    (third,) = differences.mix(3, 2.0, 0, [denoised(0, 2.0)], weights)
    believed = 0.5 * (eps(8.0) + eps(5.0))
    torch.testing.assert_close(third, denoised(0, 2.0) + 0.3 * 2.0 * believed, rtol=1e-4, atol=1e-4)
    assert differences.change is not None
    change = (eps(5.0) - eps(8.0)).norm() / eps(8.0).norm()
    torch.testing.assert_close(differences.change, change, rtol=1e-4, atol=1e-4)


def test_a_difference_of_two_aligned_models_moves_as_far_as_any() -> None:
    """Both are moved, each by half: of three models, the reference has no weight and is left out of the sum."""
    at, to = torch.randn(2, 3, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def denoised(model: int, sigma: float) -> torch.Tensor:
        return at[model] + to[model] * math.log(sigma)

    def apart(sigma: float) -> torch.Tensor:
        return (denoised(1, sigma) - denoised(2, sigma)) / sigma

    differences, weights = Differences(3), (0.0, 0.6, 0.4)
    differences.learn(1, 8.0, {model: [denoised(model, 8.0)] for model in range(3)})
    differences.mix(2, 5.0, 1, [denoised(1, 5.0)], weights)
    (third,) = differences.mix(3, 2.0, 2, [denoised(2, 2.0)], weights)
    believed = 0.5 * (apart(8.0) + apart(5.0))
    torch.testing.assert_close(third, denoised(2, 2.0) + 0.6 * 2.0 * believed, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_2m", "heun", "dpm_2", "dpmpp_sde"])
def test_no_tolerance_is_exact(sd15: Pair, sampler: str) -> None:
    task = replace(sd15.task, sampler_name=sampler)
    assert torch.equal(_sampled(sd15, Evaluation(REUSE, 0.0), task), _sampled(sd15, Evaluation(), task))


@pytest.mark.parametrize("kind", [REUSE, STOCHASTIC])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_at_the_ends_one_model_samples(sd15: Pair, kind: str, value: float) -> None:
    alone = engine.by_core(sd15.aligned if value else sd15.reference, sd15.task)
    assert torch.equal(_sampled(sd15, Evaluation(kind), value=value), alone)


@pytest.mark.parametrize("sampler", comfy.samplers.KSampler.SAMPLERS)
def test_every_sampler(zoo: Zoo, sd15: Pair, sampler: str) -> None:
    """Two models that are the same: whoever's turn it is, the image is that model's."""
    task = replace(sd15.task, sampler_name=sampler, steps=4)
    same = Pair(sd15.reference, zoo.load("sd15"), task)
    alone = engine.by_core(sd15.reference, task)
    for evaluation in (Evaluation(REUSE, NEVER), Evaluation(STOCHASTIC)):
        assert engine.difference(_sampled(same, evaluation, task), alone) < engine.ROUNDING


@pytest.mark.parametrize(("name", "kind"), itertools.product(["sd15", "sd15_lora"], [REUSE, STOCHASTIC]))
def test_counts(request: pytest.FixtureRequest, name: str, kind: str) -> None:
    """One model a step; reuse evaluates both at the first two steps, to know how the difference changes, and at the last but one."""
    pair: Pair = request.getfixturevalue(name)
    networks = {"reference": pair.reference} | ({"aligned": pair.aligned} if name == "sd15" else {})
    with _passes(**networks) as count:
        _sampled(pair, Evaluation(kind, NEVER), replace(pair.task, steps=12))
    both = 3 if kind == REUSE and name == "sd15" else 0  # a LoRA pair's two are one pass
    assert sum(count.values()) == 12 + both
    if name == "sd15":
        assert abs(count["reference"] - count["aligned"]) <= 1


def test_reuse_is_near_exact(sd15: Pair) -> None:
    task = replace(sd15.task, steps=20, cfg=1.0)
    exact = _sampled(sd15, Evaluation(), task)
    span = (engine.by_core(sd15.reference, task) - engine.by_core(sd15.aligned, task)).norm()
    errors = [(_sampled(sd15, Evaluation(REUSE, t), task) - exact).norm() / span for t in (0.0, NEVER)]
    assert errors[0] == 0 and errors[1] < 0.1
    assert (_sampled(sd15, Evaluation(STOCHASTIC), task) - exact).norm() / span > errors[1]


def test_tolerance_trades_evaluations(sd15: Pair) -> None:
    task, seen = replace(sd15.task, steps=12), []
    for tolerance in (0.0, 0.03, NEVER):
        with _passes(a=sd15.reference, b=sd15.aligned) as count:
            _sampled(sd15, Evaluation(REUSE, tolerance), task)
        seen.append(sum(count.values()))
    assert seen[0] == 24 and seen == sorted(seen, reverse=True) and seen[-1] == 15 < seen[1] < 24


def test_what_reuse_cost_is_said(sd15: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """In the log and to whoever asks: evaluations, and the error that it predicts."""
    caplog.set_level(logging.INFO, logger="deradiff")
    task = replace(sd15.task, steps=12, cfg=1.0)
    with _passes(a=sd15.reference, b=sd15.aligned) as count, outcomes() as found:
        _sampled(sd15, Evaluation(REUSE, 0.2), task)
    reuse = found[0].reuse
    assert reuse is not None and reuse.cost == sum(count.values()) / 12 and 0 < reuse.error <= 0.2
    assert f"Evaluation 'reuse' cost {reuse.cost:.2f} of one model, predicted error {reuse.error:.2g}." in caplog.text
    with outcomes() as found:
        _sampled(sd15, Evaluation(REUSE, 0.0), task)
        _sampled(sd15, Evaluation(), task)
    assert [outcome.reuse for outcome in found] == [Reused(2.0, 0.0), None]


def test_stochastic_is_seeded(sd15: Pair) -> None:
    task = replace(sd15.task, sampler_name="euler_ancestral", steps=6)
    first, again = (_sampled(sd15, Evaluation(STOCHASTIC), task, 0.3) for _ in range(2))
    assert torch.equal(first, again)
    drawn = set()
    for seed in range(8):
        with _passes(a=sd15.reference) as count:
            _sampled(sd15, Evaluation(STOCHASTIC), replace(task, seed=seed), 0.3)
        drawn.add(count["a"])
    assert drawn == {4, 5}  # 4.2 of 6 steps


@pytest.mark.parametrize(
    ("sampler", "warns"), [("euler", True), ("uni_pc", True), ("euler_ancestral", False), ("lcm", False)]
)
def test_stochastic_warns_on_deterministic_samplers(
    sd15: Pair, caplog: pytest.LogCaptureFixture, sampler: str, warns: bool
) -> None:
    caplog.set_level(logging.WARNING, logger="deradiff")
    _sampled(sd15, Evaluation(STOCHASTIC), replace(sd15.task, sampler_name=sampler))
    assert any("deterministic" in record.getMessage() for record in caplog.records) == warns


@pytest.mark.parametrize("kind", [REUSE, STOCHASTIC])
@pytest.mark.parametrize("masked", [False, True])
def test_what_cannot_take_turns_is_exact_and_says_so(
    sd15: Pair, caplog: pytest.LogCaptureFixture, kind: str, masked: bool
) -> None:
    caplog.set_level(logging.WARNING, logger="deradiff")
    half = torch.cat([torch.zeros(1, 8, 4), torch.ones(1, 8, 4)], dim=2)
    asked = weight(0.5, mask=half) if masked else weight(1.5)
    exact, turned = (
        engine.by_core(realign(sd15.reference, sd15.aligned, asked, Evaluation(name)), sd15.task)
        for name in (EXACT, kind)
    )
    assert torch.equal(exact, turned)
    assert sum("every model is evaluated" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("kind", [REUSE, STOCHASTIC])
def test_three_models_take_turns(zoo: Zoo, sd15: Pair, kind: str) -> None:
    other = zoo.load("sd15", 2)
    model = realign(sd15.reference, sd15.aligned, 0.4)
    with _passes(r=sd15.reference, a=sd15.aligned, b=other) as count:
        engine.by_core(realign(model, other, 0.3, Evaluation(kind, NEVER)), replace(sd15.task, steps=12))
    assert sum(count.values()) == 12 + (6 if kind == REUSE else 0)
    assert all(count.values())


def _also_at(model: ModelPatcher, latents: Sequence[torch.Tensor], steps: Sequence[int], task: Task) -> list:
    """What a guidance function gets that evaluates the model again at these latents, at some of the steps of a run."""
    found: list[torch.Tensor] = []
    step = itertools.count()

    def post_cfg(args: dict) -> torch.Tensor:
        if next(step) in steps:
            for latent in latents:
                options = (args["model"], [args["cond"]], latent, args["sigma"], args["model_options"])
                found.extend(comfy.samplers.calc_cond_batch(*options))
        return args["denoised"]

    clone = model.clone()
    clone.set_model_sampler_post_cfg_function(post_cfg)
    engine.by_core(clone, task)
    return found


def _as_exact(pair: Pair, latents: Sequence[torch.Tensor], steps: Sequence[int], run: int) -> list[bool]:
    """Which of those evaluations are exact to the bit, though the run itself, of so many steps, takes turns."""
    task = replace(pair.task, steps=run, cfg=1.0)
    exact, reused = (
        _also_at(realign(pair.reference, pair.aligned, 0.5, evaluation), latents, steps, task)
        for evaluation in (Evaluation(), Evaluation(REUSE, NEVER))
    )
    assert len(exact) == len(reused) == len(latents) * len(steps)
    return [torch.equal(one, other) for one, other in zip(exact, reused, strict=True)]


def test_a_difference_not_met_for_a_step_is_not_reused(sd15: Pair) -> None:
    """Step 2 reuses what 0 and 1 measured; 4 comes a step too late for that."""
    latent = engine.drawn_latent("sd15")["samples"]
    assert _as_exact(sd15, [latent], [0, 1, 2, 4], run=7) == [True, True, False, True]


def test_the_same_branches_again_at_one_step_are_exact(sd15: Pair) -> None:
    """They may be evaluated at another latent, whose difference is not known; the first of each step still takes its turn."""
    latents = [engine.drawn_latent("sd15", seed=seed)["samples"] for seed in (77, 78)]
    assert _as_exact(sd15, latents, range(3), run=5) == [True] * 4 + [False, True]
