"""The figures of the benchmark: means, errors against the retrained models, and their bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from evaluate import METRICS, REFERENCE, RETRAINED, SEEDS, Setting, Subject

RESAMPLES = 1000
Values = dict[Subject, dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"{self.value:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


class Bootstrap:
    """Resampled means of every model over the same samples, so that differences between models keep their pairing.

    The noise is shared between the models, and each resample draws the same samples of all of them.
    """

    def __init__(self, values: Values, setting: Setting) -> None:
        self.setting = setting
        rng = torch.Generator().manual_seed(0)
        chosen = torch.randint(setting.count, (RESAMPLES, setting.count), generator=rng)
        chosen = torch.cat([torch.arange(setting.count).view(1, -1), chosen])  # the first is the sample itself
        counts = torch.zeros(len(chosen), setting.count, dtype=torch.float64).scatter_add_(
            1, chosen, torch.ones_like(chosen, dtype=torch.float64)
        )
        self._means = {
            (subject, metric): counts @ found[metric].double() / setting.count
            for subject, found in values.items()
            for metric in METRICS
        }
        self.lambdas = tuple(sorted({subject.strength for subject in values if subject.method == RETRAINED}))

    def mean(self, metric: str, method: str, strength: float, seed: int) -> torch.Tensor:
        """Means of the sample and of its resamples, (1 + RESAMPLES,). A method that is the anchor at lambda 1 stands for it."""
        subject = Subject(method, strength, seed)
        if strength == 1.0 and (subject, metric) not in self._means:
            subject = Subject(RETRAINED, 1.0, seed)
        return self._means[subject, metric]

    def reference(self, metric: str) -> torch.Tensor:
        return self._means[Subject(REFERENCE, 0.0, -1), metric]

    def range(self, metric: str) -> torch.Tensor:
        """From the reference to the anchor, the mean of its seeds."""
        return (self._over_seeds(metric, RETRAINED, 1.0) - self.reference(metric)).abs()

    def scale(self, metric: str) -> torch.Tensor:
        """The metric's mean: over the models retrained for lambda 0.25 to 0.75."""
        found = [self._over_seeds(metric, RETRAINED, strength) for strength in self.lambdas if 0.25 <= strength <= 0.75]
        return torch.stack(found).mean(dim=0).abs()

    def _over_seeds(self, metric: str, method: str, strength: float) -> torch.Tensor:
        return torch.stack([self.mean(metric, method, strength, seed) for seed in SEEDS]).mean(dim=0)

    def averaged(self, metric: str, method: str, strength: float) -> Estimate:
        """The metric's mean over samples and seeds."""
        return estimate(self._over_seeds(metric, method, strength))

    def signed(self, metric: str, method: str, strength: float) -> torch.Tensor:
        """Mean over the seeds of (method from an anchor) - (retrained model)."""
        return self._over_seeds(metric, method, strength) - self._over_seeds(metric, RETRAINED, strength)

    def absolute(self, metric: str, method: str, strength: float) -> torch.Tensor:
        """Mean of |method from anchor a - retrained model b| over all pairs of seeds a, b."""
        found = [
            (self.mean(metric, method, strength, a) - self.mean(metric, RETRAINED, strength, b)).abs()
            for a in SEEDS
            for b in SEEDS
        ]
        return torch.stack(found).mean(dim=0)

    def floor(self, metric: str, strength: float) -> torch.Tensor:
        """|one retrained model - the other|: what two trainings at the same beta differ by."""
        first, second = (self.mean(metric, RETRAINED, strength, seed) for seed in SEEDS)
        return (first - second).abs()

    def over(self, strengths: tuple[float, ...], error: Callable[[float], torch.Tensor]) -> torch.Tensor:
        """The mean of an error over some lambdas."""
        return torch.stack([error(strength) for strength in strengths]).mean(dim=0)


def estimate(resampled: torch.Tensor) -> Estimate:
    """The first entry, with the 2.5 and 97.5 % quantiles of the others."""
    low, high = torch.quantile(resampled[1:], torch.tensor([0.025, 0.975], dtype=resampled.dtype)).tolist()
    return Estimate(resampled[0].item(), low, high)
