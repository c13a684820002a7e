"""How ComfyUI itself finds and loads the pack, in a process of its own, from a path with a space in it.
ComfyUI runs in start_comfyui.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
FOLDER = "ComfyUI DeRaDiff"
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
MOST_CALLS = 70_000  # measured: 63,723 on ComfyUI 0.3.75, about 60 ms; a dataclass takes some hundreds


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> dict:
    """What a fresh ComfyUI says of the published pack, where files are ASCII unless they are opened with an encoding:
    stricter than cp1252, which is what Windows takes them for.
    """
    base = tmp_path_factory.mktemp("my ComfyUI") / "base folder"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(base / "custom_nodes" / FOLDER)
    for name in ("models", "user", "input", "output", "temp"):
        (base / name).mkdir()
    result = base / "result.json"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | ASCII
    command = [sys.executable, str(TESTS / "support" / "start_comfyui.py"), str(base), str(result)]
    run = subprocess.run(command, env=environment, cwd=base, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    assert f"{FOLDER}" not in run.stdout, "the pack prints when it is loaded"
    assert "IMPORT FAILED" not in run.stderr and f"Cannot import {base}" not in run.stderr, run.stderr
    return json.loads(result.read_text(encoding="utf-8"))


def test_core_s_loader_registers_exactly_the_nodes_of_the_contract(started: dict) -> None:
    contract = json.loads((TESTS / "nodes" / "contract.json").read_text(encoding="utf-8"))
    assert started["nodes"] == dict.fromkeys(contract, f"custom_nodes.{FOLDER}")
    assert started["display_names"] == {id_: node["display_name"] for id_, node in contract.items()}


def test_the_web_folder_is_found_with_its_help_pages(started: dict) -> None:
    assert list(started["web"]) == [FOLDER]
    folder = Path(started["web"][FOLDER])
    assert folder.parts[-3:] == ("custom_nodes", FOLDER, "js")
    assert {path.stem for path in (folder / "docs").glob("*.md")} == set(started["nodes"])


def test_core_reads_the_labels_of_every_language_whatever_the_system_s_encoding(started: dict) -> None:
    """Core opens locales as UTF-8: the files of Chinese and Japanese need no escapes."""
    assert started["encoding"] in ("ANSI_X3.4-1968", "US-ASCII", "ascii")
    for language in ("en", "zh", "ja"):
        labels = json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text("utf-8"))
        assert started["translations"][language]["nodeDefs"] == labels


def test_importing_the_pack_costs_little(started: dict, record_property: Callable[[str, object], None]) -> None:
    """Core's whole loading of the pack: import, node list, schemas. The first time compiles; it is once per installation.
    The time is printed and the calls are judged: the time of one and the same loading doubles on a busy machine.
    """
    first, *again = started["seconds"]
    milliseconds = f"{1000 * min(again):.0f} ms ({1000 * first:.0f} ms the first time)"
    record_property("figure", f"The pack adds {milliseconds} and {started['calls']} calls to ComfyUI's start.")
    assert 0 < started["calls"] <= MOST_CALLS


def test_importing_the_pack_pulls_in_nothing_that_comfyui_has_not_loaded(started: dict) -> None:
    """Why repeated imports measure the whole cost: no library of somebody else's is loaded for us."""
    assert [name for name in started["modules"] if name.split(".")[0] not in sys.stdlib_module_names] == []
