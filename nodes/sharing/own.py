"""A run of its own for a function with state: what a step cache remembers of one model must not serve another."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher

_SHARED = (torch.Tensor, torch.nn.Module, ModelPatcher, type, types.ModuleType)


def own(function: Callable) -> Callable:
    """The function with state of its own: what it closes over, is bound to, or carries is copied, as deep as it is Python's.

    Tensors, modules and ModelPatchers are shared, not copied, and nothing that the copy does reaches the original's state.
    """
    return _copied(function, {})


def _copied(value: Any, known: dict[int, Any]) -> Any:
    if id(value) not in known:
        known[id(value)] = value if isinstance(value, _SHARED) else _fresh(value, known)
    return known[id(value)]


def _fresh(value: Any, known: dict[int, Any]) -> Any:
    made: Any
    if isinstance(value, types.MethodType):
        return types.MethodType(value.__func__, _copied(value.__self__, known))
    if isinstance(value, types.FunctionType):
        return _function(value, known)
    if isinstance(value, partial):
        return partial(_copied(value.func, known), *_copied(value.args, known), **_copied(value.keywords, known))
    if type(value) is tuple:
        return tuple(_copied(item, known) for item in value)
    if isinstance(value, dict):
        made = known[id(value)] = copy.copy(value)
        made.update({key: _copied(item, known) for key, item in value.items()})
    elif isinstance(value, list):
        made = known[id(value)] = copy.copy(value)
        made[:] = [_copied(item, known) for item in value]
    elif isinstance(value, set | bytearray):
        made = copy.copy(value)
    elif hasattr(value, "__dict__"):
        made = known[id(value)] = copy.copy(value)
        vars(made).update({name: _copied(item, known) for name, item in vars(value).items()})
    else:
        made = value
    return made


def _function(function: types.FunctionType, known: dict[int, Any]) -> types.FunctionType:
    if not function.__closure__ and not function.__defaults__ and not vars(function):
        return function
    cells = tuple(types.CellType() for _ in function.__closure__ or ())
    made = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, cells or None
    )
    known[id(function)] = made
    for cell, original in zip(cells, function.__closure__ or (), strict=True):
        cell.cell_contents = _copied(original.cell_contents, known)
    made.__defaults__ = _copied(function.__defaults__, known)
    made.__kwdefaults__ = _copied(function.__kwdefaults__, known)
    vars(made).update(_copied(vars(function), known))
    return made
