"""AIC and SIC end to end: against the plain transcription, closed forms, and counted forward passes."""

import importlib.util
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xaijax import kernels
from xaijax._errors import InputError
from xaijax.metrics import FAMILIES, evaluate
from xaijax.metrics._stream import float_images
from xaijax.metrics.metric import image_seed
from xaijax.metrics.pic import rebuild
from xaijax.metrics.pic_curve import FRACTIONS, scale
from xaijax.metrics.pic_information import measure_information

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("transcription", HERE / "transcription.py")
transcription = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(transcription)

MEASURES = ("shannon", "webp", "mutual", "mean")
ALL = [f"{kind}_{measure}" for measure in MEASURES for kind in ("aic", "sic")]


class Edges:
    """A model of three classes that sees how much of the edges of the middle is there; counts what it is given."""

    classes = ("a", "b", "c")

    def __init__(self, middle=9.0):
        self.middle, self.shapes, self.dtypes = middle, [], set()

    def predict(self, images):
        self.shapes.append(images.shape)
        self.dtypes.add(str(images.dtype))
        scale = {"uint8": 1.0, "float32": 255.0, "uint16": 255.0 / 65535}[str(images.dtype)]
        x = np.asarray(images, np.float64) * scale
        part = x[:, 4:-4, 4:-4]
        edges = np.abs(np.diff(part, axis=1)).mean((1, 2, 3)) + np.abs(np.diff(part, axis=2)).mean((1, 2, 3))
        logits = np.stack([0.4 * (edges - self.middle), x.mean((1, 2, 3)) / 200, np.zeros(len(x))], axis=1)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


def seen_by(model):
    """Its `predict` as metrics call it: with floats in [0, 1]."""
    return lambda images: model.predict(float_images(images))


def make_images(count, *, side=26, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    images = gaussian_filter(rng.standard_normal((count, side, side + 3, channels)), (0, 1, 1, 0))
    images -= images.min(axis=(1, 2, 3), keepdims=True)
    return np.rint(images / images.max(axis=(1, 2, 3), keepdims=True) * 255).astype(np.uint8)


def make_maps(images, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.random(images.shape[:3]).astype(np.float32)
    smooth = gaussian_filter(noise, (0, 3, 3))
    return {"noise": noise, "smooth": smooth, "ties": np.floor(smooth.astype(np.float64) * 40) / 40}


@pytest.mark.parametrize("convention", ["stable", "pair", "medical"])
def test_values_and_reasons_equal_the_plain_transcription(convention):
    images, labels = make_images(3), [0, 0, 1]
    images[1] = gaussian_filter(images[1].astype(float), (2, 2, 0))  # few edges: an unsure model
    maps, model = make_maps(images), Edges()
    scores = evaluate(
        model, images, labels, maps, metrics=ALL, settings={"pic": {"convention": convention}}, batch_size=7
    )
    assert model.dtypes == {"float32"}  # one convention, whatever the metric and the images' dtype
    rows = zip(scores.image, scores.method, scores.metric, scores.value, scores.reason, strict=True)
    for image, method, metric, value, reason in rows:
        i, (kind, measure) = int(image), metric.split("_")
        expected = transcription.pic(
            seen_by(model), images[i], labels[i], maps[method][i], kind, measure, name=image, convention=convention
        )
        assert reason == expected[1], (image, method, metric)
        assert value == pytest.approx(expected[0], abs=1e-9, nan_ok=True), (image, method, metric)
    assert "" in scores.reason
    assert len(set(scores.reason)) > 1


@pytest.mark.parametrize(("dtype", "top"), [(np.uint16, 65535), (np.float32, 1.0), (np.float64, 1.0)])
def test_other_pixel_types(dtype, top):
    images = (make_images(1, channels=1) / 255 * top).astype(dtype)
    maps = make_maps(images)
    scores = evaluate(Edges(), images, [0], maps, metrics=["sic_shannon", "sic_mutual"])
    as_float = lambda x: (x / (65535 if dtype == np.uint16 else 1)).astype(np.float32)  # noqa: E731
    for method, metric, value in zip(scores.method, scores.metric, scores.value, strict=True):
        expected, reason = transcription.pic(
            lambda x: Edges().predict(as_float(x)), images[0], 0, maps[method][0], *metric.split("_"), name="0"
        )
        assert value == pytest.approx(expected, abs=1e-6, nan_ok=True)
        assert reason == ""


class Informed:
    """Probability of class 1 = share of the mutual information with one image, to a power."""

    def __init__(self, image, power):
        self.image, self.power = image, power
        self.full = self._information(image[None])[0]

    def _information(self, images):
        if images.dtype != np.uint8:  # what a model sees
            images = np.rint(images * 255).astype(np.uint8)
        return measure_information(np.ascontiguousarray(images), self.image, ["mutual"])["mutual"]

    def predict(self, images):
        p = (self._information(images) / self.full) ** self.power
        return np.stack([1 - p, p], axis=1)


def test_a_model_that_sees_information_alone_scores_one_half():
    image = make_images(1)
    scores = evaluate(Informed(image[0], 1.0), image, [1], make_maps(image), metrics=["sic_mutual"])
    np.testing.assert_allclose(scores.value, 0.5, atol=1e-9)
    # A response that is a known function of the information: the chords of that function.
    scores = evaluate(Informed(image[0], 3.0), image, [1], make_maps(image), metrics=["sic_mutual"])
    curves = scores.curves
    low = (curves.information * 0).sum()
    assert low == 0
    for i in range(len(curves)):
        mask = kernels.random_mask(image.shape[1:3], 0.01, image_seed(0, "0", 0))
        start = Informed(image[0], 1.0).predict(transcription.rebuild(image[0], mask)[None])[0, 1]
        share = start + curves.information[i] * (1 - start)
        np.testing.assert_allclose(curves.response[i], (share**3 - start**3) / (1 - start**3), atol=1e-9)


def test_the_accuracy_curve_of_a_threshold_is_a_step():
    """The prediction flips where the information passes one half: AIC is what lies right of the flip."""
    image = make_images(1)

    class Threshold(Informed):
        def predict(self, images):
            p = super().predict(images)[:, 1]
            return np.stack([p <= 0.5, p > 0.5], axis=1).astype(float)

    scores = evaluate(Threshold(image[0], 1.0), image, [1], make_maps(image), metrics=["aic_mutual"])
    curves = scores.curves
    assert len(curves) == 3
    for i in range(3):
        u, v = curves.information[i], curves.response[i]
        assert set(v) <= {0.0, 1.0}
        before, after = u[v == 0].max(initial=0.0), u[v == 1].min(initial=1.0)
        assert curves.auc[i] == pytest.approx(1 - (before + after) / 2, abs=2e-3)


def test_an_answer_with_no_class_above_one_half_is_no_class_for_accuracy_curves():
    """A network that answers evenly until half of the information is there, and whose arg max then happens to be 1."""
    image = make_images(1)

    class Even(Informed):
        def predict(self, images):
            sure = super().predict(images)[:, 1] > 0.5
            even = np.tile([0.33, 0.34, 0.33], (len(images), 1))
            return np.where(sure[:, None], [0.1, 0.8, 0.1], even)

    model = Even(image[0], 1.0)
    assert not model.predict(image[:1] * 0)[0].max() > 0.5
    scores = evaluate(model, image, [1], make_maps(image), metrics=["aic_mutual"])
    assert set(scores.reason) == {""}
    for u, v, auc in zip(scores.curves.information, scores.curves.response, scores.curves.auc, strict=True):
        before, after = u[v == 0].max(initial=0.0), u[v == 1].min(initial=1.0)
        assert 0 < after < 1
        assert auc == pytest.approx(1 - (before + after) / 2, abs=2e-3)
    pair = evaluate(
        model, image, [1], make_maps(image), metrics=["aic_mutual"], settings={"pic": {"convention": "pair"}}
    )
    assert set(pair.reason) == {"blurred_already_right"}  # as PAIR's own: the arg max decides

    class Doubtful(Informed):
        def predict(self, images):
            return np.tile([0.3, 0.4, 0.3], (len(images), 1))

    doubt = evaluate(Doubtful(image[0], 1.0), image, [1], make_maps(image), metrics=["aic_mutual"])
    assert set(doubt.reason) == {"original_wrong"}


@pytest.mark.parametrize("convention", ["stable", "medical"])
def test_the_images_of_a_report_are_those_that_were_scored(convention):
    """`rebuild` gives the images, information and probabilities behind the curves that `evaluate` returns."""
    images, options = make_images(2), {"convention": convention, "fractions": (0.1, 0.3, 0.6)}
    maps = make_maps(images)
    scores = evaluate(
        Edges(), images, [0, 0], maps, metrics=["sic_mutual", "sic_webp"], settings={"pic": options}, ids=["x", "y"],
        seed=3,
    )  # fmt: skip
    found = rebuild(
        Edges(), images[1], {name: values[1] for name, values in maps.items()}, name="y",
        measures=["mutual", "webp"], settings=FAMILIES["pic"].read_settings(options), seed=3,
    )  # fmt: skip
    assert found.images.shape == (3, 5, *images.shape[1:])
    np.testing.assert_array_equal(
        found.images[0, -1], images[1] / np.float32(255) if convention == "medical" else images[1]
    )
    for i, method in enumerate(maps):
        for measure, values in found.information.items():
            (row,) = [scores.curves.select(image="y", method=method, metric=f"sic_{measure}")]
            if len(row):
                np.testing.assert_array_equal(scale(values[i, 1:-1], values[i, 0], values[i, -1]), row.information[0])
                target = int(found.probabilities[0, -1].argmax()) if convention == "medical" else 0
                p = found.probabilities[i, :, target]
                np.testing.assert_allclose(scale(p[1:-1], p[0], p[-1]), row.response[0], atol=1e-9)
    assert len(scores.curves.select(image="y"))


def test_a_constant_map_reveals_all_at_once_and_gets_the_diagonal():
    images = make_images(1)
    scores = evaluate(Edges(), images, [0], {"flat": np.ones(images.shape[:3])}, metrics=["sic_mutual"])
    assert scores.value[0] == pytest.approx(0.5, abs=1e-12)
    assert (scores.curves.information == 1).all()


def test_one_set_of_forward_passes_serves_all_metrics():
    images, draws = make_images(4), 2
    maps = make_maps(images)
    counts = {}
    for metrics in (["sic_mutual"], ALL):
        model = Edges()
        settings = {"pic": {"random_masks": draws}}
        evaluate(model, images, [0] * 4, maps, metrics=metrics, batch_size=16, settings=settings)
        assert {shape[0] for shape in model.shapes} == {16}
        counts[len(metrics)] = len(model.shapes)
    needed = 4 * (1 + draws) + 4 * draws * len(maps) * len(FRACTIONS)
    assert counts == {1: -(-needed // 16), len(ALL): -(-needed // 16)}


def test_images_without_any_curve_cost_two_passes():
    images, batch = make_images(30, side=12), 10
    model = Edges(middle=1e3)  # never predicts class 0, and is surer of it in the blurred image
    model.predict = lambda x: (model.shapes.append(x.shape), np.full((len(x), 3), 1 / 3))[1]
    scores = evaluate(model, images, [1] * 30, make_maps(images), metrics=["sic_mutual"], batch_size=batch)
    assert set(scores.reason) == {"blurred_as_probable"}
    # All originals and blurred images fill six chunks. When the maps' turn comes the last two are still under way, so
    # that of at most a chunk's images the maps are tried in vain.
    assert len(model.shapes) <= 6 + 2 * -(-batch * 3 * len(FRACTIONS) // batch)
    assert len(model.shapes) < -(-30 * (2 + 3 * len(FRACTIONS)) // batch) / 2


def test_the_model_compiles_once_and_the_batch_changes_nothing():
    images = make_images(3)
    maps, traces = make_maps(images), []

    class Jitted:
        @staticmethod
        @jax.jit
        def forward(x):
            traces.append(x.shape)
            edges = jnp.abs(jnp.diff(x, axis=1)).mean((1, 2, 3))
            return jax.nn.softmax(jnp.stack([40 * edges, jnp.full_like(edges, 2.0)], axis=1))

        def predict(self, x):
            return self.forward(x)

    kept = None
    for batch_size in (16, 5, 64):
        traces.clear()
        scores = evaluate(Jitted(), images, [0, 0, 0], maps, metrics=ALL, batch_size=batch_size)
        assert len(traces) == 1
        kept = scores if kept is None else kept
        np.testing.assert_allclose(scores.value, kept.value, atol=1e-5)
        assert scores.reason.tolist() == kept.reason.tolist()
    assert not np.isnan(kept.value).all()


def test_an_image_scores_the_same_alone_and_at_any_thread_count():
    images, ids = make_images(3), ["x", "y", "z"]
    maps = make_maps(images)
    together = evaluate(Edges(), images, [0] * 3, maps, metrics=ALL, ids=ids, num_threads=2)
    for i, name in enumerate(ids):
        one = {method: values[i : i + 1] for method, values in maps.items()}
        alone = evaluate(Edges(), images[i : i + 1], [0], one, metrics=ALL, ids=[name], num_threads=1)
        np.testing.assert_array_equal(alone.value, together.select(image=name).value)
    other = evaluate(Edges(), images, [0] * 3, maps, metrics=ALL, ids=ids, seed=1)
    assert not np.array_equal(other.value, together.value)


def test_the_score_is_the_mean_over_random_masks():
    images = make_images(2)
    maps = make_maps(images)
    settings = {"pic": {"random_masks": 3}}
    scores = evaluate(Edges(), images, [0, 0], maps, metrics=["sic_mutual"], settings=settings)
    for image, method, value in zip(scores.image, scores.method, scores.value, strict=True):
        draws = [
            transcription.pic(
                seen_by(Edges()), images[int(image)], 0, maps[method][int(image)], "sic", "mutual", name=image, draw=k
            )[0]
            for k in range(3)
        ]
        assert value == pytest.approx(np.mean(draws), abs=1e-9)
        curves = scores.curves.select(image=image, method=method)
        assert curves.draw.tolist() == [0, 1, 2]
        np.testing.assert_allclose(curves.auc, draws, atol=1e-9)


def test_no_rebuilt_image_tells_more_of_the_original_than_itself():
    images = make_images(2)
    scores = evaluate(Edges(), images, [0, 0], make_maps(images), metrics=["sic_mutual"])
    raw = scores.curves.information
    assert (raw <= 1 + 1e-12).all()
    assert (raw[:, -1] > 0.3).all()


def test_the_oracle_leaves_out_images_without_mask():
    images = make_images(3)
    masks = np.zeros(images.shape[:3], bool)
    masks[0, 5:9, 5:9] = masks[2, 3:12, 4:9] = True
    scores = evaluate(Edges(), images, [0] * 3, make_maps(images), masks, oracle=True, metrics=["sic_mutual", "iou"])
    truth = scores.select(method="oracle")
    assert truth.metric.tolist() == ["sic_mutual"] * 3
    assert truth.reason.tolist() == ["", "empty_mask", ""]
    assert "" in scores.select(image="1", method="noise").reason
    with pytest.raises(ValueError, match="the ground-truth oracle needs lesion masks"):
        evaluate(Edges(), images, [0] * 3, make_maps(images), {"organ": masks}, ["sic_mutual"], oracle=True)
    with pytest.raises(ValueError, match="oracle needs masks; got none"):
        evaluate(Edges(), images, [0] * 3, make_maps(images), metrics=["sic_mutual"], oracle=True)


def test_a_model_that_gives_nan_has_no_value():
    images = make_images(2)

    class Broken(Edges):
        def predict(self, x):
            p = super().predict(x)
            p[(x == images[1] / np.float32(255)).all(axis=(1, 2, 3))] = np.nan
            return p

    scores = evaluate(Broken(), images, [0, 0], make_maps(images), metrics=["sic_mutual", "aic_shannon"])
    assert set(scores.select(image="1").reason) == {"not_finite"}
    assert (scores.select(image="0", metric="sic_mutual").reason == "").all()


def test_rows_come_by_image_method_metric_and_progress_is_told():
    images, told = make_images(2), []
    scores = evaluate(
        Edges(), images, [0, 0], make_maps(images), metrics=["sic_mutual", "aic_mutual"], ids=["q", "p"],
        progress=lambda *state: told.append(state),
    )  # fmt: skip
    expected = list(itertools.product(["q", "p"], ["noise", "smooth", "ties"], ["sic_mutual", "aic_mutual"]))
    assert list(zip(scores.image, scores.method, scores.metric, strict=True)) == expected
    assert told == [(1, 2), (2, 2)]


def test_no_image_gives_no_row():
    empty = evaluate(Edges(), np.zeros((0, 8, 8, 1), np.uint8), np.zeros(0, int), {"cam": np.zeros((0, 8, 8))})
    assert len(empty) == 0


def pic(**options):
    return {"settings": {"pic": options}}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"labels": [0, 3]}, ValueError, r"labels must be in \[0, 3\); image '1' has 3"),
        ({"labels": [-1, 0]}, ValueError, "image '0' has -1"),
        ({"labels": [0.0, 1.0]}, ValueError, "2 integers, one per image; got shape"),
        ({"labels": [0]}, ValueError, r"got shape \(1,\)"),
        ({"maps": {}}, ValueError, "at least one method"),
        ({"maps": np.zeros((2, 26, 29))}, TypeError, "a dictionary from method"),
        ({"maps": {"cam": np.zeros((2, 26, 26))}}, ValueError, r"maps of 'cam' must be \[B, H, W\] = \(2, 26, 29\)"),
        ({"maps": {"cam": np.zeros((2, 26, 29), complex)}}, TypeError, "real numbers; got complex128"),
        ({"images": np.zeros((2, 26, 29), np.uint8)}, ValueError, r"images must be \[B, H, W, C\]"),
        ({"images": np.zeros((2, 26, 29, 3), np.int32)}, TypeError, "images must be uint8, uint16"),
        ({"images": np.full((2, 26, 29, 3), np.nan)}, ValueError, "images must be finite; image '0'"),
        ({"ids": ["a", "a"]}, ValueError, "2 distinct names, one per image; got 2, 1 distinct"),
        ({"metrics": ["aic"]}, ValueError, "unknown metric 'aic'"),
        (pic(convention="paper"), InputError, "^pic.convention is 'paper'; it must be stable, pair or medical$"),
        ({"batch_size": 0}, InputError, "^batch_size is 0; it must be a whole number from 1 to 1000000$"),
        (pic(random_masks=1.5), InputError, "^pic.random_masks is 1.5; it must be a whole number from 1 to 1000000$"),
        ({"seed": -1}, InputError, "^seed is -1; it must be a whole number of at least 0$"),
        (pic(fractions=(0.5, 0.1)), InputError, r"^pic.fractions is \(0.5, 0.1\); .* in ascending order$"),
        (pic(fractions=()), InputError, r"^pic.fractions is \(\); it must be at least one number"),
        (pic(fractions=(0.5, 1.0)), InputError, r"^pic.fractions is \(0.5, 1.0\); it must be a number above 0"),
        ({"settings": {"information": {}}}, InputError, "^unknown metric family 'information': "),
        ({"settings": {"pic": {}, "PIC": {}}}, InputError, "^settings names the metric family pic twice"),
        ({"settings": {"pic": 3}}, InputError, "^settings of pic must be a dictionary of options; got int$"),
        ({"metrics": []}, InputError, "^no metric was given; choose from aic_shannon"),
        (
            {"images": np.zeros((2, 26, 29, 2), np.uint8)},
            InputError,
            r"C 1 or 3 for aic_webp; got shape \(2",
        ),
    ],
)
def test_bad_arguments_are_refused_before_the_model_runs(change, error, message):
    images = make_images(2)
    arguments = {"images": images, "labels": [0, 1], "maps": make_maps(images)} | change
    model = Edges()
    with pytest.raises(error, match=message):
        evaluate(model, **arguments)
    assert not model.shapes


def test_a_broken_map_is_named():
    images = make_images(2)
    maps = make_maps(images)
    maps["smooth"][1, 3, 3] = np.inf
    with pytest.raises(ValueError, match="the map of 'smooth' for image 'right' holds NaN or infinity"):
        evaluate(Edges(), images, [0, 0], maps, ids=["left", "right"])


def test_images_of_many_channels_have_information():
    """The kernels take a last axis above 4 for a width, unless they are told how many channels there are."""
    original = np.random.default_rng(0).integers(0, 256, (12, 10, 7)).astype(np.uint8)
    found = measure_information(np.stack([original, original[::-1]]), original, ["shannon", "mutual"])
    assert (found["shannon"] > 7).all()
    assert found["mutual"][0] > found["mutual"][1] > 0
    with pytest.raises(ValueError, match=r"write images.* for grey images"):
        measure_information(original, original[0], ["shannon"])
