"""`make serve`: the demo's ComfyUI, with the pack, its models and its workflows, at 127.0.0.1:8188 until Ctrl-C."""

from __future__ import annotations

import contextlib
import shutil
import sys
from pathlib import Path

import comfyui
from assemble import assemble

PORT = 8188
TEMPLATES = "DeRaDiff-demo-pair"  # the name under which the page lists the demo pair's workflows


def offer_workflows(base: Path) -> None:
    """Put the demo pair's workflows into the page's template browser: a pack without nodes, in the base's custom_nodes."""
    pack = base / "custom_nodes" / TEMPLATES
    shutil.rmtree(pack, ignore_errors=True)
    shutil.copytree(comfyui.DEMO, pack / "example_workflows")
    (pack / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\n", "utf-8")


def main() -> None:
    base = comfyui.base_directory()
    comfyui.prepare(base)
    offer_workflows(base)
    assemble(base / "models")
    with contextlib.suppress(KeyboardInterrupt), comfyui.Server(base, PORT) as server:
        sys.stdout.write(
            f"\n{server.url} is up. The workflows: Workflow > Browse Templates > {TEMPLATES}, and {comfyui.PACK} for those "
            "of public models. Ctrl-C stops it.\n"
        )
        sys.stdout.flush()
        raise SystemExit(server.wait_for_end())


if __name__ == "__main__":
    main()
