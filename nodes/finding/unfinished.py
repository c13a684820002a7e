"""The last search, kept until another one begins: who queues it again after a cancel, or with a larger budget, goes on with it."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..scoring.search import Search
from .finder import Key, Sample
from .task import Task


@dataclass
class Unfinished:
    """What one search has so far. objects: what it was asked with, of which the models and judges are not kept alive."""

    search: Search
    samples: dict[Key, Sample] = field(default_factory=dict)
    heavy: tuple[weakref.ref, ...] = ()
    light: tuple[Any, ...] = ()


_last: list[Unfinished] = []


def last() -> Unfinished | None:
    """The last search; None if there was none, or its models have gone."""
    return _last[0] if _last else None


def resumed(
    task: Task, strengths: tuple[float, ...], budget: int, confidence: float, indifference: float
) -> Unfinished:
    """The last search if it was this one, with this budget, else a new one. It is the last search from now on."""
    heavy, light = _asked(task)
    settings = (strengths, confidence, indifference)
    before = last()
    if before is not None and _is_same(before, heavy, (*light, *settings)):
        before.search = Search.restored(before.search.state(), budget)
        return before
    search = Search(strengths, budget, confidence, indifference)
    found = Unfinished(search, heavy=tuple(map(weakref.ref, heavy)), light=(*light, *settings))
    _last[:] = [found]
    weakref.finalize(task.reference, _forget, weakref.ref(found))
    return found


def _forget(found: weakref.ref) -> None:
    """When the models have gone, the latents and conditionings that were made with them go too."""
    if last() is found():
        _last.clear()


def _asked(task: Task) -> tuple[Sequence[Any], Sequence[Any]]:
    """The objects that are compared by identity and only weakly held, and the others."""
    heavy = [task.reference, task.aligned, task.vae, task.scorer, *([task.held_out] if task.held_out else [])]
    conditions = [part for prompt in task.prompts for part in (prompt.text, prompt.positive, prompt.negative)]
    light = [task.latent["samples"], task.latent.get("noise_mask"), task.settings, task.evaluation, task.schedule]
    return heavy, [*light, *conditions]


def _is_same(before: Unfinished, heavy: Sequence[Any], light: Sequence[Any]) -> bool:
    if len(before.heavy) != len(heavy) or len(before.light) != len(light):
        return False
    same = all(ref() is one for ref, one in zip(before.heavy, heavy, strict=True))
    return same and all(_equal(one, other) for one, other in zip(before.light, light, strict=True))


def _equal(one: Any, other: Any) -> bool:
    """Whether settings are equal; tensors and conditionings must be the very same."""
    if one is other:
        return True
    return type(one) is type(other) and not isinstance(one, list) and not hasattr(one, "shape") and one == other
