"""How a run evaluates its models: all of them at every step, or one of them in turn.
Nothing here outlives the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ..method import mixture
from ..method.evaluation import EXACT, REUSE, STOCHASTIC, Evaluation, Steps, Turns
from ..method.mixture import Share
from ..method.refresh import Refresh
from ..method.reuse import Differences
from . import LOG
from .aligned import Branches, Call
from .models import Models
from .outcome import Reused
from .predicted import Predicted


def exact(models: Models, call: Call, shares: Sequence[Share]) -> Predicted:
    """The closed form over every model that has a weight."""
    found = models.evaluate([index for index, share in enumerate(shares) if counts(share)], call)
    return Predicted(mixed(found, shares), found)


def mixed(found: Mapping[int, Branches], shares: Sequence[Share]) -> Branches:
    """The mixture of the models that were evaluated, for each branch."""
    weights = [shares[index] for index in found]
    return [mixture.linear(branch, weights) for branch in zip(*found.values(), strict=True)]


def counts(share: Share) -> bool:
    """Whether a model has a weight anywhere."""
    return isinstance(share, torch.Tensor) or share != 0.0


def in_turn(shares: Sequence[Share]) -> bool:
    """Whether models can take turns: their weights are numbers in 0..1 and more than one of them has any."""
    numbers = [share for share in shares if not isinstance(share, torch.Tensor)]
    return len(numbers) == len(shares) and min(numbers) >= 0.0 and sum(map(counts, numbers)) > 1


class OneInTurn:
    """Chooses a model for each step of the sampler; every evaluation within one step uses the same model."""

    def __init__(
        self, evaluation: Evaluation, models: Models, sigmas: Sequence[float], seed: int, guidance: float
    ) -> None:
        """sigmas: of the run; seed: of its noise; guidance: the guider's cfg, 1 where it has none."""
        self._evaluation = evaluation
        self._models = models
        self._guidance = guidance
        self._steps = Steps(sigmas)
        self._refresh = Refresh(evaluation.tolerance)
        self._turns = Turns(models.count - 1, seed if evaluation.kind == STOCHASTIC else None)
        # Of the last call. Guidance that evaluates again at one latent passes the very same object.
        self._timestep: torch.Tensor | None = None
        self._sigma = 0.0
        self._turn = 0
        self._choice: int | None = None  # None: every model
        self._differences: dict[tuple, tuple[Differences, list, int]] = {}
        self._told = False
        self._calls = self._evaluations = 0

    def __call__(self, call: Call, shares: Sequence[Share]) -> Predicted:
        """One evaluation of the guider, by the model whose turn it is."""
        if not in_turn(shares):
            self._say_exact(shares)
            self._differences.clear()
            return self._exact(call, shares)
        weights = [float(share) for share in shares]
        if call.timestep is not self._timestep:
            self._begin(call.timestep, weights)
        if self._evaluation.kind == STOCHASTIC:
            return self._drawn(call)
        return self._reused(call, weights)

    def _begin(self, timestep: torch.Tensor, weights: Sequence[float]) -> None:
        self._timestep, self._sigma = timestep, timestep[0].item()
        self._turn += 1
        self._differences = {key: kept for key, kept in self._differences.items() if kept[2] >= self._turn - 1}
        if self._steps.new(self._sigma):
            everything = self._evaluation.kind == REUSE and self._refresh.due(self._change(), self._steps, self._turns)
            self._choice = None if everything else self._turns.pick(weights)

    def _change(self) -> float | None:
        """The largest change of a difference when it was measured last; None where one is unknown."""
        changes = [kept.change for kept, _, _ in self._differences.values()]
        known = [change for change in changes if change is not None]
        return torch.stack(known).amax().item() if known and len(known) == len(changes) else None

    def reused(self) -> Reused | None:
        """What reuse cost and how far it is off, None for another evaluation or where nothing was evaluated."""
        if self._evaluation.kind != REUSE or not self._calls:
            return None
        return Reused(self._evaluations / self._calls, self._refresh.error)

    def _evaluate(self, wanted: Sequence[int], call: Call) -> dict[int, Branches]:
        self._calls += 1
        self._evaluations += len(wanted)
        return self._models.evaluate(wanted, call)

    def _drawn(self, call: Call) -> Predicted:
        assert self._choice is not None
        found = self._models.evaluate([self._choice], call)[self._choice]
        return Predicted(found, {self._choice: found})

    def _reused(self, call: Call, weights: Sequence[float]) -> Predicted:
        key = (*map(id, call.conds), *sorted(call.additions))
        differences, _, turn = self._differences.get(key) or (Differences(len(weights), self._guidance), [], 0)
        if (
            turn == self._turn
        ):  # the same branches again at one latent: a perturbed evaluation that the key does not tell apart
            return self._exact(call, weights)
        self._differences[key] = (differences, call.conds, self._turn)
        if self._choice is None or not differences.known:
            found = self._evaluate(range(len(weights)), call)
            differences.learn(self._turn, self._sigma, found)
            return Predicted(mixed(found, weights), found)
        denoised = self._evaluate([self._choice], call)[self._choice]
        result = differences.mix(self._turn, self._sigma, self._choice, denoised, weights)
        reference = denoised if self._choice == 0 else differences.reference(self._sigma, self._choice, denoised)
        return Predicted(result, {0: reference}, differences.change)

    def _exact(self, call: Call, shares: Sequence[Share]) -> Predicted:
        self._calls += 1
        self._evaluations += sum(map(counts, shares))
        return exact(self._models, call, shares)

    def _say_exact(self, shares: Sequence[Share]) -> None:
        if not self._told and sum(map(counts, shares)) > 1:
            self._told = True
            LOG.warning(
                "Evaluation '%s' needs weights between 0 and 1 that are the same over the whole image; with a mask, or a lambda below 0 or above 1, "
                "every model is evaluated (as with '%s').",
                self._evaluation.kind,
                EXACT,
            )
