"""One sampling run of a realigned MODEL: the patch on ComfyUI's MODEL, and everything that acts while it samples."""

import logging

LOG = logging.getLogger("deradiff")
KEY = "deradiff"  # of the pack's attachments, wrappers and options on a ModelPatcher
