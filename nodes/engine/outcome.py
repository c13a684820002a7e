"""What a sampling run reports to its caller beside its latent. The sampled MODEL does not change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ..method.divergence import Divergence


@dataclass(frozen=True)
class Outcome:
    """divergence: the estimated KL(realigned || reference) of each sample; empty if nothing was evaluated."""

    divergence: Divergence


@dataclass(frozen=True)
class Asked:
    """Where runs leave their outcomes. everywhere: measure where the run itself evaluates one model only, which costs the other."""

    everywhere: bool
    found: list[Outcome] = field(default_factory=list)


_asked: ContextVar[Asked | None] = ContextVar("deradiff_outcomes", default=None)


@contextmanager
def outcomes(everywhere: bool = False) -> Iterator[list[Outcome]]:
    """A list to which every run of a realigned MODEL inside the `with` block adds its outcome when it ends."""
    asked = Asked(everywhere)
    before = _asked.set(asked)
    try:
        yield asked.found
    finally:
        _asked.reset(before)


def asked() -> Asked | None:
    """By the innermost `with outcomes()`, None outside of one: then nothing needs to be measured."""
    return _asked.get()
