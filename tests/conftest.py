"""The real ComfyUI, in process and on the CPU, with the pack imported as ComfyUI imports it.
Without COMFYUI_PATH nothing is skipped: collection fails.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["support.fixtures_engine", "support.fixtures_published", "support.fixtures_evaluate"]
ROOT = Path(__file__).resolve().parent.parent
BROWSER = "tests/browser/"
_FRONT_END = re.compile(r"\d+\.\d+\.\d+")  # its version, in the name of a test that has one


def _start_comfyui() -> None:
    path = os.environ.get("COMFYUI_PATH")
    if not path or not (Path(path) / "comfy" / "model_patcher.py").exists():
        raise RuntimeError("COMFYUI_PATH names no ComfyUI. Run the tests by `make test`, which sets one up.")
    sys.path.insert(0, path)
    import comfy.options

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    if os.environ.get("DERADIFF_TEST_DEVICE", "cpu") == "cpu":
        args.cpu = True
    else:
        _take_the_gpu(args)


def _take_the_gpu(args: argparse.Namespace) -> None:
    """In the mode of memory that DERADIFF_TEST_MODE names, as main.py would set ComfyUI up."""
    mode = os.environ.get("DERADIFF_TEST_MODE", "normal")
    args.lowvram, args.novram = mode == "lowvram", mode == "novram"
    if mode == "dynamic":
        import comfy.memory_management
        import comfy.model_management
        import comfy.model_patcher
        import comfy_aimdo.control

        devices = [(device.index, 0) for device in comfy.model_management.get_all_torch_devices()]
        if not comfy_aimdo.control.init_devices(devices):
            raise RuntimeError("comfy-aimdo does not work on this machine: there is no dynamic VRAM to try.")
        comfy.model_patcher.CoreModelPatcher = comfy.model_patcher.ModelPatcherDynamic
        comfy.memory_management.aimdo_enabled = True


def _import_pack() -> None:
    """Import the checkout as the package `deradiff`, by its __init__.py, as custom nodes are."""
    spec = importlib.util.spec_from_file_location(
        "deradiff", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["deradiff"] = module
    spec.loader.exec_module(module)


_start_comfyui()
_import_pack()


@pytest.hookimpl(optionalhook=True)  # pytest-xdist's; nothing else needs it
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several workers: what shares fixtures, a file or the browser tests of one front end, runs on one of them."""
    from xdist.scheduler import LoadFileScheduling

    class ByFixtures(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if not nodeid.startswith(BROWSER):
                return super()._split_scope(nodeid)
            front_end = _FRONT_END.search(nodeid)
            return BROWSER + (front_end.group() if front_end else "")

    return ByFixtures(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures that tests recorded (`record_property("figure", text)`)."""
    figures = [
        text
        for report in terminalreporter.getreports("passed")
        for name, text in report.user_properties
        if name == "figure"
    ]
    if figures:
        terminalreporter.section("figures")
    for text in figures:
        terminalreporter.line(text)
