"""The command: python evaluate/run.py WORKFLOW --prompts FILE --lambda 0:1:0.1 --out FOLDER. See docs/evaluate.md."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from pack import make_importable

    sys.path.pop(0)  # this folder: its modules are deradiff.evaluate's
    make_importable()
    from deradiff.evaluate.command import main

    sys.exit(main(sys.argv[1:]))
