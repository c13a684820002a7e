"""What a finished search hands on: images of the best lambda, and the largest sweep whose samples are all there."""

from __future__ import annotations

from dataclasses import dataclass

from ..runs.sweep import joined
from ..wires import REALIGNED, Entry, Scores, Sweep
from .finder import Finder, Key


@dataclass(frozen=True)
class Swept:
    """The part of a search that is a sweep: a LATENT, lambda-major, what belongs to it, and its scores by both judges."""

    latent: dict
    sweep: Sweep
    scores: Scores
    held_out: Scores | None


def swept(finder: Finder, best: float) -> Swept:
    """Every lambda of some blocks, with the lowest and the best among them where both were sampled of one block."""
    strengths, blocks = _rectangle(finder, best)
    keys = [(block, strength) for strength in strengths for block in blocks]
    latent = joined([finder.samples[key].latent for key in keys])
    entries = tuple(_entry(finder, strength, blocks) for strength in strengths)
    task, search = finder.task, finder.search
    scores = Scores(task.scorer.name, tuple(search.scores[block][strength] for block, strength in keys))
    second = None
    if task.held_out is not None:
        second = Scores(task.held_out.name, tuple(search.held_out[block][strength] for block, strength in keys))
    return Swept(latent, Sweep(entries, len(blocks)), scores, second)


def best_keys(finder: Finder, best: float) -> list[Key]:
    """One sample of the best lambda for each prompt that it was sampled for, in the order of the prompts; block 0's if there is none."""
    by_prompt: dict[int, Key] = {}
    for block, strength in sorted(finder.samples):
        if strength == best:
            by_prompt.setdefault(finder.task.prompt(block), (block, strength))
    return [by_prompt[place] for place in sorted(by_prompt)] or [(0, best)]


def _entry(finder: Finder, strength: float, blocks: list[int]) -> Entry:
    samples = [finder.samples[block, strength] for block in blocks]
    seconds = sum(sample.seconds for sample in samples)
    kl, errors = tuple(sample.kl for sample in samples), tuple(sample.kl_error for sample in samples)
    return Entry(strength, REALIGNED, seconds, kl, errors)


def _rectangle(finder: Finder, best: float) -> tuple[list[float], list[int]]:
    """Lambdas, rising, and blocks of which each lambda was scored, as many images as adding one lambda after another finds."""
    scored: dict[float, set[int]] = {}
    for block, scores in finder.search.scores.items():
        for strength in scores:
            scored.setdefault(strength, set()).add(block)
    lowest = finder.search.strengths[0]
    chosen = {lowest, best} if scored[lowest] & scored.get(best, set()) else {lowest}
    blocks = set.intersection(*(scored[each] for each in chosen))
    while len(chosen) < len(scored):
        added = max(scored.keys() - chosen, key=lambda each: (len(blocks & scored[each]), -each))
        common = blocks & scored[added]
        if len(common) * (len(chosen) + 1) <= len(blocks) * len(chosen):
            break
        chosen.add(added)
        blocks = common
    return sorted(chosen), sorted(blocks)
