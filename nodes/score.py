"""Nodes that score images."""

from __future__ import annotations

import math
import os
import statistics
from dataclasses import replace
from pathlib import Path

import folder_paths
import torch
from comfy_api.latest import io

from .checked import checked
from .method.limits import quoted
from .schema import CATEGORY, ScorerType, ScoresType, SweepType, schema
from .scoring import scorer_files, scorers
from .scoring.diversity import spread
from .scoring.measures import CLOSENESS, MEASURES
from .wires import REALIGNED, ComparingScorer, Scorer, Scores, Sweep

_CATEGORY = f"{CATEGORY}/choose"
FOLDER = "deradiff_scorers"
_BUILT_IN = " (built in)"
SCALES = ("raw", "standardised")

folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))


def _folders() -> dict[str, Path]:
    """The scorers in models/deradiff_scorers by name; where a name occurs twice, the first folder's."""
    found: dict[str, Path] = {}
    for root in map(Path, folder_paths.get_folder_paths(FOLDER)):
        for path in sorted(root.iterdir()) if root.is_dir() else ():
            if path.is_dir() and not path.name.startswith("."):
                found.setdefault(path.name, path)
    return found


def _built_in(name: str) -> Scorer:
    if name == CLOSENESS:
        return ComparingScorer(name, _without_sweep, reads_prompt=False, compare=scorers.closeness)
    return Scorer(name, scorers.measure_scorer(name), reads_prompt=False)


def _without_sweep(images: torch.Tensor, prompt: str) -> tuple[float, ...]:
    raise ValueError(
        f"sweep: the scorer {CLOSENESS!r} compares each image with the one at lambda 0. Connect the sweep's LAMBDA_SWEEP."
    )


def _at_lambda_0(images: torch.Tensor, sweep: Sweep) -> torch.Tensor:
    """For each image of the sweep the one of the same sample at lambda 0."""
    sweep.check(images)
    place = next(
        (n for n, entry in enumerate(sweep.entries) if entry.method == REALIGNED and entry.strength == 0), None
    )
    if place is None:
        raise ValueError(f"sweep: {CLOSENESS!r} needs the image at lambda 0. Add 0 to the lambdas of the sweep.")
    return sweep.parts(images)[place].repeat(len(sweep.entries), 1, 1, 1)


def _standardised(values: tuple[float, ...]) -> tuple[float, ...]:
    """(value - mean) / standard deviation over all images given; zeros where all are equal."""
    mean, deviation = statistics.fmean(values), statistics.pstdev(values)
    return tuple((value - mean) / deviation if deviation > 0 else 0.0 for value in values)


def _diversity(images: torch.Tensor, scorer: Scorer, sweep: Sweep | None) -> tuple[float, ...]:
    """Of the samples of each entry; () without a sweep, or by a scorer without features."""
    if sweep is None or scorer.features is None or sweep.samples < 2:
        return ()
    sweep.check(images)
    return tuple(spread(part) for part in sweep.parts(scorer.features(images)))


def _weighted(name: str, values: tuple[float, ...], weight: float, scale: str) -> Scores:
    """Raises ValueError for an unknown scale and a weight that is not finite."""
    if scale not in SCALES:
        raise ValueError(f"scale: expected one of {', '.join(SCALES)}, got {scale!r}.")
    if not math.isfinite(weight):
        raise ValueError(f"weight: expected a finite number, got {weight}.")
    if scale == "standardised":
        name, values = f"z({name})", _standardised(values)
    return Scores(name if weight == 1 else f"{weight:g} * {name}", tuple(weight * value for value in values))


def _sum(scores: Scores, added: Scores) -> Scores:
    if len(added.values) != len(scores.values):
        raise ValueError(
            f"add_to: expected scores of {len(scores.values)} images, as in images, got {len(added.values)}. "
            "Score the same images in both nodes."
        )
    values = tuple(one + other for one, other in zip(added.values, scores.values, strict=True))
    return Scores(f"{added.name} + {scores.name}", values, added.diversity or scores.diversity)


class DeRaDiffLoadScorer(io.ComfyNode):
    """A scorer from a local folder, or a built-in measure."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        built_in = [f"{name}{_BUILT_IN}" for name in (*MEASURES, CLOSENESS)]
        return schema(
            node_id="DeRaDiffLoadScorer",
            display_name="Load Scorer (DeRaDiff)",
            category=_CATEGORY,
            search_aliases=["pickscore", "hpsv2", "clipscore", "aesthetic", "vqascore", "reward model"],
            description="Load a scorer for images: PickScore, HPSv2, CLIPScore, the LAION aesthetic predictor or VQAScore from a folder in "
            "models/deradiff_scorers, or a measure that needs no model. Nothing is downloaded.",
            inputs=[
                io.Combo.Input(
                    "scorer",
                    options=[*_folders(), *built_in],
                    tooltip="A folder in models/deradiff_scorers (the help page lists the files it needs), or a built-in measure, which always works.",
                ),
                io.Combo.Input(
                    "kind",
                    options=list(scorers.KINDS),
                    default=scorer_files.AUTO,
                    tooltip="What the folder holds; built-in measures ignore it. auto: aesthetic if the folder has the head of an aesthetic predictor, "
                    "vqascore if it holds a vision-language model, otherwise by the folder's name: pickscore, hpsv2, else clipscore.",
                ),
            ],
            outputs=[ScorerType.Output("scorer_out", display_name="scorer", tooltip="Connect it to Score Images.")],
        )

    @classmethod
    @checked
    def execute(cls, scorer: str, kind: str) -> io.NodeOutput:
        folders, built_in = _folders(), {f"{name}{_BUILT_IN}": name for name in (*MEASURES, CLOSENESS)}
        known = [*folders, *built_in]
        if scorer not in known:
            raise ValueError(f"scorer: no {quoted(scorer)} in models/{FOLDER}. Expected one of: {', '.join(known)}.")
        if scorer in built_in and scorer not in folders:
            return io.NodeOutput(_built_in(built_in[scorer]))
        found, score = scorers.folder_scorer(folders[scorer], kind)
        name = scorer if found in scorer.lower() else f"{scorer} ({found})"
        features = getattr(score, "features", None)
        return io.NodeOutput(Scorer(name, score, found != scorer_files.AESTHETIC, features))


class DeRaDiffScoreImages(io.ComfyNode):
    """Scores of a batch, alone or added to another scorer's."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffScoreImages",
            display_name="Score Images (DeRaDiff)",
            category=_CATEGORY,
            search_aliases=["reward", "rate images", "evaluate"],
            description="Score each image of a batch. To combine scorers, chain several of these nodes by add_to: the result is the sum of "
            "weight x score over the chain.",
            inputs=[
                io.Image.Input(
                    "images", tooltip="The images to score; for Pick Lambda, all images of a sweep, in their order."
                ),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    default="",
                    tooltip="The prompt the images were made with; the first 77 tokens are used. Aesthetic and built-in scorers ignore it.",
                ),
                ScorerType.Input("scorer", tooltip="From Load Scorer."),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=-1000.0,
                    max=1000.0,
                    step=0.05,
                    tooltip="Multiplies the score; 1 leaves it as it is. Below 0, a lower score becomes better.",
                ),
                io.Combo.Input(
                    "scale",
                    options=list(SCALES),
                    default=SCALES[0],
                    tooltip="raw: the score in the scorer's own units. standardised: (score - mean) / standard deviation over all these images, "
                    "so that scorers with different units can be added.",
                ),
                SweepType.Input(
                    "sweep",
                    optional=True,
                    tooltip=f"The sweep that the images belong to. The scorer '{CLOSENESS}' needs it; from others Pick Lambda then knows how "
                    "different the samples of a lambda look.",
                ),
                ScoresType.Input(
                    "add_to",
                    optional=True,
                    tooltip="Scores of the same images, to which these are added image by image.",
                ),
            ],
            outputs=[
                ScoresType.Output(
                    "scores", display_name="scores", tooltip="One number for each image, higher is better."
                )
            ],
        )

    @classmethod
    @checked
    def execute(
        cls,
        images: torch.Tensor,
        prompt: str,
        scorer: Scorer,
        weight: float,
        scale: str,
        sweep: Sweep | None = None,
        add_to: Scores | None = None,
    ) -> io.NodeOutput:
        if isinstance(scorer, ComparingScorer) and sweep is not None:
            values = scorer.compare(images, _at_lambda_0(images, sweep))
        else:
            values = scorer.score(images, prompt)
        scores = replace(_weighted(scorer.name, values, weight, scale), diversity=_diversity(images, scorer, sweep))
        return io.NodeOutput(_sum(scores, add_to) if add_to else scores)


NODES = [DeRaDiffLoadScorer, DeRaDiffScoreImages]
