"""The time predictor: a small network that tells how noisy a latent is, and the gradient of what it says.

Source: Temporal Alignment Guidance (arXiv 2510.11057): phi, a CNN (3x3 convolutions of 32, 64, 128 and 256 channels, ReLU, average
pooling) that is trained by cross-entropy to tell the time step of forward-noised samples. Here its classes are bins of the
noise level (noise_level.py), and it pools over the whole latent, so that one network serves every resolution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

BINS = 100
WIDTHS = (32, 64, 128, 256)
_ROWS = 16  # latents whose gradient is taken at once


@dataclass(frozen=True)
class Bins:
    """Bins of equal width over noise levels from low to high."""

    low: float
    high: float
    count: int = BINS

    @property
    def width(self) -> float:
        return (self.high - self.low) / self.count

    def centres(self, like: torch.Tensor) -> torch.Tensor:
        """The level in the middle of each bin, (count,), with the type and device of `like`."""
        return self.low + self.width * (torch.arange(self.count, dtype=like.dtype, device=like.device) + 0.5)

    def place(self, level: torch.Tensor) -> torch.Tensor:
        """Where a level lies among the centres, 0 at the first, count - 1 at the last and beyond it."""
        return ((level - self.low) / self.width - 0.5).clamp(0, self.count - 1)

    def holds(self, level: torch.Tensor) -> torch.Tensor:
        """Whether a level is one that the predictor was trained on, but for rounding; (B,) of bool."""
        return (level > self.low - 0.5 * self.width) & (level < self.high + 0.5 * self.width)


class TimeNetwork(torch.nn.Module):
    """Latents (N, C, H, W), as the diffusion network is given them -> logits of the noise level's bins, (N, bins). 0.5 M parameters."""

    def __init__(self, channels: int, bins: int = BINS) -> None:
        super().__init__()
        sides = zip((channels, *WIDTHS), WIDTHS, strict=False)
        self.convolutions = torch.nn.ModuleList(torch.nn.Conv2d(before, after, 3, padding=1) for before, after in sides)
        self.hidden = torch.nn.Linear(WIDTHS[-1], WIDTHS[-1])
        self.head = torch.nn.Linear(WIDTHS[-1], bins)

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        for convolution in self.convolutions:
            y = convolution(y).relu()
            if min(y.shape[-2:]) > 1:
                y = functional.avg_pool2d(y, 2)
        return self.head(self.hidden(y.mean(dim=(-2, -1))).relu())


def initial_weights(network: TimeNetwork, rng: torch.Generator) -> dict[str, torch.Tensor]:
    """Kaiming's uniform initial weights for ReLU, biases 0, by name. rng: on the CPU, so that a seed gives the same ones everywhere."""
    weights = {}
    for name, value in network.named_parameters():
        bound = 0.0 if name.endswith("bias") else (6.0 / value[0].numel()) ** 0.5
        weights[name] = torch.empty(value.shape).uniform_(-bound, bound, generator=rng)
    return weights


def build(channels: int, bins: int, weights: Callable[[TimeNetwork], dict[str, torch.Tensor]]) -> TimeNetwork:
    """A network with the weights that are made for it, which autograd can train or look through wherever this is called.

    Draws nothing from torch's own generator, which is the sampler's.
    """
    with torch.inference_mode(False):
        with torch.device("meta"):
            network = TimeNetwork(channels, bins)
        made = {name: value.float().clone() for name, value in weights(network).items()}
        network.load_state_dict(made, assign=True)
    return network.eval().requires_grad_(False)


def log_probability(logits: torch.Tensor, bins: Bins, level: torch.Tensor) -> torch.Tensor:
    """log p(level | y) of each row, (N,), interpolated between the centres of bins, so that it is smooth in the latent and the level.

    logits: (N, bins); level: (N,). The same function, as a loss, shares each sample between its two nearest bins: its expected
    level is then the sample's own, and a bin does not saturate where the latent tells the level better than its width.
    """
    place = bins.place(level)
    below = place.floor().clamp(max=bins.count - 2)
    index = torch.stack([below, below + 1], dim=1).long()
    pair = logits.log_softmax(dim=1).gather(1, index)
    return torch.lerp(pair[:, 0], pair[:, 1], (place - below).type_as(pair))


def expected_level(logits: torch.Tensor, bins: Bins) -> torch.Tensor:
    """The mean level under the predicted distribution, (N,)."""
    return logits.softmax(dim=1) @ bins.centres(logits)


def gradient(network: torch.nn.Module, bins: Bins, y: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """The gradient in y of log p(level | y), in float32 and of y's shape, also within torch.inference_mode.

    y: (B, C, H, W), or (B, C, T, H, W) whose frames are predicted one by one; level: (B,).
    """
    with torch.inference_mode(False), torch.enable_grad():
        rows = as_rows(y.detach().float().clone())
        levels = _each_row(level, rows.shape[0]).clone()
        weights = _weights(network)
        parts = zip(rows.split(_ROWS), levels.split(_ROWS), strict=True)
        found = [_gradient(network, weights, bins, chunk, each) for chunk, each in parts]
    return _as_latents(torch.cat(found), y)


@torch.no_grad()
def predicted_level(network: torch.nn.Module, bins: Bins, y: torch.Tensor) -> torch.Tensor:
    """The expected level of each latent, (B,); of a video the mean over its frames."""
    found = [expected_level(network(chunk), bins) for chunk in as_rows(y.float()).split(_ROWS)]
    return torch.cat(found).view(y.shape[0], -1).mean(dim=1)


def as_rows(y: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W) as it is, (B, C, T, H, W) -> (B * T, C, H, W)."""
    return y if y.ndim == 4 else y.movedim(2, 1).flatten(0, 1)


def _as_latents(rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return rows if like.ndim == 4 else rows.unflatten(0, (like.shape[0], like.shape[2])).movedim(1, 2)


def _each_row(level: torch.Tensor, rows: int) -> torch.Tensor:
    return level.repeat_interleave(rows // level.shape[0])


def _weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights as autograd takes them: it keeps none that were moved within inference_mode, as core does."""
    own = (*network.named_parameters(), *network.named_buffers())
    return {name: value.clone() if value.is_inference() else value.detach() for name, value in own}


def _gradient(
    network: torch.nn.Module, weights: dict[str, torch.Tensor], bins: Bins, rows: torch.Tensor, level: torch.Tensor
) -> torch.Tensor:
    rows = rows.detach().requires_grad_(True)
    logits = torch.func.functional_call(network, weights, (rows,))
    return torch.autograd.grad(log_probability(logits, bins, level).sum(), rows)[0]
