"""What a curve and a schedule accept, what they say about anything else, and the properties of the interpolation."""

from __future__ import annotations

import itertools
import json
import math
import re
from types import SimpleNamespace

import comfy_api.latest
import numpy as np
import pytest
from deradiff.nodes.lambda_schedule import DeRaDiffLambdaSchedule
from deradiff.nodes.method.curve import HIGHEST, INTERPOLATIONS, LINEAR, MONOTONE_CUBIC, MOST_POINTS, Curve, parse_curve
from deradiff.nodes.method.schedule import LambdaSchedule
from deradiff.nodes.method.window import Window
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicHermiteSpline, PchipInterpolator

ys = st.floats(min_value=0.0, max_value=HIGHEST)
point_sets = st.lists(
    st.tuples(st.integers(0, 1000), ys), min_size=1, max_size=12, unique_by=lambda point: point[0]
).map(lambda found: tuple(sorted((x / 1000, y) for x, y in found)))
every_interpolation = pytest.mark.parametrize("interpolation", INTERPOLATIONS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[0, 1], [1", "got '[[0, 1], [1' ("),
        ("", "expected JSON such as [[0, 1], [1, 0]], got '' ("),
        ("straight", "got 'straight' ("),
        ("[[0, NaN]]", "point 1, [0.0, nan], must have its y"),
        ("[[NaN, 1]]", "point 1, [nan, 1.0], must have its x"),
        ("[[0, Infinity]]", "point 1, [0.0, inf], must have its y"),
        ("[[-Infinity, 1]]", "point 1, [-inf, 1.0], must have its x"),
        ("[[0, 1e999]]", "[0.0, inf]"),
        ('[[0, "1"]]', "two numbers [x, y] for point 1, got \"[0, '1']\""),
        ("[[0, 1], [1, true]]", "two numbers [x, y] for point 2, got '[1, True]'"),
        ("[[0, null]]", "for point 1, got '[0, None]'"),
        ("[[[0, 1], [1, 0]]]", "for point 1, got '[[0, 1], [1, 0]]'"),
        ("[[0, 1, 2]]", "for point 1, got '[0, 1, 2]'"),
        ("[0, 1]", "for point 1, got '0'"),
        ('{"0": 1}', "expected a list of points such as [[0, 1], [1, 0]], got \"{'0': 1}\""),
        ("0.5", "got '0.5'"),
        ("null", "got 'None'"),
        (f"[[0, {10**400}]]", "point 1, '[0, 1000"),
        (f"[[0, {'9' * 5000}]]", "expected JSON such as [[0, 1], [1, 0]], got '[[0, 999"),
        ("[]", "expected 1 to 64 points, got 0"),
        (json.dumps([[x / 64, 1] for x in range(65)]), "expected 1 to 64 points, got 65"),
        ("[[0.5, 1], [0.25, 1]]", "point 2, [0.25, 1.0], must lie to the right of the point before it, [0.5, 1.0]"),
        (
            "[[0, 1], [0.5, 1], [0.5, 0]]",
            "point 3, [0.5, 0.0], must lie to the right of the point before it, [0.5, 1.0]",
        ),
        ("[[-0.1, 1]]", "point 1, [-0.1, 1.0], must have its x (the progress of sampling) between 0 and 1"),
        ("[[0, 1], [1.01, 1]]", "point 2, [1.01, 1.0], must have its x"),
        ("[[0, -0.5]]", "point 1, [0.0, -0.5], must have its y (the factor of lambda) between 0 and 2"),
        ("[[0, 2.01]]", "point 1, [0.0, 2.01], must have its y"),
        ("[" * 5000, "got '[[[["),
        ("[" * 5000 + "]" * 5000, "got '[[[["),
        ("[" * 10_001, "expected at most 10000 characters, got 10001"),
    ],
    ids=lambda value: value[:24],
)
def test_what_is_no_curve_is_refused_with_the_bad_part_quoted(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^curve: ") as refused:
        parse_curve(text)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 260


@pytest.mark.parametrize("value", [None, 1, 0.5, [[0, 1]], {"points": []}, b"[[0, 1]]", True])
def test_a_value_that_is_no_text_is_quoted(value: object) -> None:
    with pytest.raises(ValueError, match=r"^curve: expected text such as \[\[0, 1\], \[1, 0\]\], got") as refused:
        parse_curve(value)  # type: ignore[arg-type]
    assert (repr(value) if not isinstance(value, str) else value) in str(refused.value)


def test_an_unknown_interpolation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"interpolation: expected monotone_cubic or linear, got 'spline'"):
        parse_curve("[[0, 1]]", "spline")


def test_as_many_points_as_allowed_and_the_ends_of_both_ranges_are_fine() -> None:
    assert len(parse_curve(json.dumps([[x / 63, 2 * (x % 2)] for x in range(MOST_POINTS)])).points) == MOST_POINTS
    assert parse_curve(" [[0, 0],\n[1, 2]] ").points == ((0.0, 0.0), (1.0, 2.0))


@every_interpolation
@given(points=point_sets, x=st.floats(min_value=-1, max_value=2))
def test_a_curve_goes_through_its_points_and_stays_between_neighbours(
    interpolation: str, points: tuple, x: float
) -> None:
    curve = Curve(points, interpolation)
    assert all(curve.at(px) == py for px, py in points)
    left = [py for px, py in points if px <= x][-1:] or [points[0][1]]
    right = [py for px, py in points if px > x][:1] or [points[-1][1]]
    low, high = min(left + right), max(left + right)
    assert low - 1e-12 <= curve.at(x) <= high + 1e-12


@pytest.mark.parametrize("text", ["[[0, 0], [0.5, 5e-324], [1, 1]]", "[[0, 1], [0.000001, 0], [1, 1]]"])
def test_differences_too_small_to_draw_make_no_nan(text: str) -> None:
    curve = parse_curve(text)
    assert all(math.isfinite(curve.at(x / 16)) for x in range(17))


def test_points_that_lie_too_close_are_refused() -> None:
    with pytest.raises(ValueError, match=r"point 2, \[1e-310, 0.0\], must lie to the right"):
        parse_curve("[[0, 1], [1e-310, 0], [1, 1]]")


@every_interpolation
@given(points=point_sets)
def test_between_two_points_it_only_rises_or_only_falls(interpolation: str, points: tuple) -> None:
    curve = Curve(points, interpolation)
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        values = [curve.at(float(x)) for x in np.linspace(x0, x1, 33)]
        steps = np.diff(values) * np.sign(y1 - y0)
        assert (steps >= -1e-9).all()


@every_interpolation
@given(points=point_sets, y=ys, x=st.floats(min_value=0.25, max_value=0.75))
def test_a_stretch_of_equal_y_is_exactly_that_y(interpolation: str, points: tuple, y: float, x: float) -> None:
    around = [point for point in points if not 0.25 <= point[0] <= 0.75]
    flat = tuple(sorted([*around, (0.25, y), (0.75, y)]))
    assert Curve(flat, interpolation).at(x) == y


@given(points=point_sets)
def test_straight_lines_are_numpy_s(points: tuple) -> None:
    grid = np.linspace(0, 1, 101)
    expected = np.interp(grid, *zip(*points, strict=True))
    assert np.allclose([Curve(points, LINEAR).at(float(x)) for x in grid], expected, rtol=0, atol=1e-12)


def _fritsch_carlson(points: tuple, grid: np.ndarray) -> np.ndarray:
    """Their algorithm once more, by whole arrays and scipy's Hermite splines; end slopes are the first and the last secant."""
    x, y = np.array(points).T
    secant = np.diff(y) / np.diff(x)
    slope = np.concatenate([secant[:1], (secant[:-1] + secant[1:]) / 2, secant[-1:]])
    slope[1:-1][np.sign(secant[:-1]) * np.sign(secant[1:]) <= 0] = 0
    for k, s in enumerate(secant):
        radius = np.hypot(slope[k], slope[k + 1])
        if s == 0:
            slope[k : k + 2] = 0
        elif radius > 3 * abs(s):
            slope[k : k + 2] *= 3 * abs(s) / radius
    return CubicHermiteSpline(x, y, slope)(np.clip(grid, x[0], x[-1]))


tame = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 200)), min_size=2, max_size=10, unique_by=lambda point: point[0]
).map(lambda found: tuple(sorted((x / 50, y / 100) for x, y in found)))


@given(points=tame)
def test_the_cubic_is_fritsch_and_carlson_s(points: tuple) -> None:
    grid = np.linspace(0, 1, 101)
    ours = [Curve(points).at(float(x)) for x in grid]
    assert np.allclose(ours, _fritsch_carlson(points, grid), rtol=0, atol=1e-9)


if hasattr(comfy_api.latest.io, "Curve"):

    @given(points=tame)
    def test_the_cubic_is_core_s(points: tuple) -> None:
        from comfy_api.input import MonotoneCubicCurve

        grid = np.linspace(0, 1, 101)
        core = MonotoneCubicCurve([list(point) for point in points])
        assert np.allclose([Curve(points).at(float(x)) for x in grid], [core.interp(float(x)) for x in grid], atol=1e-9)

    @pytest.mark.parametrize(
        ("kind", "interpolation"), [("MonotoneCubicCurve", MONOTONE_CUBIC), ("LinearCurve", LINEAR)]
    )
    def test_a_curve_of_core_s_is_used_instead(kind: str, interpolation: str) -> None:
        import comfy_api.input

        core = getattr(comfy_api.input, kind)([[0.0, 0.25], [0.5, 1.0], [1.0, 0.0]])
        (schedule,) = DeRaDiffLambdaSchedule.execute("[[0, 1]]", MONOTONE_CUBIC, 0.0, 1.0, core).args
        assert schedule.curve == Curve(((0.0, 0.25), (0.5, 1.0), (1.0, 0.0)), interpolation)


def test_scipy_s_monotone_cubic_is_another_one_that_agrees_on_straight_lines() -> None:
    points = ((0.0, 0.2), (0.3, 0.5), (1.0, 1.2))
    for x in np.linspace(0, 1, 11):
        assert Curve(points).at(float(x)) == pytest.approx(float(PchipInterpolator(*zip(*points, strict=True))(x)))


@pytest.mark.parametrize("window", [(-0.1, 1.0), (0.0, 1.1), (0.6, 0.5), (math.nan, 1.0), (0.0, math.nan)])
def test_a_window_that_is_none_is_refused_with_both_ends(window: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="expected 0 <= start_percent <= end_percent <= 1") as refused:
        LambdaSchedule(Curve(((0.0, 1.0),)), Window(*window))
    assert f"got {window[0]} and {window[1]}." in str(refused.value)


def test_both_ends_of_the_window_are_inside_and_the_rest_is_zero() -> None:
    schedule = LambdaSchedule(Curve(((0.0, 1.5),)), Window(0.25, 0.75))
    assert [schedule.at(x) for x in (0.25, 0.5, 0.75)] == [1.5] * 3
    assert [schedule.at(x) for x in (0.0, 0.2499, 0.7501, 1.0)] == [0.0] * 4
    assert schedule.at(0.25 - 1e-9) == schedule.at(0.75 + 1e-9) == 1.5  # rounding of the progress


def test_a_window_of_one_point_holds_that_point() -> None:
    schedule = LambdaSchedule(Curve(((0.0, 1.5),)), Window(0.5, 0.5))
    assert (schedule.at(0.499), schedule.at(0.5), schedule.at(0.501)) == (0.0, 1.5, 0.0)


@pytest.mark.parametrize(
    ("points", "window", "constant"),
    [
        (((0.0, 1.0), (1.0, 1.0)), (0.0, 1.0), 1.0),
        (((0.5, 0.7),), (0.0, 1.0), 0.7),
        (((0.0, 0.0), (1.0, 0.0)), (0.0, 1.0), 0.0),
        (((0.0, 1.0), (1.0, 1.0)), (0.0, 0.999), None),
        (((0.0, 1.0), (1.0, 1.0)), (0.001, 1.0), None),
        (((0.0, 1.0), (0.5, 0.999), (1.0, 1.0)), (0.0, 1.0), None),
    ],
)
def test_only_what_is_the_same_everywhere_is_constant(points: tuple, window: tuple, constant: float | None) -> None:
    schedule = LambdaSchedule(Curve(points), Window(*window))
    assert schedule.constant == constant
    if constant is not None:
        assert {schedule.at(x / 50) for x in range(51)} == {constant}


def _schedule(text: object, interpolation: str = MONOTONE_CUBIC) -> LambdaSchedule:
    """Through the node, as a queued graph does it."""
    (schedule,) = DeRaDiffLambdaSchedule.execute(text, interpolation, 0.0, 1.0).args  # type: ignore[arg-type]
    return schedule


numbers = st.integers() | st.floats() | st.floats(0, 1) | st.floats(0, HIGHEST)
structures = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)
near_curves = st.lists(st.lists(numbers, min_size=1, max_size=3), max_size=70)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid curve with one piece of its text replaced."""
    text = json.dumps(draw(point_sets))
    at = draw(st.integers(0, len(text)))
    put = draw(
        st.text(max_size=3) | st.sampled_from(["[", "]", ",", "-", "e9", "NaN", "Infinity", "0", '"', "9" * 400])
    )
    return text[:at] + put + text[at + draw(st.integers(0, 4)) :]


texts = st.one_of(
    st.text(max_size=60),
    st.text(alphabet='[]{},.-+e0123456789 "NaInfity', max_size=80),
    mutated(),
    structures.map(json.dumps),
    near_curves.map(json.dumps),
    st.integers(0, 12_000).map("[".__mul__),
)


@settings(max_examples=4_000, deadline=None)
@given(text=texts, interpolation=st.sampled_from(INTERPOLATIONS))
def test_whatever_the_text_it_is_a_curve_or_a_value_error(text: str, interpolation: str) -> None:
    try:
        schedule = _schedule(text, interpolation)
    except ValueError as refused:
        assert str(refused).startswith("curve: ")
        return
    values = [schedule.at(x / 16) for x in range(17)]
    assert all(math.isfinite(value) and 0.0 <= value <= HIGHEST for value in values)


def test_an_object_that_is_no_curve_of_core_s_is_refused() -> None:
    with pytest.raises(ValueError, match=r"core_curve: expected a CURVE of ComfyUI's own curve node, got 'straight'"):
        DeRaDiffLambdaSchedule.execute("[[0, 1]]", MONOTONE_CUBIC, 0.0, 1.0, "straight")


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ([], "1 to 64 points, got 0"),
        ([(0.0, 3.0)], "point 1, [0.0, 3.0], must have its y"),
        ([(0.5, 1), (0.5, 0)], "point 2"),
    ],
)
def test_points_of_core_s_that_do_not_fit_are_refused_in_its_name(points: list, says: str) -> None:
    with pytest.raises(ValueError, match="^core_curve: " + ".*" + re.escape(says)):
        DeRaDiffLambdaSchedule.execute("[[0, 1]]", MONOTONE_CUBIC, 0.0, 1.0, SimpleNamespace(points=points))
