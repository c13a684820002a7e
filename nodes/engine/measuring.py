"""How far one sampling run drifts from its reference, measured beside the run: nothing here changes a latent.
Nothing here outlives the run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import comfy.model_sampling
import comfy.sampler_helpers
import torch

from ..method.divergence import Divergence, Drift
from . import LOG
from .aligned import Branches, Call
from .models import Models
from .predicted import Predicted
from .request import Request

_PATCHED = ("patches", "patches_replace", "wrappers", "callbacks")
Evaluate = Callable[..., Branches]


class Measuring:
    """Notes, at every latent of a run, the distance of the conditional branch from the reference's."""

    def __init__(self, guider: Any, models: Models, request: Request, origin: int, everywhere: bool) -> None:
        """origin: the model that the distance is measured from. everywhere: whether to evaluate it where the run does not."""
        self._guider, self._models, self._request = guider, models, request
        self._origin, self._everywhere = origin, everywhere
        self._drift = Drift()
        self._latent: tuple[torch.Tensor, torch.Tensor] | None = None  # that was noted last, and its sigmas
        self._windows: list[_Difference] | None = None  # while a context handler goes through its windows
        self._repeats = False  # whether it does so again at one latent

    def note(self, call: Call, predicted: Predicted) -> None:
        """One evaluation of the guider. Guidance that evaluates again at one latent (PAG ...) is not the model's prediction."""
        if self._windows is not None:
            if not self._repeats:
                self._windows.append(self._difference(call, predicted))
        elif not _perturbed(call) and self._new(call.x, call.timestep):
            difference = self._difference(call, predicted)
            if difference.place is not None:
                self._keep(call.timestep, difference.values[difference.place], difference.doubt)

    def over_windows(
        self, execute: Callable[[Evaluate], Branches], evaluate: Evaluate, x: torch.Tensor, timestep: torch.Tensor
    ) -> Branches:
        """A context handler's prediction, (B, ...) for each branch; the windows' differences are then fused as it fuses predictions.

        execute: the handler's own, given what evaluates one window.
        """
        self._repeats = not self._new(x, timestep)
        found: list[_Difference] = []
        self._windows = found
        try:
            fused = execute(evaluate)
        finally:
            self._windows = None
        place = found[0].place if found else None
        if place is not None and all(difference.place == place for difference in found):
            apart = execute(_again(found))[place]
            doubts = [difference.doubt for difference in found if difference.doubt is not None]
            self._keep(timestep, apart, torch.stack(doubts).amax() if doubts else None)
        return fused

    def _new(self, x: torch.Tensor, timestep: torch.Tensor) -> bool:
        before, self._latent = self._latent, (x, timestep)
        return before is None or before[0] is not x or before[1] is not timestep

    def _difference(self, call: Call, predicted: Predicted) -> _Difference:
        """Mixture less reference of the conditional branch, NaN where it is unknown; 0 for the other branches."""
        place = self._conditional(call.conds)
        values = [torch.zeros_like(branch) for branch in predicted.mixed]
        if place is None:
            return _Difference(None, values, None)
        theirs = self._reference(call, predicted, place)
        ours = predicted.mixed[place]
        values[place] = torch.full_like(ours, torch.nan) if theirs is None else ours - theirs
        return _Difference(place, values, predicted.doubt)

    def _reference(self, call: Call, predicted: Predicted, place: int) -> torch.Tensor | None:
        found = predicted.known.get(self._origin)
        if found is not None:
            return found[place]
        if not self._everywhere:
            return None
        alone = dataclasses.replace(call, conds=[call.conds[place]])
        return self._models.evaluate([self._origin], alone)[self._origin][0]

    def _conditional(self, conds: list) -> int | None:
        """Where the guider's positive conditioning is among the branches: itself, or what was copied or cut out of it."""
        positive = self._guider.conds.get("positive")
        if not positive:
            return None
        known = {cond.get("uuid") for cond in positive} - {None}
        for place, branch in enumerate(conds):
            if branch is positive or (branch and all(cond.get("uuid") in known for cond in branch)):
                return place
        return None

    def _keep(self, timestep: torch.Tensor, apart: torch.Tensor, doubt: torch.Tensor | None) -> None:
        mask = self._mask(timestep)
        apart = apart if mask is None else apart * mask
        self._drift.note(timestep[0], apart.flatten(1).square().sum(dim=1), doubt)

    def _mask(self, timestep: torch.Tensor) -> torch.Tensor | None:
        """Where the latent is sampled, (B or 1, ...) in 0..1: core replaces the prediction elsewhere."""
        mask = self._request.mask
        if mask is None:
            return None
        if (
            mask.shape != self._request.shape
        ):  # current ComfyUI has prepared it already, and doing so twice mixes up the samples
            mask = comfy.sampler_helpers.prepare_mask(mask, self._request.shape, timestep.device)
        changed = self._guider.model_options.get("denoise_mask_function")
        if changed is None:
            return mask
        sigmas = timestep.new_tensor(self._request.sigmas)
        return changed(timestep, mask, extra_options={"model": self._guider, "sigmas": sigmas})

    def read(self) -> Divergence:
        """Of each sample: NaN where a prediction that it needs was not made, nothing if no sample was evaluated."""
        flow = isinstance(self._models.reference.model.model_sampling, comfy.model_sampling.CONST)
        found = self._drift.read(flow)
        if self._latent is not None and not found.kl:
            LOG.warning(
                "The KL of this run is unknown: %s evaluated no branch that comes from its positive conditioning. "
                "Another node or pack replaces the conditioning during sampling, or the guider has none of that name.",
                type(self._guider).__name__,
            )
        return found


@dataclasses.dataclass(frozen=True)
class _Difference:
    """place: of the conditional branch; values: of every branch, (B, ...); doubt: the relative error of a held difference, ()."""

    place: int | None
    values: Branches
    doubt: torch.Tensor | None


def _perturbed(call: Call) -> bool:
    """Whether a call brings patches of its own. Other packs also pass values of a step in the options, which perturb nothing."""
    return any(name in call.additions for name in _PATCHED)


def _again(found: list[_Difference]) -> Evaluate:
    """What gives, for one window after the other, its differences in place of predictions."""
    following = iter(found)

    def evaluate(*_: object) -> Branches:
        return next(following).values

    return evaluate
