"""ONNX files: what they give, against the same arithmetic in NumPy. The files are written here."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from xaijax import explain, models
from xaijax._runs.models import open_one
from xaijax._runs.options import ModelOptions
from xaijax.metrics import evaluate

W = np.random.default_rng(0).normal(size=(192, 3)).astype(np.float32) * 0.3
IMAGES = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)


def write(path, *, ending="Softmax", first=True, batch="N", sides=(8, 8), width=3, dtype=TensorProto.FLOAT):
    """Flatten, matrix product, and an activation."""
    shape = [batch, 3, *sides] if first else [batch, *sides, 3]
    nodes, source = [], "images"
    if dtype != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT))
        source = "floats"
    nodes += [
        helper.make_node("Flatten", [source], ["rows"], axis=1),
        helper.make_node("MatMul", ["rows", "w"], ["z"]),
    ]
    if ending:
        nodes.append(helper.make_node(ending, ["z"], ["found"], **({"axis": 1} if ending == "Softmax" else {})))
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("images", dtype, shape)],
        [helper.make_tensor_value_info("found" if ending else "z", TensorProto.FLOAT, [batch, width])],
        [numpy_helper.from_array(W[:, :width], "w")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def logits(images, *, first=True, width=3):
    x = images.astype(np.float32) / np.float32(255)
    x = x.transpose(0, 3, 1, 2) if first else x
    return x.reshape(len(x), -1) @ W[:, :width]


def softmax(z):
    odds = np.exp(z - z.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


@pytest.mark.parametrize("batch", ["N", 1, 2])
@pytest.mark.parametrize("first", [True, False])
def test_layout_and_batch_are_read_from_the_file(tmp_path, first, batch):
    model = models.from_onnx(write(tmp_path / "m.onnx", first=first, batch=batch), classes=["a", "b", "c"])
    assert (model.input_shape, model.output, model.classes) == ((8, 8, 3), "softmax", ("a", "b", "c"))
    np.testing.assert_allclose(model.predict(IMAGES), softmax(logits(IMAGES, first=first)), atol=1e-6)
    assert np.isfinite(explain.rise(model, IMAGES[:2], 1, count=10, grid=2)).all()


def test_logits_are_noticed_and_a_softmax_is_not_applied_twice(tmp_path):
    for ending, said in ((None, True), ("Softmax", False)):
        notes = []
        model = models.from_onnx(write(tmp_path / "m.onnx", ending=ending), notes=notes)
        np.testing.assert_allclose(model.predict(IMAGES), softmax(logits(IMAGES)), atol=1e-6)
        assert any("gives logits" in note and "the softmax is applied" in note for note in notes) == said
        assert any("output assumed for m.onnx: softmax over 3 classes" in note for note in notes)
        assert any("preprocessing assumed for m.onnx: identity" in note for note in notes)


def test_findings_one_logit_and_numbers(tmp_path):
    path = write(tmp_path / "m.onnx", ending="Sigmoid")
    model = models.load(path, output="sigmoid")
    np.testing.assert_allclose(model.predict(IMAGES), 1 / (1 + np.exp(-logits(IMAGES))), atol=1e-6)
    path = write(tmp_path / "one.onnx", ending=None, width=1)
    with pytest.raises(ValueError, match="has one output and does not say what it means"):
        models.load(path)
    p = 1 / (1 + np.exp(-logits(IMAGES, width=1)))
    binary = models.from_onnx(path, output="binary", classes=["no", "yes"], logits=True)
    np.testing.assert_allclose(binary.predict(IMAGES), np.concatenate([1 - p, p], axis=1), atol=1e-6)
    number = models.load(path, output="regression")
    np.testing.assert_allclose(number.predict(IMAGES), logits(IMAGES, width=1), atol=1e-5)


def test_preprocessing_and_bytes(tmp_path):
    path = write(tmp_path / "m.onnx")
    model = models.load(path, preprocess="tf")
    scaled = (IMAGES / np.float32(255) - 0.5) / 0.5
    np.testing.assert_allclose(
        model.predict(IMAGES), softmax(scaled.transpose(0, 3, 1, 2).reshape(5, -1) @ W), atol=1e-5
    )
    bytes_ = models.load(write(tmp_path / "b.onnx", dtype=TensorProto.UINT8))
    assert bytes_.network.rounds
    expected = softmax(IMAGES.astype(np.float32).transpose(0, 3, 1, 2).reshape(5, -1) @ W)
    np.testing.assert_allclose(bytes_.predict(IMAGES), expected, atol=1e-5)


def test_free_sides_need_a_shape(tmp_path):
    path = write(tmp_path / "m.onnx", sides=("H", "W"))
    with pytest.raises(ValueError, match=r"takes images of any size.*give --size 224, .*input_shape=\(H, W, C\)"):
        models.from_onnx(path)
    assert models.from_onnx(path, input_shape=(8, 8, 3)).input_shape == (8, 8, 3)
    notes = []
    model = open_one(path, ModelOptions(model=(str(path),), size=8), notes)
    assert model.input_shape == (8, 8, 3)
    assert sum("output assumed" in note for note in notes) == 1
    with pytest.raises(ValueError, match="got input_shape"):
        models.from_onnx(write(tmp_path / "f.onnx"), input_shape=(9, 8, 3))


def test_blue_first_as_keras_caffe_models_take_it(tmp_path):
    model = models.load(write(tmp_path / "m.onnx"), preprocess="caffe")
    pixels = IMAGES[..., ::-1].astype(np.float32) - np.array([103.939, 116.779, 123.68], np.float32)
    np.testing.assert_allclose(
        model.predict(IMAGES), softmax(pixels.transpose(0, 3, 1, 2).reshape(5, -1) @ W), atol=1e-5
    )


def test_findings_are_not_taken_for_logits_of_classes(tmp_path):
    """Numbers in [0, 1] that do not sum to 1: a softmax of them would be neither."""
    path = write(tmp_path / "m.onnx", ending="Sigmoid")
    with pytest.raises(ValueError, match=r"m\.onnx gives numbers from .* that do not sum to 1.*give output='sigmoid'"):
        models.load(path)
    notes = []
    models.load(path, output="sigmoid", notes=notes)
    assert any("read as probabilities, not logits" in note for note in notes)


def test_one_of_several_outputs_is_named(tmp_path):
    path = write(tmp_path / "m.onnx")
    whole = onnx.load(path)
    whole.graph.output.insert(0, helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", 192]))
    onnx.save(whole, path)
    notes = []
    with pytest.raises(ValueError, match="sum to 1"):  # pixels
        models.from_onnx(path, notes=notes)
    assert any("has several outputs: rows is read, not found ['N', 3]; in Python select=NAME" in n for n in notes)
    model = models.from_onnx(path, select="found")
    np.testing.assert_allclose(model.predict(IMAGES), softmax(logits(IMAGES)), atol=1e-6)


def test_weights_outside_the_file_belong_to_its_fingerprint(tmp_path):
    """As PyTorch's exporter writes them; a run that resumes must notice other weights."""
    path = write(tmp_path / "inside.onnx")
    outside = {"save_as_external_data": True, "location": "m.onnx.data", "size_threshold": 0}
    onnx.save(onnx.load(path), tmp_path / "m.onnx", **outside)
    (tmp_path / "unrelated.txt").write_text("x")
    first = models.load(tmp_path / "m.onnx")
    (tmp_path / "unrelated.txt").write_text("y")
    again = models.load(tmp_path / "m.onnx")
    weights = np.frombuffer((tmp_path / "m.onnx.data").read_bytes(), np.float32)
    (tmp_path / "m.onnx.data").write_bytes((2 * weights).tobytes())
    changed = models.load(tmp_path / "m.onnx")
    assert first.network.fingerprint == again.network.fingerprint != changed.network.fingerprint
    assert np.abs(first.predict(IMAGES) - changed.predict(IMAGES)).max() > 0.01


def test_scores_are_those_of_the_same_arithmetic(tmp_path):
    class Plain:
        classes = ("0", "1", "2")

        def predict(self, images):
            return softmax(images.transpose(0, 3, 1, 2).reshape(len(images), -1) @ W)

    model = models.load(write(tmp_path / "m.onnx", batch=1))
    maps = {"m": np.random.default_rng(2).random((5, 8, 8))}
    names = ["deletion_black", "sic_shannon", "aic_mutual", "average_drop"]
    ours, plain = (evaluate(m, IMAGES, [0, 1, 2, 0, 1], maps, metrics=names) for m in (model, Plain()))
    np.testing.assert_allclose(ours.value, plain.value, atol=1e-5)


def test_files_that_are_none_are_refused_in_one_sentence(tmp_path):
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(ValueError, match=r"text\.onnx is not a readable ONNX file"):
        models.load(tmp_path / "text.onnx")
    with pytest.raises(FileNotFoundError):
        models.load(tmp_path / "absent.onnx")
    with pytest.raises(ValueError, match="black box, whose architecture is not known"):
        models.describe(write(tmp_path / "m.onnx"))


def test_a_model_of_two_inputs_is_refused_with_both_names(tmp_path):
    path = write(tmp_path / "m.onnx")
    whole = onnx.load(path)
    whole.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, ["N", 1]))
    onnx.save(whole, path)
    with pytest.raises(ValueError, match=r"m\.onnx must have one input of images.*; it has images .*, age .*: write a"):
        models.from_onnx(path)
