"""What temporal alignment costs beside the network that it accompanies, counted, not timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.ops
import comfy.supported_models
import torch
from comfy.ldm.modules.attention import attention_pytorch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from deradiff.nodes.method.time_predictor import Bins, build, initial_weights
from torch.utils.flop_counter import FlopCounterMode

SD15 = comfy.supported_models.SD15.unet_config | {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "use_spatial_transformer": True,
    "legacy": False,
    "num_heads": 8,
}


def _attention(usual: Callable, *args: Any, **kwargs: Any) -> torch.Tensor:
    """The one of core's that asks for no device's memory, which "meta" has not."""
    return attention_pytorch(*args, **kwargs)


def test_an_offset_takes_few_operations_beside_a_unet(record_property: Callable[[str, object], None]) -> None:
    """For one latent of 64 x 64 and one conditioning of SD1.5's network. A pass backwards to the latent takes as many as one forwards."""
    bins = Bins(-3.5, 2.7)
    network = build(4, bins.count, lambda made: initial_weights(made, torch.Generator().manual_seed(0)))
    with FlopCounterMode(display=False) as ours:
        network(torch.randn(1, 4, 64, 64))
    unet = UNetModel(**SD15, dtype=torch.float32, device="meta", operations=comfy.ops.disable_weight_init)
    x, time, context = (torch.empty(shape, device="meta") for shape in ((1, 4, 64, 64), (1,), (1, 77, 768)))
    with FlopCounterMode(display=False) as theirs, torch.no_grad():
        unet(x, time, context=context, transformer_options={"optimized_attention_override": _attention})
    share = 2 * ours.get_total_flops() / theirs.get_total_flops()
    figure = (
        f"Temporal alignment takes {100 * share:.2f} % of the operations of SD1.5's network for a latent of 64 x 64."
    )
    record_property("figure", figure)
    assert 0 < share < 0.03
