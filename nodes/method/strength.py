"""Which values lambda may have, and which beta it stands for.

Source: DeRaDiff (ICLR 2026, arXiv 2601.20198): lambda = beta_trained / beta_target.
"""

from __future__ import annotations

import math

BEYOND_TRAINING = "lambda %s: less regularised than the aligned model was trained; artefacts are common above 2"


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, got {value!r}.")
    try:
        return float(value)
    except OverflowError:  # an integer beyond the range of floats
        return math.inf if value > 0 else -math.inf


def checked_lambda(value: object, name: str = "lambda") -> float:
    """Return lambda as a float.

    0 is the reference, 1 the aligned model as trained, above 1 less regularised than trained.
    Raises ValueError for anything but a finite number of at least 0.
    """
    number = _number(value, name)
    if not math.isfinite(number) or number < 0:
        raise ValueError(
            f"{name} must be a finite number of at least 0, got {number}. "
            "Use 0 for the reference, 1 for the aligned model as trained, something in between to regularise it more."
        )
    return number


def checked_beta(value: object, name: str) -> float:
    number = _number(value, name)
    if not math.isfinite(number) or number <= 0:
        raise ValueError(
            f"{name} must be a finite number above 0, got {number}. "
            "beta is the strength of the KL penalty; Diffusion-DPO trained SD1.5 and SDXL at 5000."
        )
    return number


def lambda_from_beta(trained: float, target: float) -> float:
    """lambda = beta_trained / beta_target. Raises ValueError unless both betas and their ratio are finite, the betas above 0."""
    return checked_lambda(checked_beta(trained, "trained_beta") / checked_beta(target, "target_beta"))


def beta_from_lambda(strength: float, trained: float) -> float:
    """The KL strength that a lambda stands for, beta_trained / lambda; infinite at lambda = 0 (the reference)."""
    strength = checked_lambda(strength)
    trained = checked_beta(trained, "trained_beta")
    return trained / strength if strength > 0 else math.inf
