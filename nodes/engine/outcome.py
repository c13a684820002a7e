"""What a sampling run reports to its caller beside its latent. The sampled MODEL does not change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """kl: the estimated KL(realigned || reference) of each sample in nats, NaN where it is unknown; () if nothing was evaluated."""

    kl: tuple[float, ...]


_asked: ContextVar[list[Outcome] | None] = ContextVar("deradiff_outcomes", default=None)


@contextmanager
def outcomes() -> Iterator[list[Outcome]]:
    """A list to which every run of a realigned MODEL inside the `with` block adds its outcome when it ends."""
    found: list[Outcome] = []
    before = _asked.set(found)
    try:
        yield found
    finally:
        _asked.reset(before)


def asked() -> list[Outcome] | None:
    """The list of the innermost `with outcomes()`, None outside of one: then nothing needs to be measured."""
    return _asked.get()
