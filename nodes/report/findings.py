"""What is said of a search for lambda: a sentence, the state that the page draws (js/find), a table, and a line for every image."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..scoring.found import Found
from ..scoring.search import Search
from .digits import number, percent, with_error
from .statements import falls
from .tables import cell, line


@dataclass(frozen=True)
class Finding:
    """A search and what it found so far. scorer, held_out: the judges' names, "" for none."""

    search: Search
    found: Found
    scorer: str
    held_out: str = ""

    @property
    def dots(self) -> list[tuple[float, float]]:
        """(lambda, score) of every image, each block moved so that it lies around the curve: only differences within a block count."""
        curve = dict(zip(self.search.strengths, self.found.curve.middle, strict=True))
        found = []
        for scores in self.search.scores.values():
            level = sum(score - curve[strength] for strength, score in scores.items()) / len(scores)
            found += [(strength, score - level) for strength, score in scores.items()]
        return found

    @property
    def spent(self) -> Counter[float]:
        """How many images each lambda took."""
        return Counter(strength for scores in self.search.scores.values() for strength in scores)


@dataclass(frozen=True)
class Line:
    """One image of a search. prompt: its place. held_out: None without a second judge. kl: nats, NaN where it is unknown."""

    block: int
    prompt: int
    seed: int
    strength: float
    score: float
    held_out: float | None
    kl: float
    kl_error: float
    seconds: float


def sentence(finding: Finding) -> str:
    """The answer and how sure it is, what else would do, and where a held-out judge turns."""
    found, sure = finding.found, percent(finding.search.confidence)
    said = [_answer(finding)]
    if found.alike is not None and found.alike[0] != found.alike[1]:
        said.append(f"{found.alike[0]:g} to {found.alike[1]:g} are as good ({sure})")
    if not found.settled and len(found.possible) > 1:
        said.append(f"not ruled out: {found.possible[0]:g} to {found.possible[-1]:g}")
    if found.gain is not None and found.strength != finding.search.strengths[0]:
        said.append(_gain(finding))
    if found.strength == finding.search.strengths[-1]:
        said.append("the best may lie above the range: raise highest")
    if found.turning is not None:
        said.append(falls(finding.scorer, finding.held_out, found.turning))
    return "; ".join(said)


def _answer(finding: Finding) -> str:
    found, images = finding.found, f"{finding.found.images} of {finding.search.budget} images"
    below = f" below {found.turning.below:g}" if found.turning and found.turning.below else ""
    within = f"within {percent(finding.search.indifference)} of the best{below}"
    if found.settled:
        return f"\u03bb = {found.strength:g} is {within} ({percent(found.chance)}), {images}"
    if found.chance >= finding.search.confidence:
        rarely = f"Undecided: \u03bb = {found.strength:g} looks best{below}, but was seen too rarely to say so"
        return f"{rarely}, {images}; it would take about {math.ceil(found.more)} more"
    more = f"about {math.ceil(found.more)} more" if math.isfinite(found.more) else "over 60 times as many"
    return f"Undecided: \u03bb = {found.strength:g} is {within} with {percent(found.chance)}, {images}; it would take {more}"


def _gain(finding: Finding) -> str:
    gain = finding.found.gain
    assert gain is not None
    sign = "+" if gain.mean > 0 else ""
    lowest = finding.search.strengths[0]
    return f"{sign}{with_error(gain.mean, gain.error)} over \u03bb = {lowest:g} in {gain.samples} fresh pairs"


def payload(finding: Finding) -> dict[str, Any]:
    """What js/find reads, as JSON. Unknown values are None."""
    search, found = finding.search, finding.found
    return {
        "strengths": list(search.strengths),
        **asdict(found.curve),
        "held_out": {"name": finding.held_out, **asdict(found.held_out)} if found.held_out else None,
        "turn": found.turning.at if found.turning else None,
        "dots": finding.dots,
        "scorer": finding.scorer,
        "confidence": search.confidence,
        "images": found.images,
        "budget": search.budget,
        "best": found.strength,
        "chance": found.chance,
        "settled": found.settled,
        "alike": found.alike,
        "more": math.ceil(found.more) if 0 < found.more < math.inf else None,
    }


def markdown(finding: Finding) -> str:
    """The sentence, and a line for each lambda that was sampled."""
    search, found, second = finding.search, finding.found, finding.found.held_out
    lowest = f"\u03bb = {search.strengths[0]:g}"
    band = percent(search.confidence)
    head = ["\u03bb", "images", f"{cell(finding.scorer)} over {lowest}", f"{band} band"]
    head += [f"{cell(finding.held_out)} over {lowest}, held out"] if second else []
    lines = [line([*head, ""]), line(["---"] * (len(head) + 1))]
    for place, strength in enumerate(search.strengths):
        if not finding.spent[strength]:
            continue
        cells = [f"{strength:g}", str(finding.spent[strength]), number(found.curve.middle[place])]
        cells += [f"{number(found.curve.low[place])} to {number(found.curve.high[place])}"]
        cells += [number(second.middle[place])] if second else []
        lines.append(line([*cells, _verdict(found, strength)]))
    return "\n".join([f"**{cell(sentence(finding))}**", "", *lines, "", _NOTE]) + "\n"


_NOTE = (
    "The curve is that of a model of the scores' differences within each prompt and seed; a lambda may be the best between two that were sampled. "
    "Fresh pairs were sampled after their lambda had been chosen."
)


def _verdict(found: Found, strength: float) -> str:
    if strength == found.strength:
        return "best"
    if found.turning is not None and strength >= (found.turning.below or 0):
        return "the held-out judge has turned"
    if found.alike is not None and found.alike[0] <= strength <= found.alike[1]:
        return "as good"
    return "possible" if strength in found.possible else "ruled out"


def csv_text(lines: Sequence[Line]) -> str:
    """A line for every image. Unknown is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["block", "prompt", "seed", "lambda", "score", "held_out", "kl_nats", "kl_error_nats", "seconds"])
    for each in lines:
        values = (each.score, each.held_out, each.kl, each.kl_error, each.seconds)
        known = ["" if value is None or math.isnan(value) else repr(value) for value in values]
        writer.writerow([each.block, each.prompt + 1, each.seed, repr(each.strength), *known])
    return text.getvalue()
