"""How far models are from the retrained model itself, in nats: the engine's KL with the retrained model as the reference."""

from __future__ import annotations

import evaluate
import network
import samples
import tables
import torch
from comfy.model_patcher import ModelPatcher
from deradiff.nodes.engine.patch import realign
from evaluate import BASELINES, METHODS, REALIGNED, RETRAINED, Subject
from plan import SEEDS, Lab

LAMBDAS = (0.25, 0.5, 0.75)
COUNT = 2 * samples.BATCH
COMPARED = (REALIGNED, *BASELINES, RETRAINED)

Results = dict[tuple[str, float], float]  # mean KL by method and lambda


def results(lab: Lab) -> Results:
    """Means over the samples and over both ways of taking the anchor from one seed and the retrained model from the other."""
    return {
        (method, strength): torch.cat([_kl(lab, method, strength, seed) for seed in SEEDS]).mean().item()
        for method in COMPARED
        for strength in LAMBDAS
    }


def _kl(lab: Lab, method: str, strength: float, seed: int) -> torch.Tensor:
    """KL of each sample of `method`, trained by `seed`, from the model retrained by the other seed, (COUNT,)."""
    path = lab.work / "apart" / f"{method.replace(' ', '-')}-{strength:g}-{seed}.pt"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        base = network.patcher(lab.retrained(strength, SEEDS[1 - SEEDS.index(seed)]))
        mixed = _beside(base, lab, Subject(method, strength, seed))
        torch.save(samples.measured(mixed, evaluate.MAIN.sampler, COUNT, evaluate.SEED).kl, path)
    return torch.load(path, weights_only=True)


def _beside(base: ModelPatcher, lab: Lab, subject: Subject) -> ModelPatcher:
    """The subject with `base` as its reference, which is evaluated at every step and weighs next to nothing."""
    model, weight = METHODS[subject.method](lab, subject, 1.0)
    if subject.method != REALIGNED:
        return realign(base, model, weight)
    return realign(realign(base, lab.reference(), (1 - weight)), model, weight)


def markdown(found: Results) -> list[str]:
    """One row for each lambda; the retrained models' own distance from each other is the floor."""
    others = COMPARED[:-1]
    rows = [[f"{at:g}", *(f"{found[method, at]:.1f}" for method in COMPARED)] for at in LAMBDAS]
    return tables.markdown(("λ", *others, "noise floor"), rows)
