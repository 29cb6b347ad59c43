"""Least relevant first and the area between curves: loops written from the definitions, on models that are known."""

import itertools

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xaijax import kernels
from xaijax._errors import InputError
from xaijax.metrics import FAMILIES, METRICS, evaluate, orders
from xaijax.metrics.perturbed import FILLS, ROAD_FRACTIONS

NAMES = [metric.name for metric in FAMILIES["perturbation"].metrics]
BASE = [name for name in NAMES if not name.endswith(("_lerf", "_abpc", "_combined"))]
H, W = 8, 12
STEPS = 8
SETTINGS = {"perturbation": {"steps": STEPS, "flip_steps": H * W, "patch": 4, "regions": 3, "segments": 4, "noise": 0.0,
                             "sigma": 2.0, "compactness": 1.0}}  # fmt: skip


class Squared:
    """p of class 0 is the square of a weighted mean of the pixels: no sum of single effects."""

    classes = ("a", "b")

    def __init__(self, seed=0):
        self.weights = np.random.default_rng(seed).random((H, W, 3))
        self.weights /= self.weights.sum()
        self.seen = 0

    def predict(self, images):
        self.seen += len(images)
        p = (np.asarray(images, np.float64) * self.weights).sum((1, 2, 3)) ** 2
        return np.stack([p, 1 - p], axis=1)


@pytest.fixture
def problem():
    rng = np.random.default_rng(1)
    images = gaussian_filter(rng.random((2, H, W, 3)), (0, 1, 1, 0))
    images = (images - images.min()) / np.ptp(images)
    ties = np.round(rng.random((2, H, W)) * 4)  # five values
    return images.astype(np.float32), {"plain": rng.random((2, H, W)), "ties": ties}


def count(share):
    """Pixels that share t takes of a map without ties: those at or above its linear quantile 1 - t."""
    ramp = np.arange(H * W, dtype=np.float64)
    return int((ramp >= np.quantile(ramp, 1 - share)).sum())


def sorted_pixels(values, least):
    """Flat indices, one after the other; of tied pixels the first goes first."""
    keys = [(value if least else -value, index) for index, value in enumerate(values.ravel())]
    return [index for _, index in sorted(keys)]


def baseline(image, fill):
    if fill == "blur":
        return gaussian_filter(image.astype(np.float64), (2, 2, 0), mode="reflect", truncate=4)
    return {"black": 0.0, "mean": image.mean((0, 1), dtype=np.float64)}[fill] * np.ones(image.shape)


def hide(image, mask, fill):
    if fill in ("black", "mean", "blur"):
        return np.where(mask[..., None], baseline(image, fill), image)
    levels = np.where(mask, 1, 0).astype(np.uint16)
    return kernels.reveal(image.astype(np.float64), levels, 1, FILLS[fill], noise=0.0)[0]


def groups(name, image, values, least):
    """The pixels that each step of a metric changes: a list of arrays of flat indices."""
    if name.startswith(("insertion", "deletion", "road")):
        shares = ROAD_FRACTIONS if name.startswith("road") else [k / STEPS for k in range(1, STEPS + 1)]
        order, cuts = sorted_pixels(values, least), [0, *(count(share) for share in shares)]
        return [order[a:b] for a, b in itertools.pairwise(cuts)]
    if name == "pixel_flipping":
        return [[index] for index in sorted_pixels(values, least)]
    index = np.arange(H * W).reshape(H, W)
    if name == "irof":
        from skimage.segmentation import slic

        found = slic(image, n_segments=4, compactness=1.0, start_label=0, channel_axis=-1)
        parts = [index[found == number] for number in np.unique(found)]
        sizes = [values.ravel()[part].mean() for part in parts]
    else:
        parts = [index[r : r + 4, c : c + 4].ravel() for r in range(0, H, 4) for c in range(0, W, 4)]
        sizes = [values.ravel()[part].sum() for part in parts]
    order = sorted_pixels(np.array(sizes), least)
    return [parts[number] for number in order][: 3 if name == "region_perturbation" else None]


def curve(model, name, image, values, label, least):
    """Fraction, p and "predicted" of every step, image by image."""
    fill = {"pixel_flipping": "black", "irof": "mean", "region_perturbation": "black", "selectivity": "black"}.get(name)
    fill = fill or ("noisy_linear" if name.startswith("road") else name.partition("_")[2])
    changed, found = np.zeros(H * W, bool), []
    for group in [[], *groups(name, image, values, least)]:
        changed[group] = True
        mask = changed.reshape(H, W)
        shown = hide(image, ~mask if name.startswith("insertion") else mask, fill)
        p = model.predict(shown[None].astype(np.float32))[0]
        found.append((changed.mean(), p[label], float(p.argmax() == label)))
    return np.array(found).T


def value(name, fraction, p, right):
    if name == "region_perturbation":
        return (p[0] - p).mean()
    if name in ("road", "road_accuracy"):
        return (p if name == "road" else right)[1:].mean()
    if name == "irof":
        relative = p / p[0]
        return 1 - sum((a + b) / 2 for a, b in itertools.pairwise(relative)) / (len(p) - 1)
    return sum((p[k] + p[k + 1]) / 2 * (fraction[k + 1] - fraction[k]) for k in range(len(p) - 1))


@pytest.mark.parametrize("method", ["plain", "ties"])
@pytest.mark.parametrize("name", BASE)
def test_twins_are_those_of_a_loop(problem, name, method):
    images, maps = problem
    labels = [0, 1]
    names = [n for n in NAMES if n in (f"{name}_lerf", f"{name}_abpc", f"{name}_combined")]
    assert len(names) == 2
    model = Squared()
    scores = evaluate(model, images, labels, {"m": maps[method]}, metrics=names, settings=SETTINGS, batch_size=5)
    assert (scores.reason == "").all()
    for i, label in enumerate(labels):
        most, least = (curve(Squared(), name, images[i], maps[method][i], label, first) for first in (False, True))
        got = dict(zip(scores.select(image=str(i)).metric, scores.select(image=str(i)).value, strict=True))
        assert got[f"{name}_lerf"] == pytest.approx(value(name, *least), abs=1e-6)
        column = 2 if name == "road_accuracy" else 1
        if name.startswith("road"):
            assert got[f"{name}_combined"] == pytest.approx((least - most)[column][1:].mean() / 2, abs=1e-6)
        else:
            difference = (most - least if name.startswith("insertion") else least - most)[1]
            assert got[f"{name}_abpc"] == pytest.approx(sum(difference) / len(difference), abs=1e-6)
            found = scores.responses.select(image=str(i), metric=f"{name}_abpc")
            np.testing.assert_allclose(found.value[0], difference, atol=1e-6)
            np.testing.assert_allclose(found.fraction[0], (most[0] + least[0]) / 2, atol=1e-12)


def test_selectivity_removes_every_square_by_its_sum(problem):
    """Where squares are cut, sum and mean disagree: the last column is two pixels wide."""
    images, _ = problem
    values = np.ones((2, H, W))
    values[:, :4, 10:] = 1.5  # the largest mean; the sum of the eight pixels is below that of a full square
    settings = {"perturbation": {"patch": 5}}
    scores = evaluate(Squared(), images, [0, 0], {"m": values}, metrics=["selectivity"], settings=settings)
    parts = [(slice(r, r + 5), slice(c, c + 5)) for r in (0, 5) for c in (0, 5, 10)]
    parts.sort(key=lambda part: -values[0][part].sum())
    for i in range(2):
        mask, points = np.zeros((H, W), bool), []
        for part in [None, *parts]:
            if part is not None:
                mask[part] = True
            points.append((mask.mean(), Squared().predict(np.where(mask[..., None], 0, images[i])[None])[0, 0]))
        fraction, p = np.array(points).T
        np.testing.assert_allclose(scores.responses.value[i], p, atol=1e-6)
        assert scores.value[i] == pytest.approx(np.trapezoid(p, fraction), abs=1e-6)


def test_the_area_between_the_curves_of_a_linear_model_is_a_sum_over_ranks(problem):
    """Black, one pixel a step: p falls by w x of each pixel, so that ABPC = Σ_j c_j (2 rank_j - N + 1) / (N + 1)."""
    images, maps = problem

    class Linear(Squared):
        def predict(self, x):
            p = (np.asarray(x, np.float64) * self.weights).sum((1, 2, 3))
            return np.stack([p, 1 - p], axis=1)

    n = H * W
    scores = evaluate(
        Linear(), images, [0, 0], {"m": maps["plain"]}, metrics=["pixel_flipping_abpc"], settings=SETTINGS
    )
    for i in range(2):
        effect = (images[i].astype(np.float64) * Linear().weights).sum(-1).ravel()
        rank = np.argsort(np.argsort(maps["plain"][i].ravel()))  # 0 for the smallest
        # Removed at step n - rank most first, at step rank + 1 least first: that long it counts.
        assert scores.value[i] == pytest.approx((effect * (2 * rank - n + 1)).sum() / (n + 1), abs=1e-6)


def test_series_that_show_the_same_images_are_computed_once(problem):
    images, maps = problem
    asked = [f"{direction}_black{twin}" for direction in ("insertion", "deletion") for twin in ("", "_lerf", "_abpc")]
    rows = {}
    # One map without ties: what is shown in insertion is what deletion from the other end leaves.
    for method, most in (("plain", 2), ("ties", 6)):
        model = Squared()
        given = {"m": maps[method][:1]}
        together = evaluate(model, images[:1], [0], given, metrics=asked, settings=SETTINGS, batch_size=1)
        assert model.seen == 2 + most * (STEPS - 1)
        rows[method] = dict(zip(together.metric, together.value, strict=True))
        for name in asked:
            alone = evaluate(Squared(), images[:1], [0], given, metrics=[name], settings=SETTINGS)
            assert alone.value[0] == rows[method][name], name
    plain = rows["plain"]
    assert plain["insertion_black_lerf"] == pytest.approx(plain["deletion_black"], abs=1e-12)
    assert plain["deletion_black_lerf"] == pytest.approx(plain["insertion_black"], abs=1e-12)
    area = (plain["deletion_black_lerf"] - plain["deletion_black"]) * STEPS / (STEPS + 1)
    assert plain["deletion_black_abpc"] == pytest.approx(plain["insertion_black_abpc"], abs=1e-12)
    assert plain["deletion_black_abpc"] == pytest.approx(area, abs=0.01)  # shares are rounded to whole pixels


def test_road_asks_for_its_own_passes_only(problem):
    images, maps = problem
    for names, passes in ((["road_lerf"], 9), (["road", "road_lerf", "road_combined", "road_accuracy_combined"], 18)):
        model = Squared()
        evaluate(model, images, [0, 1], {"m": maps["plain"]}, metrics=names, settings=SETTINGS, batch_size=1)
        assert model.seen == 2 * (1 + passes)


def test_regions_and_squares_share_images_whatever_comes_first(problem):
    images, maps = problem
    settings = {"perturbation": {"patch": 4, "regions": 100}}
    kept = {}
    for names in (["selectivity", "region_perturbation"], ["region_perturbation", "selectivity"]):
        model = Squared()
        scores = evaluate(
            model, images[:1], [0], {"m": maps["plain"][:1]}, metrics=names, settings=settings, batch_size=1
        )
        assert (scores.reason == "").all()
        kept[names[0]] = dict(zip(scores.metric, scores.value, strict=True))
    assert kept["selectivity"] == kept["region_perturbation"]


def test_a_flat_map_and_one_square_have_no_value(problem):
    images, maps = problem
    flat = {"m": np.ones((2, H, W))}
    names = ["deletion_black_abpc", "road_combined", "selectivity"]
    assert evaluate(Squared(), images, [0, 1], flat, metrics=names).reason.tolist() == ["flat_map"] * 6

    class Mean:
        def predict(self, x):
            p = np.asarray(x, np.float64).mean((1, 2, 3))
            return np.stack([p, 1 - p], axis=1)

    scores = evaluate(
        Mean(), images[:, :, :8], [0, 1], {"m": maps["plain"][:, :, :8]}, metrics=["selectivity", "selectivity_abpc"],
        settings={"perturbation": {"patch": 8}},
    )  # fmt: skip
    assert scores.reason.tolist() == ["one_square"] * 4
    with pytest.raises(InputError, match=r"^perturbation.patch is 9: the regions of selectivity must not be wider"):
        evaluate(
            Squared(), images, [0, 1], {"m": maps["plain"]}, metrics=["selectivity"],
            settings={"perturbation": {"patch": 9}},
        )  # fmt: skip


def test_too_many_squares_are_refused():
    images = np.zeros((1, 257, 256, 1), np.uint8)

    class Any:
        def predict(self, x):
            raise AssertionError("nothing is computed")

    with pytest.raises(InputError, match=r"would remove 65,792 squares, more than the 65,533"):
        evaluate(
            Any(), images, [0], {"m": images[..., 0] + 0.5}, metrics=["selectivity"],
            settings={"perturbation": {"patch": 1}},
        )  # fmt: skip


def test_shares_are_those_of_quantiles_where_nothing_ties():
    rng = np.random.default_rng(5)
    for shape, shares in (((1, 5, 7), (0.1, 0.5, 1.0)), ((2, 9, 9), (0.25, 0.5, 0.75)), ((1, 16, 16), (0.001, 1.0))):
        maps = rng.random(shape)
        np.testing.assert_array_equal(orders.by_share(maps, shares)[0], orders.by_quantile(maps, shares)[0])


def test_directions_turn_with_the_order():
    for name in BASE:
        assert METRICS[f"{name}_lerf"].higher_is_better != METRICS[name].higher_is_better
        twin = METRICS[f"{name}_combined" if name.startswith("road") else f"{name}_abpc"]
        assert twin.higher_is_better
        assert twin.range == ((-0.5, 0.5) if name.startswith("road") else (-1.0, 1.0))
