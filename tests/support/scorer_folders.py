"""Tiny scorers in the form of the real ones: CLIPModel folders with a byte tokenizer, and aesthetic heads.
Random weights; nothing of the pack.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

SIDE, WIDTH, LONGEST = 32, 24, 12


def _vocabulary() -> dict[str, int]:
    """Every byte, within a word and at its end, and one pair, between the two marks of a CLIP tokenizer."""
    letters = sorted(ByteLevel.alphabet())
    words = ["<|startoftext|>", *letters, *(f"{letter}</w>" for letter in letters), "ca", "<|endoftext|>"]
    return {word: place for place, word in enumerate(words)}


def config(**changes: int) -> CLIPConfig:
    """Two blocks of 32 channels for each tower."""
    block = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    size, last = len(_vocabulary()), len(_vocabulary()) - 1
    text = {"max_position_embeddings": LONGEST, "vocab_size": size, "bos_token_id": 0, "eos_token_id": last}
    vision = {"image_size": SIDE, "patch_size": 8}
    return CLIPConfig(text_config=block | text | changes, vision_config=block | vision | changes, projection_dim=WIDTH)


def write_clip(folder: Path, seed: int = 0, tokenizer: bool = True) -> Path:
    """A folder as save_pretrained leaves it, with every file that a scorer may need."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CLIPModel(config())
        for weight in model.parameters():  # the usual start is so small that all features are nearly the same
            weight.data += 0.2 * torch.randn_like(weight)
        model.logit_scale.data.fill_(1.5)
    model.save_pretrained(folder)
    sizes = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    CLIPImageProcessor(**sizes).save_pretrained(folder)
    if tokenizer:
        (folder / "vocab.json").write_text(json.dumps(_vocabulary()), encoding="utf-8")
        (folder / "merges.txt").write_text("#version: 0.2\nc a\n", encoding="utf-8")
    return folder


def write_fast_tokenizer(folder: Path) -> None:
    """tokenizer.json instead of vocab.json and merges.txt."""
    tokenizer = CLIPTokenizerFast.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink(missing_ok=True)  # transformers 4 writes them as well


def head_weights(width: int = WIDTH, seed: int = 1) -> dict[str, torch.Tensor]:
    """The names and, but for the first width, the sizes of sac+logos+ava1-l14-linearMSE.pth."""
    random, widths = torch.Generator().manual_seed(seed), (width, 1024, 128, 64, 16, 1)
    weights = {}
    for place, before, after in zip((0, 2, 4, 6, 7), widths, widths[1:], strict=False):
        weights[f"layers.{place}.weight"] = torch.randn(after, before, generator=random) / before**0.5
        weights[f"layers.{place}.bias"] = torch.randn(after, generator=random)
    return weights
