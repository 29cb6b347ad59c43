"""Perturbation curves: a linear model, whose curves are cumulative sums; maps that are permutations; shared passes."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xaijax import kernels
from xaijax._errors import InputError
from xaijax.metrics import FAMILIES, METRICS, evaluate, orders
from xaijax.metrics.perturbed import FILLS, ROAD_FRACTIONS

NAMES = [metric.name for metric in FAMILIES["perturbation"].metrics]
H, W = 12, 18


class Weighted:
    """p of class 0 is linear in the pixels: `Σ w x / Σ w`."""

    classes = ("a", "b")

    def __init__(self, weights):
        self.weights, self.seen = weights, 0

    def predict(self, images):
        self.seen += len(images)
        p = (np.asarray(images, np.float64) * self.weights).sum((1, 2, 3)) / self.weights.sum()
        return np.stack([p, 1 - p], axis=1)


def smooth(images):
    """Of noise SLIC makes a single segment."""
    soft = gaussian_filter(images, (0, 2, 2, 0))
    return (soft - soft.min()) / np.ptp(soft)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    images = rng.random((2, H, W, 3))
    weights = rng.random((H, W, 3))
    # A permutation: no ties, and every step takes exactly its share.
    maps = np.stack([rng.permutation(H * W).reshape(H, W) for _ in images]).astype(np.float64)
    return images, weights, maps


def expected_curve(image, weights, values, baseline, shares, direction):
    """By sorting: contributions of pixels change from the image's to the baseline's, largest map value first."""
    order = np.argsort(-values.ravel())
    keep = (weights * image).sum(-1).ravel()[order] / weights.sum()
    gone = (weights * baseline).sum(-1).ravel()[order] / weights.sum()
    counts = [0, *(round(share * order.size) for share in shares)]
    first, then = (keep, gone) if direction == "deletion" else (gone, keep)
    return np.array([then[:k].sum() + first[k:].sum() for k in counts]), np.array(counts) / order.size


@pytest.mark.parametrize("direction", ["insertion", "deletion"])
@pytest.mark.parametrize("fill", ["black", "mean", "blur"])
def test_a_linear_model_s_curve_is_a_cumulative_sum(problem, direction, fill):
    images, weights, maps = problem
    name = f"{direction}_{fill}"
    settings = {"perturbation": {"steps": 12, "sigma": 2.0}}
    scores = evaluate(Weighted(weights), images, [0, 0], {"m": maps}, metrics=[name], settings=settings, batch_size=5)
    for i, image in enumerate(images):
        if fill == "blur":
            baseline = gaussian_filter(image, (2, 2, 0), mode="reflect", truncate=4)
        else:
            baseline = {"black": 0.0, "mean": image.mean((0, 1))}[fill] * np.ones_like(image)
        curve, fraction = expected_curve(image, weights, maps[i], baseline, np.arange(1, 13) / 12, direction)
        got = scores.responses.select(image=str(i))
        np.testing.assert_allclose(got.fraction[0], fraction, atol=1e-12)
        np.testing.assert_allclose(got.value[0], curve, atol=1e-6)  # images reach the model as float32
        assert scores.value[i] == pytest.approx(np.trapezoid(curve, fraction), abs=1e-6)
        assert got.area[0] == scores.value[i]


@pytest.mark.parametrize("fill", ["linear", "noisy_linear"])
def test_rebuilt_baselines_are_the_kernel_s(problem, fill):
    images, weights, maps = problem
    model = Weighted(weights)
    for direction in ("insertion", "deletion"):
        scores = evaluate(
            model, images[:1], [0], {"m": maps[:1]}, metrics=[f"{direction}_{fill}"],
            settings={"perturbation": {"fractions": (0.25, 0.5), "noise": 0.0}},
        )  # fmt: skip
        levels = kernels.reveal_levels(maps[0], (0.25, 0.5, 1.0))
        stack = kernels.reveal(images[0], levels, 4, FILLS[fill], direction=direction, noise=0.0)
        np.testing.assert_allclose(scores.responses.value[0], model.predict(stack.astype(np.float32))[:, 0], atol=1e-7)


def test_ties_change_together_and_count_by_their_true_fraction(problem):
    images, weights, _ = problem
    maps = np.zeros((2, H, W))
    maps[:, :, :3] = 1.0  # a sixth of the pixels
    scores = evaluate(
        Weighted(weights),
        images,
        [0, 0],
        {"m": maps},
        metrics=["deletion_black"],
        settings={"perturbation": {"steps": 4}},
    )
    np.testing.assert_allclose(scores.responses.fraction[0], [0, 1, 1, 1, 1])
    # The quarter that is asked for begins inside the zeros, and zeros go together.
    scores = evaluate(
        Weighted(weights), images, [0, 0], {"m": maps}, metrics=["deletion_black"],
        settings={"perturbation": {"fractions": (0.1, 0.5)}},
    )  # fmt: skip
    np.testing.assert_allclose(scores.responses.fraction[0], [0, 1 / 6, 1, 1])
    left = (weights * images[0])[:, 3:].sum() / weights.sum()
    np.testing.assert_allclose(scores.responses.value[0][1], left, atol=1e-6)


def test_pixel_flipping_takes_exact_steps_and_all_channels(problem):
    images, weights, maps = problem
    scores = evaluate(
        Weighted(weights), images, [0, 0], {"m": maps}, metrics=["pixel_flipping"],
        settings={"perturbation": {"flip_steps": H * W}}, batch_size=64,
    )  # fmt: skip
    shares = np.arange(1, H * W + 1) / (H * W)
    for i, image in enumerate(images):
        curve, fraction = expected_curve(image, weights, maps[i], np.zeros_like(image), shares, "deletion")
        np.testing.assert_allclose(scores.responses.value[i], curve, atol=1e-6)
        np.testing.assert_allclose(scores.responses.fraction[i], fraction, atol=1e-12)


def test_region_perturbation_is_the_mean_fall_over_the_planted_squares():
    """Three squares of a 4 x 5 grid in known order; the mean over the intact image and three steps."""
    image, values = np.ones((1, 16, 18, 3)), np.zeros((1, 16, 18))
    places = [(4, 4), (0, 16), (12, 0)]  # the second one is cut to half its width
    for height, (row, column) in zip((3.0, 2.0, 1.0), places, strict=True):
        values[0, row : row + 4, column : column + 4] = height
    scores = evaluate(
        Weighted(np.ones((16, 18, 3))), image, [0], {"m": values}, metrics=["region_perturbation"],
        settings={"perturbation": {"patch": 4, "regions": 3}},
    )  # fmt: skip
    falls = np.array([0, 16, 24, 40]) / (16 * 18)
    np.testing.assert_allclose(scores.responses.value[0], 1 - falls, atol=1e-7)
    np.testing.assert_allclose(scores.responses.fraction[0], falls, atol=1e-12)
    assert scores.value[0] == pytest.approx(falls.mean(), abs=1e-7)
    levels, n = orders.by_patch(values, 4, 100)
    assert n == 20
    assert [int(levels[0, row, column]) for row, column in places] == [1, 2, 3]


def test_road_imputes_nine_times_and_averages(problem):
    images, weights, maps = problem
    model = Weighted(weights)
    settings = {"perturbation": {"noise": 0.0}}
    scores = evaluate(model, images, [0, 1], {"m": maps}, metrics=["road", "road_accuracy"], settings=settings)
    for i, label in enumerate([0, 1]):
        levels = kernels.reveal_levels(maps[i], ROAD_FRACTIONS)
        stack = kernels.reveal(images[i], levels, 10, "noisy_linear", direction="deletion", noise=0.0)
        p = model.predict(stack.astype(np.float32))
        chosen = scores.select(image=str(i))
        assert chosen.value[0] == pytest.approx(p[1:, label].mean(), abs=1e-7)
        assert chosen.value[1] == (p[1:].argmax(1) == label).mean()


def test_the_percentages_of_road_can_be_set(problem):
    images, weights, maps = problem
    model, own = Weighted(weights), (0.2, 0.4, 0.6, 0.8)  # pytorch-grad-cam's
    settings = {"perturbation": {"noise": 0.0, "road_fractions": own}}
    scores = evaluate(model, images, [0, 1], {"m": maps}, metrics=["road", "road_combined"], settings=settings)
    for i, label in enumerate([0, 1]):
        falls = []
        for values in (maps[i], -maps[i]):
            levels = kernels.reveal_levels(values, own)
            stack = kernels.reveal(images[i], levels, 5, "noisy_linear", direction="deletion", noise=0.0)
            falls.append(model.predict(stack.astype(np.float32))[1:, label].mean())
        got = scores.select(image=str(i)).value
        assert got == pytest.approx([falls[0], (falls[1] - falls[0]) / 2], abs=1e-6)
    with pytest.raises(InputError, match=r"perturbation\.road_fractions is \(0\.5, 0\.1\); .*ascending"):
        evaluate(
            model, images, [0, 1], {"m": maps}, metrics=["road"],
            settings={"perturbation": {"road_fractions": (0.5, 0.1)}},
        )  # fmt: skip


def test_irof_of_four_colour_fields():
    """Four even quadrants are four segments. The model sees one of them alone, in its contrast to the mean colour."""
    image = np.zeros((1, 32, 32, 3))
    colours = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)]
    places = [(slice(0, 16), slice(0, 16)), (slice(0, 16), slice(16, 32)), (slice(16, 32), slice(0, 16)),
              (slice(16, 32), slice(16, 32))]  # fmt: skip
    for place, colour in zip(places, colours, strict=True):
        image[0][place] = colour
    weights = np.zeros((32, 32, 3))
    weights[places[0]] = (1.0, 0.0, 0.0)  # p = mean of red there: 1 intact, 0.5 once it has the mean colour
    for first, area_over in ((0, 0.5 - 0.5 / 8), (3, 0.5 / 8)):
        values = np.ones((1, 32, 32)) * 0.1
        values[0][places[0]] = 0.0
        values[0][places[first]] = 0.9
        if first != 0:
            values[0][places[0]] = -1.0  # last
        scores = evaluate(
            Weighted(weights), image, [0], {"m": values}, metrics=["irof"],
            settings={"perturbation": {"segments": 4, "compactness": 1.0}},
        )  # fmt: skip
        assert len(scores.responses.value[0]) == 5
        assert scores.value[0] == pytest.approx(area_over, abs=1e-6)


def test_metrics_share_passes_and_all_maps_share_both_ends(problem):
    images, weights, maps = problem
    methods = {"a": maps, "b": maps[::-1], "c": -maps}
    settings = {"perturbation": {"steps": 10}}
    model = Weighted(weights)
    both = ["insertion_black", "deletion_black"]
    evaluate(model, images, [0, 0], methods, metrics=both, settings=settings, batch_size=1)
    assert model.seen == 2 * (2 + 2 * 3 * 9)
    model = Weighted(weights)
    evaluate(model, images, [0, 0], methods, metrics=["road", "road_accuracy"], batch_size=1)
    assert model.seen == 2 * (1 + 3 * 9)


def test_the_batch_size_the_dtype_and_the_company_change_nothing(problem):
    images, weights, maps = problem
    images = np.rint(smooth(images) * 255).astype(np.uint8)
    methods = {"a": maps.astype(np.float32), "b": maps[::-1]}
    settings = {"perturbation": {"steps": 7, "flip_steps": 9, "patch": 5, "segments": 12}}

    class Bytes(Weighted):
        def predict(self, x):
            return super().predict(np.asarray(x, np.float64) / (255 if x.dtype == np.uint8 else 1))

    kept = None
    for batch_size, threads in ((3, 1), (64, 2)):
        scores = evaluate(
            Bytes(weights), images, [0, 1], methods, metrics=NAMES, settings=settings, batch_size=batch_size,
            num_threads=threads,
        )  # fmt: skip
        assert (scores.reason == "").all()
        kept = scores.value if kept is None else kept
        np.testing.assert_allclose(scores.value, kept, atol=1e-12)
    alone = evaluate(Bytes(weights), images[1:], [1], {"b": maps[:1]}, metrics=NAMES, settings=settings, ids=["1"])
    both = evaluate(Bytes(weights), images, [0, 1], methods, metrics=NAMES, settings=settings, ids=["0", "1"])
    np.testing.assert_allclose(alone.value, both.select(image="1", method="b").value, atol=1e-12)
    ranges = [METRICS[name].range for name in both.metric]
    assert all((low is None or low <= v) and v <= high for v, (low, high) in zip(both.value, ranges, strict=True))


def test_what_has_no_value_is_said(problem):
    images, weights, maps = problem
    flat = maps.copy()
    flat[1] = 2.5

    class Broken(Weighted):
        def predict(self, x):
            p = super().predict(x)
            p[(np.abs(x - images[0]) < 1e-6).all((1, 2, 3))] = np.nan
            return p

    scores = evaluate(Broken(weights), images, [0, 0], {"m": flat}, metrics=["deletion_mean", "road", "irof"])
    assert scores.select(image="1").reason.tolist() == ["flat_map"] * 3
    assert scores.select(image="0", metric="deletion_mean").reason.tolist() == ["not_finite"]
    even = np.full((1, H, W, 3), 0.5)
    scores = evaluate(
        Weighted(weights), even, [0], {"m": maps[:1]}, metrics=["irof"], settings={"perturbation": {"segments": 1}}
    )
    assert scores.reason.tolist() == ["one_segment"]
    nothing = Weighted(weights)
    nothing.predict = lambda x: np.tile([0.0, 1.0], (len(x), 1))
    scores = evaluate(
        nothing, smooth(images)[:1], [0], {"m": maps[:1]}, metrics=["irof"], settings={"perturbation": {"segments": 9}}
    )
    assert scores.reason.tolist() == ["zero_probability"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "perturbation.steps is 0; it must be a whole number from 1 to 65533"),
        ({"flip_steps": 70000}, "flip_steps is 70000; it must be a whole number from 1 to 65533"),
        ({"fractions": (0.5, 0.2)}, "perturbation.fractions is .*; it must be at least one number, in ascending order"),
        ({"sigma": 0.0}, "sigma is 0.0; it must be a number above 0"),
        ({"patch": 13}, "perturbation.patch is 13: the regions .* must not be wider than the images, 12 pixels"),
        ({"step": 3}, "perturbation has no option 'step': did you mean steps"),
        ({"sigma": "wide"}, "perturbation.sigma is 'wide'; it must be a number above 0"),
    ],
)
def test_bad_settings_are_one_sentence(problem, settings, message):
    images, weights, maps = problem
    model = Weighted(weights)
    with pytest.raises(ValueError, match=message):
        evaluate(
            model, images, [0, 0], {"m": maps}, metrics=["region_perturbation"], settings={"perturbation": settings}
        )
    assert model.seen == 0


def test_squares_of_an_image_beyond_65535_are_ranked_as_numbers_not_as_narrow_integers():
    maps = np.random.default_rng(0).random((1, 300, 300))
    levels, n = orders.by_patch(maps, 1, 100)
    assert n == 100
    assert (levels <= 100).sum() == 100
    largest = np.sort(maps.reshape(-1))[::-1][:100]
    np.testing.assert_array_equal([maps[levels == level].item() for level in range(1, 101)], largest)


@pytest.mark.parametrize(
    ("order", "what"),
    [
        (lambda maps: orders.by_share(maps, tuple(np.arange(1, 65_535) / 65_534)), "65,534 fractions"),
        (lambda maps: orders.by_rank(maps, 65_534), "65,534 steps"),
        (lambda maps: orders.by_patch(maps, 1, 65_534), "65,534 squares"),
        (lambda maps: orders.by_sum(maps, 1), "90,000 squares"),
        (lambda maps: orders.by_segment(maps, np.arange(90_000).reshape(300, 300)), "90,000 segments"),
    ],
)
def test_more_levels_than_16_bits_hold_are_refused_and_never_wrapped(order, what):
    with pytest.raises(InputError, match=f"{what} are more than the 65,533 that can be hidden one by one"):
        order(np.random.default_rng(0).random((1, 300, 300)))


@pytest.mark.parametrize(
    "order",
    [
        lambda maps: orders.by_share(maps, tuple(np.arange(1, 65_534) / 65_533)),
        lambda maps: orders.by_rank(maps, 65_533),
        lambda maps: orders.by_patch(maps, 1, 65_533),
    ],
)
def test_as_many_levels_as_there_can_be_come_in_the_order_of_the_map(order):
    maps = np.random.default_rng(0).random((1, 300, 300))
    levels, n = order(maps)
    assert n == 65_533
    assert (np.diff(levels.reshape(-1)[np.argsort(-maps, axis=None)].astype(np.int64)) >= 0).all()


def test_squares_and_segments_of_equal_means_go_from_the_top_left():
    flat = np.zeros((1, 4, 4))
    levels, n = orders.by_patch(flat, 2, 10)
    assert n == 4
    assert levels[0, ::2, ::2].reshape(-1).tolist() == [1, 2, 3, 4]
    assert orders.by_segment(flat, np.array([[0, 0, 1, 1]] * 2 + [[2, 2, 3, 3]] * 2))[0][0, ::2, ::2].tolist() == [
        [1, 2],
        [3, 4],
    ]
