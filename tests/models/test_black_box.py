"""Black boxes: the same numbers as the same model in JAX, one convention for every caller, refusals in one sentence."""

import itertools
import re
import sys
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain, models, training
from xaijax._errors import InputError
from xaijax._runs.models import unsteady
from xaijax.classifier import Classifier, UnsupportedError
from xaijax.explain import METHODS
from xaijax.metrics import METRICS, Explained, evaluate

SHAPE = (12, 12, 3)
W = np.random.default_rng(0).normal(size=(432, 3)).astype(np.float32) * 0.2
IMAGES = np.random.default_rng(1).integers(0, 256, (5, *SHAPE)).astype(np.uint8)
CLASSES = ("a", "b", "c")


def in_jax(output="softmax", columns=3):
    return Classifier.from_function(
        lambda w, x: jnp.tanh(x.reshape(len(x), -1) @ w) * 3,
        jnp.asarray(W[:, :columns]),
        input_shape=SHAPE,
        output=output,
        classes=("no", "yes") if output == "binary" else CLASSES[:columns],
    )


def function(output="softmax", columns=3, seen=None):
    """The same model in NumPy, from its logits on by hand."""

    def predict(images):
        if seen is not None:
            seen.append(images)
        z = np.tanh(images.reshape(len(images), -1) @ W[:, :columns]) * 3
        if output == "softmax":
            odds = np.exp(z)
            return odds / odds.sum(1, keepdims=True)
        if output == "regression":
            return z
        p = 1 / (1 + np.exp(-z))
        return p[:, 0] if output == "binary" else p

    return predict


def box(output="softmax", columns=3, seen=None, **options):
    classes = ("no", "yes") if output == "binary" else CLASSES[:columns]
    return models.from_predict(
        function(output, columns, seen), **{"input_shape": SHAPE, "classes": classes, "output": output, **options}
    )


KINDS = [("softmax", 3), ("sigmoid", 3), ("binary", 1), ("regression", 3)]


@pytest.mark.parametrize(("output", "columns"), KINDS)
def test_predictions_are_those_of_the_model_in_jax(output, columns):
    ours = box(output, columns)
    assert (ours.output, ours.classes) == (output, in_jax(output, columns).classes)
    np.testing.assert_allclose(ours.predict(IMAGES), in_jax(output, columns).predict(IMAGES), rtol=3e-6, atol=1e-6)
    assert "black box" in repr(ours)


@pytest.mark.parametrize(("output", "columns"), KINDS)
@pytest.mark.parametrize("batch_size", [3, 64])
def test_perturbation_methods_give_the_maps_of_the_model_in_jax(output, columns, batch_size):
    """Step by step on the host what the compiled program computes, in chunks of the same kind."""
    target = "logit" if output == "regression" else "probability"
    for labels in (np.array([1, 0]), None):
        options = {"target": target, "batch_size": batch_size}
        pair = [
            np.asarray(explain.rise(model, IMAGES[:2], labels, count=41, grid=3, key=7, **options))
            for model in (box(output, columns), in_jax(output, columns))
        ]
        np.testing.assert_allclose(*pair, rtol=3e-6, atol=1e-6)
        pair = [
            np.asarray(explain.occlusion(model, IMAGES[:2], labels, window=4, stride=3, **options))
            for model in (box(output, columns), in_jax(output, columns))
        ]
        np.testing.assert_allclose(*pair, rtol=3e-6, atol=2e-6)


def test_log_odds_and_logarithms_stand_for_the_logits():
    """Those of findings are the logits themselves; those of a softmax differ by the same number for all classes."""
    for output, columns in (("sigmoid", 3), ("binary", 1)):
        pair = [m.logits(m.params, IMAGES) for m in (box(output, columns), in_jax(output, columns))]
        np.testing.assert_allclose(*pair, atol=1e-4)
    ours, theirs = (np.asarray(m.logits(m.params, IMAGES)) for m in (box(), in_jax()))
    np.testing.assert_allclose(ours - ours[:, :1], theirs - theirs[:, :1], atol=1e-5)
    difference = explain.LogitDifference()
    pair = [np.asarray(explain.occlusion(m, IMAGES[:1], 1, window=4, target=difference)) for m in (box(), in_jax())]
    np.testing.assert_allclose(*pair, atol=1e-5)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_functions_that_give_logits(output):
    columns = 3
    ours = models.from_predict(
        lambda x: np.tanh(x.reshape(len(x), -1) @ W) * 3, input_shape=SHAPE, classes=CLASSES, output=output, logits=True
    )
    np.testing.assert_allclose(ours.predict(IMAGES), in_jax(output, columns).predict(IMAGES), atol=1e-6)
    pair = [np.asarray(explain.occlusion(m, IMAGES[:1], 1, window=4)) for m in (ours, in_jax(output, columns))]
    np.testing.assert_allclose(*pair, atol=1e-5)


def masks():
    found = np.zeros((2, 12, 12), bool)
    found[:, 2:5, 3:9] = True
    return found


def test_every_metric_of_predictions_scores_like_the_model_in_jax():
    rng = np.random.default_rng(3)
    maps = {"m": rng.random((2, 12, 12)).astype(np.float32)}
    names = [n for n, m in METRICS.items() if not m.needs & {"explainer", "variants"} and m.family != "robustness"]
    names.remove("completeness_gap")  # of the probability here, of the logit there
    roles = dict.fromkeys(("lesion", "artefact", "organ"), masks())
    few = {"faithfulness": {"cell_draws": 3, "size_draws": 10, "noise_draws": 5}}
    ours, theirs = (
        evaluate(m, IMAGES[:2], [1, 0], maps, roles, names, batch_size=16, settings=few) for m in (box(), in_jax())
    )
    assert ours.reason.tolist() == theirs.reason.tolist()
    np.testing.assert_allclose(ours.value, theirs.value, atol=2e-5)
    assert (ours.reason == "").sum() > 20


def test_metrics_that_explain_again_take_perturbation_methods():
    def occlusion(classifier, images, labels):
        return np.asarray(explain.occlusion(classifier, images, labels, window=4, target="probability"))

    maps = {"occlusion": Explained(occlusion(box(), IMAGES[:2], np.array([1, 0])), explainer=occlusion)}
    names = ["adcc", "random_logit_spearman", "flip_spearman", "max_sensitivity"]
    settings = {"robustness": {"sensitivity_draws": 2}}
    pair = [evaluate(m, IMAGES[:2], [1, 0], maps, metrics=names, settings=settings) for m in (box(), in_jax())]
    assert (pair[0].reason == "").all()
    np.testing.assert_allclose(pair[0].value, pair[1].value, rtol=1e-3)


def test_one_convention_in_every_family():
    """The function sees float32 in [0, 1] whatever the images and the metric are, and each family has one shape."""
    maps = {"m": np.random.default_rng(3).random((2, 12, 12))}
    names = ["deletion_black", "insertion_blur", "sic_shannon", "average_drop", "road", "infidelity_patches"]
    settings = {"robustness": {"draws": 5}, "perturbation": {"steps": 5}}
    given = (IMAGES[:2], IMAGES[:2].astype(np.uint16) * 257, (IMAGES[:2] / 255).astype(np.float32))
    for name, images in itertools.product(names, given):
        seen = []
        evaluate(box(seen=seen), images, [1, 0], maps, metrics=[name], settings=settings, batch_size=8)
        assert {x.dtype.name for x in seen} == {"float32"}
        assert len({x.shape for x in seen}) == 1
        assert min(x.min() for x in seen) >= 0
        assert max(x.max() for x in seen) <= 1


def standardised(images):
    """The same predictions by a function that changes its images in place, as much preprocessing does."""
    predictions = function()(images)
    images -= images.mean()
    images /= images.std() + 1e-6
    return predictions


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("kind", ["from_predict", "channels first", "object"])
def test_a_function_that_changes_its_images_changes_nobody_elses(kind, dtype):
    images = IMAGES[:2] if dtype == "uint8" else (IMAGES[:2] / 255).astype(np.float32)
    maps = {"m": np.random.default_rng(3).random((2, 12, 12))}
    options = {"metrics": ["deletion_black", "average_drop", "sic_shannon"], "settings": {"perturbation": {"steps": 5}}}
    if kind == "object":

        class Plain:
            classes = CLASSES
            predict = staticmethod(standardised)

        model = Plain()
    elif kind == "channels first":
        call = lambda x: standardised(np.moveaxis(x, 1, -1))  # noqa: E731
        model = models.from_predict(call, input_shape=SHAPE, classes=CLASSES, channels="first")
    else:
        model = models.from_predict(standardised, input_shape=SHAPE, classes=CLASSES)
    before = images.copy()
    found, wanted = evaluate(model, images, [1, 0], maps, **options), evaluate(box(), images, [1, 0], maps, **options)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_allclose(found.value, wanted.value, rtol=1e-6)


def test_a_function_that_gives_one_array_again_and_again():
    kept = np.zeros((64, 3))

    def predict(images):
        kept[: len(images)] = function()(images)
        return kept[: len(images)]

    maps = {"m": np.random.default_rng(3).random((2, 12, 12))}
    options = {"metrics": ["deletion_black", "average_drop"], "batch_size": 3}
    model = models.from_predict(predict, input_shape=SHAPE, classes=CLASSES)
    found, wanted = (evaluate(one, IMAGES[:2], [1, 0], maps, **options) for one in (model, box()))
    np.testing.assert_array_equal(found.value, wanted.value)


class Frame:
    """A table as pandas gives it, with its classes in an order of its own."""

    columns = ("c", "a", "b")

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values[:, [2, 0, 1]]


def masked(values):
    return np.ma.masked_array(values, [[True, False, False]] + [[False] * 3] * (len(values) - 1))


def test_columns_by_name_masked_values_and_half_precision():
    def gives(change):
        model = models.from_predict(lambda x: change(function()(x)), input_shape=SHAPE, classes=CLASSES)
        return model.predict(IMAGES)

    wanted = box().predict(IMAGES)
    np.testing.assert_array_equal(gives(Frame), wanted)
    found = gives(masked)
    assert np.isnan(found[0, 0])
    np.testing.assert_array_equal(found[1:], wanted[1:])
    for dtype in (np.float16, jnp.bfloat16):
        np.testing.assert_allclose(gives(lambda x, dtype=dtype: x.astype(dtype)), wanted, atol=4e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: (p, None), "must return one array of numbers; got tuple, which is none"),
        (lambda p: (p, p[:, :2]), "return its predictions alone"),
        (lambda p: {"logits": p}, "must return numbers"),
        (lambda p: 100 * p, r"got \d+.* to \d+.*are these percent\? divide by 100"),
        (lambda p: p.T, r"must return \[5, K\] for 5 images; got shape \(3, 5\)"),
        (lambda p: p.argmax(1), r"got shape \(5,\)"),
        (lambda p: p[:-1], r"got shape \(4, 3\)"),
        (lambda p: p[..., None], r"got shape \(5, 3, 1\)"),
        (lambda p: p / p.sum(0), "must sum to 1"),
        (lambda p: None, "must return numbers"),
        (lambda p: p.astype(complex), "must return numbers"),
    ],
)
def test_other_things_than_predictions_are_refused(change, message):
    model = models.from_predict(lambda x: change(function()(x)), input_shape=SHAPE, classes=CLASSES)
    with pytest.raises(InputError, match=message):
        model.predict(IMAGES)


def test_a_softmax_is_not_applied_to_probabilities():
    model = models.from_predict(function(), input_shape=SHAPE, classes=CLASSES, logits=True)
    with pytest.raises(InputError, match="which are probabilities already: leave out logits=True"):
        model.predict(IMAGES)


def in_training(images, draws=np.random.default_rng(0)):  # noqa: B008
    """Dropout."""
    odds = function()(images) * (draws.random((len(images), 3)) < 0.5) + 0.01
    return odds / odds.sum(1, keepdims=True)


def of_a_batch(images):
    """Batch norm by the statistics of the batch."""
    z = images.mean((1, 2))
    odds = np.exp((z - z.mean(0)) / (z.std(0) + 0.1))
    return odds / odds.sum(1, keepdims=True)


@pytest.mark.parametrize(("predict", "said"), [(in_training, True), (of_a_batch, True), (function(), False)])
def test_a_model_in_training_mode_is_noticed(predict, said):
    model = models.from_predict(predict, input_shape=SHAPE, classes=CLASSES)
    notes = unsteady(model, "net.py:predict")
    assert len(notes) == said
    assert all("net.py:predict gives the same image other predictions" in one and "eval()" in one for one in notes)


def test_channels_first_and_standardised():
    seen = []
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)

    def predict(images):
        seen.append(images)
        return np.full((len(images), 2), 0.5)

    model = models.from_predict(
        predict, input_shape=(4, 6, 3), classes=["x", "y"], channels="first", mean=mean, std=std
    )
    images = np.random.default_rng(0).random((2, 4, 6, 3), np.float32)
    model.predict(images)
    expected = ((images - np.float32(mean)) / np.float32(std)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(seen[0], expected, rtol=1e-6)
    assert seen[0].flags.c_contiguous


def test_rounded_images_and_what_cannot_be_done_with_them():
    seen = []

    def predict(images):
        seen.append(images)
        return np.full((len(images), 3), 1 / 3)

    model = models.from_predict(predict, input_shape=SHAPE, classes=CLASSES, dtype="uint8")
    model.predict(np.full((1, *SHAPE), 0.501, np.float32))
    assert seen[0].dtype == np.uint8
    assert seen[0].flat[0] == 128
    model.predict(IMAGES[:1])
    np.testing.assert_array_equal(seen[1], IMAGES[:1])
    maps = {"m": np.random.default_rng(3).random((2, 12, 12))}
    for name, settings in (("infidelity", {}), ("sic_shannon", {"pic": {"convention": "medical"}})):
        with pytest.raises(ValueError, match="which a model with dtype='uint8' cannot see"):
            evaluate(model, IMAGES[:2], [0, 0], maps, metrics=[name], settings=settings)
    evaluate(model, IMAGES[:2], [0, 0], maps, metrics=["average_drop", "deletion_black"])


def test_a_function_with_a_batch_size_of_its_own():
    shapes = []

    def predict(images):
        shapes.append(images.shape[0])
        assert len(images) == 2
        return function()(images)

    model = models.from_predict(predict, input_shape=SHAPE, classes=CLASSES, batch_size=2)
    np.testing.assert_allclose(model.predict(IMAGES), in_jax().predict(IMAGES), atol=1e-6)
    assert shapes == [2, 2, 2]
    pair = [np.asarray(explain.rise(m, IMAGES[:2], 1, count=9, grid=3, batch_size=5)) for m in (model, in_jax())]
    np.testing.assert_allclose(*pair, atol=1e-6)


def test_a_function_is_called_by_one_thread_at_a_time():
    inside, most = 0, 0
    guard = threading.Lock()

    def predict(images):
        nonlocal inside, most
        with guard:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.002)
        found = function()(images)
        with guard:
            inside -= 1
        return found

    model = models.from_predict(predict, input_shape=SHAPE, classes=CLASSES)
    expected, done = in_jax().predict(IMAGES), []

    def work():
        for _ in range(3):
            np.testing.assert_allclose(model.predict(IMAGES), expected, atol=1e-6)
        done.append(True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, len(done)) == (1, 4)


def test_a_function_that_uses_jax_itself_does_not_wait_for_itself():
    inner = in_jax()
    model = models.from_predict(lambda x: inner.predict(x), input_shape=SHAPE, classes=CLASSES)
    pair = [np.asarray(explain.rise(m, IMAGES[:1], 1, count=40, grid=3, batch_size=8)) for m in (model, inner)]
    np.testing.assert_allclose(*pair, atol=1e-6)


def test_its_own_errors_keep_their_type():
    def predict(images):
        raise ConnectionError("the server is down")

    model = models.from_predict(predict, input_shape=SHAPE, classes=CLASSES)
    with pytest.raises(ConnectionError, match="the server is down"):
        explain.rise(model, IMAGES[:1], 0, count=4)


def needs_channels_first(images):
    """As a convolution of PyTorch fails on channels at the end."""
    if images.shape[1] != 3:
        raise RuntimeError(f"weight of size [16, 3, 5, 5], expected input{list(images.shape)} to have 3 channels")
    return np.full((len(images), 2), 0.5)


@pytest.mark.parametrize("classes", [["a", "b"], None])
def test_the_other_layout_is_named_where_shapes_do_not_fit(classes):
    with pytest.raises(RuntimeError, match="to have 3 channels") as said:
        models.from_predict(needs_channels_first, input_shape=(8, 8, 3), classes=classes).predict(np.ones((1, 8, 8, 3)))
    assert said.value.__notes__ == ['If the function takes [n, C, H, W], give channels="first".']


class TestScikitLearn:
    def test_an_estimator(self):
        from sklearn.linear_model import LogisticRegression

        labels = np.array(["x", "y", "z", "x", "y"])
        estimator = LogisticRegression().fit(IMAGES.reshape(5, -1) / 255, labels)
        model = models.from_predict(estimator, input_shape=SHAPE)
        assert model.classes == ("x", "y", "z")
        expected = estimator.predict_proba((IMAGES / np.float32(255)).reshape(5, -1))
        np.testing.assert_allclose(model.predict(IMAGES), expected, atol=1e-6)

    def test_findings_and_numbers(self):
        from sklearn.linear_model import LinearRegression
        from sklearn.neighbors import KNeighborsClassifier

        rows = IMAGES.reshape(5, -1) / np.float32(255)
        findings = np.array([[0, 1], [1, 1], [0, 0], [1, 0], [0, 1]])
        several = KNeighborsClassifier(2).fit(rows, findings)
        model = models.from_predict(several, input_shape=SHAPE, classes=["f", "g"], output="sigmoid")
        expected = np.stack([one[:, 1] for one in several.predict_proba(rows)], axis=1)
        np.testing.assert_allclose(model.predict(IMAGES), expected)
        line = LinearRegression().fit(rows, np.arange(5.0))
        model = models.from_predict(line, input_shape=SHAPE, classes=["age"], output="regression")
        np.testing.assert_allclose(model.predict(IMAGES)[:, 0], np.arange(5.0), atol=1e-3)


class TestRefusals:
    def test_what_needs_gradients_or_layers(self):
        for method in ("gradient", "integrated_gradients", "guided_backprop", "xrai", "grad_cam", "score_cam"):
            reason = METHODS[method].refusal(box())
            assert "predictions alone: use occlusion, rise, lime, kernel_shap, sobol or hsic" in reason
            with pytest.raises(UnsupportedError, match="black box"):
                METHODS[method].function(box(), IMAGES[:1], 0)
        assert METHODS["rise"].allowed_by(box())
        assert METHODS["random"].allowed_by(box())

    def test_what_would_trace_it(self):
        model = box()
        with pytest.raises(UnsupportedError, match="gives predictions and no gradients"):
            jax.jit(lambda x: model.logits(model.params, x))(IMAGES[:1].astype(np.float32) / 255)
        with pytest.raises(UnsupportedError, match="takes images of"):
            model.with_input_shape((16, 16, 3))
        maps = {"m": Explained(np.ones((1, 12, 12)), explainer=lambda *args: np.ones((1, 12, 12)))}
        with pytest.raises(UnsupportedError, match="made from a black box"):
            evaluate(model, IMAGES[:1], [0], maps, metrics=["mprt_spearman"])
        with pytest.raises(ValueError, match="a black box cannot be trained"):
            training.train(model, IMAGES, [0] * 5, validation=(IMAGES, [0] * 5))

    @pytest.mark.parametrize(
        ("found", "output", "message"),
        [
            (np.array([[4.0, -2.0, 1.0]]), "softmax", r"got -2 to 4: are these logits\? apply the softmax"),
            (np.log([[0.5, 0.25, 0.25]]), "softmax", "logarithms of probabilities"),
            (np.array([[0.9, 0.8, 0.1]]), "softmax", r"got sums from 1.8 to 1.8: are these findings.*'sigmoid'"),
            (np.array([[3.0, -2.0, 1.0]]), "sigmoid", r"are these logits\? apply the sigmoid"),
            (
                np.array([[0.5, 0.5]]),
                "softmax",
                r"must return 3 columns, one per class \(a, b, c\); got shape \(1, 2\)",
            ),
            (np.array([0.5, 0.5, 0.0]), "softmax", r"must return \[1, K\] for 1 images; got shape \(3,\)"),
            (np.array([["a", "b", "c"]]), "softmax", "must return numbers"),
        ],
    )
    def test_predictions_that_are_something_else(self, found, output, message):
        model = models.from_predict(lambda images: found, input_shape=SHAPE, classes=CLASSES, output=output)
        with pytest.raises(ValueError, match=message):
            model.predict(IMAGES[:1])

        class Plain:  # the same for an object of the user's own
            classes = CLASSES

            def predict(self, images):
                return np.repeat(found, len(images), axis=0) if found.ndim == 2 else found

        Plain.output = output
        if found.shape != (3,):
            with pytest.raises(ValueError, match=message.replace("[1, K] for 1", "")):
                evaluate(
                    Plain(),
                    IMAGES[:1],
                    [0],
                    {"m": np.ones((1, 12, 12)) * np.arange(12)},
                    metrics=["road"],
                    batch_size=1,
                )

    def test_a_module_of_pytorch_takes_tensors(self):
        class Net:
            def named_modules(self): ...

            def __call__(self, images): ...

        with pytest.raises(TypeError, match=r"Net is a PyTorch module.*torch.from_numpy\(images\)\), or convert it"):
            models.from_predict(Net(), input_shape=SHAPE)

    def test_arguments(self):
        for options, message in (
            ({"channels": "middle"}, 'channels must be "first" or "last"'),
            ({"dtype": "int8"}, "dtype must be float32"),
            ({"mean": (0.1, 0.2)}, "mean must be one number or 3, one per channel"),
            ({"std": 0.0}, "std must not be zero"),
            ({"dtype": "uint8", "mean": 0.5}, "this one takes uint8: leave them out"),
            ({"batch_size": 0}, "batch_size must be 1 or more"),
            ({"classes": ["a", "a"]}, "different names"),
            ({"input_shape": (3, 16, 20), "channels": "first", "mean": (0.1, 0.2, 0.3)}, r"write \(16, 20, 3\)"),
        ):
            with pytest.raises(ValueError, match=message):
                box(**options)
        with pytest.raises(TypeError, match="must be callable, or have predict_proba"):
            models.from_predict("model.pt", input_shape=SHAPE)


SCRIPT = """
import numpy as np
input_shape = (12, 12, 3)
classes = ["dark", "bright"]

def predict(images):
    p = images.mean(axis=(1, 2, 3))
    return np.stack([1 - p, p], axis=1)
"""


class TestScript:
    def test_a_function_of_a_file(self, tmp_path):
        (tmp_path / "mine.py").write_text(SCRIPT)
        model = models.load(f"{tmp_path}/mine.py:predict")
        assert (model.classes, model.input_shape, model.output) == (("dark", "bright"), (12, 12, 3), "softmax")
        p = IMAGES.mean((1, 2, 3)) / 255
        np.testing.assert_allclose(model.predict(IMAGES), np.stack([1 - p, p], axis=1), atol=1e-5)
        assert model.network.fingerprint == models.load(f"{tmp_path}/mine.py:predict").network.fingerprint
        (tmp_path / "mine.py").write_text(SCRIPT + "# changed\n")
        assert model.network.fingerprint != models.load(f"{tmp_path}/mine.py:predict").network.fingerprint

    def test_what_is_missing_is_named(self, tmp_path):
        path = tmp_path / "mine.py"
        with pytest.raises(FileNotFoundError, match="there is no script"):
            models.load(f"{path}:predict")
        path.write_text(SCRIPT)
        with pytest.raises(ValueError, match="has no 'guess'; name a function of the file"):
            models.load(f"{path}:guess")
        path.write_text(SCRIPT.replace("input_shape", "shape"))
        with pytest.raises(ValueError, match=r"add a line such as input_shape = \(224, 224, 3\)"):
            models.load(f"{path}:predict")
        path.write_text("raise OSError('no licence')")
        with pytest.raises(ValueError, match="fails when it is run: OSError: no licence"):
            models.load(f"{path}:predict")

    def test_the_other_layout_is_named(self, tmp_path):
        (tmp_path / "mine.py").write_text(
            "input_shape = (8, 8, 3)\ndef predict(images):\n    raise RuntimeError('expected 3 channels')\n"
        )
        with pytest.raises(InputError, match=r'if it takes \[n, C, H, W\], write channels = "first" in the file'):
            models.load(f"{tmp_path}/mine.py:predict")

    def test_it_imports_what_lies_in_its_folder(self, tmp_path):
        """As `python mine.py` does, when it is run and when the function is called; the folder is listed once."""
        names = [f"helper_{tmp_path.name}_{which}" for which in "ab"]
        (tmp_path / "mine.py").write_text(
            SCRIPT.replace("import numpy as np", f"import numpy as np\nfrom {names[0]} import SCALE").replace(
                "    p =", f"    from {names[1]} import SHIFT\n    p = SHIFT + SCALE *"
            )
        )
        (tmp_path / f"{names[0]}.py").write_text("SCALE = 0.5\n")
        (tmp_path / f"{names[1]}.py").write_text("SHIFT = 0.25\n")
        before = list(sys.path)
        try:
            model, again = (models.load(f"{tmp_path}/mine.py:predict") for _ in range(2))
            np.testing.assert_allclose(model.predict(IMAGES)[:, 1], 0.25 + IMAGES.mean((1, 2, 3)) / 510, atol=1e-5)
            assert sys.path == [str(tmp_path.resolve()), *before]
            assert again.network.fingerprint == model.network.fingerprint
            (tmp_path / f"{names[1]}.py").write_text("SHIFT = 0.125\n")  # imported by the function alone
            assert models.load(f"{tmp_path}/mine.py:predict").network.fingerprint != model.network.fingerprint
            other = tmp_path / "other"
            other.mkdir()
            (other / "mine.py").write_text((tmp_path / "mine.py").read_text())
            (other / f"{names[0]}.py").write_text("SCALE = 0.75\n")
            with pytest.raises(ValueError, match=f"imports {names[0]}, and another {names[0]} is loaded already"):
                models.load(f"{other}/mine.py:predict")
        finally:
            sys.path[:] = before
            for name in names:
                sys.modules.pop(name, None)


def test_the_page_runs(tmp_path, capsys):
    """The Python of docs/black_boxes.md; its first block is a script as the command line takes it."""
    text = (Path(__file__).parents[2] / "docs/black_boxes.md").read_text("utf-8")
    script, use = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, object] = {}
    exec(script, names)
    exec(use, names)
    printed = capsys.readouterr().out
    assert "deletion_black  rise" in printed
    assert (names["scores"].reason == "").sum() >= 4
    (tmp_path / "mine.py").write_text(script)
    model = models.load(f"{tmp_path}/mine.py:predict")
    np.testing.assert_array_equal(model.predict(names["images"]), names["model"].predict(names["images"]))
