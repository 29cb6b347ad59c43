"""`xaijax models`: what is understood of a model, the methods' own refusals, and a check of predictions."""

import importlib.util
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from safetensors.numpy import save_file

from xaijax import cli, explain, metrics, models
from xaijax.classifier import Classifier
from xaijax.describe_model import predictions
from xaijax.explain import METHODS

DATA = Path(__file__).parent / "models" / "data"
_spec = importlib.util.spec_from_file_location("zoo_recipe", Path(__file__).parent / "parity" / "zoo_recipe.py")
recipe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recipe)
KEYS = [
    *("schema", "model", "source", "training", "architecture", "input", "preprocess", "output", "classes"),
    *("parameters", "layers", "default_layer", "tokens", "explainers", "metrics_refused", "limits", "notes"),
    "predictions",
]
SCRIPT = """
import numpy as np
input_shape = (24, 24, 3)
classes = ["dark", "bright"]
{lines}
def predict(images):
    p = np.asarray(images, np.float64).mean(axis=(1, 2, 3)) / {largest}
    return {found}
"""
PAIR = "np.stack([1 - p, p], axis=1)"


def told(capsys, *arguments):
    """The JSON of a description."""
    assert cli.main(["models", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def printed(capsys, *arguments):
    assert cli.main(["models", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def refused(capsys, *arguments):
    assert cli.main(["models", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def refusals(found):
    return {entry["method"]: entry["reason"] for family in found["explainers"] for entry in family["refused"]}


@pytest.fixture
def trained(tmp_path):
    """A small model of two named classes, as a training writes it."""
    made = models.create("small_cnn", input_shape=(32, 40, 3), classes=["cat", "dog"], preprocess="torch", width=4)
    models.save(made, tmp_path / "run", info={"command": "xaijax train --data pets", "macro_f1": 0.5})
    return made, tmp_path / "run"


def script(tmp_path, lines="", largest=1, found=PAIR):
    place = tmp_path / "mine.py"
    place.write_text(SCRIPT.format(lines=lines, largest=largest, found=found))
    return f"{place}:predict"


def test_a_training_is_described_by_its_folder(trained, capsys):
    made, place = trained
    found = told(capsys, place)
    assert list(found) == KEYS
    assert found["source"]["format"] == "xaijax checkpoint"
    assert found["source"]["bytes"] == (place / "model.safetensors").stat().st_size
    assert found["training"] == {"command": "xaijax train --data pets", "macro_f1": 0.5}
    assert (found["architecture"]["name"], found["architecture"]["options"]) == ("small_cnn", {"width": 4})
    assert [found["input"][key] for key in ("height", "width", "channels", "minimum")] == [32, 40, 3, 16]
    assert found["classes"] == {"count": 2, "names": ["cat", "dog"], "from": "file"}
    assert (found["preprocess"]["from"], found["output"]["from"]) == ("file", "file")
    np.testing.assert_allclose(found["preprocess"]["black"], [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225])
    np.testing.assert_allclose(found["preprocess"]["white"], [0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225])
    leaves = jax.tree.leaves(made.params)
    assert found["parameters"]["count"] == sum(leaf.size for leaf in leaves)
    assert found["parameters"]["bytes"] == 4 * found["parameters"]["count"]
    assert found["parameters"]["trained"] == made.parameter_count() < found["parameters"]["count"]
    assert {one["name"]: tuple(one["shape"]) for one in found["layers"]} == made.layers()
    assert found["default_layer"]["name"] == made.default_layer
    assert found["tokens"] is None
    assert found["notes"] == []


def test_the_refusals_are_those_of_the_methods(trained):
    """One method for each thing that it needs is asked; the others give the same answer."""
    small, _ = trained
    plain = Classifier.from_function(lambda w, x: x.mean((1, 2)) @ w, jnp.eye(3), input_shape=(8, 8, 3))
    for classifier, lacks in ((small, "attention_rollout"), (plain, "grad_cam")):
        found = explain.refusals(classifier)
        assert found == {name: METHODS[name].refusal(classifier) for name in explain.methods(without="masks")}
        assert found[lacks]


def test_a_refused_method_says_the_same_when_it_is_called(trained, capsys):
    made, place = trained
    reason = refusals(told(capsys, place))["attention_rollout"]
    with pytest.raises(ValueError, match=r"needs a vision transformer") as caught:
        explain.attention_rollout(made, np.zeros((1, *made.input_shape), np.float32))
    assert " ".join(str(caught.value).split()) == reason


def test_an_architecture_is_described_without_weights(capsys):
    found = told(capsys, "ViT-B/16", "--size", "32")
    assert found["tokens"] == {"rows": 2, "columns": 2, "in_front": 1, "patch": [16, 16]}
    assert found["default_layer"] == {
        "name": "blocks.block12.norm1",
        "shape": [2, 2, 768],
        "why": "declared with the model",
    }
    assert found["source"]["format"] == "architecture without weights"
    assert (found["predictions"], found["parameters"]["digest"]) == (None, None)
    assert found["preprocess"]["from"] == "library"
    assert list(refusals(found)) == ["guided_backprop", "deeplift", "guided_grad_cam"]


def test_what_weights_do_not_say_is_marked_and_options_settle_it(tmp_path, capsys):
    with np.load(DATA / "torchvision_squeezenet.npz") as file:
        shapes = json.loads(file["small/spec"].tobytes())["entries"]
    entries = {name: recipe.weight(name, tuple(shape), True) for name, shape in shapes.items()}
    save_file(entries, tmp_path / "weights.safetensors")
    found = told(capsys, tmp_path / "weights.safetensors", "--size", "64")
    assert found["source"]["format"] == "PyTorch weights (.safetensors)"
    assert (found["preprocess"]["from"], found["output"]["from"]) == ("assumed", "assumed")
    assert found["preprocess"]["note"] in found["notes"]
    assert "softmax over 1000 classes" in found["output"]["note"]
    assert found["classes"]["from"] == "none"
    settled = told(
        capsys, tmp_path / "weights.safetensors", "--size", "64", "--preprocess", "xrv", "--output", "sigmoid"
    )
    assert (settled["preprocess"]["from"], settled["output"]["from"]) == ("option", "option")
    assert (settled["preprocess"]["black"], settled["preprocess"]["white"]) == ([-1024] * 3, [1024] * 3)
    assert settled["predictions"]["sums"] is None
    assert settled["parameters"]["digest"] == found["parameters"]["digest"]
    text = printed(capsys, tmp_path / "weights.safetensors", "--size", "64")
    assert text.count("(ASSUMED)") == 2


def test_a_keras_file_is_described(capsys):
    found = told(capsys, DATA / "graphs_of_keras" / "sequential.keras")
    assert found["source"]["format"] == "Keras model (.keras)"
    assert found["architecture"] == {"name": None, "kind": "a converted graph", "options": {}, "summary": ""}
    assert "rescaling" in found["preprocess"]["note"]
    assert (found["preprocess"]["from"], found["preprocess"]["white"]) == ("file", [255] * 3)
    assert "the output of" in found["default_layer"]["why"]


def test_a_black_box_says_what_it_cannot(tmp_path, capsys):
    path = script(tmp_path, 'dtype = "uint8"\nbatch_size = 4', largest=255)
    found = told(capsys, path)
    assert found["source"]["format"] == "a function of a script"
    assert found["layers"] == []
    assert found["default_layer"]["name"] is None
    assert found["preprocess"]["white"] == [255] * 3
    works = {family["family"]: family["works"] for family in found["explainers"]}
    assert (works["perturbation"], works["gradient"], works["cam"]) == (
        ["occlusion", "rise", "lime", "kernel_shap", "sobol", "hsic"], [], [],
    )  # fmt: skip
    box = models.load(path)
    assert refusals(found) == {
        name: METHODS[name].refusal(box) for name in explain.methods(without="masks") if METHODS[name].refusal(box)
    }
    refused_metrics = {one["metric"]: one["reason"] for one in found["metrics_refused"]}
    assert set(refused_metrics) == {
        "infidelity", "max_sensitivity", "local_lipschitz", "mprt_spearman", "mprt_ssim", "emprt", "smprt_spearman",
        "smprt_ssim", "pgi", "pgu", "ris", "ros", "rrs", "input_invariance",
    }  # fmt: skip
    images, maps = np.zeros((1, *box.input_shape), np.uint8), np.ones((1, *box.input_shape[:2]), np.float32)
    for name, words in (("infidelity", "less than a grey level"), ("mprt_ssim", "need the layers of a model")):
        explained = metrics.Explained(maps, explainer=lambda model, some, labels: maps[: len(some)])
        with pytest.raises(ValueError, match=words) as caught:
            metrics.evaluate(box, images, [0], {"mine": explained}, metrics=[name])
        assert " ".join(str(caught.value).split()) == refused_metrics[name]
    said = " ".join(found["limits"])
    assert "4 images in every call" in said
    assert "rounded to 8 bits" in said
    assert (found["output"]["from"], len(found["notes"])) == ("assumed", 1)
    assert [one["predicted"] for one in found["predictions"]["images"]][:3] == ["dark", "bright", "bright"]


def test_predictions_that_are_not_what_the_output_says_are_warned_of(tmp_path, capsys):
    path = script(tmp_path, found="np.stack([p, p], axis=1)")
    (warning,) = told(capsys, path)["predictions"]["warnings"]
    assert "must sum to 1" in warning
    assert "output='sigmoid'" in warning
    logits = script(tmp_path, found="np.stack([7 - p, p], axis=1)")
    assert "are these logits?" in told(capsys, logits)["predictions"]["warnings"][0]


def test_a_constant_output_and_nan_are_warned_of(tmp_path, capsys):
    path = script(tmp_path, found="np.stack([0 * p + 0.3, 0 * p + 0.7], axis=1)")
    (warning,) = told(capsys, path)["predictions"]["warnings"]
    assert warning.startswith("all 4 images get the same prediction")
    made = models.create("small_cnn", 2, (32, 32, 1), width=4)
    models.save(jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), made), tmp_path / "bad")
    found = told(capsys, tmp_path / "bad")["predictions"]
    assert found["warnings"][0].startswith("4 of 4 images get NaN")
    assert found["images"][0] == {"name": "black", "label": None, "predicted": None, "value": None}
    assert predictions.of_trials(made)["warnings"] == []


def test_an_onnx_file_is_described(tmp_path, capsys):
    weights = np.random.default_rng(0).normal(size=(192, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["images"], ["rows"], axis=1),
        helper.make_node("MatMul", ["rows", "w"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "m.onnx")
    found = told(capsys, tmp_path / "m.onnx", "--preprocess", "torch")
    assert found["source"]["format"] == "ONNX model (.onnx)"
    assert [found["preprocess"]["from"], found["output"]["from"]] == ["option", "assumed"]
    np.testing.assert_allclose(found["preprocess"]["black"][0], -0.485 / 0.229)
    assert any("gives logits" in note for note in found["notes"])


def test_images_of_the_data_are_predicted(trained, tmp_path, capsys):
    _, place = trained
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 256, (32, 40, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    found = told(capsys, place, "--data", tmp_path / "data", "--count", "4")["predictions"]
    assert sorted(one["label"] for one in found["images"]) == ["cat", "cat", "dog", "dog"]
    assert found["shape"] == [4, 2]
    assert found["sums"] == pytest.approx([1, 1])


def test_the_text_fits_80_columns_and_folds_the_layers(trained, capsys):
    _, place = trained
    short, whole = printed(capsys, place), printed(capsys, place, "--layers")
    inside = short[short.index("\n") :]  # the first line is the path, as it was given
    assert max(map(len, inside.splitlines())) <= 80
    layers = models.load(place).layers()
    assert f"... {len(layers) - 12} more (--layers)" in short
    assert all(f"  {name} " in whole for name in layers)
    assert "... " not in whole
    assert "black becomes -2.118 -2.036 -1.804" in " ".join(short.split())


def test_a_layer_can_be_chosen(trained, capsys):
    _, place = trained
    found = told(capsys, place, "--layer", "block1")
    assert (found["default_layer"]["name"], found["default_layer"]["why"]) == ("block1", "given with --layer")
    assert "cam" in refusals(found)  # the dense layer does not follow this one


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet51"], "unknown model 'resnet51': did you mean resnet50"),
        (["gone.pth"], "there is no checkpoint gone.pth"),
        (["--layer", "top"], "--layer says something of a model; name one"),
        (["one", "two"], "one model is described at a time; got one, two"),
        (["resnet50", "--data", "phantoms"], "--data needs trained weights, and resnet50 is an architecture"),
        (["builtin", "--layer", "tup"], "--layer is 'tup', which is not a layer of builtin: did you mean top?"),
        (["builtin", "--weights", "w.pth"], "--weights are for a model that is named"),
        (["builtin", "--preprocess", "range=5,5"], "a range is two different numbers"),
    ],
)
def test_wrong_things_are_one_sentence(capsys, arguments, message):
    found = refused(capsys, *arguments)
    assert message in found
    assert found.count("\n") == 1


def test_without_a_model_the_architectures_are_listed(capsys):
    text = printed(capsys)
    assert all(name[:17] in text for name in models.list_models())
    listed = told(capsys)
    assert [one["name"] for one in listed] == list(models.list_models())
    by_name = {one["name"]: one for one in listed}
    assert by_name["resnet50"]["parameters"] == 25557032


def test_the_documentation_describes_every_entry_of_the_json():
    page = (Path(__file__).parents[1] / "docs" / "models.md").read_text("utf-8")
    part = page[page.index("## Describing a model") :]
    assert [key for key in KEYS if f"`{key}`" not in part] == []
