"""The mask itself: how its edge fades, how it lies over a latent, and what is no mask."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from deradiff.nodes.method import mixture
from deradiff.nodes.method.region import feathered, flat
from support import engine, shaped
from support.engine import Pair

pytestmark = pytest.mark.usefixtures("as_in_comfyui")


def _edge(width: int = 24, height: int = 12) -> torch.Tensor:
    """Black on the left, white on the right; (1, 1, H, W)."""
    mask = torch.zeros(1, 1, height, width)
    mask[..., width // 2 :] = 1.0
    return mask


@pytest.mark.parametrize("feather", [1, 2, 5])
def test_a_straight_edge_becomes_a_straight_ramp(feather: int) -> None:
    """It begins and ends `feather` pixels from the edge, and all rows, those at the border too, are the same."""
    rows = feathered(_edge(), feather)[0, 0]
    place = torch.arange(24) - 12 + 0.5  # of the pixels' centres from the edge
    expected = ((place + feather + 0.5) / (2 * feather + 1)).clamp(0, 1)
    assert torch.allclose(rows, expected.expand(12, 24), atol=1e-6)
    assert bool((rows.diff(dim=1) >= -1e-6).all())


def test_no_feather_is_the_mask_itself() -> None:
    mask = _edge()
    assert feathered(mask, 0) is mask


def test_an_upright_edge_and_a_lying_one_fade_alike() -> None:
    mask = _edge(16, 16)
    assert torch.allclose(feathered(mask, 3).mT, feathered(mask.mT, 3), atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_what_is_flat_stays_flat(value: float) -> None:
    mask = torch.full((2, 1, 9, 7), value)
    assert torch.allclose(feathered(mask, 3), mask, atol=1e-6)
    assert flat(mask) == value and flat(0.5 * mask + 0.25) is None and flat(_edge()) is None


def test_a_feather_wider_than_the_image() -> None:
    found = feathered(_edge(8, 8), 256)
    assert found.shape == (1, 1, 8, 8)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1 + 1e-6


def test_frames_fade_one_by_one() -> None:
    """A video's mask, (N, 1, T, H, W): each frame as an image of its own, none into the next."""
    video = torch.rand(2, 1, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    found = feathered(video, 2)
    assert found.shape == video.shape
    for frame in range(3):
        assert torch.equal(found[:, :, frame], feathered(video[:, :, frame], 2))


@pytest.mark.parametrize("name", ["sd15", "wan"])
def test_feather_is_in_pixels_of_the_latent(request: pytest.FixtureRequest, name: str) -> None:
    pair: Pair = request.getfixturevalue(f"wide_{name}")
    mask = _edge(8, 8)[0]
    laid = feathered(_edge(8, 8), 2)
    laid = laid if name == "sd15" else laid[:, :, None]
    expected = shaped.by_hand([pair.reference, pair.aligned], [shaped.mixed(0.8 * laid)] * pair.task.steps, pair.task)
    ours = shaped.by_us(pair, 0.8, mask=mask, mask_feather=2)
    assert engine.difference(ours, expected) < engine.ROUNDING
    assert engine.difference(ours, shaped.by_us(pair, 0.8, mask=mask)) > 1e-4
    large = mask.repeat_interleave(8, 1).repeat_interleave(8, 2)
    assert engine.difference(ours, shaped.by_us(pair, 0.8, mask=large, mask_feather=2)) < engine.ROUNDING


def test_what_is_left_for_the_reference_element_by_element() -> None:
    mask = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    assert mixture.reference_weight([mask, 1 - mask]) == 0.0
    assert mixture.reference_weight([mask, 1.0 - mask + 1e-8]) == 0.0
    rest = mixture.reference_weight([mask, 0.25])
    assert isinstance(rest, torch.Tensor) and torch.allclose(rest, 0.75 - mask, atol=1e-6)


NAN = torch.ones(1, 8, 8)
NAN[0, 3, 3] = float("nan")
BAD: dict[str, tuple[object, int, str]] = {
    "NaN": (NAN, 0, r"^mask: .*nan"),
    "too bright": (torch.full((1, 8, 8), 1.5), 0, r"^mask: .*1\.5"),
    "negative": (torch.full((1, 8, 8), -0.2), 0, r"^mask: .*-0\.2"),
    "infinite": (torch.full((1, 8, 8), float("inf")), 0, r"^mask: .*inf"),
    "an image": (torch.zeros(1, 8, 8, 3), 0, r"^mask: .*\(1, 8, 8, 3\)"),
    "a row": (torch.zeros(8), 0, r"^mask: .*\(8,\)"),
    "empty": (torch.zeros(1, 0, 8), 0, r"^mask: .*\(1, 0, 8\)"),
    "no tensor": ([[0, 1]], 0, r"^mask: expected a MASK, got \[\[0, 1\]\]"),
    "negative feather": (torch.ones(1, 8, 8), -1, r"^mask_feather must be a whole number from 0 to 256, got -1"),
}


@pytest.mark.parametrize(("mask", "feather", "said"), BAD.values(), ids=BAD.keys())
def test_what_is_no_mask_is_said_before_sampling(sd15: Pair, mask: object, feather: int, said: str) -> None:
    def run() -> None:
        with pytest.raises(ValueError, match=said):
            shaped.by_us(sd15, 0.5, mask=mask, mask_feather=feather)

    assert shaped.passes(sd15, run) == (0, 0)


def test_resampling_s_overshoot_is_no_mistake(sd15: Pair) -> None:
    over = torch.full((1, 8, 8), 1 + 5e-4)
    task = replace(sd15.task, steps=1)
    assert torch.equal(shaped.by_us(sd15, 0.5, task, mask=over), shaped.by_us(sd15, 0.5, task))
    assert torch.equal(shaped.by_us(sd15, 0.5, task, mask=over - 1 - 1e-3), engine.by_core(sd15.reference, task))
