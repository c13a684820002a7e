"""Whether what is connected is what a node takes. ComfyUI compares the types of links, but passes on any value that a
prompt of the API puts in the place of a link.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE

from .method.limits import quoted
from .method.predictor_card import TimePredictor
from .method.schedule import LambdaSchedule
from .wires import Scorer, Scores, Sweep

Function = TypeVar("Function", bound=Callable[..., Any])

_WIRES: Mapping[type, str] = {
    ModelPatcher: "MODEL",
    list: "CONDITIONING",
    dict: "LATENT",
    torch.Tensor: "IMAGE",
    VAE: "VAE",
    LambdaSchedule: "LAMBDA_SCHEDULE",
    Sweep: "LAMBDA_SWEEP",
    Scores: "SCORES",
    Scorer: "SCORER",
    TimePredictor: "TIME_PREDICTOR",
}


def checked(function: Function) -> Function:
    """The function, raising ValueError for an argument that is not of the wire type that its annotation names."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def check(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        for name, types in _wires(function).items():
            if name in given and not _is(given[name], types):
                expected = "MASK" if name == "mask" else next(_WIRES[type_] for type_ in types if type_ in _WIRES)
                raise ValueError(
                    f"{name}: expected a {expected}, got {quoted(given[name])}. Connect the output of a node that gives one."
                )
        return function(*args, **kwargs)

    return typing.cast(Function, check)


@functools.cache
def _wires(function: Callable) -> dict[str, tuple[type, ...]]:
    """The arguments that take a wire, and the types that each may have."""
    hints = {name: typing.get_args(hint) or (hint,) for name, hint in typing.get_type_hints(function).items()}
    return {name: types for name, types in hints.items() if name != "return" and any(t in _WIRES for t in types)}


def _is(value: object, types: tuple[type, ...]) -> bool:
    return isinstance(value, types) and (not isinstance(value, dict) or "samples" in value)
