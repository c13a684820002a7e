"""A second module tree over the same weights, and an independent copy of a module with weights of its own.

Two ModelPatchers around one module cannot be loaded together in ComfyUI: loading one detaches the other. A twin lets two models
run over one copy of the weights instead. Only the modules on the way to something that differs are copied, as empty
shells around the same children; parameters, buffers and every other layer stay the same objects, so whatever core
does to them (loading, offloading, hook patches) holds for both trees, and the original is never changed.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

import torch

Module = TypeVar("Module", bound=torch.nn.Module)


def _shell(module: Module) -> Module:
    """A new module object of the same class, with the same parameters and buffers and the same children."""
    shell = copy.copy(module)
    shell._modules = module._modules.copy()
    _rebind(shell, module)
    return shell


def _rebind(copied: torch.nn.Module, original: torch.nn.Module) -> None:
    """Bind to the copy what was bound to the original: other packs replace `forward` and its like on the very object.

    Raises ValueError where that cannot be done: a function that reaches the original some other way would run the original.
    """
    for name, value in vars(original).items():
        bound = _bound(value, copied, original)
        if bound is not value:
            vars(copied)[name] = bound
        elif callable(value) and isinstance(getattr(type(original), name, None), types.FunctionType):
            raise ValueError(
                f"{name} of {type(original).__name__} is replaced by a function of {getattr(value, '__module__', None)}, which works for "
                "one model only: lambda would mix a model with itself. Disable the node or pack that replaces it, or load reference "
                "and aligned model from two files."
            )


def _bound(value: object, copied: torch.nn.Module, original: torch.nn.Module) -> object:
    if isinstance(value, types.MethodType) and value.__self__ is original:
        return types.MethodType(value.__func__, copied)
    if isinstance(value, partial):
        parts = (value.func, *value.args)
        function, *arguments = (copied if part is original else _bound(part, copied, original) for part in parts)
        if function is not value.func or any(a is not b for a, b in zip(arguments, value.args, strict=True)):
            return partial(cast(Callable, function), *arguments, **value.keywords)
    return value


def twin(root: Module, replaced: Mapping[str, object]) -> Module:
    """Return a tree like `root` in which each dotted path of `replaced` leads to the given object instead.

    Paths are applied in order. `root` and everything below it stay unchanged; a module on the way that torch.compile
    compiled is compiled again for the twin.
    """
    shells: dict[int, object] = {}  # by the id of what each was made of
    originals: list[object] = []  # ids are only unique while the objects live
    ours: set[int] = set()
    compiled: list[tuple[object, str, object]] = []  # (parent, name, compiled original)

    def shell_of(original: object) -> object:
        if id(original) not in shells:
            shell = _shell(original) if isinstance(original, torch.nn.Module) else copy.copy(original)
            shells[id(original)] = shell
            originals.append(original)
            ours.add(id(shell))
        return shells[id(original)]

    top = shell_of(root)
    for path, value in replaced.items():
        *way, last = path.split(".")
        place = top
        for name in way:
            child = getattr(place, name)
            if id(child) not in ours:
                if is_compiled(child):  # setting on it would set on the original
                    compiled.append((place, name, child))
                    child = child._orig_mod
                child = shell_of(child)
                setattr(place, name, child)
            place = child
        setattr(place, last, recompiled(value, getattr(place, last)) if is_compiled(value) else value)
    for place, name, original in compiled:
        setattr(place, name, recompiled(original, getattr(place, name)))
    return cast(Module, top)


def is_compiled(value: object) -> bool:
    """Whether this is a module compiled by torch.compile."""
    return hasattr(value, "_orig_mod")


def recompiled(compiled: object, module: torch.nn.Module) -> object:
    """`module`, compiled with the settings of a compiled module."""
    return type(compiled)(module, compiled.dynamo_ctx)  # type: ignore[attr-defined, call-arg]


def independent(module: Module, device: torch.device) -> Module:
    """A copy of `module` with weights of its own on `device`; everything that is not a module or a tensor is shared.

    `copy.deepcopy` would do on older ComfyUI; models of current ComfyUI refuse it.
    """
    copied: dict[int, Any] = {}

    def tensor(value: torch.Tensor | None) -> Any:
        if value is not None and id(value) not in copied:
            fresh = value.detach().to(device, copy=True)
            parameter = isinstance(value, torch.nn.Parameter)
            copied[id(value)] = torch.nn.Parameter(fresh, requires_grad=False) if parameter else fresh
        return copied.get(id(value))

    def whole(original: torch.nn.Module | None) -> Any:
        if original is not None and id(original) not in copied:
            fresh = copied[id(original)] = copy.copy(original)
            fresh._parameters = {name: tensor(value) for name, value in original._parameters.items()}
            fresh._buffers = {name: tensor(value) for name, value in original._buffers.items()}
            fresh._modules = {name: whole(child) for name, child in original._modules.items()}
            _rebind(fresh, original)
        return copied.get(id(original))

    return whole(module)
