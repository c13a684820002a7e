"""Reading a number back from the device makes the CPU wait for a GPU: how many reads a step takes, counted where there is no GPU too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.method.curve import Curve
from deradiff.nodes.method.evaluation import Evaluation
from deradiff.nodes.method.region import Region
from deradiff.nodes.method.schedule import LambdaSchedule
from deradiff.nodes.method.weights import Weight
from support import engine
from support.engine import Pair, Task
from torch.utils._python_dispatch import TorchDispatchMode

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

READS = {
    "aten._local_scalar_dense",
    "aten.item",
    "aten.equal",
    "aten.nonzero",
    "aten.is_nonzero",
    "aten._unique2",
    "aten.masked_select",
}
MOVING = LambdaSchedule(Curve(((0.0, 1.0), (1.0, 0.25))))
LEFT = torch.cat([torch.ones(1, 8, 4), torch.zeros(1, 8, 4)], dim=2)


class Reads(TorchDispatchMode):
    """Counts the operations that a GPU would be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += str(func.overloadpacket) in READS
        return func(*args, **(kwargs or {}))


def per_step(model: ModelPatcher, task: Task) -> float:
    """Reads that each step adds to the sampler's loop; what is read before and after it waits for nothing."""
    counts = []

    def counted(executor: Callable, *args: object, **kwargs: object) -> torch.Tensor:
        with Reads() as reads:
            output = executor(*args, **kwargs)
        counts.append(reads.count)
        return output

    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, "counter", counted)
    for steps in (3, 7):
        engine.by_core(model, replace(task, steps=steps))
    return (counts[1] - counts[0]) / 4


def of_core(pair: Pair) -> float:
    return per_step(pair.reference, pair.task)


def of_us(pair: Pair, weight: Weight | float, evaluation: Evaluation | None = None) -> float:
    return per_step(realign(pair.reference, pair.aligned, weight, evaluation), pair.task)


def test_the_counter_counts() -> None:
    with Reads() as reads:
        torch.ones(2).sum().item()
        torch.equal(torch.ones(2), torch.ones(2))
        bool(torch.ones(1) > 0)
    assert reads.count == 3


@pytest.mark.parametrize("kind", ["sd15", "sd15_lora"])
@pytest.mark.parametrize("weight", [0.5, Weight(1.5), Weight(0.5, region=Region(LEFT))], ids=["0.5", "1.5", "mask"])
def test_exact_reads_nothing_beyond_core_s_own_evaluations(
    kind: str, weight: Weight | float, request: pytest.FixtureRequest
) -> None:
    pair: Pair = request.getfixturevalue(kind)
    assert of_us(pair, weight) <= 2 * of_core(pair)


@pytest.mark.parametrize(
    ("weight", "evaluation", "more"),
    [
        (Weight(0.5, MOVING), Evaluation(), 1),
        (Weight(0.5), Evaluation("stochastic"), 1),
        (Weight(0.5), Evaluation("reuse"), 2),
    ],
    ids=["schedule", "stochastic", "reuse"],
)
def test_what_must_know_the_step_reads_it_once(sd15: Pair, weight: Weight, evaluation: Evaluation, more: int) -> None:
    """A schedule reads one sigma for each evaluation; reuse the change of the difference as well. Nothing is inverted in a step."""
    assert of_us(sd15, weight, evaluation) <= 2 * of_core(sd15) + more
