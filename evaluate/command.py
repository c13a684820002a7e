"""The command line: options, what is said, and the exit status."""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from deradiff.nodes.runs.lambda_lists import parse_lambdas
from deradiff.nodes.scoring.search import Search

from . import hunt, rows
from .campaign import Campaign, Result
from .fleet import Slot
from .server import Settings
from .store import Place

_DESCRIPTION = """Run a workflow over prompts, seeds and lambdas on every GPU there is, and score the images.
Interrupted, the same command goes on. See docs/evaluate.md."""


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser("evaluate", description=_DESCRIPTION, formatter_class=argparse.RawTextHelpFormatter)
    add = found.add_argument
    add("workflow", type=Path, help="a workflow with a realigning node, in API format or as the page saves it")
    add("--prompts", type=Path, required=True, metavar="FILE", help="text, CSV, TSV or JSON; columns as in Prompt Set")
    add("--column", default="", help="the prompts' column, where it has an unusual name")
    add("--draw", type=int, default=0, metavar="N", help="only N prompts of the file, drawn")
    which = found.add_mutually_exclusive_group(required=True)
    which.add_argument("--lambda", dest="lambdas", metavar="LIST", help='such as 0:1:0.1 or "0, 0.5, 1"')
    which.add_argument("--search", metavar="LOW:HIGH", help="find the best lambda between two, such as 0:1.5")
    add("--budget", type=int, default=128, metavar="N", help="of a search: images")
    add("--confidence", type=float, default=0.95, metavar="C", help="of a search: how sure it is to be")
    add(
        "--indifference",
        type=float,
        default=0.15,
        metavar="I",
        help="of a search: how far from the best is good enough",
    )
    add(
        "--seeds", type=int, default=1, metavar="N", help="how many seeds for each prompt; a search takes what it needs"
    )
    add("--first-seed", type=int, default=0, metavar="SEED")
    add("--scorer", action="append", default=[], metavar="NAME", help="a judge as in Load Scorer; may be repeated")
    add("--held-out", action="append", default=[], metavar="NAME", help="a judge that nothing is chosen by")
    add("--baseline", action="store_true", help="also from the model with interpolated weights")
    add(
        "--set",
        dest="set_",
        action="append",
        default=[],
        metavar="NODE.input=WHAT",
        help="where the workflow is ambiguous",
    )
    add("--out", required=True, metavar="FOLDER", help="a folder all machines share, or a URL that fsspec knows")
    add("--comfyui", default=os.environ.get("COMFYUI_PATH", ""), metavar="FOLDER", help="ComfyUI's (or COMFYUI_PATH)")
    add("--base", default="", metavar="FOLDER", help="where models and custom_nodes are, if not in ComfyUI's folder")
    add("--comfyui-args", default="", metavar="ARGS", help="for every ComfyUI, such as --comfyui-args=--lowvram")
    add("--workers", type=int, default=0, metavar="N", help="at most; else one for each GPU")
    add("--cpu", action="store_true", help="one worker for each CPU core, and no GPU")
    add("--address", default="", help="of a Ray cluster; else Ray begins one on this machine")
    add("--dashboard", action="store_true", help="Ray's, on this machine (needs ray[default])")
    add(
        "--row-limit",
        type=float,
        default=3600,
        metavar="SECONDS",
        help="a row that takes longer has lost its worker; 0: any",
    )
    add("--retry-failed", action="store_true", help="try rows again that failed in an earlier run")
    return found


def campaign(options: argparse.Namespace) -> Campaign:
    """Raises ValueError for options that cannot be."""
    if not options.workflow.is_file():
        raise ValueError(f"there is no workflow {options.workflow}. Export one from ComfyUI: Workflow > Export (API).")
    if not options.comfyui:
        raise ValueError("--comfyui: expected ComfyUI's folder. Name it, or set COMFYUI_PATH.")
    if options.workers < 0 or options.row_limit < 0:
        raise ValueError("--workers and --row-limit: expected a number that is not negative.")
    arguments = (*shlex.split(options.comfyui_args), *(["--cpu"] if options.cpu else []))
    settings = Settings(
        os.path.abspath(options.comfyui),
        os.path.abspath(options.base) if options.base else "",
        arguments,
        threads=1 if options.cpu else 0,
    )
    if not options.address:
        settings.check()
    search = _search(options)
    plan = rows.plan(
        options.prompts,
        search.strengths if search else parse_lambdas(options.lambdas),
        rows.MOST_SEEDS if search else options.seeds,
        options.first_seed,
        options.column,
        options.draw,
        options.baseline,
    )
    return Campaign(plan, settings, Slot(gpu=not options.cpu), options, search)


def _search(options: argparse.Namespace) -> Search | None:
    """Raises ValueError for a search that cannot be."""
    if options.search is None:
        return None
    if options.baseline:
        raise ValueError(
            "--baseline: a search looks for a lambda of the realigned model alone. Leave one of the two out."
        )
    if not options.scorer:
        raise ValueError("--search: expected a judge to search by. Name one with --scorer.")
    return hunt.begun(options.search, options.budget, options.confidence, options.indifference)


def _shown(result: Result) -> str:
    """Where what came of it is to be looked at."""
    from . import report, report_search  # take seconds to import

    if result.found:
        return "\n".join(map(Place(result.out).path, report_search.FILES))
    return report.write(result.out)


def main(arguments: Sequence[str]) -> int:
    """Run it; 0 if every row is in the table, 1 if something stands in the way, 3 if some rows failed."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    options = parser().parse_args(arguments)
    try:
        result = asyncio.run(campaign(options).run())
    except (ValueError, OSError) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = (
            f"\nThe disk of {options.out}, or of a worker, is full. Make room; the same command goes on."
            if full
            else ""
        )
        sys.stderr.write(f"evaluate: {error}{advice}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. The same command goes on.\n")
        return 130
    sys.stdout.write(f"{result}\n{_shown(result)}\n")
    return 3 if result.failed else 0
