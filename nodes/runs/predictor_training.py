"""Training of a time predictor: forward-noised latents, and cross-entropy over their noise levels.

Source: Temporal Alignment Guidance (arXiv 2510.11057): Adam at 1e-4, 10,000 to 30,000 iterations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.utils
import torch
from comfy.model_management import InterruptProcessingException
from comfy.model_patcher import ModelPatcher

from ..method.noise_level import mixing, sigmas_of
from ..method.predictor_card import Card, Space, TimePredictor
from ..method.time_predictor import WIDTHS, Bins, TimeNetwork, build, initial_weights, log_probability
from . import predictor_files

_READ = 10  # iterations between two looks at the loss
_SAVE = 1000  # between two files
_TABLE = 1001  # levels whose sigma is known; those between are interpolated
_SMOOTH = 0.9
_GOLDEN = 0x9E3779B97F4A7C15  # spreads the seeds of successive iterations over all 64 bits

Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """groups: latents (N, C, H, W) in the model's own scale on the CPU, each of its own size. sampling: core's, of the model."""

    groups: Sequence[torch.Tensor]
    sampling: Any
    space: Space
    bins: Bins
    iterations: int
    batch: int
    rate: float
    seed: int


class _Batches:
    """The batch of each iteration, by its own seed: a resumed training draws what an unbroken one would."""

    def __init__(self, task: Task, device: torch.device) -> None:
        self._task, self._device = task, device
        self._sigmas = sigmas_of(task.sampling, torch.linspace(task.bins.low, task.bins.high, _TABLE))
        self._sizes = torch.tensor([float(group.shape[0]) for group in task.groups])

    def at(self, iteration: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(y (N, C, H, W), level (N,)) on the device. Levels are drawn evenly over the bins."""
        task, rng = self._task, generator(self._task.seed, iteration + 1)
        group = task.groups[int(torch.multinomial(self._sizes, 1, generator=rng))]
        latents = group[torch.randint(group.shape[0], (task.batch,), generator=rng)]
        noise = torch.randn(latents.shape, generator=rng)
        place = torch.rand(task.batch, generator=rng) * (_TABLE - 1)
        below = place.floor().clamp(max=_TABLE - 2).long()
        sigma = torch.lerp(self._sigmas[below], self._sigmas[below + 1], place - below)
        y = task.sampling.calculate_input(sigma, task.sampling.noise_scaling(sigma, noise, latents))
        level = mixing(task.sampling, sigma).level
        return self._put(y), self._put(level)

    def _put(self, value: torch.Tensor) -> torch.Tensor:
        return comfy.model_management.cast_to_device(value, self._device, torch.float32)


def generator(seed: int, place: int) -> torch.Generator:
    """The generator of one place in a training's stream, on the CPU."""
    return torch.Generator().manual_seed((seed + place * _GOLDEN) % 2**64)


def train(task: Task, path: Path, begin: TimePredictor | None, say: Say) -> TimePredictor:
    """Train until task.iterations in all, from `begin` if there is one, and write the file; returns the file's predictor.

    say: is given the loss as it falls. Every so often, and when the user cancels, the last weights of a finite loss are written.
    Resuming begins Adam's averages anew. Raises ValueError where the loss is no number any more.
    """
    first = begin.card.iterations if begin is not None else 0
    if begin is not None and first >= task.iterations:
        return begin
    channels, count = task.space.channels, task.bins.count
    start = (
        _weights_of(begin) if begin is not None else lambda network: initial_weights(network, generator(task.seed, 0))
    )
    with torch.inference_mode(False), torch.enable_grad():
        network = build(channels, count, start).train().requires_grad_(True)
        kept = _Kept(task, path, network, Card(task.space, task.bins, first, begin.card.loss if begin else math.nan))
        try:
            _run(task, network, first, kept, say)
        except InterruptProcessingException:
            kept.save()
            raise
        kept.save()
    return predictor_files.load(path, "name")


def _weights_of(predictor: TimePredictor) -> Callable[[TimeNetwork], dict[str, torch.Tensor]]:
    return lambda _: predictor.network.state_dict()


class _Kept:
    """The last weights of a finite loss, and what is known of them."""

    def __init__(self, task: Task, path: Path, network: TimeNetwork, card: Card) -> None:
        self._task, self._path, self._network, self.card = task, path, network, card
        self._weights: dict[str, torch.Tensor] | None = None

    def keep(self, iterations: int, loss: float) -> None:
        """Raises ValueError for a loss that is no number, after writing what was kept before."""
        if not math.isfinite(loss):
            self.save()
            raise ValueError(
                f"learning_rate: expected one at which the loss stays a number, but at {self._task.rate:g} it was lost before iteration "
                f"{iterations}. Lower learning_rate and train anew, with resume off."
            )
        before = self.card.loss
        smooth = loss if math.isnan(before) else _SMOOTH * before + (1 - _SMOOTH) * loss
        self.card = replace(self.card, iterations=iterations, loss=smooth)
        self._weights = {name: value.detach().clone() for name, value in self._network.state_dict().items()}

    def save(self) -> None:
        """Nothing, before the first loss was seen."""
        if self._weights is not None:
            predictor_files.save(self._path, self._weights, self.card)


def _run(task: Task, network: TimeNetwork, first: int, kept: _Kept, say: Say) -> None:
    patcher = _loaded(network, task)
    device = patcher.load_device
    batches = _Batches(task, device)
    optimiser = torch.optim.Adam(network.parameters(), lr=task.rate)
    bar = comfy.utils.ProgressBar(task.iterations)
    total, since = torch.zeros((), device=device), first
    for iteration in range(first, task.iterations):
        comfy.model_management.throw_exception_if_processing_interrupted()
        y, level = batches.at(iteration)
        loss = -log_probability(network(y), task.bins, level).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total, done = total + loss.detach(), iteration + 1
        if done % _READ == 0 or done == task.iterations:
            kept.keep(done, total.item() / (done - since))
            total, since = torch.zeros_like(total), done
            bar.update_absolute(done)
            say(f"iteration {done} of {task.iterations}, loss {kept.card.loss:.3f}")
        if done % _SAVE == 0:
            kept.save()


def _loaded(network: TimeNetwork, task: Task) -> ModelPatcher:
    """The network on ComfyUI's device, whole; for as long as what is returned lives."""
    device = comfy.model_management.get_torch_device()
    patcher = ModelPatcher(network, device, comfy.model_management.unet_offload_device())
    most = max(group[0, 0].numel() for group in task.groups)
    memory = 4 * 6 * WIDTHS[0] * task.batch * most  # bytes: float32, what the first layers keep and their gradients
    comfy.model_management.load_models_gpu([patcher], memory_required=memory, force_full_load=True)
    return patcher
