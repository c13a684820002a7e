"""LoRA in the forward pass: the difference between two models that share their weights.

A LoRA layer's weight is W + strength * alpha / rank * up @ down, so its output is that of W plus a small branch.
Hu et al., LoRA (arXiv 2106.09685), equation 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import comfy.model_management
import torch
from comfy.weight_adapter import LoRAAdapter

Patch = tuple  # core's (strength, adapter or weights, strength_model, offset, function)


@dataclass(frozen=True)
class Piece:
    """One LoRA on one layer: `factor` is its strength, negative where the LoRA has to be removed."""

    path: str
    adapter: LoRAAdapter
    factor: float
    offset: tuple[int, int, int] | None


def pieces(
    reference: Mapping[str, list[Patch]], aligned: Mapping[str, list[Patch]], module: torch.nn.Module
) -> list[Piece] | None:
    """What to add to the reference's patched weights to get the aligned model's, or None if they differ by more than LoRA.

    reference, aligned: the `patches` of two ModelPatchers around `module`.
    """
    found: list[Piece] = []
    for key in sorted({*reference, *aligned}):
        ours, theirs = _suffixes(reference.get(key, []), aligned.get(key, []))
        for sign, patches in ((-1.0, ours), (1.0, theirs)):
            for patch in patches:
                if not _runs_in_forward(key, patch, module):
                    return None
                path = key.removesuffix(".weight")
                found.append(Piece(path, patch[1], sign * patch[0], patch[3]))
    return found


def exceeds(first: Mapping[str, list[Patch]], second: Mapping[str, list[Patch]]) -> bool:
    """Whether a model's patches hold any that another one's, around the same module, do not."""
    return any(_suffixes(patches, second.get(key, []))[0] for key, patches in first.items())


def _suffixes(reference: list[Patch], aligned: list[Patch]) -> tuple[list[Patch], list[Patch]]:
    """What remains of two patch lists after their common prefix. Patches apply in order."""
    common = 0
    for ours, theirs in zip(reference, aligned, strict=False):
        if ours is not theirs and not (ours[1] is theirs[1] and ours[0] == theirs[0] and ours[2:] == theirs[2:]):
            break
        common += 1
    return reference[common:], aligned[common:]


def _runs_in_forward(key: str, patch: Patch, module: torch.nn.Module) -> bool:
    _, adapter, strength_model, offset, function = patch
    if (
        not isinstance(adapter, LoRAAdapter)
        or not key.endswith(".weight")
        or strength_model != 1.0
        or function is not None
    ):
        return False
    _, _, _, _, dora_scale, reshape = adapter.weights
    if dora_scale is not None or reshape is not None:
        return False
    return fits(adapter, module.get_submodule(key.removesuffix(".weight")), offset)


def weight_shape(layer: torch.nn.Module) -> tuple[int, ...] | None:
    """(out, in) of a Linear, (out, in, *kernel) of an ungrouped convolution, None for anything else.

    Read from the layer's sizes: the weights of quantised layers have other shapes.
    """
    if hasattr(layer, "in_features") and hasattr(layer, "out_features"):
        return (layer.out_features, layer.in_features)  # type: ignore[return-value]
    if (
        isinstance(layer, torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.Conv3d)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
    ):
        return (layer.out_channels, layer.in_channels, *layer.kernel_size)
    return None


def fits(adapter: LoRAAdapter, layer: torch.nn.Module, offset: tuple[int, int, int] | None) -> bool:
    """Whether the adapter's matrices have the sizes of the layer (of its slice, where `offset` = (dim, start, length))."""
    shape = weight_shape(layer)
    if shape is None:
        return False
    if offset is not None:
        dim, start, length = offset
        if dim > 1 or start + length > shape[dim]:
            return False
        shape = (*shape[:dim], length, *shape[dim + 1 :])
    up, down, _, mid, _, _ = adapter.weights
    inner = torch.Size(shape[1:]).numel()
    if mid is not None:  # up (out, r, 1, 1), mid (r, r, *kernel), down (r, in, 1, 1)
        return up.shape[0] == shape[0] and down.shape[1] == shape[1] and tuple(mid.shape[2:]) == shape[2:]
    return up.shape[0] == shape[0] and down[0].numel() == inner and up[0].numel() == down.shape[0]


class Unbatchable(Exception):
    """A layer's input is not laid out as the rows of the batch, so those of an aligned model cannot be found."""


@dataclass
class Rows:
    """Where one aligned model is in the batch that is being evaluated. Without a batch, all rows are this model's."""

    batch: int | None = None
    spans: Sequence[slice] = (slice(None),)

    def of(self, x: torch.Tensor) -> Sequence[slice]:
        """The rows of a layer's input that belong to this model. Raises Unbatchable if they cannot be found."""
        if self.batch is not None and x.shape[0] != self.batch:
            raise Unbatchable
        return self.spans


class LoraBranch(torch.nn.Module):
    """factor * alpha / rank * up(down(x)) for one layer, with the layer's own stride, padding and dilation."""

    def __init__(self, piece: Piece, layer: torch.nn.Module) -> None:
        super().__init__()
        up, down, alpha, mid, _, _ = piece.adapter.weights
        rank = down.shape[0]
        self.scale = float(piece.factor * (alpha / rank if alpha is not None else 1.0))
        self.offset = piece.offset
        self.reached = False
        shape = weight_shape(layer)
        assert shape is not None  # pieces() lets nothing else through
        if len(shape) == 2:
            self.convolve = None
            down, up = down.reshape(rank, -1), up.reshape(up.shape[0], -1)
        else:
            self.convolve = (torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d)[
                len(shape) - 3
            ]
            ones = (1,) * (len(shape) - 2)
            down = down.reshape(rank, -1, *(ones if mid is not None else shape[2:]))
            up = up.reshape(up.shape[0], -1, *ones)
        self.geometry = (
            {name: getattr(layer, name) for name in ("stride", "padding", "dilation")} if self.convolve else {}
        )
        self.up = torch.nn.Parameter(up, requires_grad=False)
        self.down = torch.nn.Parameter(down, requires_grad=False)
        self.mid = None if mid is None else torch.nn.Parameter(mid, requires_grad=False)

    def add_to(self, output: torch.Tensor, x: torch.Tensor) -> None:
        """Add this branch of the layer's input x to the layer's output, in place."""
        self.reached = True
        dim, start, length = self.offset or (None, 0, 0)
        channels = 1 if self.convolve else -1
        if dim == 1:
            x = x.narrow(channels, start, length)
        elif dim == 0:
            output = output.narrow(channels, start, length)
        up, down, mid = (
            None if w is None else comfy.model_management.cast_to(w, x.dtype, x.device)
            for w in (self.up, self.down, self.mid)
        )
        if self.convolve is None:
            hidden = torch.nn.functional.linear(x, down)
            if output.is_contiguous() and output.dtype == hidden.dtype:
                output.view(-1, output.shape[-1]).addmm_(hidden.view(-1, len(down)), up.t(), alpha=self.scale)
            else:
                output.add_(torch.nn.functional.linear(hidden, up), alpha=self.scale)
        elif mid is None:
            output.add_(self.convolve(self.convolve(x, down, **self.geometry), up), alpha=self.scale)
        else:
            hidden = self.convolve(self.convolve(x, down), mid, **self.geometry)
            output.add_(self.convolve(hidden, up), alpha=self.scale)


# What networks ask of a layer besides its output. What core's loader and its streaming keep on a layer is not lent: they would
# take the layer for two.
LENT = frozenset(
    {"weight", "bias", "dtype", "device", "in_features", "out_features", "in_channels", "out_channels", "groups"}
    | {"kernel_size", "stride", "padding", "dilation", "padding_mode"}
)


class AdaptedLayer(torch.nn.Module):
    """A layer of the shared weights with LoRA branches beside it; its sizes and weights are asked of the layer itself."""

    def __init__(self, layer: torch.nn.Module, branches: Sequence[tuple[LoraBranch, Rows]]) -> None:
        super().__init__()
        self.layer = layer
        self.branches: Iterable[LoraBranch] = torch.nn.ModuleList(branch for branch, _ in branches)  # type: ignore[assignment]
        self.rows = [rows for _, rows in branches]

    def forward(self, x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        output = self.layer(x, *args, **kwargs)
        for branch, rows in zip(self.branches, self.rows, strict=True):
            for span in rows.of(x):
                branch.add_to(output[span], x[span])
        return output

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name not in LENT:
                raise
            return getattr(super().__getattr__("layer"), name)


class Adapters(torch.nn.Module):
    """All LoRA branches of an aligned model: the only weights it owns. Core loads and offloads them like any module."""

    def __init__(self, found: Sequence[Piece], module: torch.nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.paths = [piece.path for piece in found]
        self.branches = torch.nn.ModuleList(LoraBranch(piece, module.get_submodule(piece.path)) for piece in found)

    def get_dtype(self) -> torch.dtype:
        """The dtype that core casts a model's patches to."""
        return self.dtype

    def start(self) -> None:
        """Forget which layers were reached, at the start of a run."""
        for branch in self.branches:
            branch.reached = False  # type: ignore[assignment]

    def unreached(self) -> list[str]:
        """Paths of adapted layers that no forward pass went through."""
        return [path for path, branch in zip(self.paths, self.branches, strict=True) if not branch.reached]


def adapted(module: torch.nn.Module, found: Iterable[tuple[Adapters, Rows]]) -> dict[str, AdaptedLayer]:
    """Each layer of `module` that adapters act on, by path, wrapped with their branches."""
    grouped: dict[str, list[tuple[LoraBranch, Rows]]] = {}
    for adapters, rows in found:
        for path, branch in zip(adapters.paths, adapters.branches, strict=True):
            grouped.setdefault(path, []).append((branch, rows))  # type: ignore[arg-type]
    return {path: AdaptedLayer(module.get_submodule(path), branches) for path, branches in grouped.items()}
