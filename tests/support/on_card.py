"""Images as --gpu-only leaves them, on a machine without a GPU: they compute, and refuse to become numpy arrays as CUDA's do."""

from __future__ import annotations

from typing import Any

import torch

_REFUSED = ("numpy", "__array__", "tolist")


class OnCard(torch.Tensor):
    """A tensor that must go through cpu() before anything but torch can read it."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in _REFUSED:
            raise TypeError(
                "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor first."
            )
        result = super().__torch_function__(func, types, args, kwargs or {})
        return result.as_subclass(torch.Tensor) if name == "cpu" else result


def on_card(images: torch.Tensor) -> OnCard:
    """The images, as if they lay on a GPU."""
    return images.as_subclass(OnCard)
