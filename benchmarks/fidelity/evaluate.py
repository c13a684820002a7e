"""Samples of every model to compare, and what is measured of each: reward, whether it shows its caption, KL to the reference.
May import ComfyUI, the pack's engine and the modules beside it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import comfy.sd
import lora
import network
import samples
import torch
from comfy.model_patcher import ModelPatcher
from deradiff.nodes.runtime.patch import realign
from deradiff.nodes.runtime.soup import interpolated
from plan import LAMBDAS, SEEDS, Lab
from samples import Sampler

SEED = 1  # of the first batch of noise; the same for every model
METRICS = ("reward", "fidelity", "kl")
SHOWN = 9  # samples whose pictures are kept


@dataclass(frozen=True)
class Subject:
    """One model that is sampled. strength: lambda; seed: of the training that it comes from, -1 for the reference."""

    method: str
    strength: float
    seed: int


@dataclass(frozen=True)
class Setting:
    """A sampler, how many samples of each model it draws, and which lambdas."""

    sampler: Sampler
    count: int
    lambdas: tuple[float, ...]


MAIN = Setting(Sampler("euler", 20), 6 * samples.BATCH, LAMBDAS)
_FEWER = (1.0, 0.25, 0.5, 0.75, 1.5)
SETTINGS = (
    MAIN,
    Setting(Sampler("euler", 12), 3 * samples.BATCH, _FEWER),
    Setting(Sampler("euler_ancestral", 20), 3 * samples.BATCH, _FEWER),
    Setting(Sampler("dpmpp_2m", 20), 3 * samples.BATCH, _FEWER),
    Setting(Sampler("euler", 50), 2 * samples.BATCH, _FEWER),
)

REFERENCE, RETRAINED, REALIGNED = "reference", "retrained", "realigned"


def _retrained(lab: Lab, subject: Subject) -> tuple[ModelPatcher, float]:
    return network.patcher(lab.retrained(subject.strength, subject.seed)), samples.ALMOST_ONE


def _realigned(lab: Lab, subject: Subject) -> tuple[ModelPatcher, float]:
    return network.patcher(lab.retrained(1.0, subject.seed)), subject.strength


def _interpolated(lab: Lab, subject: Subject) -> tuple[ModelPatcher, float]:
    anchor = network.patcher(lab.retrained(1.0, subject.seed))
    return interpolated(lab.reference(), anchor, subject.strength), samples.ALMOST_ONE


def _lora(lab: Lab, subject: Subject) -> tuple[ModelPatcher, float]:
    """The anchor's change of weights at rank lora.RANK, as core loads it at strength lambda, on weights of its own."""
    file = lora.from_difference(lab.weights, lab.retrained(1.0, subject.seed))
    patched, _ = comfy.sd.load_lora_for_models(lab.reference(), None, file, subject.strength, 0.0)
    return patched, samples.ALMOST_ONE


def _longer(lab: Lab, subject: Subject) -> tuple[ModelPatcher, float]:
    return network.patcher(lab.longer(subject.strength)), samples.ALMOST_ONE


# What is given to realign: an aligned model and lambda. For a model on its own, lambda is just short of 1.
METHODS: dict[str, Callable[[Lab, Subject], tuple[ModelPatcher, float]]] = {
    RETRAINED: _retrained,
    REALIGNED: _realigned,
    "weights interpolated": _interpolated,
    "LoRA scaled": _lora,
}
LONGER = "retrained, longer"
MAKERS = {**METHODS, LONGER: _longer}


def subjects(setting: Setting) -> Iterator[Subject]:
    """Everything that a setting compares. At lambda 1 all methods but the LoRA are the retrained model itself."""
    yield Subject(REFERENCE, 0.0, -1)
    for seed in SEEDS:
        for strength in setting.lambdas:
            for method in METHODS:
                if strength != 1.0 or method in (RETRAINED, "LoRA scaled"):
                    yield Subject(method, strength, seed)


def measured(lab: Lab, setting: Setting, subject: Subject) -> dict[str, torch.Tensor]:
    """METRICS of each sample, (count,), and "shown", the first pictures. Kept in the work folder."""
    name = f"{subject.method.replace(' ', '-')}-{subject.strength:g}-{subject.seed}.pt"
    path = lab.work / "samples" / f"{setting.sampler.name}-{setting.sampler.steps}-{setting.count}" / name
    if not path.exists():
        begin = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(_sampled(lab, setting, subject), path)
        sys.stdout.write(f"{path.parent.name} {name} {time.monotonic() - begin:.0f} s\n")
        sys.stdout.flush()
    return torch.load(path, weights_only=True)


def _sampled(lab: Lab, setting: Setting, subject: Subject) -> dict[str, torch.Tensor]:
    reference = lab.reference()
    if subject.method == REFERENCE:
        found = samples.plain(reference, setting.sampler, setting.count, SEED)
        kl = torch.zeros(setting.count)
    else:
        model, weight = MAKERS[subject.method](lab, subject)
        found = samples.measured(realign(reference, model, weight), setting.sampler, setting.count, SEED)
        kl = found.kl
    return {
        "reward": lab.scale.reward(found.latents),
        "fidelity": lab.judge.believes(found.latents, found.captions),
        "kl": kl,
        "shown": found.latents[:SHOWN].clone(),
    }
