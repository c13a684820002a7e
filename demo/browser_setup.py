"""The Chromium that the browser tests drive: found where there is one, installed otherwise.
Standard library only. CHROMIUM names one; then PATH, then Playwright's own are searched; then Debian's package is
installed where that can be done, and Playwright's download elsewhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from machine import SetUpError, install_package, root_prefix, run, say

NAMES = ("chromium", "chromium-browser", "google-chrome")
PLAYWRIGHT_S = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
NONE = """The browser tests need a Chromium, and there is none that could be used or installed{seen}. Either
  install one (Debian: sudo apt-get install chromium; elsewhere: {python} -m playwright install chromium),
  or name one: CHROMIUM=/path/to/chromium make test"""


def _named() -> str | None:
    """What CHROMIUM names: a path, or a command on PATH. Raises SetUpError if it is neither."""
    named = os.environ.get("CHROMIUM")
    if not named:
        return None
    found = shutil.which(named)
    if not found:
        raise SetUpError(f"CHROMIUM names no program: {named}. Set it to the path of a Chromium, or leave it unset.")
    return found


def _playwright_s(python: str) -> str | None:
    """The Chromium that Playwright, in this interpreter's environment, has downloaded already."""
    asked = subprocess.run([python, "-c", PLAYWRIGHT_S], capture_output=True, text=True, check=False)
    path = asked.stdout.strip()
    return path if asked.returncode == 0 and Path(path).is_file() else None


def find(python: str) -> str | None:
    """The path of a Chromium that is there, None without one. Installs nothing."""
    return _named() or next(filter(None, map(shutil.which, NAMES)), None) or _playwright_s(python)


def found(python: str) -> str:
    """The path of a Chromium that is there. Raises SetUpError that says how to get one."""
    path = find(python)
    if not path:
        raise SetUpError(NONE.format(seen="", python=python))
    return path


def _install(python: str) -> bool:
    say("The browser tests need a Chromium, and there is none: installing one (about 120 MB, 410 MB on disk) ...")
    if install_package("chromium"):
        return True
    say("Debian's package cannot be installed here; installing Playwright's Chromium instead ...")
    libraries = ["--with-deps"] if root_prefix() is not None and shutil.which("apt-get") else []
    return run([python, "-m", "playwright", "install", *libraries, "chromium"])


def chromium(python: str) -> str:
    """The path of a Chromium, installed if there is none. Raises SetUpError that says what to do."""
    path = find(python) or (find(python) if _install(python) else None)
    if not path:
        raise SetUpError(NONE.format(seen=" (see above)", python=python))
    return path
