"""A second module tree over the same weights, and an independent copy of a module with weights of its own.
May import torch; knows nothing of patchers.

Two ModelPatchers around one module exclude each other in ComfyUI: loading one detaches the other. A twin lets two models
run over one copy of the weights instead. Only the modules on the way to something that differs are copied, as empty
shells around the same children; parameters, buffers and every other layer stay the very same objects, so whatever core
does to them (loading, offloading, hook patches) holds for both trees, and nothing is ever done to the original.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch


def _shell(module: torch.nn.Module) -> torch.nn.Module:
    """A new module object of the same class, with the same parameters and buffers and the same children."""
    shell = copy.copy(module)
    shell._modules = module._modules.copy()
    return shell


def twin(root: torch.nn.Module, replaced: Mapping[str, object]) -> torch.nn.Module:
    """Return a tree like `root` in which each dotted path of `replaced` leads to the given object instead.

    Paths are applied in order. `root` and everything below it stay untouched.
    """
    copied = {id(root): _shell(root)}
    keep = [root]  # ids are only unique while the objects live

    def own(parent: object, name: str) -> object:
        child = getattr(parent, name)
        if id(child) in copied:
            shell = copied[id(child)]
        elif any(child is shell for shell in copied.values()):
            return child
        else:
            shell = _shell(child) if isinstance(child, torch.nn.Module) else copy.copy(child)
            copied[id(child)] = shell
            keep.append(child)
        setattr(parent, name, shell)
        return shell

    for path, value in replaced.items():
        *way, last = path.split(".")
        place: object = copied[id(root)]
        for name in way:
            place = own(place, name)
        compiled_from = getattr(value, "_orig_mod", None)
        if compiled_from is not None:
            value = recompiled(value, getattr(place, last))
        setattr(place, last, value)
    return copied[id(root)]


def recompiled(compiled: object, module: torch.nn.Module) -> object:
    """What torch.compile made of another module, made of `module` with the same settings."""
    return type(compiled)(module, compiled.dynamo_ctx)  # type: ignore[attr-defined, call-arg]


def independent(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    """A copy of `module` with weights of its own on `device`; everything that is no module or tensor is shared.

    `copy.deepcopy` would do on older ComfyUI; models of current ComfyUI refuse it.
    """
    copied: dict[int, object] = {}

    def tensor(value: torch.Tensor | None) -> torch.Tensor | None:
        if value is None:
            return None
        if id(value) not in copied:
            fresh = value.detach().to(device, copy=True)
            copied[id(value)] = (
                torch.nn.Parameter(fresh, requires_grad=False) if isinstance(value, torch.nn.Parameter) else fresh
            )
        return copied[id(value)]  # type: ignore[return-value]

    def whole(original: torch.nn.Module | None) -> torch.nn.Module | None:
        if original is None:
            return None
        if id(original) not in copied:
            fresh = copy.copy(original)
            copied[id(original)] = fresh
            fresh._parameters = {name: tensor(value) for name, value in original._parameters.items()}
            fresh._buffers = {name: tensor(value) for name, value in original._buffers.items()}
            fresh._modules = {name: whole(child) for name, child in original._modules.items()}
        return copied[id(original)]  # type: ignore[return-value]

    return whole(module)  # type: ignore[return-value]
