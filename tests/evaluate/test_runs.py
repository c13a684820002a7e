"""Whole runs of the command on the demo pair, each with Ray and ComfyUI processes of its own: what is made, and what no kill loses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import comfyui
import numpy as np
import pytest
from deradiff.evaluate import recipe, rows, store
from support import evaluating

PROMPTS = ("a red circle on a white background", "impossible", "a blue square on a black background")
OPTIONS = ("--lambda", "0, 0.5, 1", "--scorer", "warmth (built in)")


@dataclass(frozen=True)
class Place:
    base: Path
    workflow: Path
    prompts: Path

    def run(self, out: Path, *options: str, workers: int = 1) -> evaluating.Run:
        own = ["--prompts", str(self.prompts), *OPTIONS, *options]
        return evaluating.Run(self.workflow, self.base, out, own, workers)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("evaluate")
    found = Place(evaluating.base_directory(folder / "base"), folder / "workflow.json", folder / "prompts.txt")
    found.workflow.write_text(json.dumps(evaluating.graph()), "utf-8")
    found.prompts.write_text("\n".join(PROMPTS), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield found


@pytest.fixture(scope="module")
def undisturbed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = place.run(tmp_path_factory.mktemp("undisturbed") / "run")
    assert run.wait() == 3, run.said()[-3000:]  # some rows failed
    return run.out


def test_images_are_those_of_the_same_prompts_queued_by_hand(place: Place, undisturbed: Path) -> None:
    plan = rows.plan(place.prompts, (0.0, 0.5, 1.0), 1)
    wanted = [row for group in plan.groups() for row in group if row.text != "impossible"]
    with comfyui.Server(place.base, log=place.base / "by-hand.log") as server:
        cooked = recipe.load(place.workflow, scorers=["warmth (built in)"], object_info=server.get("/object_info"))
        by_hand = server.run([cooked.prompt(row) for row in wanted], quiet=True)
    kept = evaluating.all_pixels(undisturbed)
    assert len(kept) == len(wanted) == 6
    for row, (saved,) in zip(wanted, by_hand, strict=True):
        assert np.array_equal(kept[f"{row.key}.png"], evaluating.pixels(saved.data))


def test_a_prompt_that_always_fails_is_recorded_after_three_tries_and_the_rest_goes_on(undisturbed: Path) -> None:
    table = store.read(str(undisturbed)).to_pylist()
    assert [row["lambda"] for row in table] == [0.0, 0.5, 1.0] * 3
    for row in table:
        failed = row["text"] == "impossible"
        assert (row["error"] is not None, row["attempts"]) == ((True, 3) if failed else (False, 1))
        assert "this prompt cannot be" in (row["error"] or "this prompt cannot be")
        assert failed or (row["score:warmth"] is not None and row["seconds"] > 0 and len(row["images"]) == 1)


def test_a_row_lives_in_its_image(undisturbed: Path) -> None:
    """What a driver that is killed before it writes the table goes on from."""
    for row in store.read(str(undisturbed)).to_pylist():
        if row["error"] is None:
            carried = store.record_of(store.Place(str(undisturbed)), row["key"])
            assert carried is not None
            assert all(carried[name] == row[name] for name in carried if name not in ("finished", "attempts"))


def test_kills_lose_nothing_and_change_nothing(place: Place, undisturbed: Path, tmp_path: Path) -> None:
    """SIGKILL of ComfyUI, then of the Ray worker, then of the driver; the same command goes on to the same table."""
    run = place.run(tmp_path / "run")
    run.wait_for(lambda: run.images() >= 1)
    evaluating.kill(run.comfyuis())
    run.wait_for(lambda: run.images() >= 2)
    evaluating.kill(run.actors())
    run.wait_for(lambda: run.images() >= 4)
    run.kill()
    made = evaluating.times(run.out)
    again = place.run(run.out)
    assert again.wait() == 3, again.said()[-3000:]
    assert evaluating.rows(run.out) == evaluating.rows(undisturbed)
    assert made.items() <= evaluating.times(run.out).items()  # no image was made twice
    expected, got = evaluating.all_pixels(undisturbed), evaluating.all_pixels(run.out)
    assert expected.keys() == got.keys() and all(np.array_equal(expected[name], got[name]) for name in expected)


def test_a_search_makes_the_rows_it_asks_for_and_goes_on(place: Place, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(text for text in PROMPTS if text != "impossible"), "utf-8")
    options = ["--prompts", str(prompts), "--search", "0:1", "--budget", "25", "--scorer", "warmth (built in)"]
    made: dict[str, int] = {}
    for _ in range(2):
        run = evaluating.Run(place.workflow, place.base, tmp_path / "run", options)
        assert run.wait() == 0, run.said()[-3000:]
        assert "of 25 images" in run.said()
        made = made or evaluating.times(run.out)
    table = store.read(str(run.out)).to_pylist()
    assert len(table) == len(made) <= 25 and {row["lambda"] for row in table} > {0.0, 1.0}
    assert (run.out / "found.png").stat().st_size > 10_000
    assert evaluating.times(run.out) == made
