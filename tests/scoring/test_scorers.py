"""Learned scorers against a direct computation with transformers, on tiny folders; the folders that are not whole."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import comfy.model_management
import numpy as np
import pytest
import torch
from deradiff.nodes.scoring import scorer_files, scorers
from PIL import Image
from safetensors.torch import load_file, save_file
from support import scorer_folders
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

PROMPT = "a red cat"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scorer_folders.write_clip(tmp_path_factory.mktemp("scorers") / "whole")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(whole, tmp_path / "tiny"))


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Nineteen images (more than two batches) of 40 x 50 pixels, values a PNG can hold."""
    return torch.randint(0, 256, (19, 40, 50, 3), generator=torch.Generator().manual_seed(5)) / 255


def _features(output: object) -> torch.Tensor:
    return output if isinstance(output, torch.Tensor) else output.pooler_output  # type: ignore[attr-defined]


def _embeddings(folder: Path, images: torch.Tensor) -> torch.Tensor:
    """As the scorers' pages do it: PIL images through the folder's processor, all at once."""
    converted = [Image.fromarray((image.numpy() * 255).round().astype(np.uint8)) for image in images]
    pixels = CLIPImageProcessor.from_pretrained(folder)(images=converted, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        found = _features(CLIPModel.from_pretrained(folder).eval().get_image_features(pixel_values=pixels))
    return found / found.norm(dim=-1, keepdim=True)


def _cosines(folder: Path, images: torch.Tensor, prompt: str) -> torch.Tensor:
    tokens = CLIPTokenizerFast.from_pretrained(folder)(
        [prompt], truncation=True, max_length=scorer_folders.LONGEST, return_tensors="pt"
    )
    with torch.no_grad():
        text = _features(CLIPModel.from_pretrained(folder).eval().get_text_features(**tokens))
    text = text / text.norm(dim=-1, keepdim=True)
    return _embeddings(folder, images) @ text[0]


DIRECT: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "pickscore": lambda cosine: math.exp(1.5) * cosine,
    "hpsv2": lambda cosine: 100 * cosine,
    "clipscore": lambda cosine: torch.maximum(100 * cosine, torch.zeros(())),
}


@pytest.mark.parametrize("kind", DIRECT)
@pytest.mark.parametrize("prompt", [PROMPT, "a prompt of many more words than this little model can read at once"])
def test_scores_are_those_of_a_direct_computation(folder: Path, images: torch.Tensor, kind: str, prompt: str) -> None:
    found, score = scorers.folder_scorer(folder, kind)
    expected = DIRECT[kind](_cosines(folder, images, prompt))
    assert found == kind
    assert torch.allclose(torch.tensor(score(images, prompt)), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.01 or kind == "clipscore"


def test_the_prompt_and_every_image_count(folder: Path, images: torch.Tensor) -> None:
    _, score = scorers.folder_scorer(folder, "pickscore")
    assert score(images, PROMPT) != score(images, "a blue dog")
    one_by_one = [score(image[None], PROMPT)[0] for image in images]
    assert score(images, PROMPT) == pytest.approx(one_by_one, rel=1e-4, abs=1e-5)


def test_an_alpha_channel_changes_nothing(folder: Path, images: torch.Tensor) -> None:
    _, score = scorers.folder_scorer(folder, "hpsv2")
    with_alpha = torch.cat([images[:2], torch.zeros(2, 40, 50, 1)], dim=-1)
    assert score(with_alpha, PROMPT) == score(images[:2], PROMPT)


def test_half_precision_files_are_computed_in_float32(folder: Path, images: torch.Tensor) -> None:
    path = folder / "model.safetensors"
    save_file({name: value.half() for name, value in load_file(path).items()}, path, {"format": "pt"})
    changed = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {
        "dtype": "float16",
        "torch_dtype": "float16",
    }
    (folder / "config.json").write_text(json.dumps(changed), encoding="utf-8")
    parts = scorer_files.load(folder, "hpsv2")
    assert {weight.dtype for weight in parts.model.parameters()} == {torch.float32}
    assert all(math.isfinite(value) for value in scorers.folder_scorer(folder, "hpsv2")[1](images[:2], PROMPT))


def test_both_forms_of_the_tokenizer_give_the_same(folder: Path, images: torch.Tensor) -> None:
    before = scorers.folder_scorer(folder, "hpsv2")[1](images[:2], PROMPT)
    scorer_folders.write_fast_tokenizer(folder)
    assert not (folder / "merges.txt").exists()
    assert scorers.folder_scorer(folder, "hpsv2")[1](images[:2], PROMPT) == before


@pytest.mark.parametrize("form", [".pth", ".safetensors"])
def test_aesthetic_is_the_head_on_normalised_features(folder: Path, images: torch.Tensor, form: str) -> None:
    weights = scorer_folders.head_weights()
    path = folder / f"sac+logos+ava1-l14-linearMSE{form}"
    torch.save(weights, path) if form == ".pth" else save_file(weights, path)
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()  # it reads no prompt
    kind, score = scorers.folder_scorer(folder)
    rated = _embeddings(folder, images)
    for place in (0, 2, 4, 6, 7):
        rated = rated @ weights[f"layers.{place}.weight"].T + weights[f"layers.{place}.bias"]
    assert kind == "aesthetic"
    assert score(images, "") == pytest.approx(rated[:, 0].tolist(), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "known_as", "kind"),
    [
        ("PickScore_v1", "", "pickscore"),
        ("HPSv2-hf", "", "hpsv2"),
        ("mine", "yuvalkirstain/PickScore_v1", "pickscore"),
        ("clip-vit-large-patch14", "", "clipscore"),
    ],
)
def test_auto_tells_the_kind_by_the_names(tmp_path: Path, name: str, known_as: str, kind: str) -> None:
    (tmp_path / name).mkdir()
    assert scorer_files.kind_of(tmp_path / name, {"_name_or_path": known_as}) == kind


def test_it_runs_through_core_s_memory_management(folder: Path, images: torch.Tensor) -> None:
    _, score = scorers.folder_scorer(folder, "hpsv2")
    before = len(comfy.model_management.current_loaded_models)
    score(images[:1], PROMPT)
    loaded = comfy.model_management.current_loaded_models[0].model
    assert type(loaded.model).__name__ == "ClipScorer" and len(comfy.model_management.current_loaded_models) > before
    comfy.model_management.unload_all_models()
    assert score(images[:1], PROMPT) == score(images[:1], PROMPT)


def test_cancel_stops_between_batches(folder: Path, images: torch.Tensor) -> None:
    _, score = scorers.folder_scorer(folder, "hpsv2")
    comfy.model_management.interrupt_current_processing()
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        score(images, PROMPT)
    assert len(score(images, PROMPT)) == len(images)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def _drop_a_weight(path: Path) -> None:
    weights = load_file(path)
    save_file(
        {name: value for name, value in weights.items() if name != "text_projection.weight"}, path, {"format": "pt"}
    )


def _widen_a_weight(path: Path) -> None:
    weights = load_file(path)
    save_file(weights | {"text_projection.weight": torch.zeros(7, 32)}, path, {"format": "pt"})


WEIGHTS, PROCESSOR = "model.safetensors", "preprocessor_config.json"
DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "tiny has no config.json"),
    "config is a web page": (
        lambda f: _write(f / "config.json", "<!DOCTYPE html>"),
        "config.json, but it cannot be read",
    ),
    "config of another model": (lambda f: _edit(f / "config.json", model_type="siglip"), "it describes 'siglip'"),
    "config is a list": (lambda f: _write(f / "config.json", "[]"), "config.json, but it holds no 'model_type'"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "tiny has no model.safetensors"),
    "weights cut short": (lambda f: _truncate(f / WEIGHTS), "model.safetensors, but it cannot be read"),
    "weights empty": (lambda f: (f / WEIGHTS).write_bytes(b""), "model.safetensors, but it cannot be read"),
    "weights are a web page": (
        lambda f: _write(f / WEIGHTS, "<!DOCTYPE html>" * 9),
        "model.safetensors, but it cannot be read",
    ),
    "weight missing": (
        lambda f: _drop_a_weight(f / WEIGHTS),
        "1 weights are missing or of another size (first text_projection",
    ),
    "weight of another size": (lambda f: _widen_a_weight(f / WEIGHTS), "1 weights are missing or of another size"),
    "foreign weights": (
        lambda f: save_file(scorer_folders.head_weights(), f / WEIGHTS, {"format": "pt"}),
        "weights are missing or of another size",
    ),
    "no processor": (
        lambda f: (f / PROCESSOR).unlink(),
        "tiny has no preprocessor_config.json or processor_config.json",
    ),
    "processor of another size": (
        lambda f: _edit(f / PROCESSOR, crop_size={"height": 48, "width": 48}),
        "expected settings for images of 32 x 32",
    ),
    "no tokenizer": (lambda f: (f / "vocab.json").unlink(), "tiny has no tokenizer.json"),
    "no merges": (lambda f: (f / "merges.txt").unlink(), "tiny has no merges.txt"),
    "foreign tokenizer": (lambda f: _write(f / "tokenizer.json", "{}"), "tokenizer.json, but it holds no 'model'"),
    "config without numbers": (lambda f: _edit_tower(f, hidden_size="x"), "config.json, but it cannot be read"),
    "config of nothing": (lambda f: _edit(f / "config.json", vision_config=[]), "config.json, but it cannot be read"),
    "heads that do not fit": (lambda f: _edit_tower(f, num_attention_heads=3), "config.json, but it cannot be read"),
    "config of a dtype that is none": (lambda f: _edit(f / "config.json", dtype=-1), "it cannot be read"),
    "config without layers": (lambda f: _edit_tower(f, num_hidden_layers=0), "it holds 32 weights of layers"),
    "config of another end of text": (
        lambda f: _edit_tower(f, "text_config", eos_token_id=[1]),
        "config.json, but it cannot be read",
    ),
    "config is deep": (lambda f: _write(f / "config.json", "[" * 100_000), "config.json, but it cannot be read"),
    "index is a web page": (lambda f: _index(f, "<html>"), "index.json, but it cannot be read"),
    "index of nothing": (lambda f: _index(f, '{"weight_map": [1]}'), "index.json, but it cannot be read"),
    "weight of two axes too many": (lambda f: _put_weight(f, torch.zeros(1, 1, 24, 32)), "of another size"),
    "processor of words": (lambda f: _edit(f / PROCESSOR, image_mean=["x"] * 3), f"{PROCESSOR}, but it cannot be read"),
    "processor of four channels": (lambda f: _edit(f / PROCESSOR, image_std=[1] * 4), "but it cannot be read"),
    "processor of no size": (lambda f: _edit(f / PROCESSOR, size=0), "but it cannot be read"),
    "processor of no resampling": (lambda f: _edit(f / PROCESSOR, resample=-1), "but it cannot be read"),
    "processor that does not crop": (lambda f: _edit(f / PROCESSOR, do_center_crop=[]), "images of shape (3, 32, 64)"),
    "vocabulary cut short": (
        lambda f: _write(f / "vocab.json", json.dumps({"a": 0})),
        "vocabulary of 515 words in tiny/vocab.json, but it holds 1 words",
    ),
    "vocabulary of other numbers": (lambda f: _renumber(f / "vocab.json", 1000), "not numbered from 0 to 514"),
    "vocabulary of fractions": (lambda f: _edit(f / "vocab.json", ca=0.5), "not numbered from 0 to 514"),
    "merges cut short": (lambda f: _write(f / "merges.txt", "#version: 0.2\n"), "merges.txt, but it holds 0"),
    "merges are a web page": (lambda f: _write(f / "merges.txt", "<!DOCTYPE html>"), "merges.txt, but it cannot be"),
    "merges of unknown words": (lambda f: _write(f / "merges.txt", "zz qq\n"), "merges.txt, but it cannot be read"),
    "merges are bytes": (lambda f: (f / "merges.txt").write_bytes(b"c a\n\xff"), "merges.txt, but it cannot be read"),
    "tokenizer of no model": (lambda f: _write(f / "tokenizer.json", '{"model": 5}'), "json, but it cannot be read"),
    "tokenizer settings are a list": (lambda f: _write(f / "tokenizer_config.json", "[]"), "it holds something else"),
    "tokenizer with a number for a token": (
        lambda f: _write(f / "tokenizer_config.json", '{"pad_token": 5}'),
        "pad_token has to be",
    ),
    "special tokens are a number": (lambda f: _write(f / "special_tokens_map.json", "5"), "it holds something else"),
}


def _edit_tower(folder: Path, tower: str = "vision_config", **changes: object) -> None:
    path = folder / "config.json"
    _edit(path, **{tower: json.loads(path.read_text(encoding="utf-8"))[tower] | changes})


def _index(folder: Path, text: str) -> None:
    (folder / WEIGHTS).rename(folder / "model-00001-of-00001.safetensors")
    _write(folder / f"{WEIGHTS}.index.json", text)


def _put_weight(folder: Path, value: torch.Tensor) -> None:
    save_file(load_file(folder / WEIGHTS) | {"text_projection.weight": value}, folder / WEIGHTS, {"format": "pt"})


def _renumber(path: Path, first: int) -> None:
    _write(path, json.dumps({word: first + n for word, n in json.loads(path.read_text(encoding="utf-8")).items()}))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_folder_that_is_not_whole_is_explained(folder: Path, damage: str) -> None:
    spoil, says = DAMAGE[damage]
    spoil(folder)
    with pytest.raises(ValueError, match=r"^scorer: ") as raised:
        scorers.folder_scorer(folder, "clipscore")
    assert says in str(raised.value) and "Download" in str(raised.value)


def _places(value: object, path: tuple = ()) -> Iterator[tuple]:
    """Every place in a JSON value, but for the words of a vocabulary."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        if key != "vocab":
            yield from _places(item, (*path, key))


def _spoiled(value: Any, path: tuple, by: object) -> Any:
    if not path:
        return by
    value[path[0]] = _spoiled(value[path[0]], path[1:], by)
    return value


ODD = (None, True, -1, 0, 7, 1e9, 10**30, 0.5, math.nan, "x", "", [], [1, 2, 3, 4], {}, {"a": 1}, ["a"])


@pytest.mark.parametrize("name", ["config.json", PROCESSOR, "tokenizer.json"])
def test_whatever_a_setting_is_the_folder_scores_or_is_explained(folder: Path, images: torch.Tensor, name: str) -> None:
    scorer_folders.write_fast_tokenizer(folder)
    whole, random = (folder / name).read_text(encoding="utf-8"), Random(name)
    places = [path for path in _places(json.loads(whole)) if path]
    refused = 0
    for _ in range(40):
        place, by = random.choice(places), random.choice(ODD)
        _write(folder / name, json.dumps(_spoiled(json.loads(whole), place, by)))
        try:
            scores = scorers.folder_scorer(folder, "clipscore")[1](images[:1], PROMPT)
            assert all(map(math.isfinite, scores))
        except ValueError as error:
            assert re.match(r"scorer: (expected .+ in tiny/\w+\.\w+, but .+ Download|tiny gave nan)", str(error)), (
                place,
                by,
            )
            refused += 1
    assert refused > 5


@pytest.mark.parametrize("tower", [None, "text_config", "vision_config"])
def test_a_config_cannot_name_code_to_download(folder: Path, images: torch.Tensor, tower: str | None) -> None:
    """transformers would fetch the repository that `attn_implementation` names, and run its code."""
    before = scorers.folder_scorer(folder, "hpsv2")[1](images[:1], PROMPT)
    named = {"attn_implementation": "somebody/attention", "_attn_implementation": "somebody/attention"}
    if tower:
        _edit_tower(folder, tower, **named)
    else:
        _edit(folder / "config.json", **named)
    config = scorer_files.load(folder, "hpsv2").model.clip.config
    assert {part._attn_implementation for part in (config, config.text_config, config.vision_config)} == {"sdpa"}
    assert scorers.folder_scorer(folder, "hpsv2")[1](images[:1], PROMPT) == before


def _save_head(path: Path, **changes: torch.Tensor) -> None:
    torch.save(scorer_folders.head_weights() | {name.replace("_", "."): value for name, value in changes.items()}, path)


HEADS: dict[str, tuple[Callable[[Path], None], str]] = {
    "none": (lambda f: None, "needs one file with the predictor's head in tiny"),
    "two": (lambda f: (_save_head(f / "a.pth"), _save_head(f / "b.pth"))[0], "found a.pth, b.pth"),
    "of another CLIP": (
        lambda f: torch.save(scorer_folders.head_weights(768), f / "a.pth"),
        "layers.0.weight is (1024, 768), not (1024, 24)",
    ),
    "with something more": (
        lambda f: _save_head(f / "a.pth", layers_9=torch.zeros(1)),
        "layers.9 is (1,), not part of it",
    ),
    "cut short": (lambda f: (_save_head(f / "a.pth"), _truncate(f / "a.pth"))[0], "a.pth, but it cannot be read"),
    "empty": (lambda f: (f / "a.pth").touch(), "a.pth, but it cannot be read"),
    "a list": (lambda f: torch.save([1, 2], f / "a.pth"), "in tiny/a.pth, but"),
    "text": (lambda f: torch.save("x", f / "a.pth"), "in tiny/a.pth, but"),
    "numbers": (lambda f: torch.save({1: torch.ones(1)}, f / "a.pth"), "in tiny/a.pth, but"),
    "code": (lambda f: torch.save({"layers": _Foreign()}, f / "a.pth"), "a.pth, but it cannot be read"),
}


class _Foreign:
    """An object that only unpickling code could restore."""


@pytest.mark.parametrize("case", HEADS)
def test_a_head_that_does_not_fit_is_explained(folder: Path, case: str) -> None:
    spoil, says = HEADS[case]
    spoil(folder)
    with pytest.raises(ValueError, match=r"^scorer: ") as raised:
        scorers.folder_scorer(folder, "aesthetic")
    assert says in str(raised.value)


def test_nan_weights_are_blamed_on_the_scorer(folder: Path, images: torch.Tensor) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["visual_projection.weight"][3, 3] = math.nan
    save_file(weights, folder / WEIGHTS, {"format": "pt"})
    with pytest.raises(ValueError, match=r"^scorer: tiny gave nan for image 0\."):
        scorers.folder_scorer(folder, "hpsv2")[1](images, PROMPT)


def test_an_empty_prompt_is_refused(folder: Path, images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"^prompt: tiny scores how well an image fits its prompt"):
        scorers.folder_scorer(folder, "hpsv2")[1](images, "  ")
