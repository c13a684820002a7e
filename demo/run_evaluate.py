"""`make evaluate`: the demo pair over 24 captions, 6 lambdas and 2 seeds on two CPU workers, into demo/output/evaluate/."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import comfyui
import environment
from assemble import assemble

DEMO = comfyui.CHECKOUT / "demo"
OUTPUT = DEMO / "output" / "evaluate"
RUN = comfyui.CHECKOUT / "evaluate" / "run.py"
WARMTH = "warmth (built in)"  # what the pair was aligned on
OPTIONS = ("--lambda", "0:1:0.2", "--seeds", "2", "--scorer", WARMTH, "--held-out", "caption_judge")


def command(base: Path, out: Path, options: Sequence[str], workers: int = 2) -> list[str]:
    """The command line on the demo pair. base: a folder that comfyui.prepare() and assemble() have filled."""
    here = ["--comfyui", str(comfyui.comfyui_path()), "--base", str(base), "--cpu", "--workers", str(workers)]
    return [sys.executable, str(RUN), str(DEMO / "evaluate.json"), *here, "--out", str(out), *options]


def surroundings() -> dict[str, str]:
    """The environment's variables with Ray in reach."""
    path = os.pathsep.join(filter(None, (str(environment.ray(sys.executable)), os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": path}


def main() -> int:
    base = comfyui.base_directory()
    comfyui.prepare(base)
    assemble(base / "models")
    options = ("--prompts", str(DEMO / "captions.tsv"), *OPTIONS)
    return subprocess.run(command(base, OUTPUT, options), env=surroundings(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
