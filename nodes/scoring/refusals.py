"""What is said of a scorer's folder that is not whole: which file, what was expected in it, what came, what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

_REASON = 200  # characters
_AGAIN = "Download the file again from the scorer's page (the help page lists the files)."


def foreign(path: Path, expected: str, found: str) -> ValueError:
    """The file holds something else than expected."""
    return ValueError(f"scorer: expected {expected} in {path.parent.name}/{path.name}, but {found}. {_AGAIN}")


@contextmanager
def refusing(refuse: Callable[[str], ValueError]) -> Iterator[None]:
    """Whatever a library raises becomes one ValueError, which `refuse` makes of its reason: which kinds of error a damaged file gives, no library promises."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        cut = reason if len(reason) <= _REASON else f"{reason[:_REASON]}..."
        raise refuse(cut) from error


def reading(path: Path, expected: str) -> AbstractContextManager[None]:
    """`refusing` over one file."""
    return refusing(
        lambda reason: foreign(path, expected, f"it cannot be read, it is empty, incomplete or damaged ({reason})")
    )


def needed(folder: Path, names: tuple[str, ...], what: str) -> Path:
    """The first of several files that exists. Raises ValueError if none does."""
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise ValueError(
            f"scorer: {folder.name} has no {' or '.join(names)}, {what}. "
            "Download it from the scorer's page into that folder (the help page lists the files)."
        )
    return found


def json_object(path: Path, expected: str, needs: str = "") -> dict[str, Any]:
    """The JSON object of a file, with the key `needs`. Raises ValueError for anything else."""
    with reading(path, expected):
        found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or (needs and needs not in found):
        raise foreign(path, expected, f"it holds no {needs!r}" if needs else "it holds something else")
    return found
