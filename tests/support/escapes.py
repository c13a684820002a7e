"""Writes what is not ASCII in code as escapes, so that it means the same in whatever encoding a tool reads it.
Run as: python tests/support/escapes.py FILE ...
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

COMMENT = ("* ", "//", "/*", "# ", '"""')  # how a line begins that is read by people only
WORDS = {
    "\u00b1": "+-",
    "\u00d7": "x",
    "\u03bb": "lambda",
    "\u03b2": "beta",
    "\u2026": "...",
    "\u00b7": "*",
    "\u2248": "~",
}


def escaped(line: str) -> str:
    """The line in ASCII: \\uXXXX in code, words in a comment or a docstring that begins there."""
    words = WORDS if line.lstrip().startswith(COMMENT) else {}

    def written(found: re.Match[str]) -> str:
        return words.get(found[0]) or f"\\u{ord(found[0]):04x}"  # all in use are below U+10000

    return re.sub(r"[^\x00-\x7f]", written, line)


def main(names: list[str]) -> None:
    """Rewrite those of the files that are not ASCII."""
    for path in map(Path, names):
        text = path.read_text(encoding="utf-8")
        path.write_text("\n".join(map(escaped, text.split("\n"))), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
