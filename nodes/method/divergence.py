"""How far realigned sampling drifted from the reference: an estimate of their KL divergence, in nats.

Girsanov's theorem for two diffusions that share their noise; the discrete form is the denoising term of the variational
bound of Kingma et al., Variational Diffusion Models (arXiv 2107.00630), equation 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


def signal_to_noise(sigmas: torch.Tensor, flow: bool) -> torch.Tensor:
    """(alpha / sigma)^2 at ComfyUI's sigmas, any shape: 1/sigma^2 for eps and v models, ((1-sigma)/sigma)^2 for flow models."""
    sigmas = sigmas.double()
    return ((1 - sigmas) / sigmas).square() if flow else sigmas.square().reciprocal()


def kl(sigmas: Sequence[float], squared_distances: torch.Tensor, flow: bool = False) -> torch.Tensor:
    """KL(realigned || reference) along a sampled trajectory: 1/2 of the integral of |D - D_ref|^2 over snr, by trapezoids.

    sigmas: those of the N model evaluations in order, falling; where one repeats (samplers of second order correct
    themselves there) the later evaluation counts. squared_distances: (N, B), the squared distance of the realigned
    prediction D to the reference's, summed over each latent; for one aligned model lambda^2 |D_a - D_r|^2.
    Returns (B,) nats. The interval from the last sigma to 0 is left out: it diverges. A single sigma leaves nothing: NaN,
    unless nothing differs there.
    """
    kept: list[int] = []
    for index, sigma in enumerate(sigmas):
        while kept and sigmas[kept[-1]] <= sigma:
            kept.pop()
        kept.append(index)
    squared_distances = squared_distances.double()[kept]
    if len(kept) == 1:
        return torch.where(squared_distances[0] == 0.0, 0.0, torch.nan)
    snr = signal_to_noise(torch.tensor([sigmas[index] for index in kept]), flow)
    return 0.5 * torch.trapezoid(squared_distances, snr, dim=0)


@dataclass(frozen=True)
class Divergence:
    """Of each sample: its KL in nats, NaN where it is unknown, and how far that may be off either way, 0 where all was measured."""

    kl: tuple[float, ...] = ()
    error: tuple[float, ...] = ()


class Drift:
    """The distances along one trajectory, kept on the device until they are read once, at its end."""

    def __init__(self) -> None:
        self._sigmas: list[torch.Tensor] = []
        self._distances: list[torch.Tensor] = []
        self._doubts: list[torch.Tensor] = []

    def note(self, sigma: torch.Tensor, squared_distances: torch.Tensor, doubt: torch.Tensor | None = None) -> None:
        """One evaluation: sigma, (); (B,) as in kl(), NaN where unknown; the relative error of the distance itself, (), None for 0."""
        self._sigmas.append(sigma)
        self._distances.append(squared_distances)
        self._doubts.append(torch.zeros_like(squared_distances[0]) if doubt is None else doubt)

    def read(self, flow: bool) -> Divergence:
        """kl() of what was noted, one number for each sample; nothing was noted: no numbers."""
        if not self._sigmas:
            return Divergence()
        sigmas = torch.stack(self._sigmas).tolist()
        distances, doubts = torch.stack(self._distances).cpu(), torch.stack(self._doubts).cpu()[:, None]
        nats = kl(sigmas, distances, flow)
        error = kl(sigmas, distances * (2 * doubts + doubts.square()), flow)
        return Divergence(tuple(nats.tolist()), tuple(error.tolist()))
