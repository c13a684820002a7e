"""One sampling run of a realigned MODEL: which models are evaluated at a step, with which options, and how they mix.
May import torch, comfy and nodes/realign. Nothing here outlives the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_management
import comfy.model_sampling
import torch
from comfy.model_patcher import ModelPatcher

from ..realign import mixture
from ..realign.divergence import Drift
from ..realign.mixture import Share
from ..realign.weights import Weight
from . import LOG
from .aligned import AlignedModel, Branches, added
from .field import Field


class Run:
    """What a realigned MODEL does between the start and the end of one sampling run."""

    def __init__(
        self,
        guider: Any,
        companions: Sequence[ModelPatcher],
        weights: Sequence[Weight],
        shape: torch.Size,
        measure: bool,
    ) -> None:
        """guider: any CFGGuider, at the start of its run over latents of `shape`. measure: whether divergence() will be asked for.

        Raises ValueError if a mask cannot be laid over such latents.
        """
        self.reference: ModelPatcher = guider.model_patcher
        self._guider = guider
        self._companions = companions
        self._field = Field(weights, shape, self.reference)
        self._drift = Drift() if measure else None
        self._aligned: dict[int, AlignedModel] = {}
        self._sound: dict[str, torch.Tensor] = {}

    def predict(
        self, executor: Callable, conds: list, x: torch.Tensor, timestep: torch.Tensor, model_options: dict
    ) -> Branches:
        """Mix every conditioning branch of the models whose weight is not zero, before any guidance.

        x: (B, C, H, W) or (B, C, T, H, W) noisy latent, timestep: (B,) sigmas. `executor` is the reference's own evaluation.
        """
        additions = added(model_options["transformer_options"], self._guider.model_options["transformer_options"])
        predictions: list[Branches] = []
        weights: list[Share] = []
        shares = self._field.at(timestep)
        for index, weight in enumerate(shares):
            if not isinstance(weight, torch.Tensor) and weight == 0.0:
                continue
            if predictions:
                comfy.model_management.throw_exception_if_processing_interrupted()
            if index == 0:
                branches = executor(self.reference.model, conds, x, timestep, model_options)
            else:
                branches = self._model(index)(self.reference.model, conds, x, timestep, additions)
            self._watch(self._name(index), x, branches)
            predictions.append(branches)
            weights.append(weight)
        mixed = [mixture.linear(branch, weights) for branch in zip(*predictions, strict=True)]
        if self._drift is not None and additions.keys() <= {"sample_sigmas"}:  # no perturbed evaluation
            evaluated = isinstance(shares[0], torch.Tensor) or shares[0] != 0.0
            self._measure(conds, timestep, mixed, predictions[0] if evaluated else None)
        return mixed

    def _measure(self, conds: list, timestep: torch.Tensor, mixed: Branches, reference: Branches | None) -> None:
        """Note how far the conditional branch is from the reference's, if this guider has one and the reference was evaluated."""
        positive = self._guider.conds.get("positive")
        for cond, ours, theirs in zip(conds, mixed, reference or mixed, strict=True):
            if cond is positive and self._drift is not None:
                self._drift.note(timestep[0], ours, theirs if reference is not None else None)

    def divergence(self) -> tuple[float, ...]:
        """Estimated KL(realigned || reference) in nats for each sample, NaN where the reference was not evaluated."""
        flow = isinstance(self.reference.model.model_sampling, comfy.model_sampling.CONST)
        return self._drift.read(flow) if self._drift is not None else ()

    def _model(self, index: int) -> AlignedModel:
        if index not in self._aligned:
            self._aligned[index] = AlignedModel(self._companions[index - 1], self.reference, self._guider.conds)
        return self._aligned[index]

    def _name(self, index: int) -> str:
        if index == 0:
            return "reference"
        return "aligned model" if len(self._companions) == 1 else f"aligned model number {index}"

    def _watch(self, name: str, x: torch.Tensor, branches: Branches) -> None:
        """Remember on the device whether this model made the first non-finite value; read back once, by check()."""
        finite = torch.stack([torch.isfinite(branch).all() for branch in branches]).all()
        sound = finite | ~torch.isfinite(x).all()
        self._sound[name] = sound & self._sound[name] if name in self._sound else sound

    def check(self) -> None:
        """Raise ValueError naming the model whose predictions were not finite; warn of LoRA layers that were never used."""
        for name, sound in self._sound.items():
            if not bool(sound):
                raise ValueError(
                    f"The {name} predicted NaN or infinite values, which would decode to a black image. Start ComfyUI with "
                    "--force-upcast-attention or --fp32-unet, or load the model in another weight_dtype; if lambda is above 1, lower it."
                )
        for model in self._aligned.values():
            unreached = model.unreached()
            if unreached:
                LOG.warning(
                    "%d LoRA layers of the aligned model had no effect in this run, the first is %s.",
                    len(unreached),
                    unreached[0],
                )

    def close(self) -> None:
        for model in self._aligned.values():
            model.close()
        self._aligned.clear()
