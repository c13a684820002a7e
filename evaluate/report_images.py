"""The prompts that gain and lose most, with their images side by side as small thumbnails."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deradiff.nodes.report.digits import number
from PIL import Image

from .report_page import Part, image, part
from .report_results import Arm, Results
from .store import SCORE

Fetch = Callable[[str], bytes]  # an image's bytes by its name in the table; raises OSError
_SIDE = 192  # pixels
_QUALITY = 82
_MOST = 6


@dataclass(frozen=True)
class Change:
    """A sample's scores at the two ends of a comparison."""

    sample: int
    before: float
    after: float

    @property
    def gain(self) -> float:
        return self.after - self.before


def changes(results: Results, judge: str, arm: Arm) -> list[Change]:
    """Of every sample from the lowest lambda to the arm, the largest gain first."""
    ends = zip(results.samples, results.scores(judge, results.realigned[0]), results.scores(judge, arm), strict=True)
    return sorted((Change(*each) for each in ends), key=lambda change: -change.gain)


def extremes(found: Sequence[Change]) -> tuple[list[Change], list[Change]]:
    """Those that gain most, and those that lose most, none of them twice."""
    gaining = [change for change in found if change.gain > 0][:_MOST]
    losing = [change for change in reversed(found) if change.gain < 0][:_MOST]
    return gaining, losing


def shown(results: Results, judge: str, change: Change, arms: Sequence[Arm], fetch: Fetch) -> Part:
    """A sample's prompt, its scores, and an image of its first seed at each of the arms."""
    block = results.samples[change.sample][0]
    record = block[results.realigned[0]]
    scores = (
        f"{judge}: {number(change.before)} \u2192 {number(change.after)} ({change.gain:+.3g}), seed {record['seed']}"
    )
    figures = [_figure(block[arm]["images"], f"{arm}: {number(block[arm][SCORE + judge])}", fetch) for arm in arms]
    return part(
        "div",
        part("p", record["text"]),
        part("p", scores, kind="muted"),
        part("div", *figures, kind="images"),
        kind="prompt",
    )


def _figure(names: Sequence[str] | None, caption: str, fetch: Fetch) -> Part:
    small = _thumbnail(names[0], fetch) if names else None
    seen = image(small, "image/jpeg", caption) if small else part("div", "no image", kind="none")
    return part("figure", seen, part("figcaption", caption))


def _thumbnail(name: str, fetch: Fetch) -> bytes | None:
    """As JPEG; None for an image that is not there or cannot be read: the report is made all the same."""
    try:
        with Image.open(io.BytesIO(fetch(name))) as found:
            small = found.convert("RGB")
            small.thumbnail((_SIDE, _SIDE))
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
