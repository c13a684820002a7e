"""Prompts from files of every form, and what is said of files that hold none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from deradiff.nodes.runs.prompt_files import MOST, Prompt, drawn, from_file, typed

PARTI = Path(__file__).resolve().parents[2] / "prompts" / "PartiPrompts.tsv"
QUOTED = 'name,Prompts,Category\r\n1,"a cat, sitting on\na ""mat""",Colors\r\n2,a dog,Counting\r\n'


def test_typed_prompts_are_lines() -> None:
    assert typed("  a cat \n\n  a dog, running\n") == [Prompt("a cat"), Prompt("a dog, running")]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "a cat\r\n\r\nein H\u00fcndchen\r\n", [Prompt("a cat"), Prompt("ein H\u00fcndchen")]),
        (
            "drawbench.csv",
            QUOTED,
            [Prompt('a cat, sitting on\na "mat"', tag="Colors"), Prompt("a dog", tag="Counting")],
        ),
        ("pickapic.tsv", "id\tcaption\tnegative_prompt\n1\ta cat\tblurry\n", [Prompt("a cat", "blurry")]),
        ("parti.tsv", 'Prompt\tCategory\nthe word "A\tArts\n', [Prompt('the word "A', tag="Arts")]),
        ("hpdv2.json", json.dumps(["a cat", "a dog"]), [Prompt("a cat"), Prompt("a dog")]),
        ("objects.json", json.dumps([{"caption": "a cat", "tag": "animals"}]), [Prompt("a cat", tag="animals")]),
        ("wrapped.json", json.dumps({"prompts": ["a cat"]}), [Prompt("a cat")]),
        ("geneval.jsonl", '{"tag": "two", "include": [], "prompt": "a cat"}\n', [Prompt("a cat", tag="two")]),
    ],
)
def test_every_form_is_read(tmp_path: Path, name: str, content: str, expected: list[Prompt]) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert from_file(tmp_path / name) == expected
    (tmp_path / name).write_bytes(content.encode("utf-8-sig"))
    assert from_file(tmp_path / name) == expected
    (tmp_path / name).write_bytes(content.encode("utf-16"))
    assert from_file(tmp_path / name) == expected


def test_a_column_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,other\nno,yes\n", encoding="utf-8")
    assert from_file(path, "other") == [Prompt("yes")]


def test_the_shipped_set_is_whole() -> None:
    found = from_file(PARTI)
    assert len(found) == 1632 and all(prompt.text and prompt.tag for prompt in found)
    assert len({prompt.tag for prompt in found}) == 12
    assert (PARTI.parent / "LICENSE").read_text(encoding="utf-8").strip().startswith("Apache License")


def test_a_draw_follows_its_seed_and_a_larger_one_keeps_a_smaller() -> None:
    prompts = [Prompt(str(number)) for number in range(100)]
    assert drawn(prompts, 8, 1) == drawn(prompts, 8, 1) == drawn(prompts, 20, 1)[:8]
    assert drawn(prompts, 8, 1) != drawn(prompts, 8, 2)
    assert len(set(drawn(prompts, 100, 3))) == 100
    assert drawn(prompts, 0, 1) == prompts


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "a.txt is empty"),
        ("a.txt", b" \n\r\n ", "a.txt is empty"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\xff\xfe\x00", "a.txt is no text in UTF-8"),
        ("a.csv", b"prompt\na\x00b\n", "a.csv is a binary file"),
        (
            "a.csv",
            b"id,score\n1,2\n",
            r"a.csv has no column of prompts \(prompt, prompts, caption, text\); it has id, score",
        ),
        ("a.csv", b"prompt\n", "a.csv has no rows"),
        ("a.csv", b"prompt,x\n,1\n", "a.csv holds no prompts"),
        ("a.json", b"[1, 2]", "a.json should hold a list of texts"),
        ("a.json", b'{"a": 1}', "a.json should hold a list of texts"),
        ("a.json", b"[", "a.json is not valid JSON"),
        ("a.json", b"[]", "a.json has no rows"),
        ("a.jsonl", b"{}\n{", "a.jsonl is not valid JSON"),
    ],
)
def test_files_without_prompts_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        from_file(tmp_path / name)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt\na cat\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"column: a.csv has no column named 'caption'; it has prompt"):
        from_file(tmp_path / "a.csv", "caption")


def test_too_many_are_refused_and_few_are_all_taken(tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text("a cat\n" * 100_000, encoding="utf-8")
    many = from_file(path)
    assert len(drawn(many, 8, 0)) == 8
    with pytest.raises(ValueError, match=f"n: expected at most {MOST} prompts, as each is sampled, got 100000"):
        drawn(many, 0, 0)
    assert sorted(prompt.text for prompt in drawn(typed("a\nb"), 9, 0)) == ["a", "b"]
    with pytest.raises(ValueError, match="prompts: expected at least one prompt"):
        typed(" \n")
