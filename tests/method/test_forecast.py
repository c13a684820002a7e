"""The prediction of reuse's error: its account of a sampler's steps on Gaussians, where all is known, and what it must obey."""

from __future__ import annotations

import math
from itertools import pairwise

import comfy.k_diffusion.sampling as k_diffusion
import pytest
import torch
from deradiff.nodes.method.forecast import Course, Extrapolation, Forecast, Known
from hypothesis import given
from hypothesis import strategies as st

SIGMAS = [*k_diffusion.get_sigmas_karras(30, 0.03, 14.6).tolist()]
STEPS = len(SIGMAS) - 1
SPREAD = 2.0
NONE = torch.zeros(())


def _drawn(seed: int, spread: float = 1.0) -> torch.Tensor:
    return spread * torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(seed))


def _shift() -> torch.Tensor:
    return 0.1 * _drawn(7)


def _denoised(x: torch.Tensor, sigma: float, shift: torch.Tensor | float) -> torch.Tensor:
    """Of N(shift, SPREAD^2)."""
    return shift + SPREAD**2 / (SPREAD**2 + sigma**2) * (x - shift)


@pytest.mark.parametrize("noisy", [False, True])
def test_the_distance_of_gaussians_is_what_the_sampler_makes_of_them(noisy: bool) -> None:
    """Euler's method, with and without ancestral noise, on two Gaussians from the same noises."""
    course, ends = Course(SIGMAS, noisy=noisy), []
    for shift in (torch.zeros(1, 4, 16, 16), _shift()):
        x = _drawn(0, SIGMAS[0])
        for step, sigma in enumerate(SIGMAS[:STEPS]):
            q, following = course.q(step), SIGMAS[step + 1]
            up = math.sqrt(max(following**2 - (q * sigma) ** 2, 0.0)) if noisy else 0.0
            x = torch.lerp(_denoised(x, sigma, shift), x, q) + up * _drawn(100 + step)
        ends.append(x)
    forecast = Forecast(course)
    data = _drawn(3)
    data *= SPREAD / data.std()
    for step, sigma in enumerate(SIGMAS[:STEPS]):
        apart = (_denoised(ends[0], sigma, _shift()) - _denoised(ends[0], sigma, 0.0)) / sigma
        forecast.add(step, ends[0], data, apart, NONE)
    known = Known.read(forecast.state(apart, NONE, NONE).tolist())
    assert math.sqrt(known.distance[0]) == pytest.approx((ends[1] - ends[0]).norm().item(), rel=0.01)
    assert forecast.made(known) == 0.0


@pytest.mark.parametrize(("sampler", "expected"), [("euler", 0.0), ("dpmpp_2m", 0.5)])
def test_extrapolation_is_read_off_the_latents(sampler: str, expected: float) -> None:
    """Of core's own samplers, on a Gaussian and a steady course."""
    sigmas = torch.cat([torch.logspace(1.1, -1.4, 21), torch.zeros(1)])
    found = Extrapolation(Course(sigmas.tolist()))
    x = _drawn(0, float(sigmas[0]))
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def model(x: torch.Tensor, sigma: torch.Tensor, **_: object) -> torch.Tensor:
        seen.append((x.clone(), _denoised(x, sigma[0].item(), 1.0)))
        return seen[-1][1]

    getattr(k_diffusion, f"sample_{sampler}")(model, x, sigmas, disable=True)
    for step, (latent, denoised) in enumerate(seen):
        found.note(step, latent, denoised)
    assert found.sums is not None
    assert Extrapolation.b(*found.sums.tolist()) == pytest.approx(expected, abs=0.06)


def _ending(course: Course, exact: int, change: float) -> float:
    """What is predicted where both models ran for so many steps and the difference then changes by so much at each."""
    forecast, apart = Forecast(course), _shift()
    for step in range(exact):
        forecast.add(step, _drawn(step), _drawn(1, SPREAD), apart, NONE)
    state = forecast.state(apart, 0.25 * apart.square().sum(), torch.tensor(change))
    return forecast.ending(exact, Known.read(state.tolist()))


@given(st.integers(1, STEPS - 2), st.floats(0.0, 2.0), st.floats(0.0, 2.0), st.booleans())
def test_it_grows_with_the_change_and_falls_with_every_step_that_is_exact(
    exact: int, one: float, other: float, noisy: bool
) -> None:
    course = Course(SIGMAS, noisy=noisy)
    low, high = (_ending(course, exact, change) for change in sorted((one, other)))
    assert 0.0 <= low <= high
    assert _ending(course, exact + 1, one) <= _ending(course, exact, one) * (1 + 1e-6)


@given(st.floats(1.0, 20.0), st.floats(0.0, 2.0), st.floats(0.0, 2.0))
def test_it_grows_with_guidance_and_extrapolation(guidance: float, one: float, other: float) -> None:
    plain, guided = Course(SIGMAS), Course(SIGMAS, guidance)
    low, high = sorted((one, other))
    assert plain.amplified(low) <= guided.amplified(low) <= guided.amplified(high)


def test_a_difference_that_changes_by_half_of_itself_promises_nothing() -> None:
    assert _ending(Course(SIGMAS), STEPS - 1, 0.3) < 0.1
    assert _ending(Course(SIGMAS), STEPS - 1, 0.5) >= 1.0


def test_without_any_difference_nothing_is_promised() -> None:
    nothing = torch.zeros(1, 4, 16, 16)
    forecast = Forecast(Course(SIGMAS))
    assert forecast.ending(0, Known.read(forecast.state(nothing, NONE, torch.tensor(0.1)).tolist())) == math.inf


def test_flow_models_start_where_the_denoiser_follows_nothing() -> None:
    course = Course([1.0, 0.5, 0.0], flow=True)
    assert course.kept(0, 1.0) == 0.5 and course.kept(1, 1.0) == pytest.approx(0.5 / (0.25 + 0.25))
    assert all(one >= other for one, other in pairwise(course.kept(0, 1.0, part) for part in (1.0, 0.5)))
