"""What benchmarks/reuse.py found, as text: how often reuse kept its promise, and what that cost."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

DEMO = "demo"
TOLERANCES = (0.02, 0.05, 0.1)
PROMISED = 0.9  # of the runs


@dataclass(frozen=True)
class Found:
    """One run at one tolerance. evaluations: rows through the networks / those of one model. error: of the final latent, as measured and as predicted."""

    pair: str
    sampler: str
    cfg: float
    steps: int
    weight: float
    seed: int
    tolerance: float
    evaluations: float
    error: float
    predicted: float

    @classmethod
    def read(cls, row: dict[str, str]) -> Found:
        kinds = {"str": str, "float": float, "int": int}
        return cls(**{field.name: kinds[str(field.type)](row[field.name]) for field in fields(cls)})

    def brief(self) -> str:
        return f"{self.tolerance:g}: {self.evaluations:.2f}, {self.error:.4f}"


def _within(runs: Sequence[Found]) -> float:
    return statistics.fmean(run.error <= run.tolerance for run in runs)


def _high(values: Sequence[float]) -> float:
    """The ninth decile."""
    return sorted(values)[min(int(0.9 * len(values)), len(values) - 1)]


def _cells(runs: Sequence[Found]) -> str:
    evaluations, errors = [run.evaluations for run in runs], [run.error for run in runs]
    return f"{statistics.fmean(evaluations):.2f} | {statistics.median(errors):.4f} | {_high(errors):.4f} | {100 * _within(runs):.0f} %"


def _table(found: Sequence[Found], name: str, key: Callable[[Found], object]) -> Iterator[str]:
    yield f"| {name} | reuse_tolerance | runs | evaluations (mean) | error (median) | error (nine of ten) | within |"
    yield "|---|---|---|---|---|---|---|"
    for value in dict.fromkeys(map(key, found)):
        for tolerance in TOLERANCES:
            runs = [run for run in found if key(run) == value and run.tolerance == tolerance]
            if runs:
                yield f"| {value} | {tolerance:g} | {len(runs)} | {_cells(runs)} |"


def _forecast(found: Sequence[Found]) -> str:
    known = [run for run in found if run.predicted > 0.0]
    below = statistics.fmean(run.error <= run.predicted for run in known)
    ratios = [run.error / run.predicted for run in known]
    return (
        f"The error that was predicted after a run was not exceeded in {100 * below:.0f} % of {len(known)} runs; what came out was "
        f"{statistics.median(ratios):.2f} of it in the median and {_high(ratios):.2f} at the ninth decile."
    )


def text(found: Sequence[Found]) -> str:
    pairs = sorted({run.pair for run in found})
    lines = [
        "# Does reuse keep its promise?",
        "",
        f"Runs drawn by chance on {len(pairs)} trained pairs ({'; '.join(pairs)}): five samplers, cfg 1, 3 and 7, 12 to 50 steps, lambda 0.25, 0.5 and "
        "0.75, three seeds. Error: the distance of the final latent to exact's / the distance of the reference's and the aligned model's, over a batch of "
        "two. Evaluations: rows through the networks / those of one model; exact is 2. Every run is in reuse.csv; `make reuse` makes it anew.",
        "",
        *_table(found, "all", lambda _: "all"),
        "",
        _forecast(found),
        "",
        *_table(sorted(found, key=lambda run: run.pair), "pair", lambda run: run.pair),
        "",
        *_table(
            sorted(found, key=lambda run: (run.sampler, run.cfg)),
            "sampler, cfg",
            lambda run: f"{run.sampler}, {run.cfg:g}",
        ),
        "",
        *_table(sorted(found, key=lambda run: run.steps), "steps", lambda run: run.steps),
    ]
    return "\n".join(lines) + "\n"
