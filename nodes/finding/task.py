"""What a search for lambda samples: a pair, prompts, and the settings of a KSampler."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE

from ..method.evaluation import Evaluation
from ..method.schedule import LambdaSchedule
from ..runs.sampling import Settings
from ..wires import ComparingScorer, Scorer

_SEEDS = 2**64


@dataclass(frozen=True)
class Prompt:
    """A prompt as scorers read it and as models do, and what is left out of its images."""

    text: str
    positive: list
    negative: list


@dataclass(frozen=True, eq=False)
class Task:
    """Block b of the search is prompt b mod n with the seed of the settings plus b div n.

    latent: of one sample. held_out: the judge that does not choose. evaluation, schedule: as in KSampler (DeRaDiff).
    """

    reference: ModelPatcher
    aligned: ModelPatcher
    prompts: tuple[Prompt, ...]
    latent: dict
    vae: VAE
    settings: Settings
    evaluation: Evaluation
    schedule: LambdaSchedule | None
    scorer: Scorer
    held_out: Scorer | None = None

    def check(self) -> None:
        """Raise ValueError for what no search can sample or judge."""
        self.settings.check()
        count = self.latent["samples"].shape[0]
        if count != 1:
            raise ValueError(
                f"latent_image: expected a latent of one sample, got a batch of {count}. Set batch_size to 1: the search "
                "chooses by itself how often it samples each lambda."
            )
        for name, judge in (("scorer", self.scorer), ("held_out", self.held_out)):
            self._check_judge(name, judge)
        if self.held_out is self.scorer:
            raise ValueError("held_out: it is the scorer itself. Connect another scorer, or none.")

    def try_judges(self) -> None:
        """Let each judge a grey image: a scorer that cannot is found out before an hour of sampling. Raises ValueError."""
        for name, judge in (("scorer", self.scorer), ("held_out", self.held_out)):
            found = judge.score(torch.full((1, 64, 64, 3), 0.5), self.prompts[0].text) if judge else ()
            if judge and not all(map(math.isfinite, found)):
                raise ValueError(
                    f"{name}: expected finite scores, got {found[0]} from {judge.name} for a grey image. Choose another scorer."
                )

    def _check_judge(self, name: str, judge: Scorer | None) -> None:
        if isinstance(judge, ComparingScorer):
            raise ValueError(
                f"{name}: {judge.name!r} is highest at lambda 0 whatever the pair. Choose a scorer that rates an image by itself."
            )
        if judge is not None and judge.reads_prompt and not all(prompt.text.strip() for prompt in self.prompts):
            raise ValueError(
                f"prompt: {judge.name} judges an image by its prompt, and a prompt is empty. Connect the text that positive "
                "was encoded from, for example the prompt output of Prompt Set."
            )

    def prompt(self, block: int) -> int:
        """The place of a block's prompt."""
        return block % len(self.prompts)

    def settings_of(self, block: int) -> Settings:
        """The settings of the KSampler that samples a block; after the largest seed comes 0."""
        seed = self.settings.seed + block // len(self.prompts)
        return replace(self.settings, seed=seed if seed < _SEEDS else seed - _SEEDS)


def paired(texts: Sequence[str], positives: Sequence[list], negatives: Sequence[list]) -> tuple[Prompt, ...]:
    """The prompts of three lists. One text or negative serves all. Raises ValueError for lists of other lengths."""
    count = len(positives)
    if count == 0:
        raise ValueError("positive: expected at least one conditioning, got an empty list. Connect a text encoder.")
    for name, given in (("prompt", texts), ("negative", negatives)):
        if len(given) not in (1, count):
            raise ValueError(
                f"{name}: expected one, or one for each of the {count} of positive, got {len(given)}. "
                "Connect the lists of one Prompt Set."
            )
    if count > 1 and len(texts) == 1 and texts[0].strip():
        raise ValueError(
            f"prompt: positive holds {count} conditionings, and there is one text. Connect the list of texts that they were encoded "
            "from, for example the prompt output of Prompt Set."
        )
    texts, negatives = _each(texts, count), _each(negatives, count)
    return tuple(Prompt(*each) for each in zip(texts, positives, negatives, strict=True))


def _each(given: Sequence, count: int) -> Sequence:
    return given if len(given) == count else [given[0]] * count
