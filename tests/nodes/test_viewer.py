"""What the sweep viewer's node saves and tells the front end."""

from __future__ import annotations

import json
import math
from pathlib import Path

import folder_paths
import pytest
import torch
from deradiff.nodes.pick import DeRaDiffPickLambda
from deradiff.nodes.viewer import UI_KEY, DeRaDiffSweepViewer
from deradiff.nodes.wires import INTERPOLATED, REALIGNED, Entry, Scores, Sweep
from PIL import Image

SAMPLES = 2
SWEEP = Sweep(
    (
        Entry(0.0, REALIGNED, 1.25, (0.0, 0.0)),
        Entry(0.5, REALIGNED, 2.5, (3.0, 5.0), (1.0, 2.0)),
        Entry(1.0, REALIGNED, 1.25, (math.nan, math.nan)),
        Entry(0.5, INTERPOLATED, 2.0, (math.nan, math.nan)),
    ),
    SAMPLES,
)
COUNT = len(SWEEP.entries) * SAMPLES


@pytest.fixture(autouse=True)
def _temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))


def _images(count: int = COUNT, channels: int = 3) -> torch.Tensor:
    """Each image of one grey of its own."""
    return (torch.arange(count) / 10).reshape(-1, 1, 1, 1).expand(count, 8, 12, channels).clone()


def _payload(scores: Scores | None = None, channels: int = 3) -> dict:
    (payload,) = DeRaDiffSweepViewer.execute(_images(channels=channels), SWEEP, scores).ui[UI_KEY]
    return payload


def test_every_entry_is_told_with_its_images() -> None:
    payload = _payload(Scores("sharpness", tuple(float(value) for value in range(COUNT))))
    assert payload["scorer"] == "sharpness"
    told = [
        (entry["lambda"], entry["method"], entry["seconds"], entry["kl"], entry["kl_error"])
        for entry in payload["entries"]
    ]
    assert told == [
        (0, REALIGNED, 1.25, 0, 0),
        (0.5, REALIGNED, 2.5, 4, 1.5),
        (1, REALIGNED, 1.25, None, 0),
        (0.5, INTERPOLATED, 2, None, 0),
    ]
    assert [sample["score"] for entry in payload["entries"] for sample in entry["samples"]] == list(range(COUNT))


@pytest.mark.parametrize("channels", [3, 4])
def test_the_files_are_the_images_in_their_order(channels: int, tmp_path: Path) -> None:
    references = [sample["image"] for entry in _payload(channels=channels)["entries"] for sample in entry["samples"]]
    assert len({reference["filename"] for reference in references}) == COUNT
    for index, reference in enumerate(references):
        assert reference.keys() == {"filename", "subfolder", "type"} and reference["type"] == "temp"
        with Image.open(tmp_path / reference["subfolder"] / reference["filename"]) as image:
            assert (image.size, image.mode) == ((12, 8), "RGB")
            assert image.getpixel((0, 0))[0] == int(25.5 * index)


def test_it_is_json_and_what_is_unknown_is_null() -> None:
    scores = Scores("sharpness", (math.nan, math.inf, -math.inf, *([1.0] * (COUNT - 3))))
    payload = _payload(scores)
    assert json.loads(json.dumps(payload, allow_nan=False)) == payload
    assert [sample["score"] for entry in payload["entries"] for sample in entry["samples"]][:4] == [None, None, None, 1]


def test_without_scores_none_are_told() -> None:
    payload = _payload()
    assert payload["scorer"] is None
    assert all(sample["score"] is None for entry in payload["entries"] for sample in entry["samples"])


@pytest.mark.parametrize("chosen", [None, 0.5, 0.7])
def test_the_chosen_lambda_is_told(chosen: float | None) -> None:
    (payload,) = DeRaDiffSweepViewer.execute(_images(), SWEEP, None, chosen).ui[UI_KEY]
    assert payload["chosen"] == chosen


def test_pick_lambda_s_choice_arrives() -> None:
    """The node's first output, as it is connected in a workflow."""
    scores = Scores("sharpness", (0.1, 0.2, 0.8, 0.9, 0.3, 0.4, 1.5, 1.5))
    picked = DeRaDiffPickLambda.execute(_images(), SWEEP, scores, "highest mean", 100.0)
    (payload,) = DeRaDiffSweepViewer.execute(_images(), SWEEP, scores, picked.args[0]).ui[UI_KEY]
    assert payload["chosen"] == 0.5, "the interpolated weights score higher, and are no choice"


@pytest.mark.parametrize("chosen", [math.nan, math.inf])
def test_a_chosen_lambda_that_is_no_number_is_refused(chosen: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"chosen: expected a finite lambda, got {chosen}"):
        DeRaDiffSweepViewer.execute(_images(), SWEEP, None, chosen)
    assert not any(tmp_path.iterdir()), "nothing is saved before the check"


def test_only_our_own_key_is_told_so_that_the_front_end_draws_no_gallery() -> None:
    ui = DeRaDiffSweepViewer.execute(_images(), SWEEP).ui
    assert list(ui) == [UI_KEY] and isinstance(ui[UI_KEY], list)


@pytest.mark.parametrize("count", [0, 1, COUNT - 1, COUNT + 1])
def test_images_of_another_sweep_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=rf"images: expected {COUNT} images \(4 lambdas x 2 samples\).*got {count}\."):
        DeRaDiffSweepViewer.execute(_images(count), SWEEP)


@pytest.mark.parametrize("count", [0, COUNT - 1, COUNT + 1])
def test_scores_of_other_images_are_refused(count: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"scores: .*{COUNT} images, got {count}\."):
        DeRaDiffSweepViewer.execute(_images(), SWEEP, Scores("sharpness", (0.0,) * count))
    assert not any(tmp_path.iterdir()), "nothing is saved before the check"
