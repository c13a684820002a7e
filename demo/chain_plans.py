"""What the workflows hold whose MODEL is realigned more than once.
Standard library only; demo/export_workflows.py turns these into workflows."""

from __future__ import annotations

from workflow_files import DPO_LORA_SD15, SD15, SPO_LORA, File
from workflow_nodes import (
    NARROW,
    PAINTING,
    UNWANTED,
    WIDE,
    Node,
    Plan,
    Stack,
    empty_latent,
    prompts,
    saved_image,
    sd15_pair,
    settings,
    stack,
)


def _lora_pair(name: str, title: str, file: File, reference: str) -> Node:
    values = {"lora": file.name, "strength": 1.0}
    return Node(name, "DeRaDiffLoadLoraPair", title, values, {"model": reference}, (file,), WIDE)


def _sampled(model: str) -> Stack:
    """KSampler with a MODEL."""
    inputs = {
        "model": model,
        "positive": "positive.CONDITIONING",
        "negative": "negative.CONDITIONING",
        "latent_image": "latent.LATENT",
    }
    return stack("sample", "4  Sample", (Node("sampler", "KSampler", values=settings(42, 50, 7.5), inputs=inputs),))


def _two_rewards() -> Plan:
    spo = _lora_pair("spo", "Second reward: SPO LoRA", SPO_LORA, "pair.reference")
    betas = {"trained_beta": 5000.0, "target_beta": 10000.0}
    beta = Node("beta", "DeRaDiffLambdaFromBeta", values=betas, size=NARROW)
    first = {"reference": "pair.reference", "aligned": "pair.aligned", "lambda": "beta.lambda"}
    second = {"reference": "realign_dpo.model", "aligned": "spo.aligned"}
    note = (
        "### Two rewards, each with its own lambda\n\n"
        "Two models were aligned from the same reference: one by DPO on preferences, one by SPO on aesthetics. The "
        "first **Realign** mixes in DPO; its MODEL is the reference of the second, which mixes in SPO:\n\n"
        "**reference + lambda1 \u00b7 (DPO - reference) + lambda2 \u00b7 (SPO - reference)**\n\n"
        "The first lambda comes from the KL strength **beta**: trained with 5000, wanted 10000, so 0.5. SPO states its "
        "beta on another scale; its lambda is set by eye."
    )
    twice = (
        (beta,),
        (Node("realign_dpo", "DeRaDiffRealign", "Realign: DPO", inputs=first, size=NARROW),),
        (Node("realign_spo", "DeRaDiffRealign", "Realign: SPO", {"lambda": 0.4}, second, size=NARROW),),
    )
    prompt = (prompts(PAINTING, UNWANTED, "pair.clip"), (empty_latent(512, 512),))
    return Plan(
        note,
        (
            stack("models", "1  One reference, two aligned models", (sd15_pair(), spo)),
            (*stack("lambda", "2  Realign twice", *twice), *stack("prompt", "3  The prompt", *prompt)),
            _sampled("realign_spo.model"),
            saved_image("5  The image", "sampler.LATENT", "pair.vae", "deradiff_two_rewards"),
        ),
    )


def _contrastive() -> Plan:
    values = {"ckpt_name": SD15.name}
    checkpoint = Node(
        "checkpoint", "CheckpointLoaderSimple", "Load the reference checkpoint", values, {}, (SD15,), WIDE
    )
    models = (
        checkpoint,
        _lora_pair("wanted", "Wanted: DPO LoRA", DPO_LORA_SD15, "checkpoint.MODEL"),
        _lora_pair("unwanted", "Unwanted: SPO LoRA", SPO_LORA, "checkpoint.MODEL"),
    )
    first = {"reference": "wanted.reference", "aligned": "wanted.aligned"}
    second = {"reference": "realign_wanted.model", "aligned": "unwanted.aligned"}
    note = (
        "### Towards one alignment, away from another\n\n"
        "Two LoRAs on **one copy of the weights**. The first **Realign** moves towards the wanted alignment, the second, with the "
        "**same lambda below 0**, away from the unwanted one:\n\n"
        "**reference + w \u00b7 (wanted - unwanted)**\n\n"
        "What both have in common cancels; their difference is left. Change both lambdas together: w and -w. Here it is what DPO has "
        "learned without the look of SPO; put any LoRA whose habits you do not want in its place, best one that was trained on rejected "
        "images.\n\n"
        "This is the contrastive form of preference-guided diffusion (arXiv 2602.18799). It takes three models' time."
    )
    twice = (
        (Node("realign_wanted", "DeRaDiffRealign", "Realign: wanted", {"lambda": 0.5}, first, size=NARROW),),
        (Node("realign_unwanted", "DeRaDiffRealign", "Realign: unwanted", {"lambda": -0.5}, second, size=NARROW),),
    )
    prompt = (prompts(PAINTING, UNWANTED, "checkpoint.CLIP"), (empty_latent(512, 512),))
    return Plan(
        note,
        (
            stack("models", "1  One reference, two LoRAs", models),
            (*stack("lambda", "2  Realign twice", *twice), *stack("prompt", "3  The prompt", *prompt)),
            _sampled("realign_unwanted.model"),
            saved_image("5  The image", "sampler.LATENT", "checkpoint.VAE", "deradiff_contrastive"),
        ),
    )


PLANS = {
    "Two rewards (SD1.5, DPO and SPO)": _two_rewards(),
    "Contrastive (SD1.5, DPO against SPO)": _contrastive(),
}
DEMO_PLANS: dict[str, Plan] = {}
