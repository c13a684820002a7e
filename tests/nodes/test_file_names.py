"""Load Checkpoint Pair: a name that a workflow saves means the same file for ever, whatever comes into the folders later."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import folder_paths
import pytest
import torch
from deradiff.nodes.load import DeRaDiffLoadCheckpointPair
from support import standins

import nodes as core_nodes

NAME = "model.safetensors"
SEEDS = {"checkpoints": 1, "diffusion_models": 2}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders that ComfyUI takes for checkpoints and diffusion models. One checkpoint is there: the reference."""
    for name in SEEDS:
        (tmp_path / name).mkdir()
        monkeypatch.setitem(folder_paths.folder_names_and_paths, name, ([str(tmp_path / name)], {".safetensors"}))
    _add(tmp_path, "checkpoints", "reference.safetensors", 3)
    return tmp_path


def _add(root: Path, folder: str, name: str = NAME, seed: int | None = None) -> None:
    """A checkpoint or a diffusion model whose weights tell which it is."""
    prefix = standins.CHECKPOINT_PREFIX if folder == "checkpoints" else ""
    weights = standins.unet("sd15", SEEDS[folder] if seed is None else seed)
    extra = standins.taesd(2) if folder == "checkpoints" else {}
    standins.save({**{prefix + key: value for key, value in weights.items()}, **extra}, root / folder / name)


def _offered() -> list[str]:
    return DeRaDiffLoadCheckpointPair.INPUT_TYPES()["required"]["aligned"][1]["options"]


def _loaded(name: str) -> str:
    """The folder of the file that the node loads under this name."""
    _, aligned, *_ = DeRaDiffLoadCheckpointPair.execute("reference.safetensors", name).result
    found = aligned.model.state_dict()["diffusion_model.out.2.weight"]
    return next(
        folder
        for folder, seed in SEEDS.items()
        if torch.equal(found, standins.unet("sd15", seed)["out.2.weight"].half().to(found.dtype))
    )


def _refused(name: str) -> list[dict]:
    """What ComfyUI's server has against a prompt with this name, before it runs anything."""
    import execution

    core_nodes.NODE_CLASS_MAPPINGS["DeRaDiffLoadCheckpointPair"] = DeRaDiffLoadCheckpointPair
    try:
        inputs = {"reference": "reference.safetensors", "aligned": name}
        prompt = {"1": {"class_type": "DeRaDiffLoadCheckpointPair", "inputs": inputs}}
        _, errors, _ = asyncio.run(execution.validate_inputs("prompt", prompt, "1", {}))
    finally:
        del core_nodes.NODE_CLASS_MAPPINGS["DeRaDiffLoadCheckpointPair"]
    return errors


@pytest.mark.parametrize("first", SEEDS)
def test_a_saved_name_outlives_a_namesake_in_the_other_folder(first: str, folder: Path) -> None:
    _add(folder, first)
    (saved,) = [name for name in _offered() if name.endswith(NAME)]
    assert _loaded(saved) == first
    _add(folder, next(other for other in SEEDS if other != first))
    assert _loaded(saved) == first and saved in _offered()


def test_both_of_a_name_are_offered(folder: Path) -> None:
    for each in SEEDS:
        _add(folder, each)
    assert _offered() == [NAME, "reference.safetensors", f"diffusion_models/{NAME}"]
    assert [_loaded(NAME), _loaded(f"diffusion_models/{NAME}")] == ["checkpoints", "diffusion_models"]


def test_a_name_of_a_diffusion_model_without_its_folder(folder: Path) -> None:
    """As workflows have it that were saved before names carried their folder."""
    _add(folder, "diffusion_models")
    assert NAME not in _offered()
    assert _refused(NAME) == [] and _loaded(NAME) == "diffusion_models"


def test_a_name_without_a_folder_that_both_folders_have(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is the checkpoint's own name; whoever saved it for the diffusion model is told."""
    for each in SEEDS:
        _add(folder, each)
    with caplog.at_level(logging.WARNING, "deradiff"):
        assert _refused(NAME) == [] and _loaded(NAME) == "checkpoints"
    (said,) = [record.getMessage() for record in caplog.records if record.name == "deradiff"]
    assert said == (
        f"aligned: both models/checkpoints and models/diffusion_models hold {NAME}: loading the checkpoint. "
        f"For the other, choose diffusion_models/{NAME}."
    )
    caplog.clear()
    assert _loaded(f"diffusion_models/{NAME}") == "diffusion_models"
    assert not [record for record in caplog.records if record.name == "deradiff"]


def test_a_checkpoint_in_a_folder_called_as_the_other(folder: Path) -> None:
    """checkpoints/diffusion_models/model.safetensors and diffusion_models/model.safetensors."""
    for each in SEEDS:
        _add(folder, each, f"diffusion_models/{NAME}" if each == "checkpoints" else NAME)
    ours = [name for name in _offered() if name.endswith(NAME)]
    assert ours == [f"checkpoints/diffusion_models/{NAME}", f"diffusion_models/{NAME}"]
    assert [_loaded(name) for name in ours] == list(SEEDS)
    assert not any(_refused(name) for name in ours)


@pytest.mark.parametrize("folders", [[], list(SEEDS)])
def test_a_name_that_no_folder_has(folders: list[str], folder: Path) -> None:
    for each in folders:
        _add(folder, each)
    expected = (
        "aligned: neither models/checkpoints nor models/diffusion_models holds 'gone.safetensors'. "
        "Choose a file from the list, or put it there."
    )
    with pytest.raises(ValueError) as raised:
        DeRaDiffLoadCheckpointPair.execute("reference.safetensors", "gone.safetensors")
    assert str(raised.value) == expected
    (error,) = _refused("gone.safetensors")
    assert error["extra_info"]["input_name"] == "aligned" and expected in error["details"]


def test_every_offered_name_is_accepted_by_the_server(folder: Path) -> None:
    for each in SEEDS:
        _add(folder, each)
    assert not any(_refused(name) for name in _offered())


def test_an_aligned_name_from_another_node_is_left_to_the_run() -> None:
    """The server asks before the other node has run, when there is no name yet."""
    assert DeRaDiffLoadCheckpointPair.validate_inputs(aligned=None) is True
