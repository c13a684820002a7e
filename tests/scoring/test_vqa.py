"""VQAScore: P("Yes") of a vision-language model, against transformers itself; what is refused, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from deradiff.nodes.scoring import scorers, unsupported, vqa
from PIL import Image
from support.scorer_folders import write_clip
from support.vqa_folders import write_vqa
from transformers import AutoProcessor, Qwen3VLForConditionalGeneration

IMAGES = torch.rand(3, 64, 96, 3, generator=torch.Generator().manual_seed(3))
PROMPT = 'a "red" square'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vqa(tmp_path_factory.mktemp("scorers") / "tiny-vqa")


def _by_hand(folder: Path, image: torch.Tensor, question: str) -> float:
    """The probability of the token "Yes" after the assistant's head, without the pack."""
    processor = AutoProcessor.from_pretrained(folder)
    model = Qwen3VLForConditionalGeneration.from_pretrained(folder)
    text = f"<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
    picture = Image.fromarray((image * 255).round().byte().numpy())
    given = processor(text=[text], images=[picture], return_tensors="pt")
    with torch.no_grad():
        logits = model(**given).logits[0, -1]
    return logits.softmax(dim=-1)[processor.tokenizer.convert_tokens_to_ids("Yes")].item()


def test_the_score_is_the_probability_of_yes(folder: Path) -> None:
    kind, score = scorers.folder_scorer(folder)
    question = 'Does this figure show "a "red" square"? Please answer yes or no.'
    assert kind == vqa.KIND
    expected = [_by_hand(folder, image, question) for image in IMAGES]
    assert len(set(expected)) == 3
    assert score(IMAGES, PROMPT) == pytest.approx(expected, rel=1e-4)


def test_the_prompt_matters(folder: Path) -> None:
    _, score = scorers.folder_scorer(folder, vqa.KIND)
    assert score(IMAGES, PROMPT) != score(IMAGES, "a blue circle")


def test_an_empty_prompt_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"^prompt: tiny-vqa is asked whether"):
        scorers.folder_scorer(folder)[1](IMAGES, "  ")


def test_a_clip_folder_is_still_a_clip(tmp_path: Path) -> None:
    assert scorers.folder_scorer(write_clip(tmp_path / "clip"))[0] == "clipscore"


def test_a_clip_folder_asked_to_answer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^scorer: clip cannot be used as a vision-language model \(kind vqascore\): "
    ):
        scorers.folder_scorer(write_clip(tmp_path / "clip"), vqa.KIND)


def _without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def _cut(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:100])


def _fewer_weights(folder: Path) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights.pop(next(name for name in weights if "lm_head" in name))
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})


def _code_in_config(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["auto_map"] = {"AutoConfig": "stranger.Config", "AutoModelForImageTextToText": "stranger.Model"}
    config["model_type"] = "stranger"
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "stranger.py").write_text("raise SystemExit('ran')\n", encoding="utf-8")


DAMAGED = {
    "no weights": _without("model.safetensors"),
    "cut weights": _cut("model.safetensors"),
    "fewer weights": _fewer_weights,
    "no tokenizer": _without("tokenizer.json"),
    "cut tokenizer": _cut("tokenizer.json"),
    "no chat template": _without("chat_template.jinja"),
    "cut processor": _cut("processor_config.json"),
    "cut config": _cut("config.json"),
    "code in the folder": _code_in_config,
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_folder_is_one_clear_error(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    folder = write_vqa(tmp_path / "vqa")
    damage(folder)
    with pytest.raises(
        ValueError,
        match=r"^scorer: vqa cannot be used as a vision-language model \(kind vqascore\): .* Download every file",
    ):
        scorers.folder_scorer(folder, vqa.KIND)


@pytest.mark.parametrize(
    ("file", "name"),
    [("HPSv3.safetensors", "HPSv3"), ("ImageReward.pt", "ImageReward"), ("MPS_overall_checkpoint.pth", "MPS")],
)
def test_scorers_that_need_foreign_code_are_refused_by_name(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / file).write_bytes(b"")
    with pytest.raises(ValueError, match=rf"^scorer: .* holds {name} \({file}\), which .*VQAScore"):
        unsupported.check(tmp_path)
    with pytest.raises(ValueError, match=r"^scorer: "):
        scorers.folder_scorer(tmp_path)


def test_an_unknown_kind_is_refused_with_the_names(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^kind: expected one of auto, pickscore, hpsv2, clipscore, aesthetic, vqascore, got 'x'"
    ):
        scorers.folder_scorer(write_clip(tmp_path / "clip"), "x")
