"""ComfyUI-Manager's own command line, asking another registry than api.comfy.org.
Run as: COMFYUI_PATH=... python manager_cli.py REGISTRY COMMAND ...
"""

from __future__ import annotations

import os
import sys


def main(registry: str, *arguments: str) -> None:
    """`cm-cli ARGUMENTS` for the ComfyUI at COMFYUI_PATH. The registry's address is a constant of the Manager's."""
    sys.path.insert(0, os.environ["COMFYUI_PATH"])
    from comfyui_manager.common import cnr_utils

    cnr_utils.base_url = registry
    sys.argv = ["cm-cli", *arguments]
    from cm_cli.__main__ import app

    app()


if __name__ == "__main__":
    main(*sys.argv[1:])
