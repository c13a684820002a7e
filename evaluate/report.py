"""The report of an evaluation, from its table, finished or not: report.html, which needs no other file, and report.csv."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from . import report_page, report_results, report_sections, report_tables, store
from .report_images import Fetch
from .report_page import part
from .report_results import Results

NOTHING = "Nothing to compare yet"


def write(out: str) -> str:
    """Make the report of what is in a run's folder so far, and say where it is. Raises ValueError if there is nothing."""
    place = store.Place(out)
    table = store.read(out)
    held_out = json.loads(place.read("run.json")).get("held_out", []) if place.exists("run.json") else []
    page, lines = of_table(table, held_out, lambda name: _image(place, name))
    place.write("report.csv", lines.encode())
    place.write("report.html", page.encode())
    return place.path("report.html")


def of_table(table: pa.Table, held_out: Sequence[str], fetch: Fetch) -> tuple[str, str]:
    """(HTML, CSV) of a table as store.read gives it. held_out: the judges that do not choose. fetch: an image's bytes by its name in the
    table, raises OSError where there is none.
    """
    results = report_results.read(table, held_out)
    return _page(results, fetch), _csv(results)


def _image(place: store.Place, name: str) -> bytes:
    """Raises OSError, also for a name that leads out of the folder."""
    if ".." in name or name.startswith("/") or ":" in name or "\\" in name:
        raise FileNotFoundError(name)
    return place.read(name)


def _csv(results: Results) -> str:
    if not results.samples:
        return report_tables.csv_text(results, {})
    choices = {judge: report_sections.chosen(results, judge).choice for judge in results.judges if results.realigned}
    return report_tables.csv_text(results, choices)


def _page(results: Results, fetch: Fetch) -> str:
    title, parts = NOTHING, [report_sections.standing(results), *report_sections.warnings(results)]
    if results.samples and results.realigned:
        reports = [report_sections.chosen(results, judge) for judge in results.judges]
        title = report_sections.title(reports)
        parts += [report_sections.summary(report) for report in reports]
        parts += [report_sections.choice(results, report) for report in reports]
        parts += [
            report_sections.bands(results),
            *report_sections.held_out(results),
            *report_sections.baseline(results),
        ]
        for report in reports:
            parts += report_sections.prompts(results, report, fetch)
    if results.worked:
        parts.append(report_sections.costs(results))
    if results.failed:
        parts.append(report_sections.failures(results))
    if results.samples and results.realigned:
        parts.append(report_sections.notes(results))
    return report_page.page(title, part("h1", title), *parts)
