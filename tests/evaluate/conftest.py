"""Ray and PyArrow, kept beside the environment, in reach of these tests and of the processes that they start."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))

import environment

RAY = str(environment.ray(sys.executable))
sys.path.append(RAY)


@pytest.fixture(scope="package", autouse=True)
def _in_reach_of_processes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), RAY))))
        yield
