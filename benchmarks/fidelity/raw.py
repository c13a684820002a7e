"""The raw numbers of the benchmark as CSV files: means with intervals, errors with intervals, and every sample of the main setting."""

from __future__ import annotations

from pathlib import Path

import tables
from comparison import Bootstrap, Values, estimate
from evaluate import METRICS, REALIGNED, Setting


def means(found: dict[Setting, tuple[Values, Bootstrap]], path: Path) -> None:
    """One row for each sampler, model and metric."""
    header = (
        "sampler",
        "steps",
        "samples",
        "anchor_beta",
        "method",
        "lambda",
        "beta",
        "seed",
        "metric",
        "mean",
        "low",
        "high",
    )
    rows = []
    for setting, (values, bootstrap) in found.items():
        for subject in values:
            beta = f"{setting.beta(subject.strength):g}"
            for metric in METRICS:
                about = estimate(bootstrap.mean(metric, subject.method, subject.strength, subject.seed))
                identity = (*_of(setting), subject.method, f"{subject.strength:g}", beta, subject.seed, metric)
                rows.append((*identity, *(f"{number:.5f}" for number in (about.value, about.low, about.high))))
    tables.write_csv(path, header, rows)


def errors(found: dict[Setting, tuple[Values, Bootstrap]], path: Path) -> None:
    """One row for each sampler, lambda, method and metric, against the retrained models; method "retrained" is the noise floor."""
    header = ("sampler", "steps", "samples", "anchor_beta", "method", "lambda", "beta", "metric", "signed", "absolute")
    header += ("absolute_low", "absolute_high", "percent_of_range", "percent_of_mean")
    rows = []
    for setting, (_, bootstrap) in found.items():
        for strength in bootstrap.lambdas:
            for method in (REALIGNED, *setting.baselines, "retrained"):
                for metric in METRICS:
                    rows.append((*_of(setting), *_error(bootstrap, method, strength, metric)))
    tables.write_csv(path, header, rows)


def _of(setting: Setting) -> tuple[str, int, int, str]:
    return setting.sampler.name, setting.sampler.steps, setting.count, f"{setting.beta(1.0):g}"


def _error(bootstrap: Bootstrap, method: str, strength: float, metric: str) -> tuple[object, ...]:
    if method == "retrained":
        absolute, signed = bootstrap.floor(metric, strength), ""
    else:
        absolute = bootstrap.absolute(metric, method, strength)
        signed = f"{bootstrap.signed(metric, method, strength)[0]:.5f}"
    about = estimate(absolute)
    shares = (100 * about.value / reach[0].item() for reach in (bootstrap.range(metric), bootstrap.scale(metric)))
    numbers = (f"{number:.5f}" for number in (about.value, about.low, about.high))
    return (
        method,
        f"{strength:g}",
        f"{bootstrap.setting.beta(strength):g}",
        metric,
        signed,
        *numbers,
        *(f"{share:.2f}" for share in shares),
    )


def samples(values: Values, setting: Setting, path: Path) -> None:
    """One row for each sample of a setting, one column for each model and metric; sample i has caption i modulo their number."""
    columns = [(subject, metric) for subject in values for metric in METRICS if subject.seed >= 0 or metric != "kl"]
    header = ["sample"]
    header += [f"{subject.method} {subject.strength:g} seed {subject.seed} {metric}" for subject, metric in columns]
    numbers = [values[subject][metric].tolist() for subject, metric in columns]
    rows = ([index, *(f"{column[index]:.3g}" for column in numbers)] for index in range(setting.count))
    tables.write_csv(path, header, rows)
