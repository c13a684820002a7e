"""ComfyUI-Manager's own command line, or ComfyUI with the Manager in it, asking another registry than api.comfy.org.
Run as: COMFYUI_PATH=... python with_registry.py REGISTRY cm-cli|main.py ARGUMENTS ...
"""

from __future__ import annotations

import os
import runpy
import sys


def main(registry: str, program: str, *arguments: str) -> None:
    """The program, for the ComfyUI at COMFYUI_PATH. The registry's address is a constant of the Manager's; so are the five
    seconds that pip has to say its version before the Manager looks for uv, too few on a machine that is busy with tests.
    """
    comfyui = os.environ["COMFYUI_PATH"]
    sys.path.insert(0, comfyui)
    sys.argv = [program, *arguments]
    if program == "main.py":
        import comfy.options

        comfy.options.enable_args_parsing()
    from comfyui_manager.common import cnr_utils, manager_util

    cnr_utils.base_url = registry
    manager_util.get_pip_cmd = lambda force_uv=False: [sys.executable, "-m", "pip"]
    if program == "main.py":
        runpy.run_path(os.path.join(comfyui, program), run_name="__main__")
    else:
        from cm_cli.__main__ import app

        app()


if __name__ == "__main__":
    main(*sys.argv[1:])
