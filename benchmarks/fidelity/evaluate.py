"""Samples of every model to compare, and what is measured of each: reward, whether it shows its caption, KL to the reference."""

from __future__ import annotations

import math
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
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.runs.interpolation import interpolated
from plan import ANCHOR, LAMBDAS, SEEDS, Lab
from samples import Sampler

SEED = 1  # of the first batch of noise; the same for every model
METRICS = ("reward", "fidelity", "kl")
SHOWN = 9  # samples whose images are kept


@dataclass(frozen=True)
class Subject:
    """One model that is sampled. strength: lambda from its setting's anchor; seed: of the training that it comes from, -1 for the reference."""

    method: str
    strength: float
    seed: int


REFERENCE, RETRAINED, REALIGNED = "reference", "retrained", "realigned"


def _retrained(lab: Lab, subject: Subject, anchor: float) -> tuple[ModelPatcher, float]:
    return network.patcher(lab.retrained(subject.strength * anchor, subject.seed)), 1.0


def _realigned(lab: Lab, subject: Subject, anchor: float) -> tuple[ModelPatcher, float]:
    return network.patcher(lab.retrained(anchor, subject.seed)), subject.strength


def _interpolated(lab: Lab, subject: Subject, anchor: float) -> tuple[ModelPatcher, float]:
    model = network.patcher(lab.retrained(anchor, subject.seed))
    return interpolated(lab.reference(), model, subject.strength), 1.0


def _lora(lab: Lab, subject: Subject, anchor: float) -> tuple[ModelPatcher, float]:
    """The anchor's change of weights at rank lora.RANK, as core loads it at strength lambda, on weights of its own."""
    file = lora.from_difference(lab.weights, lab.retrained(anchor, subject.seed))
    patched, _ = comfy.sd.load_lora_for_models(lab.reference(), None, file, subject.strength, 0.0)
    return patched, 1.0


def _longer(lab: Lab, subject: Subject, anchor: float) -> tuple[ModelPatcher, float]:
    return network.patcher(lab.longer(subject.strength)), 1.0


# What is given to realign: an aligned model and lambda. For a model on its own, lambda is just short of 1.
INTERPOLATED, LORA, LONGER = "weights interpolated", "LoRA scaled", "retrained, longer"
METHODS: dict[str, Callable[[Lab, Subject, float], tuple[ModelPatcher, float]]] = {
    RETRAINED: _retrained,
    REALIGNED: _realigned,
    INTERPOLATED: _interpolated,
    LORA: _lora,
    LONGER: _longer,
}
BASELINES = (INTERPOLATED, LORA)


@dataclass(frozen=True)
class Setting:
    """A sampler, how many samples of each model it draws, which lambdas, from which anchor, against which baselines.

    anchor: the lambda of plan.LAMBDAS whose models realigning starts from; lambdas are counted from there.
    """

    sampler: Sampler
    count: int
    lambdas: tuple[float, ...]
    anchor: float = 1.0
    baselines: tuple[str, ...] = BASELINES

    def beta(self, strength: float) -> float:
        """What lambda = strength stands for."""
        return ANCHOR / (self.anchor * strength) if strength else math.inf


MAIN = Setting(Sampler("euler", 20), 6 * samples.BATCH, LAMBDAS)
_FEWER = (1.0, 0.25, 0.5, 0.75, 1.5)
SETTINGS = (
    MAIN,
    Setting(Sampler("euler", 12), 3 * samples.BATCH, _FEWER),
    Setting(Sampler("euler_ancestral", 20), 3 * samples.BATCH, _FEWER),
    Setting(Sampler("dpmpp_2m", 20), 3 * samples.BATCH, _FEWER),
    Setting(Sampler("euler", 50), 2 * samples.BATCH, _FEWER),
)
# The models trained at half the anchor's beta, which are already unusable, as the anchor.
HACKED = Setting(MAIN.sampler, MAIN.count, (1.0, 0.125, 0.25, 0.375, 0.5, 0.75), anchor=2.0, baselines=(INTERPOLATED,))


def subjects(setting: Setting) -> Iterator[Subject]:
    """Everything that a setting compares. At lambda 1 all methods but the LoRA are the retrained model itself."""
    yield Subject(REFERENCE, 0.0, -1)
    for seed in SEEDS:
        for strength in setting.lambdas:
            for method in (RETRAINED, REALIGNED, *setting.baselines):
                if strength != 1.0 or method in (RETRAINED, LORA):
                    yield Subject(method, strength, seed)


def measured(lab: Lab, setting: Setting, subject: Subject) -> dict[str, torch.Tensor]:
    """METRICS of each sample, (count,), and "shown", the first images. Kept in the work folder."""
    absolute = subject.method in (REFERENCE, RETRAINED, LONGER)
    strength = subject.strength * setting.anchor if absolute else subject.strength
    prefix = "" if absolute or setting.anchor == 1.0 else f"anchor-{setting.anchor:g}-"
    name = f"{prefix}{subject.method.replace(' ', '-')}-{strength:g}-{subject.seed}.pt"
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
        model, weight = METHODS[subject.method](lab, subject, setting.anchor)
        found = samples.measured(realign(reference, model, weight), setting.sampler, setting.count, SEED)
        kl = found.kl
    return {
        "reward": lab.scale.reward(found.latents),
        "fidelity": lab.judge.believes(found.latents, found.captions),
        "kl": kl,
        "shown": found.latents[:SHOWN].clone(),
    }
