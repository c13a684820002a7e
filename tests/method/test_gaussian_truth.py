"""Realigned samples against the model that training at beta / lambda would give, where that model is known: Gaussians.

A Gaussian reference and a linear reward r = slope . x: alignment at beta moves the mean by variance * slope / beta. The pair
is aligned at BETA; what is sampled at lambda must have the law of the model aligned at BETA / lambda; below 0, for the opposite of the reward.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.method import mixture
from scipy.stats import chi2, norm
from support import gaussians
from support.gaussians import KINDS, Mixture, Reward

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

BETA, STEPS, COUNT, DIMENSIONS = 0.4, 10, 2048, 5
LAMBDAS = (-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
SAMPLERS = ("euler", "dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde")
DETERMINISTIC = SAMPLERS[:2]
FOUR_SIGMA = 2 * float(norm.sf(4))

_rng = torch.Generator().manual_seed(0)
REFERENCE = Mixture.gaussian(torch.randn(DIMENSIONS, generator=_rng), 0.5)
REWARD = Reward(torch.randn(DIMENSIONS, generator=_rng).double())
UNWANTED = Reward(torch.randn(DIMENSIONS, generator=_rng).double())


def trained_at(beta: float) -> Mixture:
    """The model that alignment at this beta makes of the reference."""
    return REFERENCE.tilted(REWARD, beta)


def beta_of(weight: float) -> float:
    return BETA / weight if weight else math.inf


def realigned(weight: float, kind: str, sampler: str, seed: int = 11) -> torch.Tensor:
    """COUNT samples of the pair at lambda = weight, by core's sampler, (COUNT, DIMENSIONS)."""
    model = realign(gaussians.model(REFERENCE, kind), gaussians.model(trained_at(BETA), kind), weight)
    return gaussians.sampled(model, sampler, STEPS, start(seed), seed)


def start(seed: int) -> torch.Tensor:
    return torch.randn(COUNT, DIMENSIONS, generator=torch.Generator().manual_seed(seed))


def check_law(samples: torch.Tensor, mean: torch.Tensor, variance: float) -> None:
    """Assert that independent samples of N(mean, variance I) would look so: mean, variances, correlations, each within 4 sigma."""
    count, dimensions = samples.shape
    z = (samples - mean) / math.sqrt(variance)
    together = z.T @ z / math.sqrt(count)
    _plausible("mean", count * z.mean(dim=0).square().sum(), dimensions)
    _plausible("variance", z.square().sum(), count * dimensions)
    _plausible("correlations", together.tril(-1).square().sum(), dimensions * (dimensions - 1) // 2)


def _plausible(name: str, statistic: torch.Tensor, degrees: int) -> None:
    low, high = chi2.ppf([FOUR_SIGMA / 2, 1 - FOUR_SIGMA / 2], degrees)
    assert low < statistic.item() < high, f"{name}: {statistic.item():.1f} is not between {low:.1f} and {high:.1f}"


def check_lambda(weight: float, kind: str, sampler: str, given: float | None = None, beta: float | None = None) -> None:
    """Assert that samples at lambda have the law of the model trained at BETA / lambda, sampled in the same steps.

    given, beta: what is given to realign, and the beta to compare with, where a test breaks them.
    """
    samples = realigned(weight if given is None else given, kind, sampler)
    target = trained_at(beta_of(weight) if beta is None else beta)
    check_law(samples, *gaussians.law(target, kind, sampler, STEPS))


@pytest.mark.parametrize("weight", LAMBDAS)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kind", KINDS)
def test_lambda_samples_the_model_trained_at_beta_over_lambda(kind: str, sampler: str, weight: float) -> None:
    check_lambda(weight, kind, sampler)


@pytest.mark.parametrize("weight", [0.5, 1.5])
@pytest.mark.parametrize("kind", KINDS)
def test_a_chain_of_opposite_weights_is_the_model_trained_on_the_difference_of_the_rewards(
    kind: str, weight: float
) -> None:
    """D_r + w (D_pos - D_neg): preference-guided diffusion's contrastive form (arXiv 2602.18799)."""
    models = [gaussians.model(model, kind) for model in (REFERENCE, trained_at(BETA), REFERENCE.tilted(UNWANTED, BETA))]
    chain = realign(realign(models[0], models[1], weight), models[2], -weight)
    samples = gaussians.sampled(chain, "euler_ancestral", STEPS, start(11), 11)
    target = REFERENCE.tilted(Reward(REWARD.slope - UNWANTED.slope), BETA / weight)
    check_law(samples, *gaussians.law(target, kind, "euler_ancestral", STEPS))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_that_model_sample_by_sample(kind: str, sampler: str) -> None:
    """From the same noise: the very samples, to rounding."""
    theirs = gaussians.sampled(gaussians.model(trained_at(BETA / 0.6), kind), sampler, STEPS, start(3), 3)
    assert (realigned(0.6, kind, sampler, 3) - theirs).abs().max() < 1e-4


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kind", KINDS)
def test_in_many_steps_that_law_is_the_tilted_distribution(kind: str, sampler: str) -> None:
    """The law that samples are checked against tends to p_ref exp(lambda r / BETA), but for the start at a finite sigma.

    An ODE begun at N(0, 1 + sigma_max^2) instead of N(mean, variance + sigma_max^2) keeps what it missed, shrunk by
    sqrt(variance / (variance + sigma_max^2)); samplers that add noise forget it (bounded here by the same number). Flow
    models start at pure noise and miss nothing. Discretisation, in 200 steps: 2 % of a standard deviation, 5 % of the variance.
    """
    target = trained_at(BETA / 1.5)
    mean, variance = gaussians.law(target, kind, sampler, 200)
    missed = _missed(target) if kind != "flow" else 0.0
    if sampler in DETERMINISTIC:
        mean = mean / (1 - missed)
        missed = 0.0
    shift = (mean - target.mean()).norm().item()
    assert shift <= missed * target.mean().norm().item() + 0.02 * math.sqrt(target.variance)
    assert variance == pytest.approx(target.variance, rel=0.05)


def _missed(target: Mixture) -> float:
    """The share of the mean that an ODE sampler never learns of, on SD1.5's schedule."""
    largest = gaussians.model(target, "eps").get_model_object("model_sampling").sigma_max.item()
    return math.sqrt(target.variance / (target.variance + largest**2))


# Mistakes that the checks above must notice. lambda 0.5 would hide the swap, 0 and 1 the conventions.
WRONG_WEIGHTS: dict[str, Callable[[float], float]] = {
    "beta_target / beta_trained": lambda weight: 1 / weight,
    "1 - lambda": lambda weight: abs(1 - weight),
    "lambda^2": lambda weight: weight**2,
    "a half forgotten": lambda weight: weight / 2,
}


def _swapped(predictions: Sequence[torch.Tensor], weights: Sequence[Any], *_: Any) -> torch.Tensor:
    return sum(weight * prediction for weight, prediction in zip(weights[::-1], predictions, strict=True))  # type: ignore[return-value]


def _added(predictions: Sequence[torch.Tensor], weights: Sequence[Any], *_: Any) -> torch.Tensor:
    """D_r + lambda D_a: the factor 1 - lambda is missing."""
    return predictions[0] + weights[1] * predictions[1]


def _averaged(predictions: Sequence[torch.Tensor], *_: Any) -> torch.Tensor:
    return sum(predictions) / len(predictions)  # type: ignore[return-value]


WRONG_MIXTURES = {"models swapped": _swapped, "1 - lambda missing": _added, "lambda ignored": _averaged}


@pytest.mark.parametrize("weight", [0.4, 1.5])  # 1 / 0.4 is a lambda too
@pytest.mark.parametrize("mistake", WRONG_WEIGHTS)
def test_would_fail_for_a_wrong_lambda(mistake: str, weight: float) -> None:
    with pytest.raises(AssertionError, match="mean"):
        check_lambda(weight, "eps", "euler", given=WRONG_WEIGHTS[mistake](weight))


@pytest.mark.parametrize("weight", [0.25, 1.5])
def test_would_fail_if_lambda_stood_for_lambda_times_beta(weight: float) -> None:
    with pytest.raises(AssertionError, match="mean"):
        check_lambda(weight, "v", "dpmpp_2m", beta=BETA * weight)


@pytest.mark.parametrize("weight", [0.25, 1.5])
@pytest.mark.parametrize("mistake", WRONG_MIXTURES)
def test_would_fail_for_a_wrong_mixture(mistake: str, weight: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "linear", WRONG_MIXTURES[mistake])
    with pytest.raises(AssertionError, match="mean"):
        check_lambda(weight, "flow", "euler_ancestral")


@pytest.mark.parametrize("wrong", [0.8, 1.25])
def test_would_fail_for_a_wrong_variance(wrong: float) -> None:
    """What a sampler run with a wrong noise level, or kernels of the wrong width, would do."""
    mean, variance = gaussians.law(trained_at(BETA), "eps", "euler", STEPS)
    noise = math.sqrt(wrong * variance) * start(5).double()
    with pytest.raises(AssertionError, match="variance"):
        check_law(mean + noise, mean, variance)
