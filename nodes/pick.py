"""The node that chooses a lambda."""

from __future__ import annotations

import math

import torch
from comfy_api.latest import io

from .checked import checked
from .report.plots import plot
from .report.statements import Report
from .report.tables import csv_text, markdown
from .schema import CATEGORY, ScoresType, SweepType, schema
from .scoring.choice import RULES, Row, choose
from .wires import REALIGNED, Scores, Sweep


def _rows(sweep: Sweep, scores: Scores, held_out: Scores | None) -> list[Row]:
    """One for each entry of the sweep."""
    second = sweep.parts(held_out.values) if held_out is not None else [()] * len(sweep.entries)
    known = scores.diversity or (held_out.diversity if held_out is not None else ())
    diversity = known if len(known) == len(sweep.entries) else [math.nan] * len(sweep.entries)
    each = zip(sweep.entries, sweep.parts(scores.values), second, diversity, strict=True)
    return [
        Row(entry.strength, values, entry.kl, entry.seconds, entry.method == REALIGNED, entry.kl_error, others, varied)
        for entry, values, others, varied in each
    ]


def _check_beta(beta: float) -> None:
    if not math.isfinite(beta) or beta < 0:
        raise ValueError(f"trained_beta: expected a finite number of at least 0 (0 = unknown), got {beta}.")


class DeRaDiffPickLambda(io.ComfyNode):
    """A sweep and its scores -> the best lambda, and a plot that shows why."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffPickLambda",
            display_name="Pick Lambda (DeRaDiff)",
            category=f"{CATEGORY}/choose",
            search_aliases=["best lambda", "reward kl frontier", "plot sweep"],
            description="Choose the lambda of a sweep by its scores, with a plot of score against lambda and against KL, and a table. "
            "Connect lambda to a DeRaDiff KSampler for the final image.",
            inputs=[
                io.Image.Input("images", tooltip="All images of the sweep, decoded, in their order."),
                SweepType.Input("sweep", tooltip="From Lambda Sweep, with the latent the images were decoded from."),
                ScoresType.Input("scores", tooltip="From Score Images, of the same images. Higher is better."),
                io.Combo.Input(
                    "rule",
                    options=list(RULES),
                    default=next(iter(RULES)),
                    tooltip="The lambda with the highest mean score, of all or of those whose mean KL is known and surely within kl_budget. "
                    "Or the smallest lambda that falls short of the best by at most one standard error, compared sample by sample.",
                ),
                io.Float.Input(
                    "kl_budget",
                    default=100.0,
                    min=0.0,
                    max=1e9,
                    step=1.0,
                    tooltip="For the rule with a KL budget: the largest KL from the reference that is allowed, in nats, with what it may be off. "
                    "The table shows the KL of each lambda.",
                ),
                io.Float.Input(
                    "trained_beta",
                    default=0.0,
                    min=0.0,
                    max=1e9,
                    step=0.0001,
                    round=0.0001,
                    optional=True,
                    tooltip="The beta that the aligned model was trained with, to show beta / lambda in the table and the plot. 0: unknown.",
                ),
                ScoresType.Input(
                    "held_out",
                    optional=True,
                    tooltip="Scores of the same images by another scorer, which does not choose: plot and table show where it turns while the first "
                    "one still rises. One rule stops there.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    "lambda_",
                    display_name="lambda",
                    tooltip="The chosen lambda, for a DeRaDiff KSampler or Realign Model.",
                ),
                io.Image.Output("best", display_name="best", tooltip="The images of the chosen lambda."),
                io.Image.Output(
                    "plot",
                    display_name="plot",
                    tooltip="Score against lambda and against KL, with the choice marked, and how sure it is.",
                ),
                io.String.Output(
                    "table",
                    display_name="table",
                    tooltip="Every lambda with mean score, difference from the chosen one and KL, as Markdown, and how sure the choice is.",
                ),
                io.String.Output("csv", display_name="csv", tooltip="The table with every sample's score, as CSV."),
            ],
        )

    @classmethod
    @checked
    def execute(
        cls,
        images: torch.Tensor,
        sweep: Sweep,
        scores: Scores,
        rule: str,
        kl_budget: float,
        trained_beta: float = 0.0,
        held_out: Scores | None = None,
    ) -> io.NodeOutput:
        sweep.check(images)
        scores.check(images)
        if held_out is not None:
            held_out.check(images, "held_out")
        _check_beta(trained_beta)
        choice = choose(_rows(sweep, scores, held_out), rule, kl_budget)
        report = Report(choice, scores.name, trained_beta, held_out.name if held_out else "")
        return io.NodeOutput(
            report.choice.winner.strength,
            sweep.parts(images)[report.choice.index],
            plot(report),
            markdown(report),
            csv_text(report),
        )


NODES = [DeRaDiffPickLambda]
