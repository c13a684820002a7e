"""The prompt's tokens: a CLIP tokenizer from a scorer's folder. Nothing is ever downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .refusals import foreign, json_object, needed, reading

Tokens = Callable[[str], dict[str, torch.Tensor]]

_BYTES_AND_MARKS = 2 * 256 + 2  # words that no merge makes: every byte, within a word and at its end, and two marks
_EXPECTED = "a CLIP tokenizer"
_BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def no_tokens(prompt: str) -> dict[str, torch.Tensor]:
    """For scorers that read no prompt."""
    return {}


def tokenizer(folder: Path, words: int, longest: int) -> Tokens:
    """A prompt's input_ids and attention_mask, (1, L). words: in the model's vocabulary; longest: how many tokens it reads.

    Raises ValueError for a missing, foreign or damaged file.
    """
    from transformers import CLIPTokenizerFast  # type: ignore[attr-defined]

    path = _checked(folder, words)
    for name in _BESIDE:
        if (folder / name).is_file():
            json_object(folder / name, "settings of a CLIP tokenizer")
    with reading(path, _EXPECTED):
        made: Any = CLIPTokenizerFast.from_pretrained(folder, local_files_only=True)

    def tokens(prompt: str) -> dict[str, torch.Tensor]:
        if not prompt.strip():
            raise ValueError(
                f"prompt: {folder.name} scores how well an image fits its prompt, got an empty one. Enter the prompt of the images."
            )
        found = made([prompt], truncation=True, max_length=longest, return_tensors="pt")
        return {name: found[name] for name in ("input_ids", "attention_mask")}

    with reading(path, _EXPECTED):
        tokens("a")
    return tokens


def _checked(folder: Path, words: int) -> Path:
    """The tokenizer's file. Raises ValueError unless its vocabulary and its merges are whole."""
    if (folder / "vocab.json").is_file() and not (folder / "tokenizer.json").is_file():
        path = folder / "vocab.json"
        _check_vocabulary(path, json_object(path, "a CLIP tokenizer's vocabulary"), words)
        path = needed(folder, ("merges.txt",), "which belongs to vocab.json")
        with reading(path, "a CLIP tokenizer's merges"):
            lines = path.read_text(encoding="utf-8").splitlines()
        _check_merges(path, sum(bool(line.strip()) and not line.startswith("#version") for line in lines), words)
        return path
    path = needed(folder, ("tokenizer.json",), "the tokenizer (or vocab.json and merges.txt)")
    model = json_object(path, _EXPECTED, "model")["model"]
    with reading(path, _EXPECTED):
        vocabulary, merges = model["vocab"], len(model["merges"])
    _check_vocabulary(path, vocabulary, words)
    _check_merges(path, merges, words)
    return path


def _check_vocabulary(path: Path, vocabulary: object, words: int) -> None:
    """Raise ValueError unless it numbers as many words as the model knows from 0 on."""
    expected = f"a CLIP tokenizer's vocabulary of {words} words"
    if not isinstance(vocabulary, dict) or len(vocabulary) != words:
        raise foreign(path, expected, f"it holds {len(vocabulary) if isinstance(vocabulary, dict) else 'no'} words")
    if any(type(number) is not int for number in vocabulary.values()) or {*vocabulary.values()} != {*range(words)}:
        raise foreign(path, expected, f"they are not numbered from 0 to {words - 1}")


def _check_merges(path: Path, merges: int, words: int) -> None:
    """Raise ValueError if there are too few to make the words: a file cut short would read prompts in other pieces, without a word."""
    least = words - _BYTES_AND_MARKS
    if merges < least:
        raise foreign(path, f"the {least} merges of a CLIP tokenizer of {words} words", f"it holds {merges}")
