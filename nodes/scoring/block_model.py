"""The curve of a score over lambda, seen through blocks: what is known of it after a few images, as draws from its posterior.

A block is one prompt and seed, sampled at some lambdas from the same noise. The score of block b at lambda is

    y(b, lambda) = level(b) + f(lambda) + g(b, lambda) + noise

with f, the curve that all blocks share, and g, how a block's own curve departs from it, Gaussian processes over lambda (Matern 5/2; a hierarchical
model as in Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, sections 2.7 and 5.4). The level of a block is integrated out
under a flat prior: only differences within a block count (common random numbers). The scale of all variances is integrated out too
(a Student t, so few blocks are trusted less), and the lengths and ratios are averaged over a grid, weighted by their likelihood.
Everything is in closed form, and nothing is optimised. May import numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LENGTHS = (0.2, 0.4, 0.8)  # of f over lambda, as parts of the range
HEIGHT = 2.0  # standard deviation of f, in those of a block's departure: wide, as a narrow one pulls the curve to flat
DEPARTURES = (
    (0.25, 0.1),
    (0.25, 0.5),
    (0.7, 0.1),
    (0.7, 0.5),
    (1.0, 1.0),
)  # length of g; share of noise in its variance
_JITTER = 1e-9
_UNLIKELY = 0.02  # members of the grid that are less likely than this part of the likeliest are left out
DRAWS = 500

Block = Mapping[int, float]
"""Scores of one block, by the place of the lambda among the candidates."""


@dataclass(frozen=True)
class Posterior:
    """What is known of f at the candidates. draws: (DRAWS, G), each a whole curve, up to a constant."""

    draws: np.ndarray

    def up_to(self, place: int) -> Posterior:
        """Of the candidates up to a place."""
        return Posterior(self.draws[:, : place + 1])


class BlockModel:
    """The model over a list of candidate lambdas."""

    def __init__(self, strengths: Sequence[float]) -> None:
        places = np.asarray(strengths, dtype=float)
        apart = np.abs(places[:, None] - places[None]) / (places.max() - places.min())
        eye = np.eye(len(places))
        curves = [HEIGHT**2 * _matern(apart / length) for length in LENGTHS]
        self._roots = np.linalg.cholesky(np.stack(curves) + _JITTER * eye)  # (F, G, G)
        self._departures = np.stack(
            [(1 - noise) * _matern(apart / length) + noise * eye for length, noise in DEPARTURES]
        )  # (B, G, G)
        source = np.random.default_rng(0)  # one set of random numbers: equal scores give equal draws
        self._normals = source.standard_normal((DRAWS, len(places)))
        self._uniforms = source.uniform(size=DRAWS)
        self._heaviness: dict[int, np.ndarray] = {}

    def posterior(self, blocks: Sequence[Block]) -> Posterior:
        """Draws of f given the blocks' scores. Blocks of fewer than two scores say nothing and are left out."""
        seen = _Seen(blocks, self._departures)
        roots = self._roots[:, None]  # (F, 1, G, G)
        turned = roots.swapaxes(-1, -2)
        precision = turned @ seen.precision @ roots + np.eye(roots.shape[-1])  # (F, B, G, G), of z where f = root z
        lower = np.linalg.cholesky(precision)
        pull = (turned @ seen.pull[..., None])[..., 0]
        half = np.linalg.solve(lower, pull[..., None])[..., 0]
        rest = np.maximum(seen.square - (half**2).sum(-1), 1e-12 * np.maximum(seen.square, 1e-300))  # (F, B)
        freedom = max(seen.freedom, 1)
        evidence = -0.5 * seen.logarithms - np.log(np.diagonal(lower, axis1=-2, axis2=-1)).sum(-1)
        evidence = evidence - 0.5 * freedom * np.log(np.maximum(rest, 1e-300))
        weights = np.exp(evidence - evidence.max()).ravel()
        weights = np.where(weights > _UNLIKELY, weights, 0.0) / weights[weights > _UNLIKELY].sum()
        return self._drawn(weights, lower, half, rest / freedom, freedom)

    def _drawn(
        self, weights: np.ndarray, lower: np.ndarray, half: np.ndarray, scales: np.ndarray, freedom: int
    ) -> Posterior:
        """Draws spread over the members of the grid by their weights: f = root (mean + spread), spread ~ t of `freedom`."""
        size = lower.shape[-1]
        count = len(DEPARTURES)
        chosen = np.searchsorted(np.cumsum(weights), (np.arange(DRAWS) + 0.5) / DRAWS).clip(max=len(weights) - 1)
        heavy = np.sqrt(scales.ravel()[chosen]) * self._tails(freedom)
        draws = np.empty((DRAWS, size))
        for member in np.unique(chosen):
            mine = chosen == member
            curve, departure = divmod(int(member), count)
            rows = half[curve, departure] + heavy[mine, None] * self._normals[mine]
            draws[mine] = np.linalg.solve(lower[curve, departure].T, rows.T).T @ self._roots[curve].T
        return Posterior(draws)

    def _tails(self, freedom: int) -> np.ndarray:
        """(DRAWS,): what makes a normal deviate one of Student's t, the root of freedom over a chi-square deviate."""
        from scipy.special import gammaincinv

        if freedom not in self._heaviness:
            self._heaviness[freedom] = np.sqrt(0.5 * freedom / gammaincinv(freedom / 2, self._uniforms))
        return self._heaviness[freedom]


class _Seen:
    """What the blocks say, for each kind of departure: sufficient statistics of their differences, the level of each projected out."""

    def __init__(self, blocks: Sequence[Block], departures: np.ndarray) -> None:
        kinds, size = departures.shape[:2]
        self.precision = np.zeros((kinds, size, size))
        self.pull = np.zeros((kinds, size))
        self.square = np.zeros(kinds)
        self.logarithms = np.zeros(kinds)
        self.freedom = 0
        alike: dict[tuple[int, ...], list[list[float]]] = {}
        for block in blocks:
            places = tuple(sorted(block))
            if len(places) > 1:
                alike.setdefault(places, []).append([block[place] for place in places])
        for places, scores in alike.items():
            self._add(np.ix_(places, places), list(places), np.asarray(scores), departures)

    def _add(self, cells: tuple, places: list[int], scores: np.ndarray, departures: np.ndarray) -> None:
        """Blocks of the same lambdas. scores: (n, k)."""
        count, width = scores.shape
        inverse = np.linalg.inv(departures[:, cells[0], cells[1]])
        sums = inverse.sum(-1)  # V^-1 1
        total = sums.sum(-1)
        weight = inverse - sums[:, :, None] * sums[:, None] / total[:, None, None]
        centred = scores - scores.mean(-1, keepdims=True)  # the weight ignores levels; this keeps the numbers small
        self.precision[:, cells[0], cells[1]] += count * weight
        self.pull[:, places] += weight @ centred.sum(0)
        self.square += np.einsum("kij,ni,nj->k", weight, centred, centred)
        self.logarithms += count * (np.log(total) - np.linalg.slogdet(inverse)[1])
        self.freedom += count * (width - 1)


def _matern(distances: np.ndarray) -> np.ndarray:
    """Matern 5/2 correlation at distances in lengths."""
    scaled = np.sqrt(5.0) * distances
    return (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
