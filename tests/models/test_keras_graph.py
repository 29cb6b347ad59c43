"""Keras models layer by layer, against what Keras gave (`tests/parity/keras_models.py --data`); without Keras."""

import dataclasses
import json
import zipfile
from pathlib import Path

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import models
from xaijax._errors import InputError
from xaijax._runs.models import open_one
from xaijax._runs.options import ModelOptions
from xaijax.classifier import Classifier
from xaijax.models.importers import keras_models
from xaijax.models.importers.keras_graph import files
from xaijax.models.importers.keras_models import output_of

DATA = Path(__file__).parent / "data" / "graphs_of_keras"
with np.load(DATA / "expected.npz") as _file:
    STORED = {name: _file[name] for name in _file.files}
NAMES = sorted({name.partition("/")[0] for name in STORED})
for _name in NAMES:  # as they were made
    _generator = np.random.default_rng(3)
    STORED[f"{_name}/images"] = _generator.uniform(size=STORED[f"{_name}/gradient"].shape).astype(np.float32)
    STORED[f"{_name}/mixture"] = _generator.uniform(size=STORED[f"{_name}/logits"].shape).astype(np.float32)


def converted(path, notes=None):
    with files.opened(path) as contents:
        return keras_models.convert(contents, path.name, None, None, None, [] if notes is None else notes)


def logits_of(found):
    """A classifier of a model's logits, whatever they mean."""
    graph = found.network.graph
    return Classifier.from_network(
        found.network,
        found.params,
        input_shape=found.input_shape,
        preprocess=found.preprocess,
        layer=graph.default_layer,
    )


def measured(classifier, name):
    """Logits, gradient to the image and the activations of one layer."""
    layer, mixture = str(STORED[f"{name}/layer"]), STORED[f"{name}/mixture"]

    def score(x):
        logits, taps = classifier.tapped(classifier.params, x, {layer: None})
        return (logits * mixture).sum(), (logits, taps[layer])

    run = jax.jit(jax.grad(score, has_aux=True))
    gradient, (logits, values) = run(jnp.asarray(STORED[f"{name}/images"]))
    return {"logits": logits, "gradient": gradient, "activations": values.reshape(STORED[f"{name}/activations"].shape)}


def errors(classifier, name):
    found = {}
    for key, value in measured(classifier, name).items():
        wanted = STORED[f"{name}/{key}"]
        found[key] = float(np.abs(np.asarray(value) - wanted).max() / np.abs(wanted).max())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_logits_gradients_and_activations_are_those_of_keras(name):
    found = converted(DATA / f"{name}.keras")
    assert found.preprocess.scale == STORED[f"{name}/pixels"] == 255
    result = errors(logits_of(found), name)
    assert max(result.values()) < 1e-5, result


def test_the_ending_hdf5_is_read_as_it_is_promised(tmp_path):
    place = tmp_path / "nested.hdf5"
    place.write_bytes((DATA / "nested.h5").read_bytes())
    one, two = models.load(place), models.load(DATA / "nested.h5")
    assert one.layers() == two.layers()
    np.testing.assert_array_equal(
        *(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(c.params)]) for c in (one, two))
    )


def test_an_old_hdf5_model_is_the_same_model():
    result = errors(logits_of(converted(DATA / "nested.h5")), "nested")
    assert max(result.values()) < 1e-5, result


def test_an_hdf5_model_with_the_names_of_its_models_before_those_of_layers(tmp_path):
    """Keras 3 writes `sequential_2/conv2d/kernel` where Keras 2 wrote `conv2d/kernel:0`."""
    path = tmp_path / "m.h5"
    path.write_bytes((DATA / "nested.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        for group in file["model_weights"].values():
            names = [one.decode() if isinstance(one, bytes) else one for one in group.attrs.get("weight_names", ())]
            for name in names:
                group[f"sequential_2/{name.split(':')[0]} "] = group[name][...]
                del group[name]
            for name in names:
                group.move(f"sequential_2/{name.split(':')[0]} ", f"sequential_2/{name.split(':')[0]}")
            group.attrs["weight_names"] = [f"sequential_2/{name.split(':')[0]}".encode() for name in names]
    result = errors(logits_of(converted(path)), "nested")
    assert max(result.values()) < 1e-5, result


def edited(name, folder, change):
    """A stored model with another configuration."""
    path = folder / "edited.keras"
    with zipfile.ZipFile(DATA / f"{name}.keras") as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.namelist():
            content = source.read(entry)
            if entry == "config.json":
                config = json.loads(content)
                change(config["config"]["layers"])
                content = json.dumps(config)
            target.writestr(entry, content)
    return path


def set_in(layer, /, **values):
    """Changes the configuration of one layer."""

    def change(layers):
        next(one for one in layers if one["config"]["name"] == layer)["config"] |= values

    return change


WRONG = {
    "another epsilon": ("functional", set_in("stem_norm", epsilon=0.1)),
    "another padding": ("functional", set_in("stem", padding="same", dilation_rate=[2, 2])),
    "another activation": ("sequential", set_in("last", activation="silu")),
    "another mean": ("grey", set_in("normalization", mean=0.0)),
    "another slope": ("grey", set_in("re_lu", negative_slope=0.1)),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_deliberate_error_is_seen(what, tmp_path):
    name, change = WRONG[what]
    found = errors(logits_of(converted(edited(name, tmp_path, change))), name)
    assert found["logits"] > 1e-4


def test_a_scaled_sum_is_that_of_its_operands(tmp_path):
    """`CustomScaleLayer`, which keras.applications has in InceptionResNetV2, in the place of a sum."""

    def change(layers):
        one = next(one for one in layers if one["config"]["name"] == "add")
        one |= {"class_name": "CustomScaleLayer", "module": "keras.src.applications.inception_resnet_v2"}
        one |= {"registered_name": "CustomScaleLayer"}
        one["config"] |= {"scale": 0.17}

    found = logits_of(converted(edited("functional", tmp_path, change)))
    names = ("multiply", "max_pooling2d", "add")
    taps = found.tapped(found.params, STORED["functional/images"], dict.fromkeys(names))[1]
    first, second, both = (np.asarray(taps[name]) for name in names)
    np.testing.assert_allclose(both, first + 0.17 * second, rtol=1e-6, atol=1e-6)
    assert np.abs(second).max() > 0.01


def test_a_softmax_at_the_end_is_not_taken_twice():
    classifier = models.from_keras(DATA / "sequential.keras", classes=["a", "b", "c", "d"])
    found = classifier.predict(STORED["sequential/images"])
    np.testing.assert_allclose(found, STORED["sequential/output"], atol=1e-6)
    assert classifier.classes == ("a", "b", "c", "d")


def test_findings_are_not_read_as_a_softmax():
    found = converted(DATA / "nested.keras")
    assert found.output == "sigmoid"
    logits = jax.jit(logits_of(found).logits)(found.params, STORED["nested/images"])
    np.testing.assert_allclose(jax.nn.sigmoid(logits), STORED["nested/output"], atol=1e-6)


def test_what_an_ending_means():
    said = []
    assert output_of("softmax", 4, None, "m", said) == "softmax"
    assert output_of("sigmoid", 14, None, "m", said) == "sigmoid"
    assert output_of("sigmoid", 1, None, "m", said) == "binary"
    assert output_of("linear", 1, "regression", "m", said) == "regression"
    assert not said
    assert output_of("linear", 3, None, "m", said) == "softmax"
    assert "assumed to be softmax" in said[0]
    with pytest.raises(InputError, match="ends in softmax, so its output is softmax, not sigmoid"):
        output_of("softmax", 4, "sigmoid", "m", said)
    with pytest.raises(InputError, match=r"output='binary' .* or 'regression'"):
        output_of("linear", 1, None, "m", said)


def test_what_is_assumed_is_said(caplog):
    models.from_keras(DATA / "grey.keras")
    assert "its layer normalization is for pixels from 0 to 255" in caplog.text
    assert "no activation at its end: its output is assumed to be softmax" in caplog.text
    notes = []
    found = models.from_keras(DATA / "sequential.keras", preprocess="tf", notes=notes)
    assert not notes
    assert found.preprocess == models.Preprocess.named("tf")


def test_pixels_of_a_model_without_preprocessing_are_assumed(tmp_path):
    notes = []

    def change(layers):
        del layers[next(index for index, layer in enumerate(layers) if layer["class_name"] == "Rescaling")]

    found = models.from_keras(edited("sequential", tmp_path, change), notes=notes)
    assert found.preprocess.is_identity
    assert "does not state its preprocessing" in notes[0]


REFUSED = {
    "Lambda": ("last", {"class_name": "Lambda"}, "layer last of edited.keras is a Lambda layer"),
    "a custom class": ("last", {"module": "mine", "registered_name": "mine>Own"}, "of the class mine>Own, whose code"),
    "an unknown layer": ("last", {"class_name": "ConvLSTM2D"}, "is a ConvLSTM2D, which xaijax does not have"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_layers_that_are_not_read_are_named(what, tmp_path):
    name, values, words = REFUSED[what]

    def change(layers):
        next(layer for layer in layers if layer["config"]["name"] == name).update(values)

    with pytest.raises(InputError, match=words) as error:
        models.from_keras(edited("sequential", tmp_path, change))
    assert "models.from_predict" in str(error.value)


@pytest.mark.parametrize("activation", ["tanh", "relu", "log_softmax"])
def test_other_endings_are_refused(activation, tmp_path):
    path = edited("sequential", tmp_path, set_in("out", activation=activation))
    with pytest.raises(InputError, match=rf"ends in {activation} \(layer out\); xaijax reads models that end in"):
        models.from_keras(path)


def test_a_hostile_file_runs_nothing(tmp_path):
    """A Lambda layer as Keras stores one: its code would write a file."""
    mark = tmp_path / "ran"

    def change(layers):
        layers[-1] |= {"class_name": "Lambda"}
        layers[-1]["config"] = {"name": "evil", "function": {"class_name": "__lambda__", "config": {"code": str(mark)}}}

    with pytest.raises(InputError, match="evil"):
        models.from_keras(edited("sequential", tmp_path, change))
    assert not mark.exists()


def test_layers_have_the_names_of_keras():
    classifier = logits_of(converted(DATA / "nested.keras"))
    shapes = classifier.layers()
    assert shapes["stem"] == (32, 32, 8)
    assert shapes["inner/down"] == (16, 16, 8)
    assert shapes["inner/block/norm@0"] == shapes["inner/block/norm@1"] == (32, 32, 8)
    assert classifier.default_layer == "last"
    chosen = models.from_keras(DATA / "sequential.keras", layer="first")
    assert chosen.default_layer == "first"


def test_a_kept_model_opens_as_it_was(tmp_path):
    classifier = models.from_keras(DATA / "functional.keras")
    again = models.load(models.save(classifier, tmp_path / "model.safetensors"))
    assert again.default_layer == classifier.default_layer
    images = STORED["functional/images"]
    np.testing.assert_array_equal(again.predict(images), classifier.predict(images))


def test_batch_norm_is_folded():
    classifier = models.from_keras(DATA / "functional.keras")
    faster = classifier.optimized()
    count = [
        sum(one.op.startswith("_native_batch") for one in c.network.graph.operations) for c in (classifier, faster)
    ]
    assert count == [3, 2]  # behind the convolution; those of the dense layers stay
    images = STORED["functional/images"]
    np.testing.assert_allclose(faster.predict(images), classifier.predict(images), atol=1e-5)


def test_biases_are_those_of_the_layers():
    classifier = models.from_keras(DATA / "grey.keras")
    biases = classifier.biases(classifier.params)
    assert {"c1", "n1", "c2", "out"} <= set(biases)
    np.testing.assert_array_equal(biases["c1"], classifier.params["c1"]["bias"])


def test_a_size_that_is_left_open_is_asked_for(tmp_path):
    def change(layers):
        layers[0]["config"]["batch_shape"] = [None, None, None, 1]

    path = edited("grey", tmp_path, change)
    with pytest.raises(InputError, match=r"give --size 224, .*input_shape=\(H, W, C\)"):
        models.from_keras(path)
    assert models.load(path, input_shape=(24, 24)).input_shape == (24, 24, 1)
    assert open_one(path, ModelOptions(model=(str(path),), size=24), []).input_shape == (24, 24, 1)
    found = models.from_keras(path, input_shape=(24, 24, 1))
    assert max(errors(found, "grey").values()) < 1e-5
    with pytest.raises(InputError, match="is for images of"):
        models.from_keras(path, input_shape=(24, 24, 3))


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(InputError, match="has no kernel of the layer renamed"):
        models.from_keras(edited("sequential", tmp_path, set_in("last", name="renamed")))


def test_the_preprocessing_of_the_caller_counts():
    found = converted(DATA / "grey.keras")
    assert dataclasses.replace(found, preprocess="identity").classifier(None, "m").preprocess.is_identity
