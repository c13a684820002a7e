"""One sampling run of a realigned MODEL: the patch on ComfyUI's MODEL, and everything that acts while it samples."""

import logging

LOG = logging.getLogger("deradiff")
KEY = "deradiff"  # under which everything of ours hangs on a ModelPatcher
