"""The method against independent numbers: products of densities on a grid, and Gaussians sampled end to end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest
import torch
from comfy.k_diffusion import sampling
from deradiff.nodes.method import mixture
from hypothesis import assume, given, settings
from hypothesis import strategies as st

GRID = torch.linspace(-60, 60, 240_001, dtype=torch.float64)
LAMBDAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
any_weight = st.floats(min_value=-1000, max_value=1000)


def _tensors(*values: float) -> list[torch.Tensor]:
    return [torch.tensor(value, dtype=torch.float64) for value in values]


def _moments(means: Sequence[float], variances: Sequence[float], weights: Sequence[float]) -> tuple[float, float]:
    """Mean and variance of the normalised product of 1-D Gaussian densities to the powers, summed on a grid."""
    terms = zip(means, variances, weights, strict=True)
    log_density = sum(-weight * (GRID - mean) ** 2 / (2 * variance) for mean, variance, weight in terms)
    density = torch.softmax(log_density, dim=0)
    mean = (density * GRID).sum()
    return float(mean), float((density * (GRID - mean) ** 2).sum())


@pytest.mark.parametrize(
    ("means", "variances", "weights"),
    [
        ((0.0, 3.0), (1.0, 1.0), (0.5, 0.5)),
        ((-1.0, 2.0), (2.0, 0.5), (0.7, 0.3)),
        ((-1.0, 2.0), (0.5, 2.0), (0.2, 0.8)),
        ((4.0, -2.0), (2.0, 0.9), (-0.5, 1.5)),
        ((4.0, -2.0), (0.3, 1.1), (1.0, 0.0)),
        ((0.0, 3.0, -5.0), (1.0, 2.0, 0.25), (0.2, 0.5, 0.3)),
        ((0.0, 3.0, -5.0), (3.0, 2.0, 1.0), (-0.4, 0.8, 0.6)),
        ((1.0, 3.0, -5.0), (3.0, 0.7, 1.0), (0.0, 0.4, 0.6)),
    ],
)
def test_closed_form_is_the_product_of_the_densities(
    means: tuple[float, ...], variances: tuple[float, ...], weights: tuple[float, ...]
) -> None:
    mean, variance = mixture.closed_form(_tensors(*means), _tensors(*variances), weights)
    expected_mean, expected_variance = _moments(means, variances, weights)
    assert float(mean) == pytest.approx(expected_mean, abs=1e-8)
    assert float(variance) == pytest.approx(expected_variance, rel=1e-8)


def test_closed_form_holds_element_by_element() -> None:
    rng = torch.Generator().manual_seed(0)
    means = [torch.randn(2, 3, 4, generator=rng, dtype=torch.float64) for _ in range(3)]
    variances = [torch.rand(2, 3, 4, generator=rng, dtype=torch.float64) + 0.5 for _ in range(3)]
    first, second = (0.4 * torch.rand(2, 3, 4, generator=rng, dtype=torch.float64) for _ in range(2))
    mean, variance = mixture.closed_form(means, variances, [1 - first - second, first, second])
    for index in [(0, 0, 0), (1, 2, 3), (0, 1, 2), (1, 0, 1)]:
        u, v = float(first[index]), float(second[index])
        expected = _moments([float(m[index]) for m in means], [float(s[index]) for s in variances], (1 - u - v, u, v))
        assert (float(mean[index]), float(variance[index])) == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_closed_form_broadcasts_one_variance_over_all_elements() -> None:
    means = [torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, 0.0], [1.0, 1.0]])]
    mean, variance = mixture.closed_form(means, [torch.tensor(2.0), torch.tensor(2.0)], (0.5, 0.5))
    assert torch.allclose(mean, torch.tensor([[0.5, 1.0], [2.0, 2.5]]))
    assert torch.allclose(variance, torch.tensor(2.0))


@pytest.mark.parametrize("weight", [1.25, 1.5, 2.0, 4.0])
def test_closed_form_is_defined_exactly_above_the_boundary_of_the_variances(weight: float) -> None:
    """Beyond lambda = 1 a Gaussian exists where s_r^2 / s_a^2 > (lambda - 1) / lambda, and nowhere else."""
    boundary = Fraction(weight - 1) / Fraction(weight)
    means = _tensors(0.0, 1.0)
    above, below = float(boundary * Fraction(1001, 1000)), float(boundary * Fraction(999, 1000))
    mean, variance = mixture.closed_form(means, _tensors(above, 1.0), (1 - weight, weight))
    assert math.isfinite(float(mean)) and float(variance) > 0
    with pytest.raises(ValueError, match="no positive precision: lambda lies too far"):
        mixture.closed_form(means, _tensors(below, 1.0), (1 - weight, weight))


@pytest.mark.parametrize("weight", [-0.25, -1.0, -3.0])
def test_closed_form_is_defined_exactly_above_the_boundary_below_zero(weight: float) -> None:
    """Below lambda = 0 a Gaussian exists where s_a^2 / s_r^2 > lambda / (lambda - 1), and nowhere else."""
    boundary = Fraction(weight) / Fraction(weight - 1)
    means = _tensors(0.0, 1.0)
    above, below = float(boundary * Fraction(1001, 1000)), float(boundary * Fraction(999, 1000))
    mean, variance = mixture.closed_form(means, _tensors(1.0, above), (1 - weight, weight))
    assert math.isfinite(float(mean)) and float(variance) > 0
    with pytest.raises(ValueError, match="no positive precision: lambda lies too far"):
        mixture.closed_form(means, _tensors(1.0, below), (1 - weight, weight))


def test_closed_form_refuses_the_boundary_itself() -> None:
    with pytest.raises(ValueError, match="no positive precision"):
        mixture.closed_form(_tensors(0.0, 1.0), _tensors(0.5, 1.0), (-1.0, 2.0))


def test_closed_form_refuses_one_bad_element_among_good_ones() -> None:
    weight = torch.tensor([0.5, 0.5, 3.0], dtype=torch.float64)
    with pytest.raises(ValueError, match="no positive precision"):
        mixture.closed_form(_tensors(0.0, 1.0), _tensors(0.5, 1.0), (1 - weight, weight))


@pytest.mark.parametrize("count", [(2, 1, 2), (2, 2, 1), (1, 2, 2), (0, 0, 0)])
def test_closed_form_refuses_lists_of_different_lengths(count: tuple[int, int, int]) -> None:
    means, variances, weights = ([torch.ones(())] * n for n in count)
    with pytest.raises(ValueError, match="as many means as variances and weights"):
        mixture.closed_form(means, variances, weights)


@given(
    weights=st.lists(st.floats(min_value=0, max_value=2), min_size=1, max_size=4),
    variance=st.floats(min_value=0.01, max_value=100),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_linear_is_the_closed_form_of_equal_variances(weights: list[float], variance: float, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    predictions = [torch.randn(2, 4, 3, 3, generator=rng, dtype=torch.float64) for _ in range(len(weights) + 1)]
    weights = [1 - sum(weights), *weights]
    mean, combined = mixture.closed_form(predictions, _tensors(*[variance] * len(weights)), weights)
    assert torch.allclose(mixture.linear(predictions, weights), mean, rtol=1e-9, atol=1e-9)
    assert float(combined) == pytest.approx(variance)


@given(
    value=finite,
    weights=st.lists(any_weight, min_size=1, max_size=4),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
)
@settings(max_examples=60, deadline=None)
def test_identical_predictions_return_exactly_themselves(
    value: float, weights: list[float], dtype: torch.dtype
) -> None:
    prediction = torch.tensor([value, 1 / 3, -7.1, 0.0]).to(dtype)
    assume(bool(torch.isfinite(prediction).all()))
    predictions = [prediction.clone() for _ in range(len(weights) + 1)]
    assert torch.equal(mixture.linear(predictions, [1 - sum(weights), *weights]), prediction)


def test_one_prediction_passes_through_untouched() -> None:
    prediction = torch.randn(2, 4, 8, 8)
    assert mixture.linear([prediction], [1.0]) is prediction


@given(a=st.floats(min_value=0, max_value=3), b=st.floats(min_value=0, max_value=3))
@settings(max_examples=60, deadline=None)
def test_chaining_adds_weights_and_does_not_nest(a: float, b: float) -> None:
    """realign(realign(ref, A, a), B, b) has the weights 1-a-b, a, b."""
    rng = torch.Generator().manual_seed(1)
    ref, first, second = (torch.randn(4, 5, generator=rng, dtype=torch.float64) for _ in range(3))
    mixed = mixture.linear([ref, first, second], (mixture.reference_weight((a, b)), a, b))
    assert torch.allclose(mixed, (1 - a - b) * ref + a * first + b * second, rtol=1e-9, atol=1e-9)


def test_linear_leaves_its_inputs_alone_and_refuses_a_missing_weight() -> None:
    predictions = [torch.zeros(3), torch.ones(3)]
    assert torch.equal(mixture.linear(predictions, (0.25, 0.75)), torch.full((3,), 0.75))
    assert torch.equal(predictions[0], torch.zeros(3)) and torch.equal(predictions[1], torch.ones(3))
    with pytest.raises(ValueError, match="shorter"):
        mixture.linear(predictions, (1.0,))


@pytest.mark.parametrize(
    "weights", [(1.0,), (0.1, 0.2, 0.7), (0.1,) * 10, (1 / 3, 1 / 3, 1 / 3), (0.7, 0.2, 0.1), (0.15,) * 6 + (0.1,)]
)
def test_rounding_dust_leaves_the_reference_exactly_nothing(weights: tuple[float, ...]) -> None:
    assert mixture.reference_weight(weights) == 0.0


@given(st.lists(st.integers(0, 300), min_size=1, max_size=5))
def test_the_reference_gets_what_is_left_of_one(hundredths: list[int]) -> None:
    """On the 0.01 grid of the widget, the snap changes no weight that a user can mean."""
    exact = 1 - sum(Fraction(value, 100) for value in hundredths)
    rest = mixture.reference_weight([value / 100 for value in hundredths])
    assert rest == pytest.approx(float(exact), abs=1e-12)
    assert (rest == 0.0) == (exact == 0)


def _gaussian_denoiser(mean: torch.Tensor, variance: float) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """E[x0 | x, sigma] for x0 ~ N(mean, variance I) and x = x0 + sigma * noise."""

    def denoised(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        shrink = variance / (variance + sigma.reshape(-1, 1) ** 2)
        return mean + shrink * (x - mean)

    return denoised


@pytest.mark.parametrize("weight", LAMBDAS)
def test_sampled_gaussians_have_the_mean_and_variance_of_the_mixture(weight: float) -> None:
    """p_ref = N(m0, v), p_al = N(m1, v): Euler over their mixed exact denoisers gives N((1-lambda) m0 + lambda m1, v).

    The flow maps x at sigma_max to mean + (x - mean) * k with k = sqrt(v / (v + sigma_max^2)); begun at N(0, sigma_max^2)
    it ends at mean (1 - k) and variance v * sigma_max^2 / (v + sigma_max^2). The noise is standardised, so the only error
    left is Euler's.
    """
    m0, m1, variance = torch.tensor([[-1.0, 0.5]]).double(), torch.tensor([[2.0, 1.5]]).double(), 0.49
    sigmas = sampling.get_sigmas_karras(1000, 0.005, 20.0).double()
    reference, aligned = _gaussian_denoiser(m0, variance), _gaussian_denoiser(m1, variance)
    weights = (mixture.reference_weight([weight]), weight)

    def model(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return mixture.linear([reference(x, sigma), aligned(x, sigma)], weights)

    noise = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = (noise - noise.mean(dim=0)) / noise.std(dim=0, correction=0)
    samples = sampling.sample_euler(model, noise * sigmas[0], sigmas, disable=True)

    expected = (1 - weight) * m0[0] + weight * m1[0]
    kept = math.sqrt(variance / (variance + float(sigmas[0]) ** 2))
    assert torch.allclose(samples.mean(dim=0), expected * (1 - kept), atol=2e-3)
    sampled = samples.var(dim=0, correction=0)
    assert torch.allclose(sampled, torch.full_like(sampled, variance * (1 - kept**2)), rtol=5e-3)
