"""Prompts from a text, CSV, TSV or JSON file, or from typed lines, and a draw of some of them. Standard library only.

The columns of the usual sets are known by name: PartiPrompts and DrawBench (Prompt, Prompts, Category), Pick-a-Pic (caption), HPDv2 (a JSON list) and
GenEval (JSON lines with prompt and tag).
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".jsonl")
MOST = 2000  # prompts in a set: each is encoded and sampled
_LARGEST = 64 * 2**20  # bytes of a file
_PROMPT = ("prompt", "prompts", "caption", "text")
_NEGATIVE = ("negative_prompt", "negative", "negative prompt")
_TAG = ("tag", "category", "challenge")
Columns = tuple[str, str | None, str | None]


@dataclass(frozen=True)
class Prompt:
    """A prompt, what to leave out of its image ("" where it says nothing), and what it is about ("" where it is not said)."""

    text: str
    negative: str = ""
    tag: str = ""


def typed(text: str) -> list[Prompt]:
    """One prompt a line. Raises ValueError if there is none."""
    found = [Prompt(line.strip()) for line in text.splitlines() if line.strip()]
    if not found:
        raise ValueError("prompts: expected at least one prompt, one a line, got none. Type some, or choose a file.")
    return found


def from_file(path: Path, column: str = "") -> list[Prompt]:
    """The prompts of a file of SUFFIXES. column: the name of their column, "" for one that is known. Raises ValueError."""
    text = _text(path)
    if path.suffix.lower() == ".txt":
        found = [Prompt(line.strip()) for line in text.splitlines()]
    else:
        rows = _rows(path, text)
        columns = _columns(rows, column, path.name)
        found = [_prompt(row, columns) for row in rows]
    found = [prompt for prompt in found if prompt.text]
    if not found:
        raise ValueError(f"source: {path.name} holds no prompts. Choose another file.")
    return found


def drawn(prompts: Sequence[Prompt], count: int, seed: int) -> list[Prompt]:
    """At most `count` of them in an order drawn by the seed, of which a larger count keeps the beginning; 0: all, as they come. Raises ValueError."""
    asked = min(count, len(prompts)) if count else len(prompts)
    if asked > MOST:
        raise ValueError(
            f"n: expected at most {MOST} prompts, as each is sampled, got {asked}. Set n to draw some of them."
        )
    return random.Random(seed).sample(prompts, len(prompts))[:asked] if count else list(prompts)


def _text(path: Path) -> str:
    """The text of a file, UTF-8 or UTF-16 with its mark. Raises ValueError for anything else."""
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"source: {path.name} is larger than {_LARGEST >> 20} MB. Choose a file of prompts alone.")
    data = path.read_bytes()
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"source: {path.name} is no text in UTF-8. Choose a text, CSV, TSV or JSON file.") from error
    if "\0" in text:
        raise ValueError(f"source: {path.name} is a binary file. Choose a text, CSV, TSV or JSON file.")
    if not text.strip():
        raise ValueError(f"source: {path.name} is empty. Choose another file.")
    return text


def _rows(path: Path, text: str) -> list[Mapping[str, Any]]:
    """The rows of a table or of JSON, by column. Strings of a JSON list are rows with a prompt alone."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    if suffix == ".tsv":
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
    try:
        if suffix == ".jsonl":
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"source: {path.name} is not valid JSON: {error}.") from error
    if isinstance(found, dict):
        found = next((value for key, value in found.items() if key.lower() in _PROMPT), None)
    if not isinstance(found, list) or not all(isinstance(row, str | dict) for row in found):
        raise ValueError(
            f'source: {path.name} should hold a list of texts or of objects with a prompt, such as ["a cat", "a dog"].'
        )
    return [{"prompt": row} if isinstance(row, str) else row for row in found]


def _columns(rows: Sequence[Mapping[str, Any]], column: str, name: str) -> Columns:
    """The names of the prompts', negatives' and tags' columns. Raises ValueError if there is none of prompts."""
    if not rows:
        raise ValueError(f"source: {name} has no rows. Choose another file.")
    names = [key for key in rows[0] if key]
    prompt = next((key for key in names if key == column), None) if column else _known(names, _PROMPT)
    if prompt is None:
        expected = f"named {column!r}" if column else f"of prompts ({', '.join(_PROMPT)})"
        raise ValueError(
            f"column: {name} has no column {expected}; it has {', '.join(names)}. Name one of them in column."
        )
    return prompt, _known(names, _NEGATIVE), _known(names, _TAG)


def _known(names: Sequence[str], known: Sequence[str]) -> str | None:
    """The column whose name is known first."""
    lower = {name.strip().lower(): name for name in reversed(names)}
    return next((lower[each] for each in known if each in lower), None)


def _prompt(row: Mapping[str, Any], columns: Columns) -> Prompt:
    texts = ("" if column is None or row.get(column) is None else str(row[column]).strip() for column in columns)
    return Prompt(*texts)
