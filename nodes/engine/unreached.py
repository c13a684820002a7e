"""What stands between a sampler and the realigned prediction, where that was asked for and never reached."""

from __future__ import annotations

import comfy.samplers
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

_OWN = "sampler_calc_cond_batch_function"


def message(model_options: dict) -> str:
    """The error for a run that had steps and a lambda that was not 0, and never asked for the mixture."""
    said = "; ".join(_found(model_options)) or "what it is could not be told"
    return (
        "lambda did not act: the sampler never asked for the realigned prediction, so the image would be the reference's. Another "
        f"node or pack evaluates the model in its own way ({said}). Remove or disable it, or set lambda to 0."
    )


def _found(model_options: dict) -> list[str]:
    found = [
        f"{name} of ComfyUI is replaced by {where(function)}"
        for name, function in (
            ("sampling_function", comfy.samplers.sampling_function),
            ("calc_cond_batch", comfy.samplers.calc_cond_batch),
        )
        if where(function) != "comfy.samplers"
    ]
    if _OWN in model_options:
        found.append(f"{_OWN} is set by {where(model_options[_OWN])}")
    return found


def check_clone(model: ModelPatcher, key: str) -> None:
    """Raise ValueError if a clone of a realigned MODEL loses what makes it one: every node and sampler works on clones."""
    clone = model.clone()
    wrapped = all(clone.get_wrappers(kind, key) for kind in (WrappersMP.OUTER_SAMPLE, WrappersMP.CALC_COND_BATCH))
    if not wrapped or clone.get_attachment(key) is None or not clone.get_additional_models_with_key(key):
        raise ValueError(
            f"A clone of the MODEL loses its lambda: ModelPatcher.clone is replaced by {where(type(model).clone)}, an old copy that drops "
            "wrappers and attachments. Update or disable the pack that does this."
        )


def check_no_run(model: BaseModel, key: str) -> None:
    """Raise ValueError if a realigned MODEL is evaluated outside of a run of its own, unless its lambda is 0 everywhere."""
    realignment = model.current_patcher.get_attachment(key) if model.current_patcher is not None else None
    if realignment is None or any(weight.acts() for weight in realignment.weights):
        raise ValueError(
            "lambda did not act: a node evaluates the realigned MODEL without a sampling run of its own, for example as the second model "
            "of a guider. Connect the realigned MODEL as that node's first model, or set lambda to 0."
        )


def where(function: object) -> str:
    """The module that a function comes from."""
    return str(getattr(function, "__module__", None) or type(function).__module__)
