"""Does lambda stand for a model trained at beta / lambda? Trains, samples, compares, and writes benchmarks/fidelity.md.
Run by `make fidelity`; about an hour and a half of one CPU core; resumable at every stage."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import conftest  # noqa: F401  starts ComfyUI and imports the pack

# isort: split
import apart
import closed_form
import comfy.utils
import comparison
import drift
import evaluate
import plan
import plot
import raw
import report
import torch

HERE = Path(__file__).resolve().parent


class Clock:
    """Seconds spent in each stage, over all the runs that it took to finish."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seconds: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begin = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begin
            self._path.write_text(json.dumps(self.seconds), encoding="utf-8")


def train(work: Path, clock: Clock) -> plan.Lab:
    """Every model, the reference first."""
    with clock.stage("the reference, its samples, the classifier"):
        lab = plan.Lab(work)
    with clock.stage("the aligned models"):
        for seed in plan.SEEDS:
            for strength in plan.LAMBDAS:
                lab.retrained(strength, seed)
    with clock.stage("two of them for twice as long"):
        for strength in plan.LONGER_AT:
            lab.longer(strength)
    return lab


def longer(lab: plan.Lab) -> comparison.Bootstrap:
    """The models that were trained for longer."""
    subjects = [evaluate.Subject(evaluate.LONGER, strength, 0) for strength in plan.LONGER_AT]
    values = {subject: evaluate.measured(lab, evaluate.MAIN, subject) for subject in subjects}
    return comparison.Bootstrap(values, evaluate.MAIN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for snapshots and samples")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the tables and plots")
    options = parser.parse_args()
    torch.set_num_threads(1)
    comfy.utils.PROGRESS_BAR_ENABLED = False
    options.work.mkdir(parents=True, exist_ok=True)
    clock = Clock(options.work / "seconds.json")
    lab = train(options.work, clock)
    found = {}
    with clock.stage("sampling"):
        for setting in (*evaluate.SETTINGS, evaluate.HACKED):
            values = {subject: evaluate.measured(lab, setting, subject) for subject in evaluate.subjects(setting)}
            found[setting] = values, comparison.Bootstrap(values, setting)
        others = longer(lab)
        distances = apart.results(lab)
        parts = drift.results(lab)
    with clock.stage("closed forms"):
        closed = closed_form.results()
    values, bootstrap = found[evaluate.MAIN]
    raw.means(found, options.out / "means.csv")
    raw.errors(found, options.out / "errors.csv")
    raw.samples(values, evaluate.MAIN, options.out / "samples.csv")
    closed_form.write(closed, options.out / "closed_form.csv")
    plot.paths(bootstrap, options.out / "paths.png")
    plot.errors(bootstrap, options.out / "errors.png")
    plot.strip(values, bootstrap.lambdas, options.out / "strip.png")
    bootstraps = {setting: drawn for setting, (_, drawn) in found.items()}
    text = [
        *report.lines(bootstraps, lab, others, distances, parts),
        *report.closed(closed),
        *report.took(clock.seconds),
    ]
    (options.out.parent / "fidelity.md").write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
