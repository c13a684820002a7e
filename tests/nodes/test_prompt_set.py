"""Prompt Set as ComfyUI runs it: where its files come from, and what stands behind it runs once for each prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import folder_paths
import pytest
from deradiff.nodes.prompts import SHIPPED, TYPED, DeRaDiffPromptSet


@pytest.fixture(autouse=True)
def _input_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path))
    return tmp_path


def _run(source: Any, prompts: str = "", n: int = 8, seed: int = 0, negative: str = "", column: str = "") -> list[list]:
    return list(DeRaDiffPromptSet.execute(source, prompts, n, seed, negative, column).args)


def _sources() -> list[str]:
    return DeRaDiffPromptSet.INPUT_TYPES()["required"]["source"][1]["options"]


def test_every_output_is_a_list_that_core_walks_through() -> None:
    assert DeRaDiffPromptSet.OUTPUT_IS_LIST == [True, True, True]
    assert _run(TYPED, "a cat\na dog", n=0, negative="blurry") == [["a cat", "a dog"], ["blurry", "blurry"], ["", ""]]


def test_files_of_the_input_folder_are_offered_and_read(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("prompt,negative,tag\na cat,,animals\na dog,wet,animals\n", encoding="utf-8")
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    assert _sources() == [TYPED, SHIPPED, "mine.csv"]
    assert _run("mine.csv", n=0, negative="blurry") == [["a cat", "a dog"], ["blurry", "wet"], ["animals", "animals"]]


def test_the_shipped_set_gives_as_many_as_were_asked_for() -> None:
    texts, _, tags = _run(SHIPPED, n=5, seed=3)
    assert len(texts) == len(set(texts)) == 5 and all(tags)
    assert _run(SHIPPED, n=2, seed=3)[0] == texts[:2]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a cat", encoding="utf-8")
    before = DeRaDiffPromptSet.fingerprint_inputs("a.txt")
    assert DeRaDiffPromptSet.fingerprint_inputs("a.txt", n=8) == before
    (tmp_path / "a.txt").write_text("a cat\na dog", encoding="utf-8")
    assert DeRaDiffPromptSet.fingerprint_inputs("a.txt") != before


@pytest.mark.parametrize("source", ["gone.txt", "../secret.txt", "/etc/passwd", 5, ["a"], {"a": 1}])
def test_what_is_not_in_the_input_folder_is_refused(tmp_path: Path, source: object) -> None:
    (tmp_path.parent / "secret.txt").write_text("a secret", encoding="utf-8")
    with pytest.raises(ValueError, match="source: ComfyUI's input folder has no "):
        _run(source)


def test_bad_files_are_named_before_anything_is_sampled(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    with pytest.raises(ValueError, match=r"source: empty\.txt is empty"):
        _run("empty.txt")
    (tmp_path / "many.txt").write_text("a cat\n" * 100_000, encoding="utf-8")
    with pytest.raises(ValueError, match="n: expected at most 2000 prompts"):
        _run("many.txt", n=0)


@pytest.mark.parametrize("n", [-1, 2001, 1.5])
def test_a_number_that_no_widget_gives_is_refused(n: Any) -> None:
    with pytest.raises(ValueError, match="n must be a whole number from 0 to 2000"):
        _run(TYPED, "a cat\na dog", n=n)
