"""The benchmark's images: reward against lambda and KL, the errors, and samples side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scenes
import torch
from comparison import Bootstrap, Values, estimate
from deradiff.nodes.report.figures import FONT, GRID, INK, MUTED
from evaluate import BASELINES, METRICS, REALIGNED, REFERENCE, RETRAINED, SEEDS, Subject
from PIL import Image

_COLOURS = {REALIGNED: "#2563eb", RETRAINED: "#d9480f", BASELINES[0]: "#8b95a5", BASELINES[1]: "#b08968"}
_LINES = {REALIGNED: "-", BASELINES[0]: "--", BASELINES[1]: ":"}
_STYLE: Any = {
    **FONT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "legend.frameon": False,
}
NAMES = {
    "reward": "reward (reference's standard deviations)",
    "fidelity": "shows its caption",
    "kl": "KL to the reference (nats)",
}


def paths(bootstrap: Bootstrap, path: Path) -> None:
    """Reward against lambda, caption fidelity against lambda, reward against KL."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(13, 4.4), dpi=90, facecolor="white", layout="constrained")
        axes = figure.subplots(1, 3)
        for panel, metric in zip(axes[:2], METRICS[:2], strict=True):
            _curves(panel, bootstrap, None, metric)
            panel.set_xlabel("λ, or β of the anchor / β of the retrained model")
            panel.axvline(1.0, color=MUTED, linewidth=0.8)
            panel.set_ylabel(NAMES[metric])
        _curves(axes[2], bootstrap, "kl", "reward")
        axes[2].set_xlabel(NAMES["kl"])
        axes[2].set_ylabel(NAMES["reward"])
        axes[2].annotate("anchor, λ = 1", _point(bootstrap, RETRAINED, 1.0), (8, -14), textcoords="offset points")
        axes[0].legend(loc="lower right")
        figure.savefig(path)


def _point(bootstrap: Bootstrap, method: str, strength: float) -> tuple[float, float]:
    return tuple(bootstrap.averaged(metric, method, strength).value for metric in ("kl", "reward"))  # type: ignore[return-value]


def _curves(panel: Any, bootstrap: Bootstrap, across: str | None, up: str) -> None:
    """Lines of the methods over lambda (or over the metric `across`), a point for each retrained model."""
    for method, line in _LINES.items():
        spots = [0.0, *bootstrap.lambdas]
        y = [_mean(bootstrap, up, method, strength) for strength in spots]
        x = spots if across is None else [_mean(bootstrap, across, method, strength) for strength in spots]
        panel.plot(x, y, line, color=_COLOURS[method], linewidth=2, marker=".", label=method, zorder=2)
    for seed in SEEDS:
        y = [bootstrap.mean(up, RETRAINED, strength, seed)[0].item() for strength in bootstrap.lambdas]
        x = list(bootstrap.lambdas)
        if across is not None:
            x = [bootstrap.mean(across, RETRAINED, strength, seed)[0].item() for strength in bootstrap.lambdas]
        label = f"{RETRAINED} at β / λ, {len(SEEDS)} seeds" if seed == SEEDS[0] else None
        panel.scatter(
            x, y, s=34, facecolors="none", edgecolors=_COLOURS[RETRAINED], linewidths=1.6, label=label, zorder=3
        )


def _mean(bootstrap: Bootstrap, metric: str, method: str, strength: float) -> float:
    if strength == 0:
        return bootstrap.reference(metric)[0].item()
    return bootstrap.averaged(metric, method, strength).value


def errors(bootstrap: Bootstrap, path: Path) -> None:
    """Absolute error in % of the range, for each lambda, with the noise floor."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(13, 4.2), dpi=90, facecolor="white", layout="constrained")
        places = [strength for strength in bootstrap.lambdas if strength != 1.0]
        for panel, metric in zip(figure.subplots(1, 3), METRICS, strict=True):
            scale = 100 / bootstrap.range(metric)[0].item()
            for shift, method in enumerate(_LINES):
                found = [estimate(bootstrap.absolute(metric, method, strength) * scale) for strength in places]
                spread = [[row.value - row.low for row in found], [row.high - row.value for row in found]]
                x = np.arange(len(places)) + 0.22 * (shift - 1)
                heights = [row.value for row in found]
                panel.bar(x, heights, 0.2, yerr=np.maximum(spread, 0), color=_COLOURS[method], ecolor=INK, label=method)
            floor = [bootstrap.floor(metric, strength)[0].item() * scale for strength in places]
            panel.plot(
                range(len(places)),
                floor,
                "_",
                markersize=34,
                color=_COLOURS[RETRAINED],
                label="retrained, seed to seed",
            )
            panel.set_xticks(range(len(places)), [f"{strength:g}" for strength in places])
            panel.set_xlabel("λ")
            panel.set_title(NAMES[metric], fontsize=11, loc="left")
        figure.axes[0].set_ylabel("absolute error, % of the range\nfrom reference to anchor")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4)
        figure.savefig(path)


def strip(values: Values, lambdas: tuple[float, ...], path: Path, zoom: int = 4) -> None:
    """Samples from the same noise: realigned (left) and retrained (right), a row for each lambda from 0 up."""
    rows = []
    for strength in (0.0, *lambdas):
        if strength in (0.0, 1.0):
            found = [values[_stands_for(strength)]["shown"]] * 2
        else:
            found = [values[Subject(method, strength, 0)]["shown"] for method in (REALIGNED, RETRAINED)]
        rows.append(
            np.concatenate([_row(found[0]), np.full((scenes.SIZE + 1, 4, 3), 255, np.uint8), _row(found[1])], axis=1)
        )
    image = Image.fromarray(np.concatenate(rows))
    image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST).save(path, optimize=True)


def _stands_for(strength: float) -> Subject:
    return Subject(REFERENCE, 0.0, -1) if strength == 0 else Subject(RETRAINED, 1.0, 0)


def _row(latents: torch.Tensor) -> np.ndarray:
    """(N, C, H, W) -> (SIZE + 1, N * (SIZE + 1), 3) uint8, white lines between."""
    images = (scenes.to_images(latents).clamp(0, 1) * 255).byte()
    framed = torch.nn.functional.pad(images, (0, 0, 0, 1, 0, 1), value=255)
    return framed.permute(1, 0, 2, 3).reshape(scenes.SIZE + 1, -1, 3).numpy()
