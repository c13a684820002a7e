"""VQAScore: how probable a vision-language model finds "Yes" when it is asked whether an image shows the prompt.

Source: Lin et al., Evaluating Text-to-Visual Generation with Image-to-Text Generation (arXiv 2404.01291): P("Yes" | image, question).
Any model that transformers' AutoModelForImageTextToText reads from a folder serves; code in a folder is never run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import comfy.model_management
import torch

from . import on_device
from .batches import check_images, score_in_batches
from .refusals import refusing

KIND = "vqascore"
QUESTION = 'Does this figure show "{prompt}"? Please answer yes or no.'  # the paper's
ANSWER = "Yes"


class VisionLanguage(torch.nn.Module):
    """A vision-language model and what it reads. A module of its own, as core notes the device on what it loads."""

    def __init__(self, model: Any, inputs: Callable[[torch.Tensor, str], dict[str, torch.Tensor]], answer: int) -> None:
        """inputs: an image (H, W, 3) in 0..1 and a question -> the model's inputs, one row. answer: the token of "Yes"."""
        super().__init__()
        self.model = model
        self._inputs, self._answer = inputs, answer

    @torch.no_grad()
    def probability(self, image: torch.Tensor, question: str, device: torch.device) -> torch.Tensor:
        """P("Yes") as the first token of the answer, ()."""
        given = self._inputs(image, question)
        kinds = {name: self.model.dtype if value.is_floating_point() else value.dtype for name, value in given.items()}
        moved = {
            name: comfy.model_management.cast_to_device(value, device, kinds[name]) for name, value in given.items()
        }
        logits = self.model(**moved, use_cache=False, logits_to_keep=1).logits
        return logits[0, -1].float().softmax(dim=-1)[self._answer]


def describes(folder: Path) -> bool:
    """Whether a folder's config.json can be read, and is that of a vision-language model that transformers knows."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("model_type") in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES


def scorer(folder: Path) -> Callable[[torch.Tensor, str], tuple[float, ...]]:
    """Images (N, H, W, C) and their prompt -> P("Yes") of each. Raises ValueError for a folder that is not complete, and an empty prompt."""
    found = load(folder)
    patcher = on_device.managed(found)

    def score(images: torch.Tensor, prompt: str) -> tuple[float, ...]:
        check_images(images)
        if not prompt.strip():
            raise ValueError(
                f"prompt: {folder.name} is asked whether an image shows its prompt, got an empty one. Enter the prompt of the images."
            )
        question = QUESTION.format(prompt=prompt.strip())
        device = on_device.put(patcher, _activations(images, found.model.config))
        return score_in_batches(
            folder.name,
            images,
            lambda chunk, first: torch.stack([found.probability(image, question, device) for image in chunk]),
        )

    return score


def load(folder: Path) -> VisionLanguage:
    """Raises ValueError, naming the folder, for what transformers cannot read, weights that are missing, and a processor without a chat."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    here: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with refusing(partial(_refused, folder)):
        loader: Any = AutoModelForImageTextToText
        processor: Any = AutoProcessor.from_pretrained(folder, **here)
        model, report = loader.from_pretrained(
            folder,
            use_safetensors=True,
            output_loading_info=True,
            dtype=_precision(),
            attn_implementation=on_device.ATTENTION,
            **here,
        )
    missing = sorted(map(str, report["missing_keys"]))
    if missing:
        raise _refused(folder, f"{len(missing)} weights are missing (first {missing[0]})")
    if not getattr(processor, "chat_template", None):
        raise _refused(folder, "its processor has no chat template (chat_template.jinja or chat_template.json)")
    answer = processor.tokenizer.encode(ANSWER, add_special_tokens=False)
    if not answer:
        raise _refused(folder, f"its tokenizer has no words for {ANSWER!r} (is tokenizer.json missing?)")
    return VisionLanguage(model.eval().requires_grad_(False), _reader(processor), answer[0])


def _refused(folder: Path, reason: str) -> ValueError:
    return ValueError(
        f"scorer: {folder.name} cannot be used as a vision-language model (kind {KIND}): {reason}. Download every file of the model's page into "
        "that folder (config, weights in safetensors, tokenizer, processor, chat template); for another scorer set kind to auto."
    )


def _precision() -> torch.dtype:
    """bfloat16 where the device has it: these models overflow in float16."""
    device = comfy.model_management.text_encoder_device()
    return torch.bfloat16 if comfy.model_management.should_use_bf16(device) else torch.float32


def _reader(processor: Any) -> Callable[[torch.Tensor, str], dict[str, torch.Tensor]]:
    from PIL import Image

    def inputs(image: torch.Tensor, question: str) -> dict[str, torch.Tensor]:
        pixels = Image.fromarray(on_device.as_bytes(image).numpy())
        content = [{"type": "image", "image": pixels}, {"type": "text", "text": question}]
        asked = [{"role": "user", "content": content}]
        return dict(
            processor.apply_chat_template(
                asked, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            )
        )

    return inputs


def _activations(images: torch.Tensor, config: Any) -> int:
    """Bytes that one image takes, at 14 pixels or more for each of the vision tower's patches: queries to the inner layer of a block."""
    width = max(getattr(part, "hidden_size", 0) for part in (config, getattr(config, "vision_config", config)))
    patches = images.shape[1] * images.shape[2] // 14**2 + 1
    return 4 * patches * 16 * max(width, 1024)
