"""What the workflows hold that compare what is done about a lambda above 1.
Standard library only; demo/export_workflows.py turns these into workflows."""

from __future__ import annotations

from workflow_nodes import (
    NARROW,
    PAINTING,
    UNWANTED,
    WIDE,
    Column,
    Node,
    Plan,
    demo_pair,
    empty_latent,
    prompts,
    sdxl_pair,
    seen,
    settings,
    stack,
)

_PAIR = {"reference": "pair.reference", "aligned": "pair.aligned"}
_REALIGN = Node("realign", "DeRaDiffRealign", values={"lambda": 1.5}, inputs=_PAIR, size=NARROW)
_ONWARD = {"model": "realign.model"}
_GUARD = Node("guarded", "DeRaDiffGuard", values={"cap": 1.0}, inputs=_ONWARD, size=NARROW)
_ASKED = {
    "positive": "positive.CONDITIONING",
    "negative": "negative.CONDITIONING",
    "latent_image": "latent.LATENT",
}


def _sampled(name: str, title: str, model: str, asked: dict[str, object]) -> Column:
    """KSampler on a MODEL, its image decoded and saved under the title."""
    sampler = Node(name, "KSampler", "", asked, {"model": model, **_ASKED})
    return (sampler, *seen(name, title, f"{name}.LATENT", "checkpoint.VAE", f"deradiff_beyond_{name}"))


def _watched(name: str, title: str, model: str, asked: dict[str, object]) -> Column:
    """The same, with the time gap of its steps."""
    inputs = {"model": model, "predictor": "predictor.predictor", **_ASKED}
    sampler = Node(name, "DeRaDiffTimeGap", "", asked, inputs)
    prefix = {"filename_prefix": f"deradiff_beyond_plot_{name}"}
    plot = Node(f"plot_{name}", "SaveImage", "Its time gap", prefix, {"images": f"{name}.plot"}, size=(340, 260))
    return (sampler, *seen(name, title, f"{name}.latent", "checkpoint.VAE", f"deradiff_beyond_{name}"), plot)


def _above() -> Plan:
    note = (
        "### Lambda above 1, with a guard\n\n"
        "Above 1 the model is less regularised than it was trained, and images lose detail. **Guard** caps how far each prediction may "
        "move from the reference's: |D - D_reference| at most **cap** times |D_reference|. The same seed without it and with it.\n\n"
        "Compare it with a lower lambda as well. cap 0 is no guard; a smaller cap stays closer to the reference."
    )
    asked = settings(42, 50, 5.0)
    columns = (_sampled("plain", "Without", "realign.model", asked), _sampled("guard", "Guard", "guarded.model", asked))
    prompt = (*prompts(PAINTING, UNWANTED, "checkpoint.CLIP"), empty_latent(1024, 1024))
    return Plan(
        note,
        (
            stack("models", "1  The pair", sdxl_pair()),
            (*stack("lambda", "2  Realign beyond 1", (_REALIGN, _GUARD)), *stack("prompt", "3  The prompt", prompt)),
            stack("sample", "4  The same seed, twice", *columns),
        ),
    )


def _beyond() -> Plan:
    note = (
        "### Lambda above 1, four ways\n\n"
        "At lambda 1.5 the demo pair is further from its reference than its alignment ever was, and images lose their caption and their edges. "
        "The same seeds, four times:\n\n"
        "- **plain**: lambda 1.5 alone.\n"
        "- **Epsilon Scaling**: ComfyUI's own, which needs no training.\n"
        "- **Guard**: each prediction stays within a part of the reference's.\n"
        "- **Temporal Alignment** (experimental): each step moves towards the noise level that it should have, as a time predictor sees it. The "
        "demo pair's predictor comes with it; *Train Time Predictor* makes one for another model.\n\n"
        "Time Gap samples as KSampler does, and shows how far each step is from its noise level. Measured: benchmarks/beyond.md."
    )
    scaled = Node("scaled", "Epsilon Scaling", values={"scaling_factor": 1.005}, inputs=_ONWARD, size=NARROW)
    file = {"name": "deradiff_demo_time.safetensors"}
    predictor = Node("predictor", "DeRaDiffLoadTimePredictor", values=file, size=WIDE)
    aligned = {**_ONWARD, "predictor": "predictor.predictor"}
    in_time = Node("in_time", "DeRaDiffTemporalAlignment", values={"strength": 3.0}, inputs=aligned, size=WIDE)
    asked = settings(0, 20, 3.0, "euler")
    columns = (
        _watched("plain", "plain", "realign.model", asked),
        _sampled("epsilon", "Epsilon Sc.", "scaled.MODEL", asked),
        _sampled("guard", "Guard", "guarded.model", asked),
        _watched("temporal", "Temporal", "in_time.model", asked),
    )
    prompt = (*prompts("a purple triangle on a white background", "", "checkpoint.CLIP"), empty_latent(64, 64, 4))
    return Plan(
        note,
        (
            stack("models", "1  The pair", demo_pair()),
            (*stack("lambda", "2  Realign beyond 1", (_REALIGN,)), *stack("prompt", "3  The prompt", prompt)),
            stack("lambda", "4  What is done about it", (scaled, _GUARD, predictor, in_time)),
            stack("sample", "5  The same seeds, four ways", *columns),
        ),
    )


PLANS = {"Above 1 (SDXL, DPO LoRA)": _above()}
DEMO_PLANS = {"Beyond training (demo pair)": _beyond()}
