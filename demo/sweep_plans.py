"""The workflows that choose lambda: a sweep, its scores, the choice, where to look at it, and the final runs.
Standard library only; demo/export_workflows.py turns these into workflows."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_files import PICKSCORE
from workflow_nodes import (
    NARROW,
    PAINTING,
    UNWANTED,
    WIDE,
    Column,
    Group,
    Node,
    Plan,
    Stack,
    demo_pair,
    empty_latent,
    prompts,
    sdxl_pair,
    seen,
    settings,
    sockets,
    stack,
)

_IMAGES, _SWEEP, _SCORES = "decode.IMAGE", "sweep.sweep", "score.scores"


@dataclass(frozen=True)
class _Subject:
    """A pair, what it is asked for, how it is swept, scored and chosen, and the settings and latent of the final runs."""

    pair: Column
    positive: str
    negative: str
    latent: Node
    swept: dict[str, object]
    scorer: dict[str, object]
    rule: str
    final: dict[str, object]
    final_latent: Node
    prefix: str

    def sweep(self) -> Column:
        inputs, decode = sockets("pair.reference", "pair.aligned"), {"samples": "sweep.latent", "vae": "checkpoint.VAE"}
        return (
            Node("sweep", "DeRaDiffLambdaSweep", values=self.swept, inputs=inputs),
            Node("decode", "VAEDecode", inputs=decode, size=NARROW),
        )

    def choice(self) -> Column:
        scored = {"images": _IMAGES, "scorer": "scorer.scorer", "sweep": _SWEEP}
        picked = {"images": _IMAGES, "sweep": _SWEEP, "scores": _SCORES}
        return (
            Node("scorer", "DeRaDiffLoadScorer", values=self.scorer, size=WIDE),
            Node("score", "DeRaDiffScoreImages", values={"prompt": self.positive}, inputs=scored, size=(420, 260)),
            Node("pick", "DeRaDiffPickLambda", values={"rule": self.rule}, inputs=picked, size=WIDE),
        )

    def look(self) -> Stack:
        shown = {"images": _IMAGES, "sweep": _SWEEP, "scores": _SCORES}
        viewed = shown | {"chosen": "pick.lambda"}
        viewer = Node("viewer", "DeRaDiffSweepViewer", inputs=viewed, size=(420, 560))
        grid = Node("grid", "DeRaDiffSweepGrid", "", {"trained_beta": 0.0, "cell_size": 256}, shown, size=NARROW)
        best = Node("best", "PreviewImage", "The rule's images", inputs={"images": "pick.best"}, size=(340, 300))
        tables = (_text("table", "The scores"), _text("csv", "The scores, to copy into a spreadsheet"))
        drawn = (self._saved("grid", "The grid", "grid.grid"), self._saved("plot", "The plot", "pick.plot"))
        return (Group("image", "5  Look", ((viewer,), (grid, *drawn), (best, *tables))),)

    def _saved(self, name: str, title: str, images: str) -> Node:
        values = {"filename_prefix": f"{self.prefix}_{name}"}
        return Node(f"save_{name}", "SaveImage", title, values, {"images": images}, size=(420, 300))

    def run(self, name: str, title: str, lambda_: dict[str, str]) -> Column:
        """A final run, decoded and saved. lambda_: where its lambda comes from, if not from its widget."""
        inputs = {**sockets("pair.reference", "pair.aligned", "final_latent.LATENT"), **lambda_}
        sampler = Node(name, "DeRaDiffKSampler", title, self.final, inputs)
        return (sampler, *seen(name, title, f"{name}.latent", "checkpoint.VAE", f"{self.prefix}_{name}"))


def _text(name: str, title: str) -> Node:
    return Node(f"show_{name}", "PreviewAny", title, inputs={"source": f"pick.{name}"}, size=(420, 240))


_FINAL = (
    "The same prompt is then sampled twice more, from new noise. **The rule's choice** takes its lambda from *Pick Lambda*. **Your choice** "
    "has its own: scrub through the images in **Sweep Viewer**, press *Use this λ*, and queue again: only that run is repeated."
)


def _choose(subject: _Subject, note: str) -> Plan:
    return Plan(
        note,
        (
            stack("models", "1  The pair", subject.pair),
            stack(
                "prompt",
                "2  The prompt",
                (*prompts(subject.positive, subject.negative, "checkpoint.CLIP"), subject.latent),
            ),
            stack("sample", "3  Sweep", subject.sweep()),
            stack("score", "4  Score and choose", subject.choice()),
            subject.look(),
            stack(
                "sample",
                "6  The final image",
                (subject.final_latent,),
                subject.run("yours", "Your choice", {}),
                subject.run("chosen", "The rule's choice", {"lambda": "pick.lambda"}),
            ),
        ),
    )


def _final_latent(side: int, batch: int) -> Node:
    values = {"width": side, "height": side, "batch_size": batch}
    return Node("final_latent", "EmptyLatentImage", "The final size", values, size=NARROW)


_SDXL = _Subject(
    pair=sdxl_pair(),
    positive=PAINTING,
    negative=UNWANTED,
    latent=empty_latent(768, 768, 2),
    swept={**settings(42, 30, 5.0), "lambdas": "0, 0.25, 0.5, 0.75, 1, 1.25"},
    scorer={"scorer": "PickScore_v1", "kind": "pickscore"},
    rule="smallest lambda within one standard error",
    final={**settings(7, 50, 5.0), "lambda": 0.5},
    final_latent=_final_latent(1024, 1),
    prefix="deradiff_sdxl",
)
_DEMO = _Subject(
    pair=demo_pair(),
    positive="a purple triangle on a white background",
    negative="",
    latent=empty_latent(64, 64, 4),
    swept={**settings(0, 20, 3.0, "euler"), "lambdas": "0:1.25:0.25", "baseline": True},
    scorer={"scorer": "warmth (built in)", "kind": "auto"},
    rule="highest mean within KL budget",
    final={**settings(7, 20, 3.0, "euler"), "lambda": 0.5},
    final_latent=_final_latent(64, 4),
    prefix="deradiff_demo",
)
_SDXL_NOTE = (
    "### Which lambda for this prompt?\n\n"
    "**Lambda Sweep** samples the same noise at every lambda of the list, two samples each. **Score Images** lets "
    "PickScore judge them, **Pick Lambda** draws the scores against lambda and against the divergence from the "
    "reference (KL), and chooses: the smallest lambda within one standard error of the best. Trust your eyes more than the score.\n\n"
    f"{_FINAL}\n\n{PICKSCORE}"
)
_DEMO_NOTE = (
    "### Choose lambda on the demo pair\n\n"
    "The pair was aligned on **warmth** (red less blue) alone, so far that it forgets its caption. The sweep shows what that "
    "costs: warmth rises with lambda, and so does the divergence from the reference (**KL**, in nats). The rule takes the "
    "warmest lambda whose KL stays within the budget.\n\n"
    "**baseline** also samples the model whose weights are interpolated, which is what a LoRA's strength slider makes.\n\n"
    f"{_FINAL}"
)

PLANS = {"Choose lambda (SDXL, DPO LoRA)": _choose(_SDXL, _SDXL_NOTE)}
DEMO_PLANS = {"Choose lambda (demo pair)": _choose(_DEMO, _DEMO_NOTE)}
