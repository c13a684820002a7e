"""Installed by the real ComfyUI-Manager 4 into a ComfyUI of its own: nodes appear, requirements come along, and all of it goes
again. By the Manager's command line, and by what its dialog asks of the server where ComfyUI has it (0.3.75 does not yet).
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import tomllib
from comfy.cli_args import args
from support import manager, published

CONTRACT = json.loads((published.ROOT / "tests" / "nodes" / "contract.json").read_text("utf-8"))
VERSION = tomllib.loads((published.ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
BROUGHT = "import importlib.util as i; s = i.find_spec('matplotlib'); print(s.origin if s else None)"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> manager.Installation:
    return manager.Installation(tmp_path_factory.mktemp("a user's ComfyUI")).make()


def _our_nodes(address: str) -> dict[str, str]:
    """The nodes of ours that the server has, and the module of each."""
    return {
        id_: node["python_module"] for id_, node in manager.get(f"{address}/object_info").items() if id_ in CONTRACT
    }


def test_from_the_registry_installed_disabled_enabled_and_removed(
    installation: manager.Installation, archive: Path
) -> None:
    """The way of a user: the archive that is published, from a registry, with what it requires."""
    packs, spec = installation.packs, f"deradiff@{VERSION}"
    assert installation.run("-c", BROUGHT).strip() == "None"
    with manager.registry(archive, VERSION) as registry, zipfile.ZipFile(archive) as packed:
        assert "[INSTALLED] deradiff" in installation.manager(registry, "install", spec)
        here = {path.relative_to(packs / "deradiff").as_posix() for path in packs.rglob("*") if path.is_file()}
        assert here == {*packed.namelist(), ".tracking"}
        assert installation.run("-c", BROUGHT).startswith(str(installation.folder / "venv"))

        with installation.server() as address:
            assert _our_nodes(address) == dict.fromkeys(CONTRACT, "custom_nodes.deradiff")
            assert "/extensions/deradiff/sweep/viewer.js" in manager.get(f"{address}/extensions")
            assert manager.get(f"{address}/api/workflow_templates")["deradiff"]

        assert "[DISABLED] deradiff" in installation.manager(registry, "disable", spec)
        assert [path.name for path in packs.iterdir()] == [".disabled"]
        with installation.server() as address:
            assert _our_nodes(address) == {}

        assert "[ ENABLED ] deradiff" in installation.manager(registry, "install", spec)
        assert (packs / "deradiff" / "nodes").is_dir() and not list((packs / ".disabled").iterdir())

        assert "[UNINSTALLED] deradiff" in installation.manager(registry, "uninstall", spec)
        assert [path.name for path in packs.iterdir()] == [".disabled"] and not list((packs / ".disabled").iterdir())


def test_from_a_git_address_installed_and_removed(installation: manager.Installation, checkout: Path) -> None:
    folder, nowhere = installation.packs / checkout.name, "http://127.0.0.1:9"
    installation.manager(nowhere, "install", f"file://localhost{checkout.as_posix()}")
    assert (folder / ".git").is_dir() and (folder / "nodes" / "__init__.py").is_file()
    assert installation.run("-c", BROUGHT).startswith(str(installation.folder / "venv"))
    assert "[UNINSTALLED]" in installation.manager(nowhere, "uninstall", f"{checkout.name}@unknown")
    assert not folder.exists()


if hasattr(args, "enable_manager"):

    def test_by_the_manager_s_dialog_installed_disabled_and_removed(
        installation: manager.Installation, archive: Path
    ) -> None:
        packs, pack = installation.packs, {"id": "deradiff", "version": VERSION, "selected_version": VERSION}
        with manager.registry(archive, VERSION) as registry:
            with installation.server(registry) as address:
                assert manager.task(address, "install", **pack, mode="cache", channel="default") == "success"
                assert (packs / "deradiff" / ".tracking").is_file()
            with installation.server(registry) as address:
                assert _our_nodes(address) == dict.fromkeys(CONTRACT, "custom_nodes.deradiff")
                assert manager.get(f"{address}/v2/customnode/installed")["deradiff"]["ver"] == VERSION
                assert manager.task(address, "disable", node_name="deradiff") == "success"
                assert not (packs / "deradiff").exists()
                assert manager.task(address, "uninstall", node_name="deradiff") == "success"
                assert not [path for path in packs.rglob("*") if path.name != ".disabled"]
