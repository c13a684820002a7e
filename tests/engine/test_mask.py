"""Lambda over the image, against core's own sampling where the mask is 0 and a loop written by hand everywhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.method.divergence import kl
from deradiff.nodes.method.weights import weight
from support import engine, shaped
from support.engine import ROUNDING, Pair, Task, Zoo
from support.shaped import mixed, passes, schedule

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

CLOSE = 1e-5


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def _right(count: int = 1, size: tuple[int, int] = (8, 8)) -> torch.Tensor:
    """White on the right half."""
    mask = torch.zeros(count, *size)
    mask[..., size[1] // 2 :] = 1.0
    return mask


def _sized(task: Task, *shape: int) -> Task:
    latent = torch.randn(shape, generator=torch.Generator().manual_seed(7))
    return replace(task, latent={"samples": latent}, denoise=0.8)


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize("name", ["sd15", "sd15_lora", "wan"])
def test_ones_change_nothing(request: pytest.FixtureRequest, name: str, strength: float) -> None:
    pair: Pair = request.getfixturevalue(f"wide_{name}")
    ours = shaped.by_us(pair, strength, mask=torch.ones(1, 64, 64), mask_feather=2)
    assert torch.equal(ours, shaped.by_us(pair, strength))


@pytest.mark.parametrize("name", ["sd15", "sd15_lora", "wan"])
def test_zeros_are_the_reference(request: pytest.FixtureRequest, name: str) -> None:
    pair: Pair = request.getfixturevalue(f"wide_{name}")
    assert torch.equal(shaped.by_us(pair, 0.5, mask=torch.zeros(1, 64, 64)), engine.by_core(pair.reference, pair.task))


def test_ones_and_zeros_evaluate_what_they_need(wide_sd15: Pair) -> None:
    assert passes(wide_sd15, lambda: shaped.by_us(wide_sd15, 0.5, mask=torch.zeros(1, 8, 8))) == (3, 0)
    assert passes(wide_sd15, lambda: shaped.by_us(wide_sd15, 1.0, mask=torch.ones(1, 8, 8))) == (0, 3)
    assert passes(wide_sd15, lambda: shaped.by_us(wide_sd15, 0.0, mask=_right())) == (3, 0)
    assert passes(wide_sd15, lambda: shaped.by_us(wide_sd15, 1.0, mask=_right())) == (3, 3)


@pytest.mark.parametrize("name", ["sd15", "sd3", "wan"])
def test_half_of_the_image(request: pytest.FixtureRequest, name: str) -> None:
    """At the first step both models see the same latent: the reference's prediction on one side, the mixture on the other."""
    pair: Pair = request.getfixturevalue(f"wide_{name}")
    found = [
        shaped.denoised_steps(model, pair.task)[0]
        for model in (
            realign(pair.reference, pair.aligned, weight(0.4, None, _right())),
            pair.reference,
            realign(pair.reference, pair.aligned, 0.4),
        )
    ]
    left, right = ([one[..., part] for one in found] for part in (slice(0, 4), slice(4, 8)))
    assert torch.equal(left[0], left[1])
    assert engine.difference(right[0], right[2]) < CLOSE
    assert engine.difference(right[0], right[1]) > 1e-3


def _by_hand(pair: Pair, strength: float, laid: torch.Tensor, task: Task) -> torch.Tensor:
    """laid: the mask over the latent, to broadcast to it."""
    return shaped.by_hand([pair.reference, pair.aligned], [mixed(strength * laid)] * task.steps, task)


def _assert_laid(pair: Pair, mask: torch.Tensor, laid: torch.Tensor, task: Task) -> None:
    ours = shaped.by_us(pair, 0.8, task, mask=mask)
    assert engine.difference(ours, _by_hand(pair, 0.8, laid, task)) < ROUNDING
    assert engine.difference(ours, shaped.by_us(pair, 0.8, task)) > 1e-3


@pytest.mark.parametrize("size", [(8, 8), (9, 7), (64, 48), (2, 3)], ids=["the latent's", "odd", "larger", "smaller"])
@pytest.mark.parametrize("name", ["sd15", "sd3"])
def test_masks_of_any_size(request: pytest.FixtureRequest, name: str, size: tuple[int, int]) -> None:
    pair: Pair = request.getfixturevalue(f"wide_{name}")
    mask = _random(1, *size)
    channels = pair.task.latent["samples"].shape[1]
    laid = torch.nn.functional.interpolate(mask[:, None], (9, 7), mode="bilinear")
    _assert_laid(pair, mask, laid, _sized(pair.task, 1, channels, 9, 7))


def test_a_mask_without_a_batch(wide_sd15: Pair) -> None:
    mask = _random(8, 8)
    assert torch.equal(shaped.by_us(wide_sd15, 0.5, mask=mask), shaped.by_us(wide_sd15, 0.5, mask=mask[None]))


@pytest.mark.parametrize(
    ("masks", "order"),
    [(1, [0, 0, 0]), (2, [0, 1]), (2, [0, 1, 0]), (3, [0, 1])],
    ids=["one for all", "one for each", "too few", "too many"],
)
def test_masks_of_a_batch(wide_sd15: Pair, masks: int, order: list[int]) -> None:
    mask = _random(masks, 8, 8)
    _assert_laid(wide_sd15, mask, mask[order][:, None], _sized(wide_sd15.task, len(order), 4, 8, 8))


def test_each_sample_has_its_own_mask(wide_sd15: Pair) -> None:
    """One sample that is the reference's throughout beside one that is the aligned model's."""
    mask = torch.stack([torch.zeros(8, 8), torch.ones(8, 8)])
    task = _sized(wide_sd15.task, 2, 4, 8, 8)
    ours = shaped.by_us(wide_sd15, 1.0, task, mask=mask)
    assert torch.equal(ours[0], engine.by_core(wide_sd15.reference, task)[0])
    assert engine.difference(ours[1], engine.by_core(wide_sd15.aligned, task)[1]) < CLOSE


@pytest.mark.parametrize("frames", [1, 3], ids=["one frame for all", "a mask for each frame"])
def test_masks_of_videos(wide_wan: Pair, frames: int) -> None:
    mask = _random(frames, 8, 8)
    _assert_laid(wide_wan, mask, mask.expand(3, 8, 8)[None, None], _sized(wide_wan.task, 2, 16, 3, 8, 8))


def test_odd_videos(wide_wan: Pair) -> None:
    mask = _random(3, 10, 6)
    _assert_laid(wide_wan, mask, mask[None, None], _sized(wide_wan.task, 1, 16, 3, 10, 6))


def test_beside_an_inpainting_mask(wide_sd15: Pair) -> None:
    """The upper half is kept as core keeps it; of the lower, lambda acts on the right. One step: no pixel sees another's."""
    upper = torch.zeros(1, 1, 8, 8)
    upper[..., 4:, :] = 1.0
    latent = {**engine.drawn_latent("sd15", side=8), "noise_mask": upper}
    task = replace(wide_sd15.task, latent=latent, steps=1)
    ours, plain = shaped.by_us(wide_sd15, 0.6, task, mask=_right()), shaped.by_us(wide_sd15, 0.6, task)
    core = engine.by_core(wide_sd15.reference, task)
    assert torch.equal(ours[..., :4, :], core[..., :4, :])
    assert torch.allclose(ours[..., :4, :], latent["samples"][..., :4, :], atol=1e-5)
    assert torch.equal(ours[..., 4:, :4], core[..., 4:, :4])
    assert engine.difference(ours[..., 4:, 4:], plain[..., 4:, 4:]) < CLOSE
    assert engine.difference(ours[..., 4:, 4:], core[..., 4:, 4:]) > 1e-3


def test_inpainting_over_several_steps(wide_sd15: Pair) -> None:
    lower = torch.zeros(1, 1, 64, 64)
    lower[..., 32:, :] = 1.0
    task = replace(wide_sd15.task, latent={**engine.drawn_latent("sd15", side=8), "noise_mask": lower})
    ours = shaped.by_us(wide_sd15, 0.6, task, mask=_right())
    assert torch.equal(ours[..., :4, :], engine.by_core(wide_sd15.reference, task)[..., :4, :])
    assert torch.equal(shaped.by_us(wide_sd15, 0.6, task, mask=torch.ones(1, 8, 8)), shaped.by_us(wide_sd15, 0.6, task))
    assert engine.difference(ours, shaped.by_us(wide_sd15, 0.6, task)) > 1e-3


@pytest.mark.parametrize("name", ["sd15", "sd15_lora"])
def test_complementary_masks_need_no_reference(request: pytest.FixtureRequest, zoo: Zoo, name: str) -> None:
    pair, other, mask = request.getfixturevalue(f"wide_{name}"), zoo.load("sd15", 2), _random(1, 40, 40)
    model = pair.reference
    for aligned, part in ((pair.aligned, mask), (other, 1 - mask)):
        model = shaped.realigned(model, aligned, 1.0, mask=part, mask_feather=1)
    with (
        shaped.counted(pair.reference.model.diffusion_model) as first,
        shaped.counted(other.model.diffusion_model) as last,
    ):
        ours = engine.by_core(model, pair.task)
    assert first == ([] if name == "sd15" else [2] * 3)  # a LoRA runs on the reference's module
    assert last == [2] * 3
    assert torch.isfinite(ours).all()


def test_two_rewards_have_their_own_masks(zoo: Zoo, wide_sd15: Pair) -> None:
    other, masks = zoo.load("sd15", 2), (_random(1, 8, 8), _random(1, 8, 8, seed=1))
    model = realign(wide_sd15.reference, wide_sd15.aligned, weight(0.5, None, masks[0]))
    model = realign(model, other, weight(0.7, None, masks[1]))
    weights = [mixed(0.5 * masks[0], 0.7 * masks[1])] * wide_sd15.task.steps
    expected = shaped.by_hand([wide_sd15.reference, wide_sd15.aligned, other], weights, wide_sd15.task)
    assert engine.difference(engine.by_core(model, wide_sd15.task), expected) < ROUNDING


def test_with_a_schedule(wide_sd15: Pair) -> None:
    task, mask = replace(wide_sd15.task, steps=5), _random(1, 8, 8)
    part = schedule([[0, 0.3], [0.5, 1], [0.8, 0], [1, 0.5]])
    weights = [mixed(0.9 * part.curve.at(index / 4) * mask) for index in range(5)]
    expected = shaped.by_hand([wide_sd15.reference, wide_sd15.aligned], weights, task)
    assert engine.difference(shaped.by_us(wide_sd15, 0.9, task, schedule=part, mask=mask), expected) < ROUNDING
    assert passes(wide_sd15, lambda: shaped.by_us(wide_sd15, 0.9, task, schedule=schedule(end=0.3), mask=mask)) == (
        5,
        2,
    )


def test_lora_pair_equals_merged_models(zoo: Zoo, wide_sd15_lora: Pair) -> None:
    merged = replace(wide_sd15_lora, aligned=engine.with_lora(zoo.load("sd15"), zoo.lora_path("sd15", 3)))
    mask = _random(2, 8, 8)
    task = _sized(wide_sd15_lora.task, 2, 4, 8, 8)
    ours, theirs = (shaped.by_us(pair, 0.7, task, mask=mask) for pair in (wide_sd15_lora, merged))
    assert engine.difference(ours, theirs) < ROUNDING
    assert engine.difference(ours, shaped.by_us(merged, 0.7, task)) > 1e-3


def test_kl_is_measured_with_the_mask(wide_sd15: Pair) -> None:
    mask = _random(1, 8, 8)
    models = [wide_sd15.reference, wide_sd15.aligned]
    _, apart = shaped.by_hand_apart(models, [mixed(0.8 * mask)] * wide_sd15.task.steps, wide_sd15.task)
    expected = kl(shaped.steps_of(wide_sd15.reference, wide_sd15.task)[:-1].tolist(), apart).item()
    found = shaped.with_kl(wide_sd15, 0.8, mask=mask)[1]
    assert found == pytest.approx(expected, rel=1e-3)
    assert 0 < found < shaped.with_kl(wide_sd15, 0.8)[1]
    assert shaped.with_kl(wide_sd15, 0.8, mask=torch.zeros(1, 8, 8))[1] == 0
