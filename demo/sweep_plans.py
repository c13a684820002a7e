"""The shipped workflows that choose lambda: a sweep, its scores, the choice, and where to look at it.
Standard library only; demo/export_workflows.py turns these into workflows/*.json."""

from __future__ import annotations

from workflow_files import DPO_LORA, SDXL, File
from workflow_nodes import (
    NARROW,
    PAINTING,
    UNWANTED,
    WIDE,
    Group,
    Node,
    Plan,
    checkpoint,
    empty_latent,
    prompts,
    settings,
    sockets,
    stack,
)

_IMAGES, _SWEEP, _SCORES = "decode.IMAGE", "sweep.sweep", "score.scores"


def _pair(lora: str, files: tuple[File, ...]) -> Node:
    values = {"lora": lora, "strength": 1.0}
    return Node(
        "pair", "DeRaDiffLoadLoraPair", values=values, inputs={"model": "checkpoint.MODEL"}, files=files, size=WIDE
    )


def _sweep(values: dict[str, object]) -> tuple[Node, Node]:
    inputs = sockets("pair.reference", "pair.aligned")
    decode = {"samples": "sweep.latent", "vae": "checkpoint.VAE"}
    return (
        Node("sweep", "DeRaDiffLambdaSweep", values=values, inputs=inputs),
        Node("decode", "VAEDecode", inputs=decode, size=NARROW),
    )


def _choice(scorer: dict[str, object], prompt: str, rule: str) -> tuple[Node, ...]:
    scored = {"images": _IMAGES, "scorer": "scorer.scorer", "sweep": _SWEEP}
    picked = {"images": _IMAGES, "sweep": _SWEEP, "scores": _SCORES}
    return (
        Node("scorer", "DeRaDiffLoadScorer", values=scorer, size=WIDE),
        Node("score", "DeRaDiffScoreImages", values={"prompt": prompt}, inputs=scored, size=(420, 260)),
        Node("pick", "DeRaDiffPickLambda", values={"rule": rule}, inputs=picked, size=WIDE),
    )


def _seen(prefix: str, trained_beta: float) -> tuple[Group, ...]:
    shown = {"images": _IMAGES, "sweep": _SWEEP, "scores": _SCORES}
    viewed = shown | {"chosen": "pick.lambda"}
    viewer = Node("viewer", "DeRaDiffSweepViewer", inputs=viewed, size=(420, 560))
    grid = Node(
        "grid", "DeRaDiffSweepGrid", values={"trained_beta": trained_beta, "cell_size": 256}, inputs=shown, size=NARROW
    )
    saved = Node(
        "save_grid",
        "SaveImage",
        "The grid",
        {"filename_prefix": f"{prefix}_grid"},
        {"images": "grid.grid"},
        size=(420, 300),
    )
    plot = Node(
        "save_plot",
        "SaveImage",
        "The plot",
        {"filename_prefix": f"{prefix}_plot"},
        {"images": "pick.plot"},
        size=(420, 300),
    )
    return (("5  Look", ((viewer,), (grid, saved, plot))),)


def _choose_sdxl() -> Plan:
    values = {**settings(42, 30, 5.0), "lambdas": "0, 0.25, 0.5, 0.75, 1, 1.25"}
    scorer = {"scorer": "PickScore_v1", "kind": "pickscore"}
    final = {**settings(7, 50, 5.0)}
    inputs = {**sockets("pair.reference", "pair.aligned", "large.LATENT"), "lambda": "pick.lambda"}
    large = Node(
        "large", "EmptyLatentImage", "The final size", {"width": 1024, "height": 1024, "batch_size": 1}, size=NARROW
    )
    note = (
        "### Which lambda for this prompt?\n\n"
        "**Lambda Sweep** samples the same noise at every lambda of the list, two samples each. **Score Images** lets "
        "PickScore judge them, **Pick Lambda** draws the scores against lambda and against the divergence from the "
        "reference (KL), and chooses: the smallest lambda within one standard error of the best.\n\n"
        "Scrub through the pictures in **Sweep Viewer** and trust your eyes more than the score. The chosen lambda goes on "
        "to the final run below.\n\n"
        "PickScore_v1 is a folder: put the files of [yuvalkirstain/PickScore_v1](https://huggingface.co/yuvalkirstain/PickScore_v1) "
        "in *models/deradiff_scorers/PickScore_v1*."
    )
    sampler = Node("final", "DeRaDiffKSampler", "The final run", final, inputs)
    decode = Node("final_decode", "VAEDecode", inputs={"samples": "final.latent", "vae": "checkpoint.VAE"}, size=NARROW)
    save = Node(
        "save",
        "SaveImage",
        "",
        {"filename_prefix": "deradiff_chosen"},
        {"images": "final_decode.IMAGE"},
        size=(340, 400),
    )
    return Plan(
        note,
        (
            stack("1  The pair", (checkpoint(SDXL, SDXL.name), _pair(DPO_LORA.name, (DPO_LORA,)))),
            stack("2  The prompt", (*prompts(PAINTING, UNWANTED, "checkpoint.CLIP"), empty_latent(768, 768, 2))),
            stack("3  Sweep", _sweep(values)),
            stack("4  Score and choose", _choice(scorer, PAINTING, "smallest lambda within one standard error")),
            _seen("deradiff_sdxl", 0.0),
            stack("6  The picture", (large, sampler, decode), (save,)),
        ),
    )


def _choose_demo() -> Plan:
    values = {**settings(0, 20, 3.0, "euler"), "lambdas": "0:1.25:0.25", "baseline": True}
    scorer = {"scorer": "warmth (built in)", "kind": "auto"}
    caption = "a purple triangle on a white background"
    note = (
        "### Choose lambda on the demo pair\n\n"
        "The pair was aligned on **warmth** (red less blue) alone, so far that it forgets its caption. The sweep shows what that "
        "costs: warmth rises with lambda, and so does the divergence from the reference (**KL**, in nats). The rule takes the "
        "warmest lambda whose KL stays within the budget.\n\n"
        "**baseline** also samples the model whose weights are interpolated, which is what a LoRA's strength slider makes."
    )
    return Plan(
        note,
        (
            stack(
                "1  The pair",
                (checkpoint(None, "deradiff_demo.safetensors"), _pair("deradiff_demo_dpo.safetensors", ())),
            ),
            stack("2  The prompt", (*prompts(caption, "", "checkpoint.CLIP"), empty_latent(64, 64, 4))),
            stack("3  Sweep", _sweep(values)),
            stack("4  Score and choose", _choice(scorer, caption, "highest mean within KL budget")),
            _seen("deradiff_demo", 0.0),
        ),
    )


PLANS = {"choose_lambda_sdxl": _choose_sdxl(), "choose_lambda_demo": _choose_demo()}
