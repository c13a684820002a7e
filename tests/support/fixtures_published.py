"""Fixtures of what is published; a session makes each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import published


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository of the files as they lie here."""
    return published.check_out(tmp_path_factory.mktemp("published") / "ComfyUI-DeRaDiff")


@pytest.fixture(scope="session")
def archive(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive that the registry gets of them, packed by comfy-cli."""
    published.comfy("pack", checkout=checkout)
    return (checkout / "node.zip").replace(tmp_path_factory.mktemp("archive") / "node.zip")
