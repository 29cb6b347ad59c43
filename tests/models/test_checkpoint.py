"""Checkpoints: what is saved comes back; what does not fit is refused with everything that differs."""

import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from xaijax import models
from xaijax.classifier import Classifier, UnsupportedError
from xaijax.preprocess import Preprocess


@pytest.fixture(scope="module")
def classifier():
    made = models.create(
        "small_cnn", classes=["glioma", "méningiome"], input_shape=(32, 40, 3), key=3, preprocess="torch", width=4
    )
    return made.with_params(jax.tree.map(lambda leaf: leaf + 0.1, made.params))


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 40, 3), np.uint8)


@pytest.mark.parametrize("name", ["run", "model.safetensors"])
def test_round_trip(classifier, images, tmp_path, name):
    info = {"macro_f1": 0.5, "command": "xaijax train --data x"}
    file = models.save(classifier, tmp_path / name, info=info)
    assert file.is_file()
    loaded = models.load(tmp_path / name)
    jax.tree.map(np.testing.assert_array_equal, loaded.params, classifier.params)
    assert jax.tree.structure(loaded) == jax.tree.structure(classifier)  # so nothing compiles again
    assert loaded.classes == ("glioma", "méningiome")
    assert loaded.preprocess == Preprocess.named("torch")
    np.testing.assert_array_equal(loaded.predict(images), classifier.predict(images))
    assert models.read_info(tmp_path / name)["command"] == info["command"]
    assert models.read_info(file)["architecture"] == "small_cnn"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["model.safetensors"]


def test_loading_twice_compiles_once(classifier, images, tmp_path):
    models.save(classifier, tmp_path)
    traces = []

    @jax.jit
    def score(classifier, images):
        traces.append(1)
        return classifier.logits(classifier.params, images)

    for _ in range(3):
        score(models.load(tmp_path), images)
    assert len(traces) == 1


def test_float16_halves_the_file(classifier, tmp_path):
    full = models.save(classifier, tmp_path / "full.safetensors")
    half = models.save(classifier, tmp_path / "half.safetensors", dtype="float16")
    assert half.stat().st_size < 0.7 * full.stat().st_size
    loaded = models.load(half)
    for got, want in zip(jax.tree.leaves(loaded.params), jax.tree.leaves(classifier.params), strict=True):
        assert got.dtype == jnp.float32
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-6)
    with pytest.raises(ValueError, match="dtype must be float32 or float16"):
        models.save(classifier, tmp_path / "other.safetensors", dtype="int8")


def rewrite(file, tensors=None, header=None):
    """Change the arrays or the header of a checkpoint by functions."""
    with safe_open(file, framework="numpy") as opened:
        arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        meta = json.loads(opened.metadata()["xaijax"])
    if tensors:
        tensors(arrays)
    if header:
        header(meta)
    save_file(arrays, file, metadata={"xaijax": json.dumps(meta)})


def test_every_difference_is_listed_in_one_error(classifier, tmp_path):
    file = models.save(classifier, tmp_path)

    def change(arrays):
        del arrays["dense.bias"]
        arrays["stem.extra"] = np.zeros(2, np.float32)
        arrays["stem.conv.kernel"] = np.zeros((3, 3, 3, 4), np.float32)

    rewrite(file, change)
    with pytest.raises(ValueError, match="3 arrays differ") as caught:
        models.load(tmp_path)
    text = str(caught.value)
    assert "missing dense.bias [2]" in text
    assert "unknown stem.extra [2]" in text
    assert "stem.conv.kernel is [3, 3, 3, 4], not [5, 5, 3, 4]" in text
    assert "\n" not in text


def test_a_checkpoint_of_another_model_is_refused(classifier, tmp_path):
    file = models.save(classifier, tmp_path)
    rewrite(file, header=lambda meta: meta.update(architecture="resnet999"))
    with pytest.raises(ValueError, match="a checkpoint that this version of xaijax reads: unknown model 'resnet999'"):
        models.load(tmp_path)
    rewrite(file, header=lambda meta: meta.update(architecture="small_cnn", options={"width": 5}))
    with pytest.raises(ValueError, match=r"does not fit small_cnn: \d+ arrays differ"):
        models.load(tmp_path)
    rewrite(file, header=lambda meta: meta.pop("classes"))
    with pytest.raises(ValueError, match="a checkpoint that this version of xaijax reads: there is no 'classes'"):
        models.load(tmp_path)
    rewrite(file, header=lambda meta: meta.update(format=99))
    with pytest.raises(ValueError, match="has format 99"):
        models.load(tmp_path)


def test_files_that_are_no_checkpoint_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        models.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match=r"holds no model\.safetensors"):
        models.load(tmp_path)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": np.zeros(2)}, foreign)
    with pytest.raises(ValueError, match="is not a checkpoint of xaijax"):
        models.read_info(foreign)
    with pytest.raises(ValueError, match=r"the architecture of foreign\.safetensors is not recognised"):
        models.load(foreign)
    for name, content in (("empty", b""), ("cut", b"\x10\x00\x00"), ("pickle", pickle.dumps(print))):
        file = tmp_path / f"{name}.safetensors"
        file.write_bytes(content)
        with pytest.raises(ValueError, match="is not a readable safetensors file"):
            models.load(file)


def test_a_truncated_checkpoint_is_refused(classifier, tmp_path):
    file = models.save(classifier, tmp_path)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is not a readable safetensors file"):
        models.load(tmp_path)


def test_a_failed_save_leaves_the_old_file_and_no_other(classifier, tmp_path):
    models.save(classifier, tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(TypeError):
        models.save(classifier, tmp_path, info={"not json": object()})
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_classifiers_from_elsewhere_are_not_saved(tmp_path):
    made = Classifier.from_function(lambda p, x: x.mean((1, 2)) @ p, jnp.eye(3), input_shape=(4, 4, 3))
    with pytest.raises(UnsupportedError, match=r"only classifiers made by xaijax\.models"):
        models.save(made, tmp_path)
    assert not list(tmp_path.iterdir())
