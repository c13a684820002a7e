"""The time predictor against Gaussian data, where the distribution over noise levels and its gradient are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from deradiff.nodes.method import noise_level
from deradiff.nodes.method.time_predictor import (
    Bins,
    TimeNetwork,
    build,
    expected_level,
    gradient,
    initial_weights,
    log_probability,
    predicted_level,
)
from support.predictors import KINDS, MEAN, VARIANCE, Eps, Flow, Gaussian, analytic, noised

TOLERANCE = 0.02  # of the gradient's norm: what 100 bins and straight lines between them leave


both = pytest.mark.parametrize("kind", KINDS)


@both
def test_the_gradient_is_the_analytic_one(kind: str, record_property: Callable[[str, object], None]) -> None:
    """At the level of the latent, and at levels that it does not have, which is where the gradient does its work."""
    bins = Bins(*noise_level.level_range(KINDS[kind]()))
    levels = torch.linspace(bins.low + 0.5, bins.high - 0.5, 40)
    exact = Gaussian(bins, MEAN, VARIANCE, kind == "flow")
    worst = 0.0
    for shift in (0.0, 0.3, -0.3):
        y, claimed = noised(kind, levels), levels + shift
        expected = analytic(exact, bins, y, claimed)
        found = gradient(exact, bins, y, claimed)
        size = expected.flatten(1).norm(dim=1).clamp(min=0.05 * y.flatten(1).norm(dim=1).max())
        worst = max(worst, ((found - expected).flatten(1).norm(dim=1) / size).max().item())
    record_property("figure", f"Gradient of log p(level | x), {kind}: {worst:.4f} of its norm from the analytic one.")
    assert worst < TOLERANCE


@pytest.mark.parametrize("frames", [None, 3], ids=["images", "video"])
def test_the_gradient_is_autograd_s_also_in_inference_mode(frames: int | None) -> None:
    """The rows in parts, weights that were made in inference mode, and frames as rows."""
    bins, rng = Bins(-3.0, 3.0), torch.Generator().manual_seed(1)
    network = build(4, bins.count, lambda network: initial_weights(network, rng))
    shape = (20, 4, 6, 5) if frames is None else (7, 4, frames, 6, 5)
    y, level = torch.randn(shape, generator=rng), torch.linspace(-2, 2, shape[0])
    free = y.clone().requires_grad_(True)
    rows, levels = (
        (free, level) if frames is None else (free.movedim(2, 1).flatten(0, 1), level.repeat_interleave(frames))
    )
    (expected,) = torch.autograd.grad(log_probability(network(rows), bins, levels).sum(), free)
    assert expected.norm() > 0
    with torch.inference_mode():
        moved = TimeNetwork(4, bins.count)
        moved.load_state_dict(network.state_dict())
        assert all(value.is_inference() for value in moved.parameters())
        found = gradient(moved, bins, y.clone(), level.clone())
        assert predicted_level(moved, bins, y).shape == (shape[0],)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_the_probability_is_continuous_and_meets_the_bins_at_their_centres() -> None:
    bins = Bins(-2.0, 2.0, 8)
    logits = torch.randn(1, 8, generator=torch.Generator().manual_seed(0))
    centres = bins.centres(logits)
    at_centres = log_probability(logits.expand(8, -1), bins, centres)
    assert torch.allclose(at_centres, logits.log_softmax(1)[0], atol=1e-5)
    levels = torch.linspace(-2.5, 2.5, 2001)
    along = log_probability(logits.expand(2001, -1), bins, levels)
    assert along.diff().abs().max() < 0.02
    assert expected_level(torch.full((1, 8), 0.0), bins).item() == pytest.approx(0.0, abs=1e-6)


def test_any_size_of_latent_down_to_one_pixel() -> None:
    network = build(16, 10, lambda network: initial_weights(network, torch.Generator().manual_seed(0)))
    for height, width in ((1, 1), (1, 7), (3, 2), (8, 8), (65, 33)):
        assert network(torch.zeros(2, 16, height, width)).shape == (2, 10)


def test_the_network_is_small() -> None:
    assert sum(value.numel() for value in TimeNetwork(16).parameters()) < 1_500_000


@both
def test_levels_and_sigmas_are_each_other_s_inverse(kind: str) -> None:
    sampling = KINDS[kind]()
    low, high = noise_level.level_range(sampling)
    levels = torch.linspace(low, high, 300)
    sigma = noise_level.sigmas_of(sampling, levels)
    assert torch.allclose(noise_level.mixing(sampling, sigma).level, levels, atol=1e-4)
    expected = levels.exp() if kind == "eps" else levels.sigmoid()
    assert torch.allclose(sigma, expected, rtol=1e-4)


@both
def test_what_a_gradient_adds_is_tweedie_s(kind: str) -> None:
    """On Gaussian data: D = E[x0 | y] must be (y + noise^2 score) / signal, so a gradient adds noise^2 / signal of itself."""
    sampling, sigma = KINDS[kind](), torch.tensor([0.3, 0.7])
    mixed = noise_level.mixing(sampling, sigma)
    variance = mixed.signal**2 * VARIANCE + mixed.noise**2
    y = torch.tensor([1.3, -0.4])
    score = -(y - mixed.signal * MEAN) / variance
    denoised = MEAN + mixed.signal * VARIANCE / variance * (y - mixed.signal * MEAN)
    assert torch.allclose(y / mixed.signal + mixed.per_gradient * score, denoised, atol=1e-5)
    scale = sampling.calculate_input(sigma, torch.ones(2))  # a gradient in x is scale times that in y
    in_x = {"eps": sigma**2, "flow": sigma**2 / (1 - sigma)}[kind]
    assert torch.allclose(mixed.per_gradient, in_x * scale, rtol=1e-4)


@both
def test_alphabar_is_the_signal_s_part_of_the_variance(kind: str) -> None:
    sigma = torch.tensor([0.2, 0.9])
    expected = {"eps": sigma**2 / (1 + sigma**2), "flow": sigma**2 / (sigma**2 + (1 - sigma) ** 2)}[kind]
    assert torch.allclose(noise_level.mixing(KINDS[kind](), sigma).share, expected, rtol=1e-5)


def test_where_all_is_noise_there_is_no_level() -> None:
    bins = Bins(*noise_level.level_range(Flow()))
    level = noise_level.mixing(Flow(), torch.tensor([1.0, 0.999, 0.5, 0.0])).level
    assert bins.holds(level).tolist() == [False, False, True, False]


def test_a_model_without_noise_is_refused() -> None:
    class Still(Eps):
        """What adds nothing to an image."""

        def noise_scaling(self, sigma: torch.Tensor, noise: torch.Tensor, latent_image: torch.Tensor) -> torch.Tensor:
            return latent_image

    with pytest.raises(ValueError, match="model: expected a diffusion or flow model"):
        noise_level.level_range(Still())
