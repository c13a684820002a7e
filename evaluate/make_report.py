"""The report of an evaluation that is done, stopped or still running: python evaluate/make_report.py FOLDER."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from pack import make_importable

    sys.path.pop(0)  # this folder: its modules are deradiff.evaluate's
    make_importable()
    try:
        from deradiff.evaluate.report import write
    except ModuleNotFoundError as missing:
        sys.exit(f"The report needs {missing.name}: pip install -r evaluate/requirements.txt")

    if len(sys.argv) != 2:
        sys.exit("Usage: python evaluate/make_report.py FOLDER, the --out of an evaluation.")
    try:
        sys.stdout.write(write(sys.argv[1]) + "\n")
    except ValueError as error:
        sys.exit(str(error))
