"""Whatever a tool takes a text for, it can read it: Windows' default is still cp1252 where nobody names an encoding."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

from support import escapes, published

CODE = {".py", ".js", ".toml", ".txt"}  # what others' tools read without naming an encoding
OF_A_LANGUAGE = re.compile(r"(^|/)(zh|ja)(/|\.)")  # ComfyUI opens and sends these as UTF-8 (test_start.py)
AS_PUBLISHED = {"prompts/PartiPrompts.tsv"}  # others' words, which the pack opens as UTF-8 (test_prompt_files.py)


def _texts() -> dict[str, bytes]:
    """The repository's text files by name."""
    read = {name: (published.ROOT / name).read_bytes() for name in published.files()}
    return {name: data for name, data in read.items() if b"\0" not in data and not name.endswith((".jpg", ".png"))}


def unreadable(texts: dict[str, bytes], encoding: str) -> list[str]:
    """Every line that cannot be decoded so, and how it can be written."""
    found = []
    for name, data in texts.items():
        for number, line in enumerate(data.splitlines(), start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                found.append(f"{name}:{number}: {escapes.escaped(line.decode()).strip()}")
    return found


def test_every_text_of_the_repository_is_readable_as_cp1252() -> None:
    texts = {
        name: data for name, data in _texts().items() if not OF_A_LANGUAGE.search(name) and name not in AS_PUBLISHED
    }
    assert len(texts) > 200
    assert unreadable(texts, "cp1252") == []


def test_published_code_means_the_same_in_every_encoding(archive: Path) -> None:
    """ASCII, symbols as escapes: read as cp1252, a raw lambda would not fail, but turn into two other letters.
    `python tests/support/escapes.py FILE ...` writes them so.
    """
    with zipfile.ZipFile(archive) as packed:
        code = {name: packed.read(name) for name in packed.namelist() if PurePosixPath(name).suffix in CODE}
    assert len(code) > 90
    assert unreadable(code, "ascii") == []


def test_a_line_that_is_not_readable_is_found_with_its_remedy() -> None:
    assert unreadable({"a.py": "x = 1\ny = '\u1201'\n".encode()}, "cp1252") == ["a.py:2: y = '\\u1201'"]
    assert unreadable({"a.js": "'\u03bb'".encode()}, "ascii") == ["a.js:1: '\\u03bb'"]


def test_every_file_is_opened_with_an_encoding() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--preview", "--select", "PLW1514", "--no-cache", "."]
    done = subprocess.run(command, cwd=published.ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
