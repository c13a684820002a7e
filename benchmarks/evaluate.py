"""What dispatching costs, how it scales, and whether kills lose anything. Run by `make evaluate-bench`, or a part of it by
--part overhead|scale|simulation|kills; --small in minutes. Resumable: a part, or a run of the kills, that evaluate.json
holds is not run again. Writes evaluate.json and evaluate.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / part) for part in ("tests", "demo", "evaluate")]
import environment  # noqa: E402
import pack  # noqa: E402

sys.path.pop(2)  # evaluate/: its modules are deradiff.evaluate's
sys.path.append(str(environment.ray(sys.executable)))
os.environ["PYTHONPATH"] = sys.path[-1]
os.environ["OMP_NUM_THREADS"] = "1"
pack.make_importable()

import comfyui  # noqa: E402
import evaluate_report  # noqa: E402
import numpy as np  # noqa: E402
import run_evaluate  # noqa: E402
from deradiff.evaluate import recipe, rows  # noqa: E402
from deradiff.nodes.runs.lambda_lists import parse_lambdas  # noqa: E402
from support import evaluating  # noqa: E402

RESULTS = HERE / "evaluate.json"
SCORER = "warmth (built in)"
LAMBDAS = "0:1:0.2"


def pin(pid: int, core: int) -> None:
    """All threads of a process on one core."""
    for task in (Path("/proc") / str(pid) / "task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def prompts_file(folder: Path, count: int) -> Path:
    """The first captions of the demo."""
    path = folder / f"{count}.tsv"
    lines = (run_evaluate.DEMO / "captions.tsv").read_text("utf-8").splitlines()
    path.write_text("\n".join(lines[: count + 1]) + "\n", "utf-8")
    return path


class Bench:
    """A base directory, a folder for what is written, and the sizes."""

    def __init__(self, folder: Path, small: bool) -> None:
        self.folder, self.small = folder, small
        self.base = evaluating.base_directory(folder / "base")
        self.workflow = run_evaluate.DEMO / "evaluate.json"

    def run(self, name: str, prompts: int, seeds: int, workers: int, workflow: Path | None = None) -> evaluating.Run:
        options = ["--prompts", str(prompts_file(self.folder, prompts)), "--lambda", LAMBDAS, "--seeds", str(seeds)]
        options += ["--scorer", SCORER]
        return evaluating.Run(workflow or self.workflow, self.base, self.folder / name, options, workers)

    def measured(self, name: str, prompts: int, workers: int) -> list[float]:
        """When each image was there, in seconds, of a run whose ComfyUIs have a core each."""
        run = self.run(name, prompts, 1, workers)
        run.wait_for(lambda: run.images() >= 1)
        for core, process in enumerate(run.comfyuis()):
            pin(process.pid, core)
        if run.wait():
            raise RuntimeError(run.said()[-2000:])
        return sorted(stamp / 1e9 for stamp in evaluating.times(run.out).values())


def overhead(bench: Bench, _results: dict[str, Any]) -> dict[str, Any]:
    """Seconds from the end of the first prompt's lambdas to the end of the last, by hand and by a run, in turns."""
    count, rounds = (3, 1) if bench.small else (12, 3)
    plan = rows.plan(prompts_file(bench.folder, count), parse_lambdas(LAMBDAS), 1)
    skip = len(plan.strengths) - 1
    found: dict[str, Any] = {"rows": len(plan) - skip - 1, "by_hand": [], "run": []}
    with comfyui.Server(bench.base, log=bench.folder / "by-hand.log") as server:
        pin(server._process.pid, 0)
        cooked = recipe.load(bench.workflow, scorers=[SCORER], object_info=server.get("/object_info"))
        for number in range(rounds):
            ends = queued_by_hand(server, [cooked.prompt(row) for group in plan.groups() for row in group])
            found["by_hand"].append(ends[-1] - ends[skip])
            images = bench.measured(f"overhead-{number}", count, 1)
            found["run"].append(images[-1] - images[skip])
    found["ratio"] = [run / hand for run, hand in zip(found["run"], found["by_hand"], strict=True)]
    return found


def queued_by_hand(server: comfyui.Server, prompts: list[comfyui.Prompt]) -> list[float]:
    """All of them in ComfyUI's own queue at once: when each ended, by its own clock. The cache is emptied before."""
    server.post("/history", {"clear": True})
    server.post("/free", {"free_memory": True, "unload_models": True})
    for prompt in prompts:
        server.post("/prompt", {"prompt": prompt, "client_id": "by-hand"})
    while True:
        history = server.get("/history?max_items=10000")
        if len(history) == len(prompts):
            break
        time.sleep(2)
    messages = [dict(entry["status"]["messages"]) for entry in history.values()]
    return sorted(each["execution_success"]["timestamp"] / 1000 for each in messages)


def scale(bench: Bench, _results: dict[str, Any]) -> dict[str, Any]:
    """Images a second of one worker on one core and of two on two, while all of them work, in turns."""
    count, rounds = (3, 1) if bench.small else (12, 2)
    found: dict[str, Any] = {"one": [], "two": []}
    for number in range(rounds):
        for name, workers in (("one", 1), ("two", 2)):
            images = bench.measured(f"scale-{name}-{number}", count * workers, workers)
            edge = 6 * workers  # while the first group loads models, and while the last has no company
            images = images[edge : len(images) - edge]
            found[name].append((len(images) - 1) / (images[-1] - images[0]))
    found["ratio"] = [two / one for one, two in zip(found["one"], found["two"], strict=True)]
    return found


def simulation(bench: Bench, _results: dict[str, Any]) -> dict[str, Any]:
    sizes = ("100", "20000", "0.05") if bench.small else ("1000", "1000000", "1")
    command = [sys.executable, str(HERE / "evaluate_simulation.py"), str(bench.folder / "simulation"), *sizes]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])


def kills(bench: Bench, results: dict[str, Any]) -> dict[str, Any]:
    """Ten runs under SIGKILL at random times, each compared with an undisturbed one. Those that are there are kept."""
    runs, count = (1, 2) if bench.small else (10, 6)
    found = results.get("kills") or {"rows": 6 * count, "runs": []}
    undisturbed = bench.run(f"undisturbed-{time.time():.0f}", count, 1, 2)
    undisturbed.wait()
    expected, pixels = evaluating.rows(undisturbed.out), evaluating.all_pixels(undisturbed.out)
    for seed in range(len(found["runs"]), runs):
        killed, out = disturbed(bench, seed, count)
        got = evaluating.all_pixels(out)
        equal = evaluating.rows(out) == expected and got.keys() == pixels.keys()
        equal = equal and all(np.array_equal(got[name], pixels[name]) for name in pixels)
        found["runs"].append({"seed": seed, "killed": killed, "equal": bool(equal)})
        if not bench.small:
            save({**results, "kills": found})
    return found


def disturbed(bench: Bench, seed: int, count: int) -> tuple[list[str], Path]:
    """What was killed until the run was done, and where it is."""
    chance, killed = random.Random(seed), []
    name = f"disturbed-{seed}-{time.time():.0f}"
    run = bench.run(name, count, 1, 2)
    while True:
        most = time.monotonic() + chance.uniform(15, 45)  # a start takes about half of that
        while run.process.poll() is None and time.monotonic() < most:
            time.sleep(0.1)
        if run.process.poll() is not None:
            if run.process.returncode:
                raise RuntimeError(run.said()[-3000:])
            return killed, run.out
        what = chance.choice(("ComfyUI", "Ray worker", "driver"))
        if what == "driver":
            run.kill()
            run = bench.run(name, count, 1, 2)
        elif found := (run.comfyuis() if what == "ComfyUI" else run.actors()):
            evaluating.kill([chance.choice(found)])
        else:
            continue  # between two starts
        killed.append(what)


PARTS: dict[str, Callable[[Bench, dict[str, Any]], dict[str, Any]]] = {
    "overhead": overhead,
    "scale": scale,
    "simulation": simulation,
    "kills": kills,
}


def load() -> dict[str, Any]:
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}


def save(results: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--small", action="store_true", help="minutes; printed, nothing is written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="deradiff-bench-", ignore_cleanup_errors=True) as folder:
        for part in options.part or PARTS:
            results = {} if options.small else load()
            if part in results and part != "kills":
                sys.stdout.write(f"{part}: in {RESULTS.name} already; remove it there to run it again\n")
                continue
            bench = Bench(Path(folder), options.small)
            found = PARTS[part](bench, results)
            sys.stdout.write(evaluate_report.text({part: found}) + "\n")
            if not options.small:
                save({**load(), part: found})
    if not options.small:
        (HERE / "evaluate.md").write_text(evaluate_report.text(load()), "utf-8")


if __name__ == "__main__":
    main()
