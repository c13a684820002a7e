"""ComfyUI: pairs of models, the realigning MODEL patch, files and sampling runs. Knows no node."""

import logging

LOG = logging.getLogger("deradiff")
KEY = "deradiff"  # under which everything of ours hangs on a ModelPatcher
