"""CasCAM against a transcription of its definition in NumPy loops, its edge cases, and both of its forms."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, special

from xaijax import explain, kernels
from xaijax.classifier import Classifier
from xaijax.explain.cascade import Cascade, apply_threshold, cascade, cascade_rounds, combine

SHAPE = (12, 12, 3)
BASES = ("cam", "grad_cam", "layer_cam")
THRESHOLDS = ("none", "top_k:20", "ebayes_laplace", "ebayes_cauchy", "ebayes_laplace:0.2", "soft_percentile:70")
GRID = np.linspace(-40.0, 40.0, 32001)


@pytest.fixture(scope="module")
def traces():
    return []


@pytest.fixture(scope="module")
def small(traces):
    """Means over 2 x 2 pixels, one product, ReLU; pooling and a dense layer."""

    def features(params, x):
        traces.append(x.shape)
        pooled = x.reshape(x.shape[0], 6, 2, 6, 2, 3).mean((2, 4))
        return jax.nn.relu(pooled @ params["mix"])

    rng = np.random.default_rng(0)
    params = {
        "mix": jnp.asarray(rng.normal(size=(3, 5)), jnp.float32),
        "dense": jnp.asarray(rng.normal(size=(5, 4)), jnp.float32),
    }
    return Classifier.from_functions(features, lambda p, a: a.mean((1, 2)) @ p["dense"], params, input_shape=SHAPE)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(5)
    return rng.random((3, *SHAPE)).astype(np.float32), np.array([0, 3, 1], np.int32)


# ---------------------------------------------------------------------------------- the definition, number by number


def np_minmax(values):
    span = values.max() - values.min()
    return np.zeros_like(values) if span == 0 else (values - values.min()) / span


def np_resize(low, size):
    """Bilinear with half-pixel centres, edges held."""
    out = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            y = min(max((i + 0.5) * low.shape[0] / size - 0.5, 0), low.shape[0] - 1)
            x = min(max((j + 0.5) * low.shape[1] / size - 0.5, 0), low.shape[1] - 1)
            a, b = min(int(y), low.shape[0] - 2), min(int(x), low.shape[1] - 2)
            t, s = y - a, x - b
            top = (1 - s) * low[a, b] + s * low[a, b + 1]
            out[i, j] = (1 - t) * top + t * ((1 - s) * low[a + 1, b] + s * low[a + 1, b + 1])
    return out


def np_map(model, base, image, label):
    """The base methods for a model that ends in pooling and a dense layer, where `g_c = W[c, label] / positions`."""
    mix, dense = (np.asarray(model.params[name], np.float64) for name in ("mix", "dense"))
    low = np.zeros((6, 6))
    for i in range(6):
        for j in range(6):
            mean = image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].reshape(4, 3).mean(0)
            for c in range(5):
                weight = {
                    "cam": dense[c, label],
                    "grad_cam": dense[c, label] / 36,
                    "layer_cam": max(dense[c, label] / 36, 0),
                }[base]
                low[i, j] += weight * max(float(mean @ mix[:, c]), 0)
    return np_resize(low, 12)


def slab(kind):
    u = np.abs(GRID)
    if kind == "laplace":
        return 0.25 * np.exp(-0.5 * u)
    return (1 - u * np.sqrt(np.pi / 2) * special.erfcx(u / np.sqrt(2))) / np.sqrt(2 * np.pi)


def np_ebayes(values, kind, sd):
    """Empirical Bayes by integrals over a grid of the unknown mean: weight by maximum likelihood, posterior median."""
    if sd is None:
        sd = 1.4826 * np.median(np.abs(values))
        if sd == 0:
            return values
    x = values.ravel() / sd
    step, gamma = GRID[1] - GRID[0], slab(kind)

    def density(at):
        return gamma * np.exp(-0.5 * (at - GRID) ** 2) / np.sqrt(2 * np.pi) * step

    normal = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
    beta = np.array([density(at).sum() for at in x]) / normal - 1
    level = np.sqrt(2 * np.log(x.size))  # the universal threshold, where the posterior median leaves zero
    there, phi = density(level), np.exp(-0.5 * level**2) / np.sqrt(2 * np.pi)
    above = there[GRID > 0].sum() + there[GRID == 0].sum() / 2
    lowest = phi / 2 / (above - there.sum() / 2 + phi / 2)

    def slope(w):
        return np.sum(beta / (1 + w * beta))

    w = lowest if slope(lowest) <= 0 else 1.0 if slope(1.0) >= 0 else optimize.brentq(slope, lowest, 1.0)
    out = np.zeros_like(x)
    for i, at in enumerate(x):
        side = density(abs(at)) * w
        side = side / (side.sum() + (1 - w) * normal[i])
        positive = GRID > 0
        tail = side[positive][::-1].cumsum()[::-1]  # P(u >= grid point)
        if tail[0] > 0.5:
            out[i] = np.sign(at) * np.interp(0.5, tail[::-1], GRID[positive][::-1] - step / 2)
    return out.reshape(values.shape) * sd


def np_threshold(values, word):
    kind, _, number = word.partition(":")
    if kind == "top_k":
        kth = np.sort(values.ravel())[::-1][math.ceil(float(number) / 100 * values.size) - 1]
        return np.where(values >= kth, values, 0)
    if kind == "soft_percentile":
        level = np.percentile(np.abs(values), float(number))
        return np.sign(values) * np.maximum(np.abs(values) - level, 0)
    if kind.startswith("ebayes"):
        return np_ebayes(values, kind.removeprefix("ebayes_"), float(number) if number else None)
    return values


def np_cascade(model, image, label, bases, word, theta, decay, scale):
    """Maps, thresholded maps, images of the rounds, and the explanation of one image."""
    seen, found = image.astype(np.float64), []
    weights = [math.exp(-decay * k) for k in range(len(bases))]
    total = np.zeros((12, 12))
    for k, base in enumerate(bases):
        own = np_map(model, base, seen, label)
        own = np_minmax(own) if scale == "mm" else own
        kept = np_threshold(own, word)
        found.append((own, kept, seen))
        total += weights[k] / sum(weights) * np_minmax(kept)
        seen = np_minmax(np.exp(-theta * kept)[..., None] * seen)
    return *(np.stack(part) for part in zip(*found, strict=True)), total


CASES = [(word, "mm", BASES) for word in THRESHOLDS] + [
    (word, "raw", ("cam",) * 3) for word in ("none", "top_k:20", "ebayes_laplace")
]


@pytest.mark.parametrize(("word", "scale", "bases"), CASES)
def test_every_round_is_that_of_the_definition(word, scale, bases, small, batch):
    images, labels = batch
    base = bases if scale == "mm" else "cam"
    got = cascade_rounds(small, images, labels, rounds=3, base=base, threshold=word, theta=1.5, decay=0.3, scale=scale)
    assert got.maps.shape == (3, 3, 12, 12)
    assert got.images.shape == (3, 3, *SHAPE)
    # The grid of the empirical-Bayes integrals is 0.0025 sd wide.
    tolerance = 4e-3 if word.startswith("ebayes") else 2e-5
    for i in range(3):
        expected = np_cascade(small, images[i], labels[i], bases, word, 1.5, 0.3, scale)
        kept = (got.maps[:, i], got.thresholded[:, i], got.images[:, i], got.combined[i])
        for have, want in zip(kept, expected, strict=True):
            np.testing.assert_allclose(have, want, atol=tolerance * max(np.abs(want).max(), 1))
    np.testing.assert_allclose(got.weights, np.exp([0, -0.3, -0.6]) / np.exp([0, -0.3, -0.6]).sum(), rtol=1e-6)
    if word == "top_k:20":
        alone = cascade(small, images, labels, rounds=3, base=base, threshold=word, theta=1.5, decay=0.3, scale=scale)
        np.testing.assert_allclose(alone, got.combined, atol=1e-6)


def test_one_round_is_the_base_method_thresholded_and_scaled(small, batch):
    images, labels = batch
    base = explain.postprocess(explain.grad_cam(small, images, labels), "minmax")
    expected = explain.postprocess(kernels.top_k_threshold(base, 25.0), "minmax")
    got = cascade(small, images, labels, rounds=1, threshold="top_k:25")
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_any_batch_and_batch_size_and_one_compilation(small, batch, traces):
    images, labels = batch
    options = {"rounds": 4, "threshold": "soft_percentile:50", "batch_size": 2}
    whole = np.asarray(cascade(small, images, labels, **options))
    before = len(traces)
    for factor in (1.0, 1.1):
        params = jax.tree.map(lambda leaf, f=factor: leaf * f, small.params)
        cascade(small.with_params(params), images[::-1].copy(), labels[::-1].copy(), **options)
    assert len(traces) == before
    np.testing.assert_allclose(
        cascade(small, images, labels, rounds=4, threshold="soft_percentile:50"), whole, atol=1e-5
    )
    for i in range(3):
        alone = cascade(small, images[i : i + 1], labels[i : i + 1], **options)
        np.testing.assert_allclose(alone[0], whole[i], atol=1e-5)


def test_no_labels_explain_the_class_predicted_for_the_intact_image(small, batch):
    images, _ = batch
    predicted = np.asarray(small.predict(images)).argmax(1)
    options = {"rounds": 3, "threshold": "none", "theta": 30.0}
    np.testing.assert_allclose(
        cascade(small, images, **options), cascade(small, images, predicted, **options), atol=1e-6
    )


def test_flat_maps_and_black_images(small, batch):
    """A map that is all one value hides nothing: the next image is the same one, scaled; nothing becomes NaN."""
    images, labels = batch
    deaf = small.with_params(small.params | {"dense": jnp.zeros((5, 4))})
    for threshold in ("top_k:10", "ebayes_cauchy"):
        got = cascade_rounds(deaf, images, labels, rounds=2, threshold=threshold)
        assert not np.asarray(got.combined).any()
        np.testing.assert_allclose(got.images[1], [np_minmax(image) for image in images], atol=1e-6)
    black = cascade_rounds(small, np.zeros((1, *SHAPE), np.float32), 0, rounds=2, threshold="top_k:10", scale="raw")
    assert not any(np.asarray(leaf).any() for leaf in (black.maps, black.images, black.combined))


def test_a_map_that_is_mostly_zero_is_not_thresholded_and_says_so(small):
    """One bright corner: more than half of the map is zero, so empirical Bayes has no spread to estimate."""
    image = np.zeros((1, *SHAPE), np.float32)
    image[0, :4, :4] = 1
    got = cascade_rounds(small, image, 0, rounds=1, scale="raw", threshold="ebayes_laplace")
    assert got.reasons.tolist() == [[1]]
    assert "median of the map's absolute values is zero" in kernels.EBAYES_REASONS[1]
    np.testing.assert_array_equal(got.thresholded, got.maps)
    given = cascade_rounds(small, image, 0, rounds=1, scale="raw", threshold="ebayes_laplace:0.01")
    assert given.reasons.tolist() == [[0]]
    assert not np.array_equal(given.thresholded, given.maps)


def test_raw_maps_far_below_zero_do_not_overflow(small, batch):
    images, labels = batch
    loud = small.with_params(small.params | {"dense": small.params["dense"] * -1e4})
    got = cascade_rounds(loud, images, labels, rounds=2, base="cam", scale="raw", threshold="none", theta=1.0)
    assert all(np.isfinite(leaf).all() for leaf in got)
    assert np.asarray(got.images[1]).max() == 1


def test_random_base_methods_take_their_key(small, batch):
    images, labels = batch
    default = cascade(small, images, labels, base="smoothgrad", options={"draws": 2})
    one, other = (
        cascade(small, images, labels, base="smoothgrad", options={"draws": 2, "key": jax.random.key(seed)})
        for seed in (0, 1)
    )
    assert not np.allclose(one, other)
    assert np.array_equal(default, one)


def test_refusals(small, batch):
    images, labels = batch
    for options, message in (
        ({"rounds": 0}, "rounds is 0; it must be a whole number from 1"),
        ({"base": "gradcan"}, r"^cascade\.base: unknown base method 'gradcan': did you mean grad_cam "),
        ({"base": "cascade"}, r"^cascade\.base: unknown base method 'cascade': "),
        ({"base": ("cam", "grad_cam")}, "one for each of the 3 rounds; got 2"),
        ({"threshold": "topk"}, r"^cascade\.threshold: the threshold must be none, top_k:PERCENT, "),
        ({"threshold": "top_k:0"}, "takes a percentage above 0 and at most 100; got 'top_k:0'"),
        ({"threshold": "soft_percentile:x"}, "takes a percentile from 0 to 100"),
        ({"threshold": "ebayes_cauchy:-1"}, "takes an sd above 0"),
        ({"threshold": "none:3"}, "takes no number"),
        ({"theta": -1.0}, r"^cascade\.theta is -1.0; it must be a number of at least 0$"),
        ({"decay": float("nan")}, r"^cascade\.decay is nan; it must be a number of at least 0$"),
        ({"scale": "max"}, r"^cascade\.scale is 'max'; it must be mm or raw$"),
    ):
        with pytest.raises(ValueError, match=message):
            cascade(small, images, labels, **options)
    with pytest.raises(TypeError, match="cannot be traced"):
        cascade(small, images, labels, base="xrai")


# ------------------------------------------------------------------------------------------------- the retrained form


@pytest.fixture(scope="module")
def trained(small):
    rng = np.random.default_rng(1)
    params = jax.tree.map(
        lambda leaf: jnp.stack([leaf, *(leaf + rng.normal(size=leaf.shape) for _ in range(2))]), small.params
    )
    return Cascade(small, params, ("grad_cam", "grad_cam", "layer_cam"), threshold="top_k:20", decay=0.2)


def test_every_model_sees_the_intact_image(trained, batch):
    images, labels = batch
    expected = np.array(
        [
            [
                np_minmax(np_map(trained.round(k), base, image, label))
                for image, label in zip(images, labels, strict=True)
            ]
            for k, base in enumerate(trained.base)
        ]
    )
    maps = trained.maps(images, labels, batch_size=2)
    np.testing.assert_allclose(maps, expected, atol=2e-5)
    weights = np.exp([0, -0.2, -0.4]) / np.exp([0, -0.2, -0.4]).sum()
    total = sum(
        w * np.array([np_minmax(np_threshold(one, "top_k:20")) for one in round_maps])
        for w, round_maps in zip(weights, expected, strict=True)
    )
    np.testing.assert_allclose(trained.explain(images, labels), total, atol=2e-5)
    other = combine(apply_threshold(maps, "soft_percentile:60")[0], 0.0)
    np.testing.assert_allclose(
        trained.explain(images, labels, threshold="soft_percentile:60", decay=0.0), other, atol=1e-6
    )


def test_a_prefix_is_the_cascade_that_was_stopped_earlier(trained, batch):
    images, labels = batch
    first = trained.prefix(2)
    assert first.rounds == 2
    np.testing.assert_allclose(first.maps(images, labels), trained.maps(images, labels)[:2], atol=1e-6)
    with pytest.raises(ValueError, match="rounds must be from 1 to 3, which were trained; got 4"):
        trained.prefix(4)
    with pytest.raises(ValueError, match="round must be from 0 to 2"):
        trained.round(3)


def test_the_class_is_that_of_round_0_for_all_rounds(trained, batch):
    images, _ = batch
    predicted = np.asarray(trained.classifier.predict(images)).argmax(1)
    np.testing.assert_allclose(trained.maps(images), trained.maps(images, predicted), atol=1e-6)


def test_a_trained_cascade_compiles_once_and_is_a_pytree(trained, batch, traces):
    images, labels = batch
    trained.maps(images, labels)
    before = len(traces)
    moved = jax.tree.map(lambda leaf: leaf * 1.5, trained)
    assert moved.base == trained.base
    assert not np.allclose(moved.maps(images, labels), trained.maps(images, labels))
    assert len(traces) == before


def test_base_methods_that_work_on_the_host_explain_the_same_class(trained, batch):
    images, _ = batch
    host = dataclasses.replace(trained, base=("xrai_fast",) * 3, scale="raw")
    predicted = np.asarray(trained.classifier.predict(images[:1])).argmax(1)
    maps = np.asarray(host.maps(images[:1]))
    for number in range(3):
        expected = explain.xrai_fast(trained.round(number), images[:1], predicted)
        np.testing.assert_allclose(maps[number], expected, atol=1e-5 * np.abs(expected).max())
