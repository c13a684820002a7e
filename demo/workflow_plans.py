"""What the workflows that sample at one lambda hold: their nodes and where these stand, values and links, files, and a note.
Standard library only; demo/export_workflows.py turns these into workflows."""

from __future__ import annotations

from workflow_files import CLIP_L, DPO, SD15_UNET, VAE
from workflow_nodes import (
    NARROW,
    PAINTING,
    UNWANTED,
    WIDE,
    Node,
    Plan,
    demo_pair,
    empty_latent,
    prompts,
    saved_image,
    sd15_pair,
    sdxl_pair,
    settings,
    sockets,
    stack,
)


def _sd15_dpo() -> Plan:
    values = {**settings(42, 50, 7.5), "lambda": 0.5}
    sampler = Node("sampler", "DeRaDiffKSampler", values=values, inputs=sockets("pair.reference", "pair.aligned"))
    note = (
        "### How strongly should the alignment act?\n\n"
        "The pair is Stable Diffusion 1.5 (the **reference**) and the same model after Diffusion-DPO (the **aligned** "
        "model). At every step the sampler mixes their predictions:\n\n"
        "**(1 - lambda) \u00b7 reference + lambda \u00b7 aligned**\n\n"
        "- **lambda = 0** is the reference alone, **1** the aligned model as it was trained.\n"
        "- **0.5** stands for a model trained with twice the KL penalty.\n"
        "- Keep the seed and move lambda to compare. Above 1 is allowed; artefacts are common above 2."
    )
    return Plan(
        note,
        (
            stack("models", "1  The pair", (sd15_pair(),)),
            stack("prompt", "2  The prompt", (*prompts(PAINTING, UNWANTED, "pair.clip"), empty_latent(512, 512))),
            stack("sample", "3  Sample at lambda", (sampler,)),
            saved_image("4  The image", "sampler.latent", "pair.vae", "deradiff_sd15_dpo"),
        ),
    )


def _sdxl_dpo_lora() -> Plan:
    values = {**settings(42, 50, 5.0), "lambda": 0.5}
    sampler = Node("sampler", "DeRaDiffKSampler", values=values, inputs=sockets("pair.reference", "pair.aligned"))
    note = (
        "### A DPO LoRA as the aligned model\n\n"
        "The aligned model is SDXL with a DPO LoRA. Both models run over **one copy of the weights**: the memory of one "
        "SDXL, not of two.\n\n"
        "Leave the LoRA's strength at 1, where it is the aligned model, and choose the strength of the alignment with "
        "**lambda**. A style LoRA for both models goes between the checkpoint and this pair."
    )
    return Plan(
        note,
        (
            stack("models", "1  The pair", sdxl_pair()),
            stack(
                "prompt", "2  The prompt", (*prompts(PAINTING, UNWANTED, "checkpoint.CLIP"), empty_latent(1024, 1024))
            ),
            stack("sample", "3  Sample at lambda", (sampler,)),
            saved_image("4  The image", "sampler.latent", "checkpoint.VAE", "deradiff_sdxl_dpo_lora"),
        ),
    )


def _custom_sampler() -> Plan:
    pair = Node(
        "pair",
        "DeRaDiffLoadDiffusionPair",
        values={"reference": SD15_UNET.name, "aligned": DPO.name, "weight_dtype": "default"},
        files=(SD15_UNET, DPO),
        size=WIDE,
    )
    clip = Node(
        "clip", "CLIPLoader", values={"clip_name": CLIP_L.name, "type": "stable_diffusion"}, files=(CLIP_L,), size=WIDE
    )
    vae = Node("vae", "VAELoader", values={"vae_name": VAE.name}, files=(VAE,), size=WIDE)
    inputs = {"reference": "pair.reference", "aligned": "pair.aligned"}
    realign = Node("realign", "DeRaDiffRealign", values={"lambda": 0.5}, inputs=inputs, size=NARROW)
    guided = {"model": "realign.model", "positive": "positive.CONDITIONING", "negative": "negative.CONDITIONING"}
    sampling = {
        "noise": "noise.NOISE",
        "guider": "guider.GUIDER",
        "sampler": "select.SAMPLER",
        "sigmas": "sigmas.SIGMAS",
        "latent_image": "latent.LATENT",
    }
    scheduled = {"scheduler": "karras", "steps": 30, "denoise": 1.0}
    note = (
        "### One realigned MODEL, any sampler\n\n"
        "**Realign Model** makes a single MODEL of the pair. It works wherever a MODEL goes: guiders, custom samplers, "
        "detailers, upscalers, guidance patches.\n\n"
        "Here it runs under CFGGuider and SamplerCustomAdvanced. The pair is two diffusion models without text encoder "
        "and VAE, which have loaders of their own; fp8 halves the memory of both."
    )
    core = (
        Node("guider", "CFGGuider", values={"cfg": 7.5}, inputs=guided, size=NARROW),
        Node("noise", "RandomNoise", values={"noise_seed": 42}, size=NARROW),
        Node("select", "KSamplerSelect", values={"sampler_name": "dpmpp_2m"}, size=NARROW),
        Node("sigmas", "BasicScheduler", "", scheduled, {"model": "realign.model"}, size=NARROW),
    )
    prompt = (*prompts(PAINTING, UNWANTED, "clip.CLIP"), empty_latent(512, 512))
    return Plan(
        note,
        (
            stack("models", "1  The pair", (pair, clip, vae)),
            (*stack("lambda", "2  Realign", (realign,)), *stack("prompt", "3  The prompt", prompt)),
            stack(
                "sample",
                "4  Sample with core's nodes",
                core,
                (Node("sampler", "SamplerCustomAdvanced", inputs=sampling),),
            ),
            saved_image("5  The image", "sampler.output", "vae.VAE", "deradiff_custom_sampler"),
        ),
    )


def _img2img() -> Plan:
    image = Node("image", "LoadImage", "The image to start from", {"image": "example.png"}, size=(520, 700))
    encode = Node("encode", "VAEEncode", inputs={"pixels": "image.IMAGE", "vae": "pair.vae"}, size=(360, 0))
    inputs = sockets("pair.reference", "pair.aligned", "encode.LATENT")
    values = {**settings(42, 30, 7.5), "lambda": 0.5, "denoise": 0.6}
    sampler = Node("sampler", "DeRaDiffKSampler", values=values, inputs=inputs)
    enlarge = Node(
        "enlarge",
        "LatentUpscaleBy",
        values={"upscale_method": "bislerp", "scale_by": 1.5},
        inputs={"samples": "sampler.latent"},
        size=NARROW,
    )
    second = {
        "lambda": 0.25,
        "add_noise": "enable",
        "noise_seed": 43,
        "steps": 30,
        "cfg": 7.5,
        "sampler_name": "euler_ancestral",
        "scheduler": "normal",
        "start_at_step": 15,
        "end_at_step": 10000,
        "return_with_leftover_noise": "disable",
    }
    inputs = sockets("pair.reference", "pair.aligned", "enlarge.LATENT")
    refine = Node("refine", "DeRaDiffKSamplerAdvanced", values=second, inputs=inputs)
    note = (
        "### Image to image, with a lambda for each pass\n\n"
        "The first pass repaints the image with **denoise** 0.6. The second enlarges the latent by 1.5 and runs only "
        "the last half of its schedule (**start_at_step**), with a smaller lambda: the alignment has shaped the image "
        "already, and the reference keeps its texture.\n\n"
        "Put your image in the *input* folder or drop it on *Load Image*."
    )
    prompt = prompts("an oil painting, visible brush strokes", UNWANTED, "pair.clip")
    return Plan(
        note,
        (
            stack("models", "1  The pair and the image", (sd15_pair(), image)),
            stack("prompt", "2  The prompt", (*prompt, encode)),
            stack("sample", "3  Repaint", (sampler,)),
            stack("sample", "4  Refine at 1.5 times the size", (enlarge,), (refine,)),
            saved_image("5  The image", "refine.latent", "pair.vae", "deradiff_img2img"),
        ),
    )


def _demo() -> Plan:
    values = {**settings(0, 20, 3.0, "euler"), "lambda": 0.5}
    sampler = Node("sampler", "DeRaDiffKSampler", values=values, inputs=sockets("pair.reference", "pair.aligned"))
    note = (
        "### The demo pair\n\n"
        "A very small model of the SD1.5 class that draws coloured shapes in 64 x 64 pixels, and the same model aligned "
        "by Diffusion-DPO on warm light alone, so far that it forgets its caption. Move **lambda** between 0 and 1 and "
        "queue again.\n\n"
        "The two files come with the pack: *make demo* and *make serve* put them in place. It knows captions of this "
        "form: *a red circle on a white background*."
    )
    prompt = prompts("a purple triangle on a white background", "", "checkpoint.CLIP")
    return Plan(
        note,
        (
            stack("models", "1  The pair", demo_pair()),
            stack("prompt", "2  The prompt", (*prompt, empty_latent(64, 64, 4))),
            stack("sample", "3  Sample at lambda", (sampler,)),
            saved_image("4  The images", "sampler.latent", "checkpoint.VAE", "deradiff_demo"),
        ),
    )


def _prompt_set() -> Plan:
    lines = (
        PAINTING,
        "a photograph of a red fox in fresh snow, morning light",
        "a wooden desk with a typewriter and a cup of coffee, seen from above",
        "a street market at night in the rain, neon signs",
        "a portrait of an old fisherman, oil on canvas",
        "a glass bottle that holds a small sailing ship",
    )
    values = {"prompts": "\n".join(lines), "n": 4, "seed": 1, "negative": UNWANTED}
    given = Node("set", "DeRaDiffPromptSet", values=values, size=(420, 480))
    encoded = tuple(
        Node(name, "CLIPTextEncode", title, inputs={"clip": "pair.clip", "text": f"set.{output}"}, size=(360, 150))
        for name, title, output in (
            ("positive", "Each prompt", "prompt"),
            ("negative", "Its negative prompt", "negative"),
        )
    )
    values = {**settings(42, 50, 7.5), "lambda": 0.5}
    sampler = Node("sampler", "DeRaDiffKSampler", values=values, inputs=sockets("pair.reference", "pair.aligned"))
    note = (
        "### One lambda, several prompts\n\n"
        "A lambda that suits one prompt may not suit the next. **Prompt Set** gives its prompts as a list, and everything "
        "behind it runs once for each: four of the six lines here, drawn by the seed. Move **lambda** and queue again to "
        "compare all of them.\n\n"
        "Choose *PartiPrompts*, which comes with the pack, or a file of ComfyUI's *input* folder as the **source** for more."
    )
    return Plan(
        note,
        (
            stack("models", "1  The pair", (sd15_pair(),)),
            stack("prompt", "2  The prompts", (given,), (*encoded, empty_latent(512, 512))),
            stack("sample", "3  Sample at lambda", (sampler,)),
            saved_image("4  The images", "sampler.latent", "pair.vae", "deradiff_prompt_set"),
        ),
    )


PLANS = {
    "Lambda (SD1.5, DPO model)": _sd15_dpo(),
    "Lambda (SDXL, DPO LoRA)": _sdxl_dpo_lora(),
    "Custom sampling (SD1.5, DPO model)": _custom_sampler(),
    "Image to image (SD1.5, DPO model)": _img2img(),
    "Prompt set (SD1.5, DPO model)": _prompt_set(),
}
DEMO_PLANS = {"Lambda (demo pair)": _demo()}
