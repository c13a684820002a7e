"""What goes to the Comfy registry, made as the registry's own tool makes it: comfy-cli on a git checkout of these files.
comfy-cli and ComfyUI-Manager are kept in folders of their own beside the environment, keyed by their lists of packages.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent
ROOT = SUPPORT.parents[1]
sys.path.insert(0, str(ROOT / "demo"))

import environment  # noqa: E402


def tool(name: str) -> Path:
    """The folder with the packages that `name`.txt beside this file lists, installed if it is missing."""
    wanted = SUPPORT / f"{name}.txt"
    key = hashlib.sha256(wanted.read_bytes() + sys.version.split()[0].encode()).hexdigest()[:12]
    return environment.beside(sys.executable, f"{name}-{key}", ["-r", str(wanted)], f"{name} for the tests")


def files() -> list[str]:
    """Every file of the repository as it lies here: tracked, or new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return sorted(name for name in set(listed) if name and (ROOT / name).is_file())


def check_out(folder: Path) -> Path:
    """A git repository of those files, all of them in its index and in one commit; its folder."""
    for name in files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "core.autocrlf=false"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A", "-f"], ["commit", "-q", "--no-verify", "-m", "All"]):
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    return folder


def comfy(*arguments: str, checkout: Path) -> str:
    """What `comfy node ...` says in that folder, with a home of its own and without telemetry."""
    home = checkout.with_name(checkout.name + "-home")
    home.mkdir(exist_ok=True)
    own = {"PYTHONPATH": str(tool("comfy-cli")), "HOME": str(home), "USERPROFILE": str(home), "DO_NOT_TRACK": "1"}
    command = [sys.executable, "-m", "comfy_cli", "--skip-prompt", "node", *arguments]
    done = subprocess.run(
        command,
        cwd=checkout,
        env=os.environ | own | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
