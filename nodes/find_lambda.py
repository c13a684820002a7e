"""The node that finds lambda by itself."""

from __future__ import annotations

import math
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from comfy_api.latest import io

from . import page
from .checked import checked
from .engine.warned import warnings
from .finding import answer
from .finding.bar import Bar
from .finding.finder import Finder
from .finding.task import Task, paired
from .finding.unfinished import resumed
from .inputs import (
    denoise_input,
    evaluation_input,
    latent_output,
    pair_inputs,
    refusal,
    schedule_input,
    seed_input,
    steps_to_latent,
    tolerance_input,
)
from .method import strength
from .method.evaluation import TOLERANCE, Evaluation
from .method.limits import number, quoted, whole
from .method.schedule import LambdaSchedule
from .report.findings import Finding, Line, csv_text, markdown, payload
from .report.findings_plot import plot
from .runs.sampling import Settings
from .schema import CATEGORY, ScorerType, ScoresType, SweepType, advanced, schema
from .scoring.search import LEAST_BUDGET, LEAST_RANGE, candidates
from .wires import Scorer

_MOST_IMAGES = 10_000
_LISTS = ("positive", "negative", "prompt")


def _range_and_budget(lowest: float, highest: float, budget: int, confidence: float, indifference: float) -> None:
    """Raise ValueError for settings that no search can have."""
    for name, value in (("lowest", lowest), ("highest", highest)):
        number(value, name, strength.LOWEST, strength.HIGHEST)
    if highest < lowest + LEAST_RANGE:
        raise ValueError(
            f"highest must lie above lowest by {LEAST_RANGE:g} or more, got lowest {lowest:g} and highest {highest:g}. Raise highest."
        )
    whole(budget, "budget", LEAST_BUDGET, _MOST_IMAGES)
    number(confidence, "confidence", 0.5, 0.999)
    number(indifference, "indifference", 0.01, 0.9)


def _one(name: str, given: list) -> Any:
    """The value of an input that takes no list. Raises ValueError for a list."""
    if len(given) != 1:
        raise ValueError(
            f"{name}: expected one value, got a list of {len(given)}. Only {', '.join(_LISTS)} take lists."
        )
    return given[0]


class DeRaDiffFindLambda(io.ComfyNode):
    """A pair, prompts and a scorer -> the best lambda, how sure it is, and what it saw."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffFindLambda",
            display_name="Find Lambda (DeRaDiff)",
            category=f"{CATEGORY}/choose",
            search_aliases=["best lambda", "optimise lambda", "auto lambda", "search lambda", "tune"],
            is_input_list=True,
            description="Find the lambda that a scorer likes best over several prompts, with as few images as possible: it samples the same noise at few "
            "lambdas, drops hopeless ones, closes in on the best, and says how sure it is. Queue it again after a cancel, or with a larger "
            "budget, and it goes on.",
            inputs=[
                *pair_inputs(),
                seed_input("seed"),
                *steps_to_latent(),
                denoise_input(),
                io.Vae.Input("vae", tooltip="Decodes the images for the scorer."),
                ScorerType.Input("scorer", tooltip="From Load Scorer: judges every image, higher is better."),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="The text of each of positive, for scorers that read it: the prompt output of Prompt Set, or the one prompt.",
                ),
                _lambda_input("lowest", 0.0, "The lowest lambda to consider; the others are compared with it."),
                _lambda_input("highest", 1.5, "The highest lambda to consider."),
                io.Int.Input(
                    "budget",
                    default=96,
                    min=LEAST_BUDGET,
                    max=_MOST_IMAGES,
                    tooltip="How many images to sample at most. It stops earlier once the answer is settled.",
                ),
                advanced(
                    io.Float.Input(
                        "confidence",
                        default=0.95,
                        min=0.5,
                        max=0.999,
                        step=0.01,
                        tooltip="How sure the answer must be before the search stops.",
                    )
                ),
                advanced(
                    io.Float.Input(
                        "indifference",
                        default=0.15,
                        min=0.01,
                        max=0.9,
                        step=0.01,
                        tooltip="How far below the best is good enough, as a part of the distance between the worst and the best lambda's scores.",
                    )
                ),
                evaluation_input(),
                schedule_input(),
                tolerance_input(),
                ScorerType.Input(
                    "held_out",
                    optional=True,
                    tooltip="Another scorer, which does not choose: where its scores surely fall, larger lambdas are left out.",
                ),
            ],
            outputs=[
                io.Float.Output("lambda_", display_name="lambda", tooltip="The best lambda, for a DeRaDiff KSampler."),
                io.Float.Output(
                    "from_lambda",
                    display_name="as good from",
                    tooltip="The lowest lambda that is as good, within the indifference; NaN while that is undecided.",
                ),
                io.Float.Output(
                    "to_lambda",
                    display_name="as good to",
                    tooltip="The highest lambda that is as good; NaN while undecided.",
                ),
                io.Image.Output(
                    "best",
                    display_name="best",
                    tooltip="An image at the best lambda for each prompt it was sampled for.",
                ),
                io.Image.Output(
                    "plot",
                    display_name="plot",
                    tooltip="The curve over lambda with its band, every image, and how many images each lambda took.",
                ),
                io.String.Output("table", display_name="table", tooltip="Every lambda that was sampled, as Markdown."),
                io.String.Output("csv", display_name="csv", tooltip="A line for every image, as CSV."),
                latent_output(
                    "The latents of the lambdas that were sampled from the same noise: decode them for Pick Lambda."
                ),
                SweepType.Output("sweep", display_name="sweep", tooltip="What belongs to these latents."),
                ScoresType.Output("scores", display_name="scores", tooltip="The scorer's scores of these latents."),
                ScoresType.Output(
                    "held_out_scores",
                    display_name="held-out scores",
                    tooltip="The held-out scorer's scores of these latents, if there is one.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        lowest: list | None = None,
        highest: list | None = None,
        budget: list | None = None,
        confidence: list | None = None,
        indifference: list | None = None,
    ) -> bool | str:
        """When the prompt is queued, before anything is loaded. None, or a list of it: another node will give the value."""
        lists = (lowest, highest, budget, confidence, indifference)
        given: list[Any] = [values[0] for values in lists if values and values[0] is not None]
        return len(given) < len(lists) or refusal(lambda: _range_and_budget(*given))

    @classmethod
    def execute(cls, positive: list, negative: list, prompt: list, **lists: list) -> io.NodeOutput:
        given = {name: _one(name, values) for name, values in lists.items()}
        for name, values in (("positive", positive), ("negative", negative)):
            for value in values:
                if not isinstance(value, list):
                    raise ValueError(f"{name}: expected a CONDITIONING, got {quoted(value)}. Connect a text encoder.")
        prompts = paired([str(text) for text in prompt], positive, negative)
        return _found(prompts=prompts, **given)


@checked
def _found(
    prompts: tuple,
    reference: ModelPatcher,
    aligned: ModelPatcher,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    latent_image: dict,
    denoise: float,
    vae: VAE,
    scorer: Scorer,
    lowest: float,
    highest: float,
    budget: int,
    confidence: float,
    indifference: float,
    evaluation: str,
    schedule: LambdaSchedule | None = None,
    reuse_tolerance: float = TOLERANCE,
    held_out: Scorer | None = None,
) -> io.NodeOutput:
    _range_and_budget(lowest, highest, budget, confidence, indifference)
    settings = Settings(seed, steps, cfg, sampler_name, scheduler, denoise)
    how = Evaluation(evaluation, reuse_tolerance)
    task = Task(reference, aligned, prompts, latent_image, vae, settings, how, schedule, scorer, held_out)
    task.check()
    with warnings() as gathered:
        kept = resumed(task, candidates(lowest, highest), budget, confidence, indifference)
        finder = Finder(task, kept.search, kept.samples)
        task.try_judges()
        bar = Bar(reference, budget, steps, page.stage)
        finder.run(bar, lambda: page.found(payload(_finding(finder))))
        finding = _finding(finder)
        outputs = _outputs(finder, finding, bar)
    found = finding.found.strength
    for kind, answers in ((strength.BEYOND_TRAINING, found > 1), (strength.FAR_AWAY, found < strength.AWAY)):
        if not answers:
            gathered.forget(kind)  # it looked there, as it should, and does not answer so
    ui = {**page.of_run(gathered), page.FOUND: [payload(finding)]}
    return io.NodeOutput(*outputs, ui=ui)


def _finding(finder: Finder) -> Finding:
    task = finder.task
    return Finding(finder.search, finder.search.result(), task.scorer.name, task.held_out.name if task.held_out else "")


def _outputs(finder: Finder, finding: Finding, bar: Bar) -> tuple:
    found = finding.found
    keys = answer.best_keys(finder, found.strength)
    for key in keys:
        finder.sample(key, bar)
    best = torch.cat([finder.images(key) for key in keys])
    swept = answer.swept(finder, found.strength)
    alike = found.alike or (math.nan, math.nan)
    texts = (markdown(finding), csv_text(_lines(finder)))
    sweep = (swept.latent, swept.sweep, swept.scores, swept.held_out)
    return (found.strength, *alike, best, plot(finding), *texts, *sweep)


def _lines(finder: Finder) -> list[Line]:
    task, search, found = finder.task, finder.search, []
    for block, scores in sorted(search.scores.items()):
        place, seed = task.prompt(block), task.settings_of(block).seed
        for value, score in sorted(scores.items()):
            sample, second = finder.samples[block, value], search.held_out.get(block, {}).get(value)
            how = (sample.kl, sample.kl_error, sample.seconds)
            found.append(Line(block, place, seed, value, score, second, *how))
    return found


def _lambda_input(name: str, default: float, tooltip: str) -> io.Float.Input:
    low, high = strength.LOWEST, strength.HIGHEST
    return io.Float.Input(name, default=default, min=low, max=high, step=0.05, round=0.001, tooltip=tooltip)


NODES = [DeRaDiffFindLambda]
