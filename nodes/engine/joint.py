"""Models over one copy of the weights in one batched pass: every base layer runs once, each LoRA on its model's rows only.
Nothing here outlives the run.

Weights that do not fit on the GPU are then streamed once per step instead of once per model. Core decides by the free
memory how many rows run together; where it runs one model at a time, the passes are separate again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import comfy.patcher_extension
import torch
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP

from ..sharing import twin
from ..sharing.adapter import Rows, adapted
from . import KEY, LOG, check, companion
from .aligned import AlignedModel, Branches, Call


@dataclass(frozen=True)
class _Layout:
    """Which model and which conditioning branch each index of the repeated conditionings stands for."""

    models: Sequence[int]
    branches: int

    def model(self, index: int) -> int:
        return self.models[index // self.branches]

    def branch(self, index: int) -> int:
        return index % self.branches


class Joint:
    """The reference and aligned models on its weights, evaluated together."""

    def __init__(self, reference: ModelPatcher, aligned: Mapping[int, AlignedModel]) -> None:
        """aligned: the models to include, by index; each consists of adapters, and `possible` holds for it."""
        self._rows = {index: Rows() for index in aligned}
        layers = adapted(
            reference.model, [(found.adapters, self._rows[index]) for index, found in aligned.items() if found.adapters]
        )
        self._module: BaseModel = twin.twin(reference.model, layers)

    def __call__(self, wanted: Sequence[int], call: Call) -> dict[int, Branches]:
        """Denoised latents by model. Raises adapter.Unbatchable where a layer mixes the rows of the batch."""
        layout = _Layout(wanted, len(call.conds))
        options = comfy.patcher_extension.merge_nested_dicts(
            {"transformer_options": {"wrappers": {WrappersMP.APPLY_MODEL: {KEY: [self._on_rows(layout)]}}}},
            call.model_options,
        )
        if options.pop("multigpu_clones", None):  # core would evaluate those, not the module it is given
            LOG.debug("Both models run in one batch on the first GPU: core's split over several GPUs is left out.")
        found = call.executor(self._module, list(call.conds) * len(wanted), call.x, call.timestep, options)
        count = layout.branches
        return {index: found[place * count : (place + 1) * count] for place, index in enumerate(wanted)}

    def _on_rows(self, layout: _Layout) -> Any:
        """APPLY_MODEL wrapper: tell each LoRA its rows, and all other patches the branch indices that they expect."""

        def apply(
            executor: WrapperExecutor,
            x: torch.Tensor,
            t: torch.Tensor,
            c_concat: Any,
            c_crossattn: Any,
            control: Any,
            transformer_options: dict,
            **kwargs: Any,
        ) -> torch.Tensor:
            indices = transformer_options["cond_or_uncond"]
            self._place(layout, indices, x.shape[0])
            options = {**transformer_options, "cond_or_uncond": [layout.branch(index) for index in indices]}
            return executor(x, t, c_concat, c_crossattn, control, options, **kwargs)

        return apply

    def _place(self, layout: _Layout, indices: Sequence[int], batch: int) -> None:
        chunk = batch // len(indices)
        models = [layout.model(index) for index in indices]
        for model, rows in self._rows.items():
            whole = all(found == model for found in models)
            rows.batch = None if whole else batch
            rows.spans = (slice(None),) if whole else _spans([found == model for found in models], chunk)


def _spans(ours: Iterable[bool], chunk: int) -> tuple[slice, ...]:
    """The rows of the chunks marked in `ours`, adjacent ones in one slice."""
    spans: list[slice] = []
    for place, mine in enumerate(ours):
        if mine and spans and spans[-1].stop == place * chunk:
            spans[-1] = slice(spans[-1].start, (place + 1) * chunk)
        elif mine:
            spans.append(slice(place * chunk, (place + 1) * chunk))
    return tuple(spans)


def possible(reference: ModelPatcher, aligned: AlignedModel) -> bool:
    """Whether this aligned model differs from the reference by its LoRA alone, so that one call can serve both."""
    patcher = aligned.patcher
    ours, theirs = (model.model_options["transformer_options"] for model in (reference, patcher))
    kept = (reference.wrappers, patcher.wrappers, ours.get("wrappers", {}), theirs.get("wrappers", {}))
    wrappers = [named for kinds in kept for named in kinds.values()]
    return (
        aligned.adapters is not None
        and not any(key != KEY and functions for named in wrappers for key, functions in named.items())
        and not any("model_function_wrapper" in model.model_options for model in (reference, patcher))
        and check.same_options(ours, theirs)
        and not any(twin.is_compiled(value) for value in reference.object_patches.values())
        and not list(companion.replaced_objects(reference, patcher))
    )


def separate(call: Call) -> bool:
    """Whether a call carries what must be evaluated model by model: hooks, controls that are computed once for all, or patches.

    A patch sees all rows of a batch and may mix them (StyleAligned, reference-only), which would mix the models.
    """
    options = call.model_options["transformer_options"]
    conds = [cond for branch in call.conds if branch is not None for cond in branch]
    return any(options.get(kind) for kind in ("patches", "patches_replace")) or any(
        "hooks" in cond or "control" in cond or "gligen" in cond for cond in conds
    )
