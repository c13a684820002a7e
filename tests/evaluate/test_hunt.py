"""A search for lambda whose rows are made by an evaluation's workers."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pytest
from deradiff.evaluate import command, hunt, report_search, rows, store

JUDGE, SECOND = "reward", "caption"


def _hunt(folder: Path, budget: int = 64, held_out: str = "") -> hunt.Hunt:
    prompts = folder / "prompts.tsv"
    prompts.write_text("prompt\tnegative\na cat\tblurry\na dog\t\na bird\t\n", "utf-8")
    search = hunt.begun("0:1", budget, 0.95, 0.15)
    plan = rows.plan(prompts, search.strengths, rows.MOST_SEEDS, first_seed=5)
    return hunt.Hunt(search, plan, JUDGE, held_out)


def _record(row: rows.Row, **changes: object) -> store.Record:
    """What a worker would tell of a row whose score is highest at lambda 0.4."""
    score = row.prompt - (row.strength - 0.4) ** 2 + 0.001 * math.sin(row.seed + 7 * row.strength)
    judged = {store.SCORE + JUDGE: score, store.SCORE + SECOND: -row.strength}
    return {
        "key": row.key,
        "prompt": row.prompt,
        "lambda": row.strength,
        "error": None,
        "kl": None,
        "seconds": 2.0,
        **judged,
        **changes,
    }


def _finish(found: hunt.Hunt, known: dict[str, store.Record]) -> list[str]:
    """Have every round made; the keys of the rows that were."""
    made = []
    while asks := found.search.round():
        for group in found.groups(asks, known):
            assert len({(row.prompt, row.seed) for row in group}) == 1
            for row in group:
                known[row.key] = _record(row)
                made.append(row.key)
        found.learn(asks, known)
    return made


def test_its_blocks_are_prompts_and_seeds_and_it_finds_the_best_lambda(tmp_path: Path) -> None:
    found, known = _hunt(tmp_path), {}
    made = _finish(found, known)
    assert len(made) == len(set(made)) == found.search.spent <= 64
    blocks = [found.rows(ask)[0] for ask in found.search.asks]
    assert [(row.prompt, row.seed) for row in blocks[:4]] == [(0, 5), (1, 5), (2, 5), (0, 6)]
    assert (blocks[0].negative, blocks[1].negative) == ("blurry", "")
    said = report_search.write(found, store.Place(str(tmp_path / "run")), known)
    assert abs(found.search.result().strength - 0.4) < 0.15 and "of 64 images" in said
    lines = [*csv.DictReader(io.StringIO((tmp_path / "run" / "found.csv").read_text("utf-8")))]
    assert len(lines) == len(made)
    assert (tmp_path / "run" / "found.png").read_bytes().startswith(b"\x89PNG")


def test_it_goes_on_with_what_the_table_has(tmp_path: Path) -> None:
    """A driver that was killed at any row: the same rows are made in the end, and none of them twice."""
    whole: dict[str, store.Record] = {}
    made = _finish(_hunt(tmp_path), whole)
    for stop in (0, 1, 7, 20, len(made)):
        known = {key: whole[key] for key in made[:stop]}
        assert _finish(_hunt(tmp_path), known) == made[stop:]
        assert known == whole


def test_a_larger_budget_uses_what_a_smaller_one_made(tmp_path: Path) -> None:
    known: dict[str, store.Record] = {}
    made = _finish(_hunt(tmp_path, 25), known)
    assert len(made) <= 25
    more = _finish(_hunt(tmp_path, 64), known)
    assert not {*made} & {*more}


def test_a_second_judge_is_learned_too(tmp_path: Path) -> None:
    found = _hunt(tmp_path, held_out=SECOND)
    _finish(found, {})
    curve = found.search.result().held_out
    assert curve is not None and curve.middle[-1] < curve.middle[0]


def test_a_row_that_failed_ends_it(tmp_path: Path) -> None:
    found = _hunt(tmp_path)
    asks = found.search.round()
    known = {row.key: _record(row) for ask in asks for row in found.rows(ask)}
    bad = found.rows(asks[1])[2]
    known[bad.key] = _record(bad, error="KSampler (node 6): no.")
    with pytest.raises(
        ValueError, match=rf"prompt 2 at lambda {bad.strength:g}: KSampler \(node 6\): no\. Mend or leave out"
    ):
        found.learn(asks, known)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--search", "0", "--scorer", "warmth"], "--search: expected two lambdas such as 0:1.5, got '0'"),
        (["--search", "1:0", "--scorer", "warmth"], "range: expected two lambdas"),
        (["--search", "0:4", "--scorer", "warmth"], "each of the two lambdas must be a number from -3 to 3, got 4.0"),
        (["--search=-4:1", "--scorer", "warmth"], "each of the two lambdas must be a number from -3 to 3, got -4.0"),
        (["--search", "0:1", "--scorer", "warmth", "--budget", "3"], "budget: a search needs at least 25 images, got 3"),
        (["--search", "0:1", "--scorer", "warmth", "--baseline"], "--baseline: a search looks for a lambda of the realigned model"),
        (["--search", "0:1"], "--search: expected a judge to search by"),
    ],
)  # fmt: skip
def test_searches_that_cannot_be(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts, workflow = tmp_path / "prompts.txt", tmp_path / "workflow.json"
    prompts.write_text("a cat\n", "utf-8")
    workflow.write_text("{}", "utf-8")
    usual = [str(workflow), "--prompts", str(prompts), "--out", str(tmp_path / "run"), "--cpu"]
    assert command.main([*usual, *options]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
