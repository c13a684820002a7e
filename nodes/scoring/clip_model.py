"""The network of a learned scorer: a CLIP of the transformers library and, for the aesthetic predictor, a head on it.

CLIP: arXiv 2103.00020. The head is that of the LAION aesthetic predictor: linear layers without activations between them,
and dropouts, which do nothing at inference but count in the names of the file's weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

HEAD_WIDTHS = (1024, 128, 64, 16, 1)
_DROPOUTS = 3  # behind the first layers, so the linear ones are layers.0, 2, 4, 6 and 7


class Head(torch.nn.Module):
    """Image features (N, width), L2-normalised -> ratings (N, 1), about 1 to 10."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        for place, (before, after) in enumerate(zip((width, *HEAD_WIDTHS), HEAD_WIDTHS, strict=False)):
            layers.append(torch.nn.Linear(before, after))
            if place < _DROPOUTS:
                layers.append(torch.nn.Identity())
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.layers(features)


class ClipScorer(torch.nn.Module):
    """A CLIPModel with or without a head. Features come out projected and L2-normalised, (N, D)."""

    clip: Any  # the form of its features differs between versions of transformers

    def __init__(self, clip: torch.nn.Module, head: Head | None = None) -> None:
        super().__init__()
        self.clip, self.head = clip, head

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """pixels: (N, 3, S, S) as the image processor makes them."""
        return _normalised(self.clip.get_image_features(pixel_values=pixels))

    def text_features(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        """tokens: input_ids and attention_mask, (N, L)."""
        return _normalised(self.clip.get_text_features(**tokens))

    def logit_scale(self) -> torch.Tensor:
        return self.clip.logit_scale

    def rating(self, features: torch.Tensor) -> torch.Tensor:
        """The head's ratings, (N,)."""
        if self.head is None:
            raise ValueError("kind: this scorer has no aesthetic head. Load its folder as another kind.")
        return self.head(features)[:, 0]


def _normalised(output: object) -> torch.Tensor:
    """transformers 4 gives the projected features themselves, transformers 5 an object that holds them."""
    features = output if isinstance(output, torch.Tensor) else output.pooler_output  # type: ignore[attr-defined]
    return functional.normalize(features, dim=-1)
