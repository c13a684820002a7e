"""Loads scorers from folders: a CLIPModel in the format of the transformers library, its processors, and an aesthetic head.
Nothing is ever downloaded.
"""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.utils
import safetensors
import torch

from .batches import SIZE
from .clip_model import ClipScorer, Head

AUTO, AESTHETIC = "auto", "aesthetic"
KINDS = (AUTO, "pickscore", "hpsv2", "clipscore", AESTHETIC)

_MARKS = {"pick": "pickscore", "hps": "hpsv2"}
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_PROCESSOR = ("preprocessor_config.json", "processor_config.json")
_HEAD_FORMS = (".pth", ".pt", ".safetensors")
_UNREADABLE = (
    safetensors.SafetensorError,
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    OSError,
    KeyError,
    TypeError,
)


@dataclass(frozen=True)
class Parts:
    """What a learned scorer is made of.

    tokens: the prompt's tokens for ClipScorer.text_features, none for the aesthetic kind.
    pixels: images (N, H, W, C) in 0..1 -> (N, 3, S, S), resized, cropped and normalised as the scorer was trained.
    activations: bytes that one image takes while it is encoded.
    """

    kind: str
    model: ClipScorer
    tokens: Callable[[str], dict[str, torch.Tensor]]
    pixels: Callable[[torch.Tensor], torch.Tensor]
    activations: int

    def memory_for(self, images: int) -> int:
        """Bytes that scoring takes beside the weights."""
        return self.activations * min(images, SIZE)


def load(folder: Path, kind: str) -> Parts:
    """The scorer in a folder, in float32: half precision would change a PickScore by more than neighbouring lambdas differ.

    kind: one of KINDS; auto finds it from the files (see `kind_of`). Raises ValueError for a missing, foreign or damaged file.
    """
    config = _config(folder)
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}.")
    kind = kind_of(folder, config) if kind == AUTO else kind
    logging.getLogger("deradiff").info("Scorer %s: read as %s", folder.name, kind)
    clip = _clip(folder)
    head = _head(folder, clip.config.projection_dim) if kind == AESTHETIC else None
    tokens = _no_tokens if kind == AESTHETIC else _tokenizer(folder, clip.config.text_config)
    vision = clip.config.vision_config
    return Parts(
        kind, ClipScorer(clip, head).eval(), tokens, _processor(folder, vision.image_size), _activations(vision)
    )


def kind_of(folder: Path, config: dict[str, Any]) -> str:
    """aesthetic if a head lies beside the model; pickscore or hpsv2 if the folder's name, or the name in config.json, says so
    ("pick", "hps"); clipscore otherwise. The kinds other than aesthetic rank images in the same order and differ in scale."""
    if _head_files(folder):
        return AESTHETIC
    names = f"{folder.name} {config.get('_name_or_path', '')}".lower()
    return next((kind for mark, kind in _MARKS.items() if mark in names), "clipscore")


def _need(folder: Path, names: tuple[str, ...], what: str) -> Path:
    """The first of several files that exists. Raises ValueError if none does."""
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise ValueError(
            f"scorer: {folder.name} has no {' or '.join(names)}, {what}. "
            "Download it from the scorer's page into that folder (the help page lists the files)."
        )
    return found


def _foreign(path: Path, expected: str, found: str) -> ValueError:
    return ValueError(
        f"scorer: expected {expected} in {path.parent.name}/{path.name}, but {found}. "
        "Download the file again from the scorer's page (the help page lists the files)."
    )


def _unreadable(path: Path, expected: str, error: Exception) -> ValueError:
    reason = str(error).partition("\n")[0]
    return _foreign(path, expected, f"it cannot be read, it is empty, incomplete or damaged ({reason})")


def _json(path: Path, expected: str, needs: str = "") -> dict[str, Any]:
    """A JSON object with the key `needs`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, expected, error) from error
    if not isinstance(found, dict) or (needs and needs not in found):
        raise _foreign(path, expected, f"it holds no {needs!r}" if needs else "it holds something else")
    return found


def _config(folder: Path) -> dict[str, Any]:
    path = _need(folder, ("config.json",), "the description of a CLIP model")
    config = _json(path, "a CLIP model's description", "model_type")
    if config["model_type"] != "clip":
        raise _foreign(path, "a CLIP model (model_type clip)", f"it describes {config['model_type']!r}")
    return config


def _clip(folder: Path) -> Any:
    """The CLIPModel, with all of its weights from the file."""
    from transformers import CLIPModel

    path = _need(folder, _WEIGHTS, "the weights of a CLIP model")
    expected = "the weights of the CLIP model that config.json describes"
    loader: Any = CLIPModel
    try:
        model, report = loader.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True
        )
    except _UNREADABLE as error:
        raise _unreadable(path, expected, error) from error
    wrong = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if wrong:
        raise _foreign(path, expected, f"{len(wrong)} weights are missing or of another size (first {wrong[0]})")
    return model.float().eval().requires_grad_(False)


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
    try:
        weights = comfy.utils.load_torch_file(str(files[0]), safe_load=True)
    except (*_UNREADABLE, RuntimeError) as error:  # torch.load raises it for a damaged archive
        raise _unreadable(files[0], expected, error) from error
    head = Head(width)
    wrong = _difference(weights, head.state_dict())
    if wrong:
        raise _foreign(files[0], expected, wrong)
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


def _no_tokens(prompt: str) -> dict[str, torch.Tensor]:
    return {}


def _tokenizer(folder: Path, config: Any) -> Callable[[str], dict[str, torch.Tensor]]:
    from transformers import CLIPTokenizerFast  # type: ignore[attr-defined]

    if (folder / "vocab.json").is_file() and not (folder / "tokenizer.json").is_file():
        _json(folder / "vocab.json", "a CLIP tokenizer's vocabulary")
        _need(folder, ("merges.txt",), "which belongs to vocab.json")
    else:
        path = _need(folder, ("tokenizer.json",), "the tokenizer (or vocab.json and merges.txt)")
        _json(path, "a CLIP tokenizer", "model")
    tokenizer = CLIPTokenizerFast.from_pretrained(folder, local_files_only=True)
    longest = config.max_position_embeddings

    def tokens(prompt: str) -> dict[str, torch.Tensor]:
        if not prompt.strip():
            raise ValueError(
                f"prompt: {folder.name} scores how well an image fits its prompt, got an empty one. Enter the prompt of the images."
            )
        found = tokenizer([prompt], truncation=True, max_length=longest, return_tensors="pt")
        return {name: found[name] for name in ("input_ids", "attention_mask")}

    return tokens


def _processor(folder: Path, side: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Raises ValueError if the folder's settings make images of another size than side x side."""
    from transformers import CLIPImageProcessor

    path = _need(folder, _PROCESSOR, "how images are resized and normalised")
    _json(path, "the settings of a CLIP image processor")
    processor = CLIPImageProcessor.from_pretrained(folder, local_files_only=True)

    def pixels(images: torch.Tensor) -> torch.Tensor:
        bytes_ = images[..., :3].clamp(0, 1).mul(255).round().byte().cpu()
        return processor(list(bytes_), return_tensors="pt", input_data_format="channels_last")["pixel_values"]

    made = tuple(pixels(torch.zeros(1, side, side, 3)).shape[1:])
    if made != (3, side, side):
        raise _foreign(path, f"settings for images of {side} x {side}", f"they make images of shape {made}")
    return pixels


def _activations(vision: Any) -> int:
    """Of one block of a vision transformer: queries to the MLP's inner layer, and the attention of every token to every other."""
    tokens = (vision.image_size // vision.patch_size) ** 2 + 1
    return 4 * tokens * (12 * vision.hidden_size + 2 * vision.num_attention_heads * tokens)
