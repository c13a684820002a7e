"""The geometric mixture of Gaussian denoising kernels in closed form, general and as used in sampling.

Source: DeRaDiff (ICLR 2026, arXiv 2601.20198), Theorem 1. For kernels N(mu_r, s_r^2 I) of the reference and
N(mu_i, s_i^2 I) of N aligned models, the density proportional to p_ref^(1 - sum w) * prod p_i^(w_i) is Gaussian.
Several aligned models with their own weights are the multi-reward mixture of Diffusion Blend (ICLR 2026, arXiv 2505.18547).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

Share = float | torch.Tensor  # a model's weight, one number or one for each latent element

_ROUNDING = 1e-9
_ELEMENT_ROUNDING = 1e-6  # of masks in single precision


def reference_weight(weights: Sequence[Share]) -> Share:
    """What is left for the reference: 1 - sum(weights), with rounding errors set to exactly 0.

    Theorem 1's exponent of p_ref, element by element where a weight is a tensor. Negative where the weights sum to more
    than 1; the number 0.0 where nothing is left anywhere.
    """
    rest = 1.0 - sum(weights)
    if isinstance(rest, torch.Tensor):
        rest = rest.where(rest.abs() >= _ELEMENT_ROUNDING, 0.0)
        return rest if bool(rest.any()) else 0.0
    return 0.0 if abs(rest) < _ROUNDING else rest


def closed_form(
    means: Sequence[torch.Tensor], variances: Sequence[torch.Tensor], weights: Sequence[Share]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of the normalised product of N(mean_i, variance_i) ** weight_i (Theorem 1, any N).

    means, variances: one tensor per model, reference first, broadcastable to one shape (for instance (B, C, H, W));
    variances in the units of the means squared. weights: one number or tensor per model, elementwise where a tensor.
    Returns (mean, variance). Raises ValueError where the combined precision is not positive: no Gaussian exists there.
    """
    if not len(means) == len(variances) == len(weights) or not means:
        raise ValueError(
            f"Expected as many means as variances and weights, got {len(means)}, {len(variances)}, {len(weights)}."
        )
    precisions = [weight / variance for weight, variance in zip(weights, variances, strict=True)]
    precision = torch.stack(torch.broadcast_tensors(*precisions)).sum(dim=0)
    if not bool((precision > 0).all()):
        raise ValueError(
            "The mixture has no positive precision: lambda lies too far outside of 0..1 for the ratio of the variances. Above 1 it must satisfy "
            "s_ref^2 / s_aligned^2 > (lambda - 1) / lambda, below 0 s_aligned^2 / s_ref^2 > lambda / (lambda - 1)."
        )
    moments = [share * mean for share, mean in zip(precisions, means, strict=True)]
    return torch.stack(torch.broadcast_tensors(*moments)).sum(dim=0) / precision, 1.0 / precision


def linear(predictions: Sequence[torch.Tensor], weights: Sequence[Share]) -> torch.Tensor:
    """The mixture's denoised prediction when all kernels share one variance: sum_i w_i D_i with sum_i w_i = 1.

    Every ComfyUI sampler's step variance depends on the sigmas alone, so Theorem 1 reduces to this.
    predictions: the models' denoised latents at the same x and sigma, all of one shape, (B, C, H, W) or (B, C, T, H, W).
    weights: numbers, or tensors that broadcast to that shape. Written as an offset from the first prediction, so that
    equal predictions return exactly themselves, a single prediction (weight 1) passes through untouched, and an element
    whose other weights are 0 is the first prediction's.
    """
    mixed = predictions[0]
    for prediction, weight in zip(predictions[1:], weights[1:], strict=True):
        offset = prediction - predictions[0]
        if isinstance(weight, torch.Tensor):
            mixed = torch.addcmul(mixed, weight, offset)
        else:
            mixed = torch.add(mixed, offset, alpha=weight)
    return mixed
