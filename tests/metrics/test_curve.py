"""The arithmetic of Performance Information Curves: closed forms, a plain transcription, and PAIR's stored results."""

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from xaijax._errors import InputError
from xaijax.metrics import evaluate
from xaijax.metrics import pic_curve as curve

DATA = Path(__file__).parent / "data"
units = st.floats(0.0, 1.0, allow_nan=False).map(lambda x: round(x, 3))
point_lists = st.lists(st.tuples(units, units), min_size=1, max_size=13)


def plain(points, convention):
    """METHODS' definition with lists and Python's own sort: value at 1001 positions."""
    u = [min(max(p[0], 0.0), 1.0) for p in points]
    v = [min(max(p[1], 0.0), 1.0) for p in points]
    if convention == "stable":
        pairs = [(0.0, 0.0), *sorted(zip(u, v, strict=True)), (1.0, 1.0)]
        best, steps = 0.0, []
        for position, value in pairs:
            best = max(best, value)
            steps.append((position, best))
    else:
        best, steps = 0.0, []
        for position, value in zip(u, v, strict=True):
            best = max(best, value)
            steps.append((position, best))
        steps = sorted([*steps, (0.0, 0.0), (1.0, 1.0)], key=lambda pair: pair[0])
    read = []
    for i in range(1001):
        x = i / 1000
        left = max(k for k, pair in enumerate(steps) if pair[0] <= x)
        if left == len(steps) - 1:
            read.append(steps[left][1])
            continue
        (x0, y0), (x1, y1) = steps[left], steps[left + 1]
        read.append(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
    return read


@pytest.mark.parametrize("convention", ["stable", "pair"])
@settings(max_examples=30, deadline=None)
@given(points=point_lists)
def test_equals_the_plain_transcription(convention, points):
    u, v = np.transpose(points)
    got = curve.read_curve(*curve.curve_points(u, v, convention))
    np.testing.assert_allclose(got, plain(points, convention), rtol=0, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(points=point_lists)
def test_stable_curves_never_fall_and_stay_in_range(points):
    read = curve.read_curve(*curve.curve_points(*np.transpose(points)))
    assert (np.diff(read) >= -1e-15).all()
    assert read.min() >= 0.0
    assert read[-1] == 1.0 == read.max()


@settings(max_examples=30, deadline=None)
@given(points=point_lists, data=st.data())
def test_stable_does_not_depend_on_the_order_of_the_points(points, data):
    shuffled = data.draw(st.permutations(points))
    one = curve.read_curve(*curve.curve_points(*np.transpose(points)))
    np.testing.assert_array_equal(one, curve.read_curve(*curve.curve_points(*np.transpose(shuffled))))


@settings(max_examples=30, deadline=None)
@given(points=point_lists, index=st.integers(0, 12), extra=units)
def test_a_larger_response_never_lowers_the_stable_area(points, index, extra):
    u, v = np.transpose(points)
    better = v.copy()
    better[index % len(v)] = max(better[index % len(v)], extra)
    areas = [curve.area(curve.read_curve(*curve.curve_points(u, w))) for w in (v, better)]
    assert areas[1] >= areas[0] - 1e-12


def test_the_area_of_known_curves():
    area = lambda u, v, convention="stable": float(curve.area(curve.read_curve(*curve.curve_points(u, v, convention))))  # noqa: E731
    grid = np.linspace(0.0, 1.0, 11)
    assert area(grid, grid) == pytest.approx(0.5, abs=1e-12)
    # Knots on the 1001 positions make the trapezoid rule exact.
    assert area([0.25], [1.0]) == pytest.approx(1.0 - 0.125, abs=1e-12)
    # A wall of 0.4 at 0.5 is climbed within the one interval before it.
    assert area([0.5, 0.5], [0.0, 0.4]) == pytest.approx(0.5 * (0.4 + 1.0) / 2 + 0.4 * 0.0005, abs=1e-12)
    # The response comes with no information at all: PAIR overrules it by (0, 0), "stable" keeps it.
    assert area([0.0], [1.0]) == pytest.approx(1.0, abs=1e-12)
    assert area([0.0], [1.0], "pair") == pytest.approx(0.5, abs=1e-12)


def test_pair_can_fall_where_stable_cannot():
    u, v = [0.8, 0.2], [0.5, 0.7]
    assert np.diff(curve.curve_points(u, v, "pair")[1]).min() < 0
    assert np.diff(curve.curve_points(u, v, "stable")[1]).min() >= 0


def test_medical_reads_zero_over_zero_as_zero():
    scaled = curve.scale([1.0, 0.0, 1.0], 1.0, 1.0)
    assert np.isnan(scaled).tolist() == [True, False, True]
    position, value = curve.curve_points([0.2, 0.4, 0.6], scaled, "medical")
    assert value.tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
    # Between 0.6 and 1 the curve climbs; only when the information reaches 1 is it a wall of one interval.
    position, value = curve.curve_points([0.2, 0.4, 1.0], scaled, "medical")
    assert float(curve.area(curve.read_curve(position, value))) == pytest.approx(0.0005, abs=1e-15)
    with pytest.raises(ValueError, match="must not be NaN"):
        curve.curve_points([0.2, 0.4, 1.0], scaled, "stable")


def test_batches_equal_single_curves():
    rng = np.random.default_rng(0)
    u, v = rng.random((2, 3, 4, 13))
    for convention in curve.CONVENTIONS:
        position, value = curve.curve_points(u, v, convention)
        read = curve.read_curve(position, value)
        assert read.shape == (3, 4, 1001)
        for index in np.ndindex(3, 4):
            single = curve.read_curve(*curve.curve_points(u[index], v[index], convention))
            np.testing.assert_array_equal(read[index], single)


def test_aggregate_is_pointwise():
    curves = np.random.default_rng(0).random((5, 1001))
    for how, function in (("median", np.median), ("mean", np.mean)):
        got, area = curve.aggregate(curves, how)
        np.testing.assert_array_equal(got, function(curves, axis=0))
        assert area == pytest.approx(np.sum((got[1:] + got[:-1]) / 2) / 1000, abs=1e-12)
    with pytest.raises(ValueError, match="N at least 1"):
        curve.aggregate(np.zeros((0, 1001)))
    with pytest.raises(ValueError, match="how must be"):
        curve.aggregate(curves, "sum")


@pytest.mark.parametrize(
    ("kind", "convention", "change", "code"),
    [
        ("sic", "stable", {}, ""),
        ("aic", "stable", {}, ""),
        ("sic", "stable", {"probability": (0.6, 0.6)}, "blurred_as_probable"),
        ("aic", "stable", {"probability": (0.6, 0.6)}, ""),
        ("aic", "stable", {"right": (True, True)}, "blurred_already_right"),
        ("aic", "stable", {"right": (False, False)}, "original_wrong"),
        ("sic", "stable", {"right": (False, False)}, ""),
        ("sic", "stable", {"information": (5.0, 5.0)}, "information_not_larger"),
        ("aic", "stable", {"information": (5.0, 6.0)}, "information_not_larger"),
        ("sic", "stable", {"information": (float("nan"), 6.0)}, "not_finite"),
        ("sic", "pair", {}, ""),
        ("sic", "pair", {"probability": (0.79, 0.1)}, "low_probability"),
        ("aic", "pair", {"probability": (0.5, 0.1)}, ""),
        ("aic", "pair", {"right": (False, False)}, "original_wrong"),
        ("aic", "pair", {"right": (True, True)}, "blurred_already_right"),
        ("aic", "medical", {"right": (True, True)}, ""),
        ("aic", "medical", {"probability": (0.5, 0.5)}, "blurred_as_probable"),
        ("sic", "medical", {"probability": (0.3, 0.1)}, ""),
    ],
)
def test_skip_rules(kind, convention, change, code):
    facts = {"probability": (0.9, 0.2), "right": (True, False), "information": (6.0, 5.0)} | change
    assert curve.undefined(kind, convention, **facts) == code


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="stable, pair, medical; got 'PAIR'"):
        curve.curve_points([0.1], [0.1], "PAIR")
    with pytest.raises(ValueError, match=r"got shapes \(1,\) and \(2,\)"):
        curve.curve_points([0.1], [0.1, 0.2])


def pair_cases():
    with np.load(DATA / "pair_curves.npz") as stored:
        return {name: stored[name] for name in stored.files}


def test_pair_arithmetic_equals_saliency_0_2_1():
    """Predictions and WebP sizes of PAIR's own rebuilt images, and the curves that PAIR made of them."""
    stored = pair_cases()
    assert len(stored["auc"]) >= 20
    for i, auc in enumerate(stored["auc"]):
        response = stored["predictions"][i]  # of x_0, the fractions, x
        information = stored["entropies"][i]
        facts = {
            "probability": (response[-1], response[0]),
            "right": (bool(response[-1]), bool(response[0])),
            "information": (information[-1], information[0]),
        }
        kind = "aic" if stored["is_accuracy"][i] else "sic"
        code = curve.undefined(kind, "pair", **facts)
        assert code == stored["reason"][i]
        if code:
            continue
        u = curve.scale(information[1:-1], information[0], information[-1])
        v = curve.scale(response[1:-1], response[0], response[-1])
        read = curve.read_curve(*curve.curve_points(u, v, "pair"))
        np.testing.assert_allclose(curve.positions(), stored["curve_x"], rtol=0, atol=1e-15)
        np.testing.assert_allclose(read, stored["curve_y"][i], rtol=0, atol=1e-9)
        assert float(curve.area(read)) == pytest.approx(auc, abs=1e-9)


@pytest.mark.parametrize("kind", ["sic", "aic"])
@pytest.mark.parametrize("how", ["median", "mean"])
def test_pair_aggregates_equal_saliency_0_2_1(kind, how):
    stored = pair_cases()
    chosen = (stored["is_accuracy"] == (kind == "aic")) & (stored["reason"] == "")
    read, area = curve.aggregate(stored["curve_y"][chosen], how)
    np.testing.assert_allclose(read, stored[f"{kind}_{how}"], rtol=0, atol=1e-12)
    assert area == pytest.approx(float(stored[f"{kind}_{how}_auc"]), abs=1e-12)


def test_the_number_of_points_and_the_least_probability_of_pair_can_be_set():
    class Line:
        def predict(self, images):
            p = np.asarray(images, np.float64).mean((1, 2, 3))
            return np.stack([1 - p, p], axis=1)

    image = np.full((1, 24, 24, 1), 160, np.uint8)
    image[0, 6:18, 6:18] = 220
    image[0, 0, 0] = image[0, -1, -1] = image[0, 0, -1] = image[0, -1, 0] = 20
    maps = {"bright": image[..., 0].astype(float) + np.random.default_rng(0).random((1, 24, 24))}

    def score(**options):
        given = {"pic": {"convention": "pair", **options}}
        return evaluate(Line(), image, [1], maps, metrics=["sic_mutual"], settings=given)

    found = score()
    assert found.reason.tolist() == ["low_probability"]
    assert 0.5 < Line().predict(image / 255)[0, 1] < 0.8
    found = score(min_probability=0.5)
    assert found.reason.tolist() == [""]
    position, value = found.curves.position[0], found.curves.value[0]
    for points in (11, 101, 5001):
        where = np.linspace(0, 1, points)
        expected = np.trapezoid(np.interp(where, position, value), where)
        assert score(min_probability=0.5, points=points).value[0] == pytest.approx(expected, abs=1e-12)
    with pytest.raises(InputError, match=r"pic\.min_probability belongs to pic\.convention=pair"):
        evaluate(Line(), image, [1], maps, metrics=["sic_mutual"], settings={"pic": {"min_probability": 0.5}})
