"""The KL estimate against its closed form on Gaussians, whose denoisers are known exactly."""

from __future__ import annotations

import math
from itertools import pairwise

import comfy.k_diffusion.sampling as k_diffusion
import pytest
import torch
from deradiff.nodes.engine import patch
from deradiff.nodes.engine.outcome import outcomes
from deradiff.nodes.method.divergence import Divergence, Drift, kl, signal_to_noise
from support import gaussians
from support.gaussians import Mixture

STEPS, DIMENSIONS, BATCH = 200, 12, 3
SIGMA_MIN, SIGMA_MAX = 0.0292, 14.6146  # of SD1.5's schedule
MEANS = torch.randn(2, DIMENSIONS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _sampled(weight: float, variance: float, flow: bool) -> tuple[float, ...]:
    """Euler's method over the mixture of the two denoisers, and the KL that was noted on the way."""
    if flow:
        sigmas = torch.linspace(1, 0, STEPS + 1, dtype=torch.float64)
    else:
        sigmas = k_diffusion.get_sigmas_karras(STEPS, SIGMA_MIN, SIGMA_MAX).double()
    x = sigmas[0] * torch.randn(BATCH, DIMENSIONS, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    drift = Drift()
    for sigma, following in pairwise(sigmas):
        alpha = 1 - sigma if flow else torch.ones((), dtype=torch.float64)
        reference, aligned = (Mixture.gaussian(mean, variance).denoised(x, alpha, sigma) for mean in MEANS)
        mixed = torch.lerp(reference, aligned, weight)
        drift.note(sigma, (mixed - reference).square().sum(dim=1))
        x = x + (x - mixed) / sigma * (following - sigma)
    return drift.read(flow).kl


@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize("variance", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("weight", [0.25, 1.0, 2.0])
def test_is_the_closed_form_on_gaussians(weight: float, variance: float, flow: bool) -> None:
    """lambda^2 |m1 - m0|^2 / 2v, less what the start at a finite sigma leaves out: a factor 1 / (1 + v snr(sigma_max))."""
    exact = weight**2 * (MEANS[1] - MEANS[0]).square().sum().item() / (2 * variance)
    exact /= 1 if flow else 1 + variance / SIGMA_MAX**2
    assert _sampled(weight, variance, flow) == pytest.approx((exact,) * BATCH, rel=0.02)


def test_scales_with_the_square_of_lambda() -> None:
    one = _sampled(1.0, 1.0, False)
    for weight in (0.1, 0.5, 3.0):
        assert _sampled(weight, 1.0, False) == pytest.approx([weight**2 * value for value in one])


def test_is_zero_where_nothing_differs() -> None:
    assert _sampled(0.0, 1.0, False) == (0.0,) * BATCH


def test_each_sample_has_its_own() -> None:
    distances = torch.tensor([[1.0, 4.0], [1.0, 4.0], [1.0, 4.0]])
    first, second = kl([4.0, 2.0, 1.0], distances).tolist()
    assert first == pytest.approx(0.5 * (1 - 1 / 16)) and second == pytest.approx(4 * first)


def test_where_a_sigma_repeats_the_later_evaluation_counts() -> None:
    """Samplers of second order evaluate the next sigma, correct themselves, and evaluate it again."""
    distances = torch.tensor([[1.0], [9.0], [3.0], [9.0], [5.0]])
    assert torch.equal(kl([4, 2, 2, 1, 1], distances), kl([4, 2, 1], distances[[0, 2, 4]]))


def test_one_sigma_says_nothing_unless_nothing_differs() -> None:
    one, none = kl([2.0], torch.tensor([[3.0, 0.0]])).tolist()
    assert math.isnan(one) and none == 0.0


def test_a_doubt_about_the_distances_is_an_interval() -> None:
    drift, low, high = Drift(), Drift(), Drift()
    for sigma in (4.0, 2.0, 1.0):
        drift.note(torch.tensor(sigma), torch.tensor([9.0]), torch.tensor(0.1))
        low.note(torch.tensor(sigma), torch.tensor([9.0 * 0.9**2]))
        high.note(torch.tensor(sigma), torch.tensor([9.0 * 1.1**2]))
    found = drift.read(False)
    assert found.kl[0] + found.error[0] == pytest.approx(high.read(False).kl[0])
    assert found.kl[0] - found.error[0] <= low.read(False).kl[0]
    assert high.read(False).error == (0.0,)


def test_an_unknown_distance_makes_it_unknown() -> None:
    drift = Drift()
    for sigma in (4.0, 2.0):
        drift.note(torch.tensor(sigma), torch.tensor([1.0, math.nan]))
    assert [math.isnan(value) for value in drift.read(False).kl] == [False, True]
    assert Drift().read(False) == Divergence()


def test_signal_to_noise_of_both_kinds() -> None:
    assert signal_to_noise(torch.tensor([2.0, 0.5]), False).tolist() == [0.25, 4.0]
    assert signal_to_noise(torch.tensor([1.0, 0.5, 0.25]), True).tolist() == [0.0, 1.0, 9.0]


@pytest.mark.parametrize("weight", [0.5, 2.0])
@pytest.mark.parametrize("kind", gaussians.KINDS)
def test_a_realigned_model_tells_it(kind: str, weight: float) -> None:
    """Through the engine, under core's sampler: the same closed form."""
    variance = 0.5
    pair = (gaussians.model(Mixture.gaussian(mean, variance), kind) for mean in MEANS)
    with torch.inference_mode(), outcomes() as found:
        gaussians.sampled(patch.realign(*pair, weight), "euler", 200, torch.zeros(BATCH, DIMENSIONS))
    exact = weight**2 * (MEANS[1] - MEANS[0]).square().sum().item() / (2 * variance)
    exact /= 1 if kind == "flow" else 1 + variance / SIGMA_MAX**2
    assert len(found) == 1 and found[0].divergence.kl == pytest.approx((exact,) * BATCH, rel=0.02)
