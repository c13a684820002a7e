"""Ray and PyArrow, kept beside the environment, in reach of these tests and of the processes that they start."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))

import environment

RAY = str(environment.ray(sys.executable))
sys.path.append(RAY)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), RAY)))
