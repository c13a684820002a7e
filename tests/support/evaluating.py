"""Evaluations as a user starts them, on the demo pair; the processes below them, to be killed; and their tables, to be compared."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import comfyui
import numpy as np
import psutil
import run_evaluate
from assemble import assemble
from PIL import Image

SECONDS = 600  # until a run that does not end is given up, on a busy machine
OF_THE_MOMENT = ("seconds", "worker", "finished", "attempts")  # columns in which runs may differ
# A pack whose one node hands a text on, and fails in each of the ways that its text asks for.
MISCHIEF = """
import os, signal

class Mischief:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"text": ("STRING", {"default": ""})}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("STRING",), "run", "test"

    def run(self, text):
        if "impossible" in text:
            raise ValueError("this prompt cannot be")
        if "full" in text:
            raise OSError(28, "No space left on device")
        if "deadly" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        return (text,)

NODE_CLASS_MAPPINGS = {"Mischief": Mischief}
"""


def base_directory(folder: Path) -> Path:
    """A base directory with the demo pair, this checkout and the mischief."""
    comfyui.prepare(folder)
    assemble(folder / "models")
    pack = folder / "custom_nodes" / "mischief"
    pack.mkdir(exist_ok=True)
    (pack / "__init__.py").write_text(MISCHIEF, "utf-8")
    return folder


def graph(steps: int = 3) -> dict[str, dict[str, Any]]:
    """The demo's workflow with few steps and the mischief between prompt and text encoder."""
    found = json.loads((run_evaluate.DEMO / "evaluate.json").read_text("utf-8"))
    found["6"]["inputs"]["steps"] = steps
    found["9"] = {"class_type": "Mischief", "inputs": {"text": ""}}
    found["3"]["inputs"]["text"] = ["9", 0]
    return found


class Run:
    """The command in a process of its own, its output in a file."""

    def __init__(self, workflow: Path, base: Path, out: Path, options: Sequence[str], workers: int = 1) -> None:
        command = run_evaluate.command(base, out, options, workers)
        command[2] = str(workflow)
        self.out, self.log = out, out.with_name(out.name + ".log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=run_evaluate.surroundings(), stdout=log, stderr=log)

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace").replace("\r", "\n")

    def wait(self) -> int:
        """Until it ends by itself: its status."""
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"It did not end within {SECONDS} seconds:\n{self.said()[-3000:]}") from None

    def kill(self) -> None:
        """SIGKILL to the driver alone; what Ray leaves of its own processes after a while is ended too."""
        below = self.below(bool)
        self.process.kill()
        self.process.wait()
        for process in psutil.wait_procs(below, 5)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def below(self, marks: Callable[[list[str]], bool]) -> list[psutil.Process]:
        """The processes below the driver whose command line is meant."""
        try:
            every = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [process for process in every if marks(_command_line(process))]

    def comfyuis(self) -> list[psutil.Process]:
        return self.below(lambda line: any(part.endswith("main.py") for part in line))

    def actors(self) -> list[psutil.Process]:
        return self.below(lambda line: bool(line) and line[0].startswith("ray::Worker"))

    def images(self) -> int:
        return len(list((self.out / "images").glob("*.png")))

    def wait_for(self, condition: Callable[[], Any]) -> None:
        until = time.monotonic() + SECONDS
        while not condition():
            assert self.process.poll() is None, self.said()[-3000:]
            assert time.monotonic() < until, self.said()[-3000:]
            time.sleep(0.05)


def kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def rows(out: Path) -> list[dict[str, Any]]:
    """The finished table without what differs from run to run."""
    from deradiff.evaluate import store

    return store.read(str(out)).drop_columns(list(OF_THE_MOMENT)).to_pylist()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def all_pixels(out: Path) -> dict[str, np.ndarray]:
    return {path.name: pixels(path.read_bytes()) for path in sorted((out / "images").iterdir())}


def times(out: Path) -> dict[str, int]:
    """When each image was written."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "images").glob("*.png")}
