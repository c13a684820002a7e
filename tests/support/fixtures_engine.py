"""Pairs of small real models for the engine's tests, built once per session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from support import engine
from support.engine import Pair, Zoo


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """The files of all stand-in models."""
    return Zoo(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def as_in_comfyui() -> Iterator[None]:
    """Nodes are executed in inference mode. One thread is the fastest for models as small as these."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield
    torch.set_num_threads(threads)


def _separate(zoo: Zoo, kind: str) -> Pair:
    return Pair(zoo.load(kind), zoo.load(kind, 1), engine.task_for(kind))


@pytest.fixture(scope="session")
def sd15(zoo: Zoo) -> Pair:
    """Two SD1.5-class models of their own weights."""
    return _separate(zoo, "sd15")


@pytest.fixture(scope="session")
def sdxl(zoo: Zoo) -> Pair:
    """Two SDXL-class models of their own weights."""
    return _separate(zoo, "sdxl")


@pytest.fixture(scope="session")
def sd3(zoo: Zoo) -> Pair:
    """Two SD3-class flow models of their own weights."""
    return _separate(zoo, "sd3")


@pytest.fixture(scope="session")
def wan(zoo: Zoo) -> Pair:
    """Two video models of their own weights; their latents have five dimensions."""
    return _separate(zoo, "wan")


@pytest.fixture(scope="session")
def sd15_lora(zoo: Zoo, sd15: Pair) -> Pair:
    """The SD1.5-class reference and the same with a LoRA, on one module."""
    return Pair(sd15.reference, engine.lora_pair(sd15.reference, zoo.lora_path("sd15", 3)), sd15.task)


def _wider(name: str) -> Any:
    """The fixture of a pair with a latent of 8x8, for what has places in it."""

    @pytest.fixture(name=f"wide_{name}")
    def wider(request: pytest.FixtureRequest) -> Pair:
        return engine.wider(request.getfixturevalue(name))

    return wider


wide_sd15, wide_sd15_lora, wide_sd3, wide_wan = map(_wider, ("sd15", "sd15_lora", "sd3", "wan"))
