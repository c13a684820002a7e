"""Sampling by core's own nodes, by the pack's nodes and by hand, so that tests can compare the three."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import comfy.samplers
import comfy.sd
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from deradiff.nodes.runs import loading
from deradiff.nodes.sample import DeRaDiffKSampler, DeRaDiffKSamplerAdvanced

import nodes as core_nodes
from support import standins

Weights = dict[str, torch.Tensor]
Guidance = Callable[[list[torch.Tensor], torch.Tensor, torch.Tensor], torch.Tensor]
Bound = Callable[
    [torch.Tensor, torch.Tensor, float], torch.Tensor
]  # (mixture, reference, sigma) of one branch -> mixture

ROUNDING = 1e-4  # relative error that is allowed where sums are taken in another order than core takes them


@dataclass(frozen=True)
class Task:
    """What a KSampler is asked for besides its models. `latent` is a LATENT as core's nodes pass it."""

    positive: list
    negative: list
    latent: dict
    seed: int = 5
    steps: int = 3
    cfg: float = 7.0
    sampler_name: str = "euler"
    scheduler: str = "normal"
    denoise: float = 1.0

    def settings(self) -> dict[str, object]:
        """Keyword arguments of core's KSampler and of ours."""
        return {
            "seed": self.seed,
            "steps": self.steps,
            "cfg": self.cfg,
            "sampler_name": self.sampler_name,
            "scheduler": self.scheduler,
            "positive": self.positive,
            "negative": self.negative,
            "latent_image": self.latent,
            "denoise": self.denoise,
        }


@dataclass(frozen=True)
class Pair:
    """A reference, a model aligned from it, and a task that both can do."""

    reference: ModelPatcher
    aligned: ModelPatcher
    task: Task


def by_core(model: ModelPatcher, task: Task) -> torch.Tensor:
    """The latent that core's KSampler node samples."""
    return core_nodes.KSampler().sample(model, **task.settings())[0]["samples"]


def by_us(reference: ModelPatcher, aligned: ModelPatcher, weight: float, task: Task) -> torch.Tensor:
    """The latent that our KSampler node samples."""
    output = DeRaDiffKSampler.execute(reference, aligned, **task.settings(), evaluation="exact", **{"lambda": weight})
    return output[0]["samples"]


def advanced_by_core(model: ModelPatcher, task: Task, **steps: object) -> dict:
    """The LATENT that core's KSampler (Advanced) node returns."""
    return core_nodes.KSamplerAdvanced().sample(model, **_advanced(task), **steps)[0]


def advanced_by_us(reference: ModelPatcher, aligned: ModelPatcher, weight: float, task: Task, **steps: object) -> dict:
    """The LATENT that our KSampler (Advanced) node returns."""
    extra = {"lambda": weight, "evaluation": "exact"}
    return DeRaDiffKSamplerAdvanced.execute(reference, aligned, **_advanced(task), **steps, **extra)[0]


def _advanced(task: Task) -> dict[str, object]:
    settings = task.settings()
    del settings["denoise"]
    return {"noise_seed": settings.pop("seed"), **settings}


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Relative Euclidean distance of two latents."""
    return ((ours - theirs).norm() / theirs.norm()).item()


def plain_guidance(scale: float) -> Guidance:
    """Classifier-free guidance: uncond + scale * (cond - uncond)."""

    def guide(branches: list[torch.Tensor], x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        cond, uncond = branches
        return uncond + scale * (cond - uncond)

    return guide


def by_hand(
    models: Sequence[ModelPatcher],
    weights: Sequence[float],
    task: Task,
    guide: Guidance | None = None,
    bound: Bound | None = None,
) -> torch.Tensor:
    """Euler's method over sum_i weights[i] * D_i of each branch, bounded by the first model's if asked, guided afterwards.

    One guider of core's prepares each model, so that everything that core does for a model is done for each of them; they
    are nested, and the loop runs in the innermost. The models must not share a module.
    """
    assert len({id(model.model) for model in models}) == len(models)
    sigmas = comfy.samplers.KSampler(
        models[0], task.steps, models[0].load_device, "euler", task.scheduler, task.denoise
    ).sigmas
    samples = comfy.sample.fix_empty_latent_channels(models[0], task.latent["samples"])
    noise = comfy.sample.prepare_noise(samples, task.seed)
    loop = _Loop(weights, guide or plain_guidance(task.cfg), bound)
    _nest(list(models), loop, task, noise, samples, sigmas)
    assert loop.result is not None
    return models[0].model.process_latent_out(loop.result)


@dataclass
class _Loop:
    """The hand-written loop, with the prepared (guider, options) of each model as they come."""

    weights: Sequence[float]
    guide: Guidance
    bound: Bound | None = None
    prepared: list[tuple[comfy.samplers.CFGGuider, dict]] = field(default_factory=list)
    result: torch.Tensor | None = None

    def denoised(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        found = []
        for guider, options in self.prepared:
            conds = [guider.conds["positive"], guider.conds["negative"]]
            found.append(comfy.samplers.calc_cond_batch(guider.inner_model, conds, x, sigma, options))
        mixed = [
            sum(w * branch for w, branch in zip(self.weights, each, strict=True)) for each in zip(*found, strict=True)
        ]
        if self.bound is not None:
            mixed = [self.bound(one, theirs, sigma[0].item()) for one, theirs in zip(mixed, found[0], strict=True)]
        return self.guide(mixed, x, sigma)

    def run(self, noise: torch.Tensor, latent: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
        sampling = self.prepared[0][0].inner_model.model_sampling
        full = bool(sigmas[0] >= sampling.sigma_max * (1 - 1e-5))
        x = sampling.noise_scaling(sigmas[0], noise, latent, full)
        for sigma, following in pairwise(sigmas):
            slope = (x - self.denoised(x, sigma.repeat(x.shape[0]))) / sigma
            x = x + slope * (following - sigma)
        self.result = sampling.inverse_noise_scaling(sigmas[-1], x)
        return self.result


class _Nested(comfy.samplers.Sampler):
    """A sampler of core's kind that goes on to the next model instead of sampling."""

    def __init__(self, models: list[ModelPatcher], loop: _Loop, task: Task, raw: tuple) -> None:
        self.models, self.loop, self.task, self.raw = models, loop, task, raw

    @torch.no_grad()
    def sample(
        self,
        guider: comfy.samplers.CFGGuider,
        sigmas: torch.Tensor,
        extra_args: dict,
        callback: object,
        noise: torch.Tensor,
        latent_image: torch.Tensor,
        *_: object,
    ) -> torch.Tensor:
        self.loop.prepared.append((guider, extra_args["model_options"]))
        if self.models:
            return _nest(self.models, self.loop, self.task, *self.raw)
        return self.loop.run(noise, latent_image, sigmas)


def _nest(
    models: list[ModelPatcher],
    loop: _Loop,
    task: Task,
    noise: torch.Tensor,
    latent: torch.Tensor,
    sigmas: torch.Tensor,
) -> torch.Tensor:
    guider = comfy.samplers.CFGGuider(models[0])
    memo: dict = {}
    guider.set_conds(*(_with_own_hooks(cond, memo) for cond in (task.positive, task.negative)))
    sampler = _Nested(models[1:], loop, task, (noise, latent, sigmas))
    return guider.sample(noise, latent, sampler, sigmas, seed=task.seed)


def _with_own_hooks(conditioning: list, memo: dict) -> list:
    """The conditioning with copies of its hooks: scheduled hooks remember the step, each model needs its own."""
    return [
        [embedding, {key: copy.deepcopy(value, memo) if key == "hooks" else value for key, value in extra.items()}]
        for embedding, extra in conditioning
    ]


SIZES = {"sd15": (4, 768, None), "sdxl": (4, 2048, 1280), "sd3": (16, 4096, 2048), "wan": (16, 4096, None)}


def conditioning(kind: str, seed: int) -> list:
    """A CONDITIONING of random embeddings with the sizes that models of this kind take."""
    _, width, pooled = SIZES[kind]
    rng = torch.Generator().manual_seed(seed)
    extra = {} if pooled is None else {"pooled_output": torch.randn(1, pooled, generator=rng)}
    return [[torch.randn(1, 77, width, generator=rng), extra]]


def empty_latent(kind: str, batch: int = 1, side: int = 4) -> dict:
    """An empty LATENT of side x side (three frames of it for a video model)."""
    frames = (3,) if kind == "wan" else ()
    return {"samples": torch.zeros(batch, SIZES[kind][0], *frames, side, side)}


def drawn_latent(kind: str, batch: int = 1, seed: int = 77, side: int = 4) -> dict:
    """A LATENT as an encoded image has it."""
    empty = empty_latent(kind, batch, side)["samples"]
    return {"samples": torch.randn(empty.shape, generator=torch.Generator().manual_seed(seed))}


def wider(pair: Pair) -> Pair:
    """The pair with an empty latent of twice the height and width, for what has places in it."""
    samples = pair.task.latent["samples"]
    return replace(
        pair, task=replace(pair.task, latent={"samples": samples.repeat_interleave(2, -1).repeat_interleave(2, -2)})
    )


def task_for(kind: str, **changes: object) -> Task:
    """A short sampling task for this kind of model."""
    given = {"positive": conditioning(kind, 1), "negative": conditioning(kind, 2), "latent": empty_latent(kind)}
    return Task(**{**given, **changes})  # type: ignore[arg-type]


def _video(seed: int, base: Weights | None = None) -> Weights:
    """State dict of a Wan-class video transformer of two blocks (latents of five dimensions)."""
    import comfy.ops
    from comfy.ldm.wan.model import WanModel

    module = WanModel(
        dim=128,
        ffn_dim=256,
        num_heads=1,
        num_layers=2,
        device="meta",
        dtype=torch.float32,
        operations=comfy.ops.disable_weight_init,
    )
    return standins._randomise(module, seed, 0.1, base)


# Core tells the SDXL class by its depths; these are of its smallest kin (KOALA).
KOALA: dict[str, object] = {
    "num_res_blocks": [1] * 3,
    "channel_mult": [1] * 3,
    "transformer_depth": [0, 2, 5],
    "transformer_depth_middle": -2,
    "transformer_depth_output": [0] * 6,
}

MAKERS: dict[str, Callable[..., Weights]] = {
    "sd15": lambda seed, base=None: standins.unet("sd15", seed, base),
    "sdxl": lambda seed, base=None: standins.unet("sdxl", seed, base, sizes=KOALA),
    "sd3": standins.mmdit,
    "sd3 tiny": lambda seed, base=None: standins.mmdit(seed, base, depth=1),
    "wan": _video,
}


class Zoo:
    """The stand-in files of a test session, written when first asked for, and loaded by core's loaders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._weights: dict[tuple[str, int], Weights] = {}

    def weights(self, kind: str, seed: int = 0) -> Weights:
        """Seed 0 is the reference; others are models fine-tuned from it."""
        if (kind, seed) not in self._weights:
            base = {"base": self.weights(kind)} if seed else {}
            self._weights[kind, seed] = MAKERS[kind](seed, **base)
        return self._weights[kind, seed]

    def path(self, kind: str, seed: int = 0) -> Path:
        """The file of a model."""
        path = self.folder / f"{kind}_{seed}.safetensors"
        return path if path.exists() else standins.save(self.weights(kind, seed), path)

    @torch.inference_mode()
    def load(self, kind: str, seed: int = 0) -> ModelPatcher:
        """A model with a module of its own, by core's Load Diffusion Model."""
        return comfy.sd.load_diffusion_model(str(self.path(kind, seed)))

    def lora_path(self, kind: str, seed: int, **settings: object) -> Path:
        """The file of a LoRA on the reference."""
        name = "_".join([kind, "lora", str(seed), *(f"{key}-{value}" for key, value in sorted(settings.items()))])
        path = self.folder / f"{name}.safetensors"
        return path if path.exists() else standins.save(standins.lora(self.weights(kind), seed, **settings), path)  # type: ignore[arg-type]


@torch.inference_mode()
def with_lora(model: ModelPatcher, weights: Path | Weights, strength: float = 1.0) -> ModelPatcher:
    """The model with a LoRA, as core's LoraLoader puts it on."""
    found = comfy.utils.load_torch_file(str(weights), safe_load=True) if isinstance(weights, Path) else weights
    return comfy.sd.load_lora_for_models(model, None, found, strength, 0)[0]


@torch.inference_mode()
def lora_pair(reference: ModelPatcher, path: Path, strength: float = 1.0) -> ModelPatcher:
    """The aligned model of a LoRA pair, as our own loader makes it."""
    return loading.load_lora(reference, str(path), strength)
