"""The report, of tables whose answers are known by hand: its numbers, its words, what it escapes, and tables that are not finished."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deradiff.evaluate import report, report_results, store
from deradiff.evaluate.rows import INTERPOLATED, REALIGNED, Row
from support import evaluations

TEXTS = ["a fox", "a house", "a tree"]
LAMBDAS = (0.0, 0.5, 1.0)
JUDGE, SECOND = "PickScore_v1", "VQAScore"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)> &amp; $x_2$ \u202e \x07'
GAINS = {0.0: (0, 0, 0), 0.5: (1, 2, 3), 1.0: (1, 1, 1)}  # of the three prompts


def _score(row: Row) -> float:
    """Prompts differ by far more than lambdas, seeds cancel out in the mean of a prompt."""
    return 100 * row.prompt + GAINS[row.strength][row.prompt] + (0.5 if row.seed else -0.5)


def _second(row: Row) -> float:
    """The highest at 0.5, surely lower at 1."""
    return row.prompt + {0.0: 0.0, 0.5: 2.0, 1.0: 1.0}[row.strength]


def _table(rows: list[Row] | None = None, **judges: evaluations.Score) -> pa.Table:
    return evaluations.table(rows or evaluations.rows(TEXTS, LAMBDAS), judges or {JUDGE: _score})


def _image(name: str) -> bytes:
    raise FileNotFoundError(name)


def _made(table: pa.Table, held_out: tuple[str, ...] = ()) -> tuple[str, list[dict[str, str]]]:
    page, lines = report.of_table(table, held_out, _image)
    return page, list(csv.DictReader(io.StringIO(lines)))


class _Reader(HTMLParser):
    """The words of a page, its elements and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words, self.tags, self.attributes = "", set[str](), list[tuple[str, str | None]]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


def _words(page: str) -> str:
    return " ".join(_Reader(page).words.split())


def test_means_bands_and_confidence() -> None:
    _, lines = _made(_table())
    assert [float(line["lambda"]) for line in lines] == list(LAMBDAS)
    middle, last = lines[1], lines[2]
    assert float(middle["mean"]) == pytest.approx((1 + 102 + 203) / 3)
    assert (float(middle["gain"]), int(middle["samples"])) == (2.0, 3)
    assert float(middle["gain_error"]) == pytest.approx(1 / math.sqrt(3))
    reach = 4.302652729911275 / math.sqrt(3)  # Student's t of 2 degrees of freedom at 97.5 %
    assert (float(middle["low"]), float(middle["high"])) == pytest.approx((2 - reach, 2 + reach))
    assert float(middle["chance_better"]) == pytest.approx(
        0.5 + math.sqrt(12) / (2 * math.sqrt(14))
    )  # Student's t of 2 degrees at sqrt(12)
    assert (float(last["gain"]), float(last["low"]), float(last["high"]), float(last["chance_better"])) == (1, 1, 1, 1)
    assert [line["chosen"] for line in lines] == ["no", "yes", "no"]
    assert [float(line["kl_nats"]) for line in lines] == [0.0, 25.0, 100.0]
    assert [float(line["seconds"]) for line in lines] == [2.0, 2.5, 3.0]


def test_what_the_page_says_of_it() -> None:
    words = _words(_made(_table())[0])
    assert words.startswith("Best \u03bb: 0.5 by PickScore_v1")
    for said in (
        "18 rows so far",
        "3 prompts, 2 seeds, 3 lambdas; 6 pairs of prompt and seed are complete.",
        "Chosen: \u03bb = 0.5, highest mean; cannot be told apart from \u03bb = 1",
        "\u03bb = 0.5 gains +2 over \u03bb = 0 (95% band -0.4841 to +4.484).",
        "A sample is a prompt, averaged over its seeds: 3 samples.",
        "3 of 3 prompts score higher at \u03bb = 0.5",
    ):
        assert said in words
    assert words.index("a tree") < words.index("a house") < words.index("a fox"), "the largest gain first"


def test_a_best_at_the_end_of_the_range() -> None:
    page, _ = _made(_table(None, **{JUDGE: lambda row: row.strength}))
    assert "It is the highest that was tried: the best may lie above." in _words(page)
    page, _ = _made(_table(None, **{JUDGE: lambda row: -row.strength}))
    assert "The lowest \u03bb, 0, is chosen: no other scores higher." in _words(page)
    falling = {JUDGE: lambda row: row.strength, SECOND: lambda row: -row.strength}
    words = _words(_made(_table(None, **falling), (SECOND,))[0])
    assert words.startswith(f"Best \u03bb: 0 by {JUDGE}, before {SECOND} turns")
    assert f"The lowest \u03bb, 0, is chosen: {SECOND} falls above it." in words


def test_where_the_held_out_judge_turns() -> None:
    page, lines = _made(
        _table(None, **{JUDGE: lambda row: _second(row) + row.strength * 9, SECOND: _second}), (SECOND,)
    )
    assert (
        f"{JUDGE} still rises above \u03bb = 0.5, {SECOND} falls (surely from \u03bb = 1): the model is gaming"
        in _words(page)
    )
    assert [line["chosen"] for line in lines if line["judge"] == JUDGE] == ["no", "yes", "no"], "not beyond the turn"
    assert {line["held_out"] for line in lines if line["judge"] == SECOND} == {"yes"}
    agreeing, _ = _made(_table(None, **{JUDGE: _score, SECOND: _score}), (SECOND,))
    assert f"{SECOND} does not surely fall up to" in _words(agreeing)


def test_the_interpolated_baseline() -> None:
    rows = evaluations.rows(TEXTS, LAMBDAS, methods=(REALIGNED, INTERPOLATED))
    page, lines = _made(_table(rows, **{JUDGE: lambda row: _score(row) - (0.25 if row.method == INTERPOLATED else 0)}))
    weights = [line for line in lines if line["model"] == INTERPOLATED]
    assert [float(line["gain"]) for line in weights] == [-0.25, 1.75, 0.75]
    assert {line["chosen"] for line in weights} == {"no"}
    assert "The interpolated baseline" in page and "0.5+0.25+0.25 to +0.25100 %" in _words(page)
    assert "The interpolated baseline" not in _made(_table())[0]


def test_a_prompt_alone_is_compared_over_its_seeds() -> None:
    rows = evaluations.rows(["a fox"], (0.0, 1.0), seeds=range(4))
    page, lines = _made(_table(rows, **{JUDGE: lambda row: row.strength * (1 + row.seed)}))
    assert "A sample is a seed of the one prompt: 4 samples" in _words(page)
    assert (float(lines[1]["gain"]), lines[1]["samples"]) == (2.5, "4")


def test_tags() -> None:
    rows = evaluations.rows(TEXTS, LAMBDAS, tags=lambda number: "animals" if number == 0 else "places")
    assert "places2+2.5animals1+1" in _words(_made(_table(rows))[0]), "cells, the largest gain first"


def test_nothing_that_a_table_holds_becomes_markup() -> None:
    rows = evaluations.rows([HOSTILE, *TEXTS[1:]], LAMBDAS, tags=lambda number: f"<i>{number}")
    given = _table(rows, **{f"<b>{JUDGE}": _score})
    failed = evaluations.record(Row(0, HOSTILE, "", "", 9, 0.5), {f"<b>{JUDGE}": 0.0}, error=HOSTILE, worker=HOSTILE)
    page, _ = _made(evaluations.with_records(given, [failed]))
    found = _Reader(page)
    assert not found.tags & {"script", "b", "i", "iframe", "link", "object", "form", "a"}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not [
        value
        for name, value in found.attributes
        if name in ("src", "href") and not str(value).startswith("data:image/")
    ]
    assert found.words.count("<script>alert(1)</script>") == 3, (
        "as a prompt that gains, as one that failed, as an error"
    )
    assert ("content", "default-src 'none'; img-src data:; style-src 'unsafe-inline'") in found.attributes


def test_a_name_is_no_formula_of_a_spreadsheet() -> None:
    _, lines = _made(_table(None, **{"=HYPERLINK(1)": _score}))
    assert {line["judge"] for line in lines} == {"'=HYPERLINK(1)"}


def test_rows_that_failed_are_listed_and_their_pairs_not_compared() -> None:
    rows = evaluations.rows(TEXTS, LAMBDAS)
    given = _table([row for row in rows if row != rows[-1]])
    failed = evaluations.record(rows[-1], {JUDGE: 0.0}, error="KSampler (node 7): out of memory")
    words = _words(_made(evaluations.with_records(given, [failed]))[0])
    assert "18 rows so far, 1 of them failed" in words and "1 row failed" in words
    assert "KSampler (node 7): out of memory" in words
    assert "5 pairs of prompt and seed are complete" in words and "2 rows are not compared" in words


def test_a_lambda_that_has_just_begun_does_not_throw_the_others_away() -> None:
    rows = [*evaluations.rows(TEXTS, LAMBDAS), Row(0, TEXTS[0], "", "", 0, 2.0)]
    page, lines = _made(_table(rows, **{JUDGE: lambda row: row.strength}))
    assert "Left out, too few rows so far: \u03bb = 2." in _words(page)
    assert len(lines) == 3


ONE = [Row(0, "a fox", "", "", 0, 0.5)]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        ONE,
        [*ONE, Row(0, "a fox", "", "", 0, 1.0)],
        [Row(0, "a fox", "", "", 0, 0.5, INTERPOLATED)],
        [Row(0, "a fox", "", "", 0, 0.5), Row(1, "a house", "", "", 0, 1.0)],
        evaluations.rows(TEXTS, [0.5]),
    ],
    ids=["no row", "one row", "one sample", "no realigned image", "no whole pair", "one lambda"],
)
def test_a_report_can_be_made_of_whatever_is_there(rows: list[Row]) -> None:
    given = evaluations.table(rows, {JUDGE: lambda row: row.strength, SECOND: lambda row: -row.strength})
    for held_out in ((), (SECOND,)):
        page, _ = _made(given, held_out)
        assert page.endswith("</html>\n") and f"{len(rows)} row" in page


def test_a_table_of_failures_alone() -> None:
    failed = [evaluations.record(row, {JUDGE: 0.0}, error="broken") for row in evaluations.rows(TEXTS, LAMBDAS)]
    given = store.table(failed, store.schema([JUDGE]))
    words = _words(_made(given)[0])
    assert words.startswith(report.NOTHING) and "18 rows failed" in words


def test_an_unknown_kl_is_said() -> None:
    records = [evaluations.record(row, {JUDGE: _score(row)}, kl=math.nan if row.strength == 1 else 5.0) for row in evaluations.rows(TEXTS, LAMBDAS)]  # fmt: skip
    page, lines = _made(store.table(records, store.schema([JUDGE])))
    assert [line["kl_nats"] for line in lines] == ["0.0", "5.0", ""]
    assert "KL unknown at \u03bb = 1" in _words(page)


def test_rows_of_two_recipes_are_said() -> None:
    rows = evaluations.rows(TEXTS, LAMBDAS)
    records = [evaluations.record(row, {JUDGE: _score(row)}, recipe=f"r{row.prompt}") for row in rows]
    assert "The rows are of 3 recipes" in _words(_made(store.table(records, store.schema([JUDGE])))[0])


def test_a_held_out_judge_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=f"no scores by {SECOND}. It has {JUDGE}"):
        report_results.read(_table(), [SECOND])


def _evaluation(folder: Path, rows: list[Row], **judges: evaluations.Score) -> None:
    place = store.Place(str(folder))
    place.write("run.json", json.dumps({"held_out": [SECOND]}).encode())
    kept = store.Store(place, list(judges))
    for row in rows:
        kept.note(evaluations.record(row, {judge: score(row) for judge, score in judges.items()}))
        place.write(f"images/{row.key}.png", evaluations.picture(row))
    kept.flush()


def test_from_a_folder_with_images(tmp_path: Path) -> None:
    rows = evaluations.rows(TEXTS, LAMBDAS)
    _evaluation(tmp_path, rows, **{JUDGE: _score, SECOND: _second})
    (tmp_path / f"images/{rows[0].key}.png").unlink()
    (tmp_path / f"images/{rows[1].key}.png").write_bytes(b"\x89PNG broken")
    page = Path(report.write(str(tmp_path))).read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == 3 * 3 - 2 and page.count(">no image<") == 2
    assert f"Held out: {SECOND}" in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert len((tmp_path / "report.csv").read_text("utf-8").splitlines()) == 1 + 2 * 3


def test_a_name_that_leads_out_of_the_folder_is_no_image(tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(evaluations.picture(Row(0, "", "", "", 0, 0.5)))
    place = store.Place(str(tmp_path / "run"))
    kept = store.Store(place, [JUDGE])
    names: list[Any] = ["../outside.png", str(outside), f"file://{outside}"]
    for row, name in zip(evaluations.rows(["a fox"], LAMBDAS, seeds=[0]), names, strict=True):
        kept.note(evaluations.record(row, {JUDGE: row.strength}, images=[name]))
    kept.flush()
    page = Path(report.write(place.url)).read_text("utf-8")
    assert "data:image/jpeg" not in page and page.count(">no image<") == 2


def test_a_folder_without_results(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no results yet"):
        report.write(str(tmp_path))
