"""Numbers as text, for tables, plots and grids."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """At most five digits, without an exponent for usual betas and KLs."""
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "\u221e"
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.5g}"


def with_error(value: float, error: float) -> str:
    """ "312 +- 18": the error to two digits, the value as far as it. The value alone where it is unknown or the error 0."""
    if not math.isfinite(value) or error == 0:
        return number(value)
    if not math.isfinite(error):
        return f"{number(value)} \u00b1 {number(error)}"
    places = 1 - math.floor(math.log10(float(f"{error:.2g}")))
    if not 1e-4 * abs(value) <= error < 1e9 or places > 6:
        return f"{number(value)} \u00b1 {error:.2g}"
    return " \u00b1 ".join(f"{round(part, places):.{max(places, 0)}f}" for part in (value, error))


def percent(chance: float) -> str:
    """ "97 %" for a chance of 0 to 1, rounded down so that it never says more than is known; "over 99.9 %", "under 0.1 %"."""
    if math.isnan(chance):
        return "unknown"
    if chance in (0, 1):
        return f"{100 * chance:.0f} %"
    if chance >= 0.999:
        return "over 99.9 %"
    if chance < 0.001:
        return "under 0.1 %"
    digits = 1 if chance >= 0.99 or chance < 0.01 else 0
    return f"{math.floor(chance * 100 * 10**digits + 1e-9) / 10**digits:g} %"
