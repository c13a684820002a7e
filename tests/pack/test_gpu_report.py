"""`make gpu` without a GPU: every part of it that a CPU can run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def _run(*arguments: str, out: Path) -> subprocess.CompletedProcess[str]:
    folders = [*(str(ROOT / name) for name in ("tests", "demo")), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *arguments, "--out", str(out)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)


def test_the_promises_are_kept_and_the_costs_measured_on_the_cpu(tmp_path: Path) -> None:
    parts = ("--modes", "normal", "--sizes", "small", "--steps", "2", "--rounds", "1")
    done = _run("--device", "cpu", *parts, out=tmp_path / "gpu.md")
    assert done.returncode == 0, done.stderr[-2000:]
    lines = (tmp_path / "gpu.md").read_text("utf-8").splitlines()
    promises = [line for line in lines if line.startswith("| normal")]
    assert len(promises) == 10
    assert all(line.endswith("| yes |") for line in promises), "\n".join(promises)
    costs = [line for line in lines if line.startswith("| 13.6 M parameters")]
    assert len(costs) == 11 and all(line.endswith("| no GPU |") for line in costs), "\n".join(lines)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU: run `make gpu`")
def test_without_a_gpu_it_says_what_to_do(tmp_path: Path) -> None:
    done = _run(out=tmp_path / "gpu.md")
    assert done.returncode == 2 and "sees no CUDA device" in done.stderr
    assert not (tmp_path / "gpu.md").exists()
