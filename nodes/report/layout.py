"""Where everything of a sweep's grid stands: columns are lambdas, and each method has a band of rows, one for each sample."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..method.strength import beta_from_lambda
from ..wires import INTERPOLATED, REALIGNED, Entry, Scores, Sweep
from .digits import number, with_error
from .figures import text_width

METHODS = {REALIGNED: "realigned", INTERPOLATED: "weights interpolated"}
_GAP, _BETWEEN = 0.06, 0.16  # inches between two images, and what is added between two bands
_CAPTION = 0.85  # its type size to that of the titles


@dataclass(frozen=True)
class Band:
    """One method's rows. label: the method; columns: for each the place of its entry in the sweep, None where there is none."""

    label: str
    columns: tuple[int | None, ...]


@dataclass(frozen=True)
class Label:
    """A text whose top is at x and y, in inches from the left top corner; or, upright, its middle. size: in points."""

    text: str
    x: float
    y: float
    size: float
    across: str = "center"
    upright: bool = False


@dataclass(frozen=True)
class Plan:
    """All in inches. size: of the whole; cell: an image's width and height; places: each image's left top corner, in the batch's order."""

    size: tuple[float, float]
    cell: tuple[float, float]
    places: tuple[tuple[float, float], ...]
    labels: tuple[Label, ...]


def bands(entries: Sequence[Entry]) -> list[Band]:
    """A band for each method of the sweep, in the order they come, all over the same columns."""
    methods = list(dict.fromkeys(entry.method for entry in entries))
    keys = {method: _keys(entries, method) for method in methods}
    columns = list(dict.fromkeys(itertools.chain.from_iterable(keys.values())))
    if all(list(places) == sorted(places) for places in keys.values()):
        columns.sort()
    return [Band(METHODS.get(method, method), tuple(map(keys[method].get, columns))) for method in methods]


def _keys(entries: Sequence[Entry], method: str) -> dict[tuple[float, int], int]:
    """The places of a method's entries by lambda and, should one come twice, by how many came before."""
    found: dict[tuple[float, int], int] = {}
    for place, entry in enumerate(entries):
        if entry.method == method:
            found[entry.strength, sum(strength == entry.strength for strength, _ in found)] = place
    return found


@dataclass(frozen=True)
class _Texts:
    """A title for each column; for each entry what stands over its images; a caption for each image; a line below it all."""

    columns: list[str]
    entries: list[str]
    captions: list[str]
    foot: str


@dataclass(frozen=True)
class _Sheet:
    """The measures in inches, the type size in points. wide: of a column; left, head, over, below, foot: room for the methods' names,
    the columns' titles, the line over a band's images, an image's caption, and the line below it all.
    """

    cell: tuple[float, float]
    wide: float
    type_size: float
    samples: int
    left: float
    head: float
    over: float
    below: float
    foot: float

    def x(self, column: int) -> float:
        """The left edge of a column."""
        return self.left + _GAP + column * (self.wide + _GAP)

    def top(self, band: int) -> float:
        """The top of a band."""
        rows = self.over + self.samples * (self.cell[1] + _GAP + self.below)
        return self.head + _GAP + band * (rows + _BETWEEN)

    def y(self, band: int, sample: int) -> float:
        """The top of a row of images."""
        return self.top(band) + self.over + sample * (self.cell[1] + _GAP + self.below)

    def size(self, columns: int, count: int) -> tuple[float, float]:
        """Of the whole, with so many columns and bands."""
        return self.x(columns), self.y(count - 1, self.samples) + self.foot


def arrange(
    sweep: Sweep, trained_beta: float | None, cell: tuple[float, float], type_size: float, scores: Scores | None
) -> Plan:
    """The plan of a sweep's grid. cell: width and height of an image in inches; type_size: of the titles, in points.

    Columns are as wide as the images, or as the titles where these are wider.
    """
    found, line = bands(sweep.entries), type_size * 1.5 / 72
    texts, wide = _texts(sweep, found, trained_beta, scores, cell[0], type_size)
    names = [_name(band, sweep.samples * cell[1], type_size) for band in found] if len(found) > 1 else []
    sheet = _Sheet(
        cell,
        wide,
        type_size,
        sweep.samples,
        left=_GAP + line * max(name.count("\n") + 1 for name, _ in names) if names else 0.0,
        head=line * max(title.count("\n") + 1 for title in texts.columns) + 0.1,
        over=line if any(texts.entries) else 0.0,
        below=line if scores else 0.0,
        foot=line if texts.foot else 0.0,
    )
    size = sheet.size(len(texts.columns), len(found))
    labels = [*_over_the_images(sheet, found, texts), *_captions(sheet, found, texts), *_names(sheet, names)]
    if texts.foot:
        labels.append(_foot(sheet, texts.foot, size))
    places = {image: (x, y) for image, x, y in _images(sheet, found)}
    return Plan(
        size, cell, tuple(places[image] for image in sorted(places)), tuple(label for label in labels if label.text)
    )


def _images(sheet: _Sheet, found: Sequence[Band]) -> Iterator[tuple[int, float, float]]:
    """Each image's place in the batch, and its left top corner."""
    for place, band in enumerate(found):
        for column, entry in enumerate(band.columns):
            if entry is not None:
                x = sheet.x(column) + (sheet.wide - sheet.cell[0]) / 2
                yield from ((entry * sheet.samples + n, x, sheet.y(place, n)) for n in range(sheet.samples))


def _over_the_images(sheet: _Sheet, found: Sequence[Band], texts: _Texts) -> Iterator[Label]:
    """The columns' titles, and in each band what is said of its entries."""
    for column, title in enumerate(texts.columns):
        yield Label(title, sheet.x(column) + sheet.wide / 2, 0.06, sheet.type_size)
        for place, band in enumerate(found):
            entry = band.columns[column]
            text = "" if entry is None else texts.entries[entry]
            yield Label(text, sheet.x(column) + sheet.wide / 2, sheet.top(place), sheet.type_size)


def _captions(sheet: _Sheet, found: Sequence[Band], texts: _Texts) -> Iterator[Label]:
    for image, x, y in _images(sheet, found):
        under = y + sheet.cell[1] + 0.03
        yield Label(texts.captions[image], x + sheet.cell[0] / 2, under, sheet.type_size * _CAPTION)


def _names(sheet: _Sheet, names: Sequence[tuple[str, float]]) -> Iterator[Label]:
    """Each method's name at the left of its images, upright."""
    for place, (name, size) in enumerate(names):
        middle = (sheet.y(place, 0) + sheet.y(place, sheet.samples) - _GAP - sheet.below) / 2
        yield Label(name, _GAP / 2 + sheet.left / 2, middle, size, upright=True)


def _name(band: Band, room: float, size: float) -> tuple[str, float]:
    """A method's name in one line, or in two, or smaller, as it fits into the room; with its type size."""
    for name in (band.label, band.label.replace(" ", "\n")):
        if text_width(name, size) <= room:
            return name, size
    return name, max(4.0, size * room / text_width(name, size))


def _foot(sheet: _Sheet, text: str, size: tuple[float, float]) -> Label:
    """The line below it all, cut to the width of the whole."""
    small, room = sheet.type_size * _CAPTION, size[0] - 2 * _GAP
    if text_width(text, small) > room:
        text = next((cut for n in range(len(text), 0, -1) if text_width(cut := f"{text[:n]}\u2026", small) <= room), "")
    return Label(text, _GAP, size[1] - sheet.foot, small, across="left")


def _texts(
    sweep: Sweep,
    found: Sequence[Band],
    trained_beta: float | None,
    scores: Scores | None,
    width: float,
    type_size: float,
) -> tuple[_Texts, float]:
    """All that is written, and how wide a column must be for it, in inches.

    The scorer's name stands in each caption or, where it is too long for that, once below everything.
    """
    entries, several = sweep.entries, len(found) > 1
    firsts = [
        next(place for place in places if place is not None)
        for places in zip(*(band.columns for band in found), strict=True)
    ]
    columns = [(_column_title if several else _entry_title)(entries[first], trained_beta) for first in firsts]
    over = [_kl(entry) if several else "" for entry in entries]
    bare = [f"{value:.3g}" for value in scores.values] if scores else [""] * len(entries) * sweep.samples
    wide = max(width, *(text_width(text, type_size) for text in {*columns, *over}))
    wide = max(wide, *(text_width(text, type_size * _CAPTION) for text in set(bare)))
    full = [f"{scores.name} {value}" for value in bare] if scores else bare
    fits = all(text_width(text, type_size * _CAPTION) <= wide for text in set(full))
    foot = "" if fits or scores is None else f"Score: {' '.join(scores.name.split())}"
    return _Texts(columns, over, full if fits else bare, foot), wide


def _column_title(entry: Entry, trained_beta: float | None) -> str:
    """What the entries of a column share: lambda, and beta if it is known."""
    return "\n".join([f"\u03bb = {entry.strength:g}", *_beta(entry, trained_beta)])


def _entry_title(entry: Entry, trained_beta: float | None) -> str:
    """All that is known of an entry."""
    return "\n".join(part for part in (entry.label(), *_beta(entry, trained_beta), _kl(entry)) if part)


def _kl(entry: Entry) -> str:
    """ "KL 310 +- 20 nats", "" if it is unknown; three digits where it was measured directly."""
    if math.isnan(entry.mean_kl):
        return ""
    kl = with_error(entry.mean_kl, entry.mean_kl_error) if entry.mean_kl_error else f"{entry.mean_kl:.3g}"
    return f"KL {kl} nats"


def _beta(entry: Entry, trained_beta: float | None) -> list[str]:
    if trained_beta is None:
        return []
    beta = beta_from_lambda(entry.strength, trained_beta)
    if beta is None:
        return []
    return ["reference" if math.isinf(beta) else f"\u03b2 = {number(beta)}"]
