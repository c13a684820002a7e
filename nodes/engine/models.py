"""The models of one sampling run: evaluates those that are asked for, as cheaply as possible without changing the result.
Nothing here outlives the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import comfy.model_management
from comfy.model_patcher import ModelPatcher

from ..sharing.adapter import Unbatchable
from . import LOG, joint
from .aligned import AlignedModel, Branches, Call
from .control import Shared
from .first_step import FirstStep
from .joint import Joint
from .sound import Sound


class Models:
    """The reference, which is number 0, and its aligned models, from 1."""

    def __init__(self, guider: Any, companions: Sequence[ModelPatcher], first_step: FirstStep | None = None) -> None:
        """guider: any CFGGuider, at the start of its run. companions: the aligned models' patchers. first_step: of a sweep."""
        self._first_step = first_step
        self.reference: ModelPatcher = guider.model_patcher
        self._guider = guider
        self._companions = companions
        self._aligned: dict[int, AlignedModel] = {}
        self._joints: dict[tuple[int, ...], Joint] = {}
        self._shares: dict[int, bool] = {0: True}  # whether a model can be evaluated with the reference in one pass
        self._batches = True
        self._sound = Sound()

    @property
    def count(self) -> int:
        """How many models there are, the reference included."""
        return 1 + len(self._companions)

    def evaluate(self, wanted: Sequence[int], call: Call) -> dict[int, Branches]:
        """Denoised latents of each conditioning branch by model, in rising order of `wanted`."""
        if self._first_step is None:
            return self._evaluate(wanted, call)
        first, self._first_step = self._first_step, None
        return first(wanted, call, self._evaluate)

    def _evaluate(self, wanted: Sequence[int], call: Call) -> dict[int, Branches]:
        found = self._jointly(wanted, call)
        rest = [index for index in wanted if index not in found]
        shared = Shared(call.conds) if len(rest) > 1 else None
        for index in rest:
            if found:
                comfy.model_management.throw_exception_if_processing_interrupted()
            if shared is not None:
                shared.rewind()
            conds = shared.conds if shared is not None and shared.any else call.conds
            found[index] = self._alone(index, conds, call)
        self._sound.note(found, call.x)
        return {index: found[index] for index in wanted}

    def _alone(self, index: int, conds: list, call: Call) -> Branches:
        if index == 0:
            return call.executor(self.reference.model, conds, call.x, call.timestep, call.model_options)
        return self._model(index)(conds, call.x, call.timestep, call.additions)

    def _jointly(self, wanted: Sequence[int], call: Call) -> dict[int, Branches]:
        """The models that can be evaluated in one pass, if that is more than one; else nothing."""
        if len(wanted) < 2 or not self._batches or joint.separate(call):
            return {}
        group = tuple(index for index in wanted if self._goes_along(index))
        if len(group) < 2:
            return {}
        try:
            if group not in self._joints:
                self._joints[group] = Joint(self.reference, {index: self._model(index) for index in group if index})
            return self._joints[group](group, call)
        except Unbatchable:
            LOG.debug("This architecture mixes the rows of a batch: the models are evaluated one after the other.")
            self._batches = False
            return {}

    def _goes_along(self, index: int) -> bool:
        if index not in self._shares:
            self._shares[index] = joint.possible(self.reference, self._model(index))
        return self._shares[index]

    def _model(self, index: int) -> AlignedModel:
        if index not in self._aligned:
            self._aligned[index] = AlignedModel(self._companions[index - 1], self.reference, self._guider.conds)
        return self._aligned[index]

    def check(self) -> None:
        """Raise ValueError naming the model whose predictions were not finite; warn of LoRA layers that were never used."""
        broken = self._sound.broken()
        if broken is not None:
            raise ValueError(
                f"The {self._name(broken)} predicted NaN or infinite values, which would decode to a black image. Start "
                "ComfyUI with --force-upcast-attention or --fp32-unet, or load the model in another weight_dtype; if lambda "
                "is above 1 or below 0, bring it closer."
            )
        for model in self._aligned.values():
            unreached = model.unreached()
            if unreached and len(unreached) == model.layers:
                raise ValueError(
                    "lambda did not act: no layer of the aligned model's LoRA was used in this run, so the image would be the reference's. "
                    "Another node or pack replaces what the model computes there (attention or blocks). Remove it, or set lambda to 0."
                )
            if unreached:
                LOG.warning(
                    "%d LoRA layers of the aligned model had no effect in this run; the first is %s.",
                    len(unreached),
                    unreached[0],
                )

    def _name(self, index: int) -> str:
        if index == 0:
            return "reference"
        return "aligned model" if len(self._companions) == 1 else f"aligned model number {index}"

    def close(self) -> None:
        for model in self._aligned.values():
            model.close()
        self._aligned.clear()
        self._joints.clear()
