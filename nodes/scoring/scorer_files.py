"""Loads scorers from folders: a CLIPModel in the format of the transformers library, its processors, and an aesthetic head.
Nothing is ever downloaded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.utils
import torch

from .batches import SIZE
from .clip_model import ClipScorer, Head
from .on_device import ATTENTION, as_bytes
from .refusals import foreign, json_object, needed, reading
from .tokens import Tokens, no_tokens, tokenizer

AUTO, AESTHETIC = "auto", "aesthetic"
KINDS = (AUTO, "pickscore", "hpsv2", "clipscore", AESTHETIC)

_MARKS = {"pick": "pickscore", "hps": "hpsv2"}
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_PROCESSOR = ("preprocessor_config.json", "processor_config.json")
_HEAD_FORMS = (".pth", ".pt", ".safetensors")


@dataclass(frozen=True)
class Parts:
    """What a learned scorer is made of.

    tokens: the prompt's tokens for ClipScorer.text_features, none for the aesthetic kind.
    pixels: images (N, H, W, C) in 0..1 -> (N, 3, S, S), resized, cropped and normalised as the scorer was trained.
    activations: bytes that one image takes while it is encoded.
    """

    kind: str
    model: ClipScorer
    tokens: Tokens
    pixels: Callable[[torch.Tensor], torch.Tensor]
    activations: int

    def memory_for(self, images: int) -> int:
        """Bytes that scoring takes beside the weights."""
        return self.activations * min(images, SIZE)


def load(folder: Path, kind: str) -> Parts:
    """The scorer in a folder, in float32: half precision would change a PickScore by more than neighbouring lambdas differ.

    kind: one of KINDS; auto finds it from the files (see `kind_of`). Raises ValueError for a missing, foreign or damaged file.
    """
    described = _described(folder)
    kind = kind_of(folder, described) if kind == AUTO else kind
    logging.getLogger("deradiff").info("Scorer %s: read as %s", folder.name, kind)
    config = _config(folder)
    text, vision = config.text_config, config.vision_config
    with reading(folder / "config.json", "the sizes of a CLIP model"):
        activations = _activations(vision)
    clip = _clip(folder, config)
    head = _head(folder, config.projection_dim) if kind == AESTHETIC else None
    tokens = no_tokens if head else tokenizer(folder, text.vocab_size, text.max_position_embeddings)
    model = ClipScorer(clip, head).eval()
    if head is None:
        _try_text(folder, model, tokens)
    return Parts(kind, model, tokens, _processor(folder, vision.image_size), activations)


def kind_of(folder: Path, config: dict[str, Any]) -> str:
    """aesthetic if a head lies beside the model; pickscore or hpsv2 if the folder's name, or the name in config.json, says so
    ("pick", "hps"); clipscore otherwise. The kinds other than aesthetic rank images in the same order and differ in scale."""
    if _head_files(folder):
        return AESTHETIC
    names = f"{folder.name} {config.get('_name_or_path', '')}".lower()
    return next((kind for mark, kind in _MARKS.items() if mark in names), "clipscore")


def _described(folder: Path) -> dict[str, Any]:
    """What config.json says."""
    path = needed(folder, ("config.json",), "the description of a CLIP model")
    found = json_object(path, "a CLIP model's description", "model_type")
    if found["model_type"] != "clip":
        raise foreign(path, "a CLIP model (model_type clip)", f"it describes {found['model_type']!r}")
    return found


def _config(folder: Path) -> Any:
    from transformers import CLIPConfig

    with reading(folder / "config.json", "a CLIP model's description"):
        return CLIPConfig.from_pretrained(folder, local_files_only=True)


def _clip(folder: Path, config: Any) -> Any:
    """The CLIPModel, with all of its weights from the file."""
    from transformers import CLIPModel

    path = needed(folder, _WEIGHTS, "the weights of a CLIP model")
    expected = "the weights of the CLIP model that config.json describes"
    how = {"local_files_only": True, "use_safetensors": True, "attn_implementation": ATTENTION}
    loader: Any = CLIPModel
    with reading(path, expected):
        model, report = loader.from_pretrained(
            folder, config=config, output_loading_info=True, ignore_mismatched_sizes=True, **how
        )
    wrong = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if wrong:
        raise foreign(path, expected, f"{len(wrong)} weights are missing or of another size (first {wrong[0]})")
    more = sorted(name for name in report["unexpected_keys"] if ".layers." in name)
    if more:
        raise foreign(
            path, expected, f"it holds {len(more)} weights of layers that are not described (first {more[0]})"
        )
    return model.float().eval().requires_grad_(False)


def _try_text(folder: Path, model: ClipScorer, tokens: Tokens) -> None:
    """Raise ValueError if the model cannot read a word: better now than when all images are sampled."""
    with (
        reading(folder / "config.json", "the description of a CLIP model that reads the tokenizer's words"),
        torch.no_grad(),
    ):
        model.text_features(tokens("a"))


def _head_files(folder: Path) -> list[Path]:
    files = (path for path in folder.iterdir() if path.suffix in _HEAD_FORMS and not path.name.startswith("model"))
    return sorted(files)


def _head(folder: Path, width: int) -> Head:
    """The aesthetic head for features of a width. Raises ValueError unless there is exactly one that fits."""
    files = _head_files(folder)
    if len(files) != 1:
        listed = ", ".join(path.name for path in files) or "none"
        raise ValueError(
            f"scorer: kind aesthetic needs one file with the predictor's head in {folder.name}, for example "
            f"sac+logos+ava1-l14-linearMSE.pth, found {listed}. Put it beside the CLIP model, or choose another kind."
        )
    expected = f"an aesthetic head on features {width} wide (layers.0 to layers.7)"
    head = Head(width)
    with reading(files[0], expected):
        weights = comfy.utils.load_torch_file(str(files[0]), safe_load=True)
        wrong = _difference(weights, head.state_dict())
    if wrong:
        raise foreign(files[0], expected, wrong)
    head.load_state_dict(weights)
    return head.eval().requires_grad_(False)


def _difference(weights: object, wanted: dict[str, torch.Tensor]) -> str:
    """How the tensors of a file differ from those wanted, by name and shape; "" if they do not."""
    if not isinstance(weights, dict):
        return "it holds no weights"
    shapes = {name: tuple(value.shape) for name, value in wanted.items()}
    found = {name: tuple(getattr(value, "shape", ())) for name, value in weights.items()}
    wrong = (name for name in [*shapes, *found] if found.get(name) != shapes.get(name))
    return next((f"{name} is {found.get(name, 'missing')}, not {shapes.get(name, 'part of it')}" for name in wrong), "")


def _processor(folder: Path, side: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Raises ValueError if the folder's settings make images of another size than side x side."""
    from transformers import CLIPImageProcessor

    path = needed(folder, _PROCESSOR, "how images are resized and normalised")
    expected = "the settings of a CLIP image processor"
    json_object(path, expected)
    with reading(path, expected):
        processor = CLIPImageProcessor.from_pretrained(folder, local_files_only=True)

    def pixels(images: torch.Tensor) -> torch.Tensor:
        return processor(list(as_bytes(images)), return_tensors="pt", input_data_format="channels_last")["pixel_values"]

    with reading(path, expected):
        made = tuple(pixels(torch.zeros(1, side, 2 * side, 3)).shape[1:])  # not square, so that it must be cropped
    if made != (3, side, side):
        raise foreign(path, f"settings for images of {side} x {side}", f"they make images of shape {made}")
    return pixels


def _activations(vision: Any) -> int:
    """Of one block of a vision transformer: queries to the MLP's inner layer, and the attention of every token to every other."""
    tokens = (vision.image_size // vision.patch_size) ** 2 + 1
    return 4 * tokens * (12 * vision.hidden_size + 2 * vision.num_attention_heads * tokens)
