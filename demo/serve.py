"""`make serve`: the demo's ComfyUI, with the pack, its models and its workflows, at 127.0.0.1:8188 until Ctrl-C."""

from __future__ import annotations

import contextlib
import sys

import comfyui
from assemble import assemble

PORT = 8188


def main() -> None:
    base = comfyui.base_directory()
    comfyui.prepare(base)
    assemble(base / "models")
    with contextlib.suppress(KeyboardInterrupt), comfyui.Server(base, PORT) as server:
        sys.stdout.write(
            f"\n{server.url} is up. The workflows: Workflow > Browse Templates > {comfyui.PACK}. Ctrl-C stops it.\n"
        )
        sys.stdout.flush()
        raise SystemExit(server.wait_for_end())


if __name__ == "__main__":
    main()
