"""Tables of evaluations that nobody ran, with numbers that can be worked out by hand."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pyarrow as pa
from deradiff.evaluate import store
from deradiff.evaluate.rows import REALIGNED, Row
from PIL import Image

Score = Callable[[Row], float]


def record(row: Row, scores: dict[str, float], **more: Any) -> dict[str, Any]:
    """A finished row that worked, or with `error` one that did not."""
    failed = more.get("error") is not None
    return {
        "key": row.key,
        **{name: getattr(row, name) for name in ("prompt", "text", "negative", "tags", "seed", "method")},
        "lambda": row.strength,
        "error": None,
        **{store.SCORE + judge: None if failed else value for judge, value in scores.items()},
        "kl": None if failed else 100 * row.strength**2,
        "seconds": None if failed else 2.0 + row.strength,
        "worker": "host-0",
        "recipe": "r",
        "models": "m",
        "images": [] if failed else [f"images/{row.key}.png"],
        "attempts": 3 if failed else 1,
        "finished": 1_700_000_000.0,
        **more,
    }


def rows(
    texts: Iterable[str],
    lambdas: Iterable[float],
    seeds: Iterable[int] = (0, 1),
    methods: Iterable[str] = (REALIGNED,),
    tags: Callable[[int], str] = lambda number: "",
) -> list[Row]:
    each = product(enumerate(texts), seeds, methods, lambdas)
    return [Row(n, text, "", tags(n), seed, strength, method) for (n, text), seed, method, strength in each]


def table(each: Iterable[Row], judges: dict[str, Score]) -> pa.Table:
    records = [record(row, {judge: score(row) for judge, score in judges.items()}) for row in each]
    return store.table(records, store.schema(list(judges)))


def with_records(given: pa.Table, more: Iterable[dict[str, Any]]) -> pa.Table:
    """The table with further rows."""
    return pa.concat_tables([given, store.table(list(more), given.schema)])


def picture(row: Row) -> bytes:
    """A PNG whose colour says its lambda."""
    shade = round(255 * min(row.strength, 1.0))
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (shade, 60 + 7 * row.prompt % 190, 255 - shade)).save(file, "PNG")
    return file.getvalue()
