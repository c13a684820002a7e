"""Images that lie on the card, as ComfyUI's --gpu-only leaves them, go through every node that takes images."""

from __future__ import annotations

from pathlib import Path

import folder_paths
import pytest
import torch
from deradiff.nodes.lambda_sweep import DeRaDiffSweepGrid
from deradiff.nodes.pick import DeRaDiffPickLambda
from deradiff.nodes.score import FOLDER, DeRaDiffLoadScorer, DeRaDiffScoreImages
from deradiff.nodes.scoring.measures import CLOSENESS, MEASURES
from deradiff.nodes.viewer import UI_KEY, DeRaDiffSweepViewer
from deradiff.nodes.wires import REALIGNED, Entry, Scores, Sweep
from support import scorer_folders
from support.on_card import on_card

IMAGES = torch.rand(4, 24, 24, 3, generator=torch.Generator().manual_seed(1))
SWEEP = Sweep(tuple(Entry(value, REALIGNED, 1.0, (0.0, 0.0)) for value in (0.0, 1.0)), 2)
SCORES = Scores("s", (1.0, 2.0, 3.0, 4.0))


def test_the_stand_in_refuses_what_a_card_refuses() -> None:
    for read in (lambda x: x.numpy(), lambda x: x[0].float().numpy(), lambda x: x.tolist()):
        with pytest.raises(TypeError, match="can't convert cuda"):
            read(on_card(IMAGES))
    assert on_card(IMAGES).cpu().numpy().shape == IMAGES.shape


def test_the_grid() -> None:
    ours, theirs = (DeRaDiffSweepGrid.execute(i, SWEEP, 0.0, 64, SCORES).args[0] for i in (on_card(IMAGES), IMAGES))
    assert torch.equal(ours, theirs)


def test_the_viewer() -> None:
    shown = DeRaDiffSweepViewer.execute(on_card(IMAGES), SWEEP, SCORES).ui[UI_KEY][0]
    assert [len(entry["samples"]) for entry in shown["entries"]] == [2, 2]


def test_picking() -> None:
    assert DeRaDiffPickLambda.execute(on_card(IMAGES), SWEEP, SCORES, "highest mean", 1.0).args[0] == 1.0


@pytest.mark.parametrize("name", [*MEASURES, CLOSENESS])
def test_measures(name: str) -> None:
    scorer = DeRaDiffLoadScorer.execute(f"{name} (built in)", "auto").args[0]
    ours, theirs = (
        DeRaDiffScoreImages.execute(i, "", scorer, 1.0, "raw", sweep=SWEEP).args[0] for i in (on_card(IMAGES), IMAGES)
    )
    assert ours == theirs


def test_a_learned_scorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(folder_paths.folder_names_and_paths, FOLDER, ([str(tmp_path)], set()))
    scorer_folders.write_clip(tmp_path / "tiny")
    scorer = DeRaDiffLoadScorer.execute("tiny", "clipscore").args[0]
    ours, theirs = (
        DeRaDiffScoreImages.execute(i, "a cat", scorer, 1.0, "raw").args[0] for i in (on_card(IMAGES), IMAGES)
    )
    assert ours == theirs
