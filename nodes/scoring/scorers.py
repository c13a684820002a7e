"""Scorers: learned ones over CLIP and the measures of measures.py, each a function from images and a prompt to scores.

Sources: PickScore (arXiv 2305.01569), HPSv2 (arXiv 2306.09341), CLIPScore (arXiv 2104.08718), LAION aesthetic predictor
(sac+logos+ava1-l14-linearMSE), VQAScore (vqa.py). A cosine is that of the projected, L2-normalised CLIP features of image and prompt.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import comfy.model_management
import torch

from . import measures, on_device, scorer_files, unsupported, vqa
from .batches import SIZE, check_images, score_in_batches
from .scorer_files import Parts

KINDS = (*scorer_files.KINDS, vqa.KIND)

Score = Callable[[torch.Tensor, str], tuple[float, ...]]
Formula = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def pickscore(cosine: torch.Tensor, logit_scale: torch.Tensor) -> torch.Tensor:
    """exp(logit_scale) * cosine, about 16 to 26: the score of PickScore's page before its softmax over several images."""
    return logit_scale.exp() * cosine


def hpsv2(cosine: torch.Tensor, logit_scale: torch.Tensor) -> torch.Tensor:
    """100 * cosine, about 20 to 32: the scale of HPSv2's benchmark tables (its package returns the cosine itself)."""
    return 100 * cosine


def clipscore(cosine: torch.Tensor, logit_scale: torch.Tensor) -> torch.Tensor:
    """max(100 * cosine, 0), as torchmetrics computes it. The paper's own scale is 2.5 * max(cosine, 0)."""
    return (100 * cosine).clamp(min=0)


FORMULAS: dict[str, Formula] = {"pickscore": pickscore, "hpsv2": hpsv2, "clipscore": clipscore}


def measure_scorer(name: str) -> Score:
    """A measure of MEASURES as a scorer that ignores the prompt. Raises ValueError for other names."""
    if name not in measures.MEASURES:
        raise ValueError(f"scorer: expected one of {', '.join(measures.MEASURES)}, got {name!r}.")
    measure = measures.MEASURES[name]
    return lambda images, prompt: score_in_batches(name, images, lambda chunk, first: measure(chunk))


def closeness(images: torch.Tensor, others: torch.Tensor) -> tuple[float, ...]:
    """How close each image is to the one at its place in `others`: 1 is equal. Raises ValueError for images of another size."""
    check_images(images)
    if images.shape[:3] != others.shape[:3]:
        raise ValueError(
            f"images: expected images of shape {tuple(others.shape[:3])} to compare with, got {tuple(images.shape[:3])}."
        )
    return score_in_batches(
        measures.CLOSENESS,
        images,
        lambda chunk, first: measures.closeness(chunk, others[first : first + chunk.shape[0]]),
    )


def folder_scorer(folder: Path, kind: str = "auto") -> tuple[str, Score]:
    """The kind of the scorer in a folder, and the scorer. kind: one of KINDS. Raises ValueError."""
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}.")
    unsupported.check(folder)
    if kind == vqa.KIND or (kind == scorer_files.AUTO and vqa.describes(folder)):
        return vqa.KIND, vqa.scorer(folder)
    parts = scorer_files.load(folder, kind)
    return parts.kind, ClipScore(folder.name, parts)


class ClipScore:
    """Scores by a CLIP: a Score, with the features that it judges by."""

    def __init__(self, name: str, parts: Parts) -> None:
        self._name, self._parts = name, parts
        self._patcher = on_device.managed(parts.model)

    def __call__(self, images: torch.Tensor, prompt: str) -> tuple[float, ...]:
        check_images(images)
        text = self._parts.tokens(prompt)
        device = self._put(images)
        with torch.no_grad():
            judge = _judge(self._parts, device, text)
            return score_in_batches(self._name, images, lambda chunk, first: judge(chunk))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """(N, D) on the CPU, of length 1."""
        check_images(images)
        device = self._put(images)
        with torch.no_grad():
            found = [_features(self._parts, device, chunk) for chunk in images.split(SIZE)]
        return comfy.model_management.cast_to(torch.cat(found), torch.float32, torch.device("cpu"))

    def _put(self, images: torch.Tensor) -> torch.device:
        return on_device.put(self._patcher, self._parts.memory_for(images.shape[0]))


def _features(parts: Parts, device: torch.device, chunk: torch.Tensor) -> torch.Tensor:
    return parts.model.image_features(comfy.model_management.cast_to_device(parts.pixels(chunk), device, torch.float32))


def _judge(parts: Parts, device: torch.device, text: dict[str, torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Images (n, H, W, C) -> scores (n,), on the model's device. text: the prompt's tokens, none for a scorer that reads no prompt."""
    model = parts.model
    if model.head is not None:
        return lambda chunk: model.rating(_features(parts, device, chunk))
    tokens = {name: comfy.model_management.cast_to_device(ids, device, ids.dtype) for name, ids in text.items()}
    words = model.text_features(tokens)  # (1, D)
    formula = FORMULAS[parts.kind]
    return lambda chunk: formula((_features(parts, device, chunk) * words).sum(dim=-1), model.logit_scale())
