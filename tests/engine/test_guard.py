"""A guard on the mixture's difference from the reference: what it bounds, where it changes nothing, what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from comfy.model_patcher import ModelPatcher
from deradiff.nodes.engine.outcome import outcomes
from deradiff.nodes.engine.patch import guarded, realign
from deradiff.nodes.guard import DeRaDiffGuard
from deradiff.nodes.method.cap import LARGEST, Guard
from deradiff.nodes.method.evaluation import EXACT, REUSE, STOCHASTIC, Evaluation
from hypothesis import given
from hypothesis import strategies as st
from support import engine
from support.engine import ROUNDING, Pair, Zoo

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

FAMILIES = pytest.mark.parametrize("family", ["sd15", "sd3", "wan"])


def _node(model: ModelPatcher, cap: float, start: float = 0.0, end: float = 1.0) -> ModelPatcher:
    return DeRaDiffGuard.execute(model, cap, start, end).args[0]


def _by_hand(cap: float, above: float = 0.0) -> engine.Bound:
    """The cap as a loop over samples; above: the sigma above which alone it acts."""

    def bound(mixed: torch.Tensor, reference: torch.Tensor, sigma: float) -> torch.Tensor:
        if sigma < above:
            return mixed
        found = []
        for ours, theirs in zip(mixed, reference, strict=True):
            apart = ours - theirs
            found.append(theirs + apart * min(1.0, (cap * theirs.norm() / apart.norm()).item()))
        return torch.stack(found)

    return bound


@given(st.floats(0.0, 4.0), st.integers(0, 2**31))
def test_the_difference_is_no_longer_than_the_cap_and_keeps_its_direction(cap: float, seed: int) -> None:
    reference, apart = torch.randn(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(seed))
    apart = apart * torch.tensor([0.1, 1.0, 3.0]).view(3, 1, 1, 1)
    mixed = reference + apart
    bounded = Guard(cap).bounded(mixed, reference)
    for ours, theirs, before, moved in zip(bounded, reference, mixed, apart, strict=True):
        most = cap * theirs.norm()
        if moved.norm() < 0.999 * most:
            assert torch.equal(ours, before), "within the cap nothing changes, to the bit"
        else:
            assert (ours - theirs).norm() <= most * 1.001 + 1e-6
            torch.testing.assert_close(
                ours - theirs, moved * (most / moved.norm()).clamp(max=1.0), rtol=1e-3, atol=1e-4
            )


@FAMILIES
def test_equals_a_loop_that_caps_by_hand(request: pytest.FixtureRequest, family: str) -> None:
    pair: Pair = request.getfixturevalue(family)
    plain = engine.by_us(pair.reference, pair.aligned, 2.0, pair.task)
    expected = engine.by_hand([pair.reference, pair.aligned], [-1.0, 2.0], pair.task, bound=_by_hand(0.05))
    ours = engine.by_core(_node(realign(pair.reference, pair.aligned, 2.0), 0.05), pair.task)
    assert engine.difference(ours, expected) < ROUNDING
    assert engine.difference(ours, plain) > 0.01


def test_a_batch_is_capped_sample_by_sample_and_a_lora_pair_in_one_pass(zoo: Zoo, sd15: Pair) -> None:
    path, task = zoo.lora_path("sd15", 3), replace(sd15.task, latent=engine.empty_latent("sd15", batch=2))
    fresh = [sd15.reference, engine.with_lora(zoo.load("sd15"), path)]
    expected = engine.by_hand(fresh, [-1.0, 2.0], task, bound=_by_hand(0.05))
    ours = engine.by_core(_node(realign(sd15.reference, engine.lora_pair(sd15.reference, path), 2.0), 0.05), task)
    assert engine.difference(ours, expected) < ROUNDING


def test_outside_of_its_window_it_does_not_act(sd15: Pair) -> None:
    sampling = sd15.reference.get_model_object("model_sampling")
    half = sampling.percent_to_sigma(0.5)
    task = replace(sd15.task, steps=8)
    model = realign(sd15.reference, sd15.aligned, 2.0)
    expected = engine.by_hand([sd15.reference, sd15.aligned], [-1.0, 2.0], task, bound=_by_hand(0.01, above=half))
    ours = engine.by_core(_node(model, 0.01, 0.0, 0.5), task)
    assert engine.difference(ours, expected) < ROUNDING
    assert engine.difference(ours, engine.by_core(_node(model, 0.01), task)) > 1e-3


@pytest.mark.parametrize("weight", [-1.0, 0.0, 0.4, 1.0, 2.0])
def test_neutral_settings_are_bit_equal(sd15: Pair, weight: float) -> None:
    """No cap, and a cap that nothing reaches."""
    model = realign(sd15.reference, sd15.aligned, weight)
    alone = engine.by_core(model, sd15.task)
    assert torch.equal(engine.by_core(_node(model, 0.0), sd15.task), alone)
    near = realign(sd15.reference, sd15.aligned, 0.01 * weight)
    assert torch.equal(engine.by_core(_node(near, LARGEST), sd15.task), engine.by_core(near, sd15.task))


@pytest.mark.parametrize("kind", [EXACT, REUSE, STOCHASTIC])
@pytest.mark.parametrize("sampler", ["euler_ancestral_cfg_pp", "dpmpp_2m_sde", "heun", "uni_pc"])
def test_it_acts_under_every_kind_of_sampler_and_evaluation(sd15: Pair, kind: str, sampler: str) -> None:
    task = replace(sd15.task, sampler_name=sampler, steps=6)
    model = realign(sd15.reference, sd15.aligned, 0.9, Evaluation(kind))
    plain, ours = (engine.by_core(each, task) for each in (model, _node(model, 0.05)))
    reference = engine.by_core(sd15.reference, task)
    assert 1e-4 < engine.difference(ours, reference) < engine.difference(plain, reference)


def test_at_lambda_1_the_reference_is_evaluated_for_it(sd15: Pair) -> None:
    expected = engine.by_hand([sd15.reference, sd15.aligned], [0.0, 1.0], sd15.task, bound=_by_hand(0.05))
    ours = engine.by_core(_node(realign(sd15.reference, sd15.aligned, 1.0), 0.05), sd15.task)
    assert engine.difference(ours, expected) < ROUNDING


@pytest.mark.parametrize("first", [True, False], ids=["guard in the middle", "guard at the end"])
def test_of_a_chain_the_sum_is_capped(zoo: Zoo, sd15: Pair, first: bool) -> None:
    other, guard = zoo.load("sd15", 2), Guard(0.05)
    inner = realign(sd15.reference, sd15.aligned, 1.5)
    model = realign(guarded(inner, guard), other, 0.7) if first else guarded(realign(inner, other, 0.7), guard)
    weights = [1 - 1.5 - 0.7, 1.5, 0.7]
    expected = engine.by_hand([sd15.reference, sd15.aligned, other], weights, sd15.task, bound=_by_hand(0.05))
    assert engine.difference(engine.by_core(model, sd15.task), expected) < ROUNDING


def test_the_last_guard_counts_and_the_model_before_it_is_as_it_was(sd15: Pair) -> None:
    model = realign(sd15.reference, sd15.aligned, 2.0)
    alone, loose = engine.by_core(model, sd15.task), engine.by_core(_node(model, 0.5), sd15.task)
    assert torch.equal(engine.by_core(_node(_node(model, 0.1), 0.5), sd15.task), loose)
    assert torch.equal(engine.by_core(_node(_node(model, 0.1), 0.0), sd15.task), alone)
    assert torch.equal(engine.by_core(model, sd15.task), alone)


def test_the_kl_is_that_of_what_is_sampled(sd15: Pair) -> None:
    model = realign(sd15.reference, sd15.aligned, 2.0)
    drifts = []
    for each in (model, _node(model, 0.001)):
        with outcomes() as found:
            engine.by_core(each, sd15.task)
        drifts.append(found[0].divergence.kl[0])
    assert 0 < drifts[1] < 0.01 * drifts[0]


def test_what_is_wrong_is_said(sd15: Pair) -> None:
    with pytest.raises(ValueError, match="model: expected a realigned MODEL, got one that is not"):
        _node(sd15.reference, 1.0)
    for values, said in {
        (-0.1, 0.0, 1.0): "cap must be a number from 0 to 10, got -0.1",
        (float("nan"), 0.0, 1.0): "cap must be a number from 0 to 10, got nan",
        (1.0, 0.6, 0.4): "expected 0 <= start_percent <= end_percent <= 1, got 0.6 and 0.4",
        (1.0, 0.0, 1.5): "expected 0 <= start_percent <= end_percent <= 1, got 0.0 and 1.5",
    }.items():
        with pytest.raises(ValueError, match=said):
            _node(realign(sd15.reference, sd15.aligned, 1.0), *values)
        assert said in str(DeRaDiffGuard.validate_inputs(*values))
    assert DeRaDiffGuard.validate_inputs(None, 0.4, None) is True
