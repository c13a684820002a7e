"""What a search found, as files of the run's place: a plot, a table, and a line for each image. Takes seconds to import, as PyTorch does."""

from __future__ import annotations

import math
from collections.abc import Mapping

from deradiff.nodes.report import findings, findings_plot
from deradiff.nodes.scoring.search import Ask

from .hunt import Hunt
from .report_plots import png
from .rows import Row
from .store import SCORE, Place, Record

FILES = ("found.png", "found.md", "found.csv")


def write(hunt: Hunt, place: Place, known: Mapping[str, Record]) -> str:
    """Keep what was found; the sentence that says it. known: the rows of the search, by key."""
    finding = findings.Finding(hunt.search, hunt.search.result(), hunt.scorer, hunt.held_out)
    lines = [
        _line(hunt, ask, row, known[row.key]) for ask in hunt.search.asks for row in hunt.rows(ask) if row.key in known
    ]
    texts = (findings.markdown(finding), findings.csv_text(lines))
    data = (png(findings_plot.plot(finding)), *(text.encode() for text in texts))
    for name, content in zip(FILES, data, strict=True):
        place.write(name, content)
    return findings.sentence(finding)


def _line(hunt: Hunt, ask: Ask, row: Row, record: Record) -> findings.Line:
    second = record[SCORE + hunt.held_out] if hunt.held_out else None
    kl = math.nan if record["kl"] is None else record["kl"]
    score, seconds = record[SCORE + hunt.scorer], record["seconds"]
    return findings.Line(ask.block, row.prompt, row.seed, row.strength, score, second, kl, 0.0, seconds)
