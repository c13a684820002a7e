"""What the workflows hold whose MODEL is realigned more than once.
Standard library only; demo/export_workflows.py turns these into workflows."""

from __future__ import annotations

from workflow_files import DPO_LORA_SD15, SD15, SPO_LORA
from workflow_nodes import (
    NARROW,
    PAINTING,
    UNWANTED,
    Column,
    Node,
    Plan,
    empty_latent,
    lora_pair,
    prompts,
    reference_checkpoint,
    saved_image,
    sd15_pair,
    settings,
    stack,
)


def _chain(note: str, title: str, models: Column, twice: tuple[Column, ...], clip: str, vae: str, prefix: str) -> Plan:
    """Models, and what realigns them, to the MODEL of its last node under KSampler."""
    inputs = {
        "model": f"{twice[-1][-1].name}.model",
        "positive": "positive.CONDITIONING",
        "negative": "negative.CONDITIONING",
        "latent_image": "latent.LATENT",
    }
    prompt = (prompts(PAINTING, UNWANTED, clip), (empty_latent(512, 512),))
    sampler = Node("sampler", "KSampler", values=settings(42, 50, 7.5), inputs=inputs)
    return Plan(
        note,
        (
            stack("models", title, models),
            (*stack("lambda", "2  Realign twice", *twice), *stack("prompt", "3  The prompt", *prompt)),
            stack("sample", "4  Sample", (sampler,)),
            saved_image("5  The image", "sampler.LATENT", vae, prefix),
        ),
    )


def _two_rewards() -> Plan:
    spo = lora_pair("spo", "Second reward: SPO LoRA", "pair.reference", SPO_LORA.name, SPO_LORA)
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
    models = (sd15_pair(), spo)
    title = "1  One reference, two aligned models"
    return _chain(note, title, models, twice, "pair.clip", "pair.vae", "deradiff_two_rewards")


def _contrastive() -> Plan:
    models = (
        reference_checkpoint(SD15.name, SD15),
        lora_pair("wanted", "Wanted: DPO LoRA", "checkpoint.MODEL", DPO_LORA_SD15.name, DPO_LORA_SD15),
        lora_pair("unwanted", "Unwanted: SPO LoRA", "checkpoint.MODEL", SPO_LORA.name, SPO_LORA),
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
    title = "1  One reference, two LoRAs"
    return _chain(note, title, models, twice, "checkpoint.CLIP", "checkpoint.VAE", "deradiff_contrastive")


PLANS = {
    "Two rewards (SD1.5, DPO and SPO)": _two_rewards(),
    "Contrastive (SD1.5, DPO against SPO)": _contrastive(),
}
DEMO_PLANS: dict[str, Plan] = {}
