"""Which values lambda may have, and which beta it stands for.

Source: DeRaDiff (ICLR 2026, arXiv 2601.20198): lambda = beta_trained / beta_target.
"""

from __future__ import annotations

import math

from . import limits

LOWEST, HIGHEST = -3.0, 3.0  # of lambda, and of its product with a schedule
BEYOND_TRAINING = "lambda %s: less regularised than the aligned model was trained; artefacts are common above 2"
FAR_AWAY = "lambda %s: away from the alignment by more than the aligned model is towards it; artefacts are common there"
AWAY = -1.0  # lambda below it is that far
_MEANING = "Use 0 for the reference, 1 for the aligned model as trained, something in between to regularise it more, below 0 to move away from it."
_BETA = "beta is the strength of the KL penalty; Diffusion-DPO trained SD1.5 and SDXL at 5000."


def checked_lambda(value: object, name: str = "lambda", advice: str = _MEANING) -> float:
    """Return lambda as a float.

    0 is the reference, 1 the aligned model as trained, above 1 less regularised than trained, below 0 away from the alignment.
    Raises ValueError for anything but a number from LOWEST to HIGHEST.
    """
    return limits.number(value, name, LOWEST, HIGHEST, advice) + 0.0  # -0 is 0


def checked_beta(value: object, name: str) -> float:
    """Raises ValueError for anything but a finite number above 0."""
    return limits.positive(value, name, _BETA)


def lambda_from_beta(trained: float, target: float) -> float:
    """lambda = beta_trained / beta_target. Raises ValueError unless both betas are finite and above 0, and their ratio a lambda."""
    trained, target = checked_beta(trained, "trained_beta"), checked_beta(target, "target_beta")
    least = f"{trained / HIGHEST:g}"
    return checked_lambda(
        trained / target, "lambda = trained_beta / target_beta", f"Use a target_beta of at least {least}."
    )


def beta_from_lambda(strength: float, trained: float) -> float | None:
    """The KL strength that a lambda stands for, beta_trained / lambda; infinite at lambda = 0 (the reference), None below, where none does."""
    strength = checked_lambda(strength)
    trained = checked_beta(trained, "trained_beta")
    if strength < 0:
        return None
    return trained / strength if strength > 0 else math.inf
