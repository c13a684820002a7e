"""How different the samples of one lambda look: aligned models tend to draw one image again and again.

The mean pairwise distance of features (Kirk et al., Understanding the Effects of RLHF on LLM Generalisation and Diversity, arXiv 2310.06452), here
the image features of a scorer.
"""

from __future__ import annotations

import math

import torch


def spread(features: torch.Tensor) -> float:
    """The mean of 1 - cosine over all pairs: 0 if all are alike. features: (N, D), of length 1. NaN for fewer than two."""
    count = features.shape[0]
    if count < 2:
        return math.nan
    cosines = features.double() @ features.double().T
    return float((1 - cosines).sum() - (1 - cosines.diagonal()).sum()) / (count * (count - 1))
