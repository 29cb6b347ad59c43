"""Importers: recognition, heads, grey images, errors that list all, files without their libraries."""

import importlib.util
import json
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from xaijax import models
from xaijax.models.importers.keras_files import Contents, opened
from xaijax.models.importers.keras_weights import _convert as convert_keras
from xaijax.models.importers.sources import recognise
from xaijax.models.importers.torch_weights import _told_apart as told_apart
from xaijax.models.zoo._entry import sources
from xaijax.models.zoo._weights import renumber
from xaijax.preprocess import Preprocess

DATA = Path(__file__).parent / "data"
_spec = importlib.util.spec_from_file_location("zoo_recipe", Path(__file__).parents[1] / "parity" / "zoo_recipe.py")
recipe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recipe)


def shapes(source):
    with np.load(DATA / f"{source}.npz") as file:
        return {name: tuple(shape) for name, shape in json.loads(file["small/spec"].tobytes())["entries"].items()}


def weights(source):
    torch = not source.startswith("keras")
    return {name: recipe.weight(name, shape, torch) for name, shape in shapes(source).items()}


@pytest.fixture(scope="module")
def mobilenet():
    return weights("torchvision_mobilenet_v2")


@pytest.fixture(scope="module")
def squeezenet():
    return weights("torchvision_squeezenet")


def logits(classifier, images):
    return np.asarray(classifier.logits(classifier.params, images))


class TestRecognition:
    @pytest.mark.parametrize("source", sorted(path.stem for path in DATA.glob("*.npz")))
    def test_every_source_is_recognised_by_its_names(self, source):
        library, name = source.split("_", 1)
        row = recognise(shapes(source), ("keras",) if library == "keras" else ("torchvision", "timm"), None, "them")
        assert row.architecture == name
        # timm names some models as torchvision does.
        assert row.library == library or source == "timm_resnet50"

    @pytest.mark.parametrize("source", sorted(path.stem for path in DATA.glob("*.npz")))
    def test_every_row_of_its_table_is_used(self, source):
        """A pattern that matches nothing would be a slip of the pen."""
        if source == "timm_resnet50":  # read by torchvision's row
            return
        library, name = source.split("_", 1)
        row = next(r for r in sources() if r.architecture == name and r.library == library)
        found = row.names(shapes(source)).values()
        optional = ("bias", "gamma", "scale")
        unused = [
            rule[0].pattern
            for rule in row.table.rules
            if not any(rule[0].fullmatch(known) for known in found) and not rule[1].endswith(optional)
        ]
        assert unused == []

    def test_running_numbers_start_anywhere(self):
        names = ["conv2d_100/kernel", "conv2d_99/kernel", "conv2d_9/kernel", "dense/kernel"]
        assert renumber(names) == {
            "conv2d_100/kernel": "conv2d#2/kernel",
            "conv2d_99/kernel": "conv2d#1/kernel",
            "conv2d_9/kernel": "conv2d#0/kernel",
            "dense/kernel": "dense/kernel",
        }
        assert renumber(["conv2d/kernel", "conv2d_1/kernel"])["conv2d/kernel"] == "conv2d#0/kernel"

    def test_what_is_not_known_is_said(self):
        with pytest.raises(ValueError, match=r"is not recognised: .*layer\.weight.*architecture=NAME says how"):
            models.from_torch({"layer.weight": np.zeros((2, 2))})
        with pytest.raises(ValueError, match="weights of 'xception' cannot be read from timm or torchvision"):
            models.from_torch({"layer.weight": np.zeros((2, 2))}, "xception")


class TestTorch:
    def test_a_file_gives_what_its_arrays_give(self, squeezenet, tmp_path):
        save_file(squeezenet, tmp_path / "m.safetensors")
        images = recipe.images(1, 48)
        shape = (48, 48, 3)
        one = models.from_torch(tmp_path / "m.safetensors", input_shape=shape)
        two = models.from_torch(squeezenet, input_shape=shape)
        np.testing.assert_array_equal(logits(one, images), logits(two, images))
        assert one.preprocess == Preprocess.named("torch")
        assert one.default_layer == "fire9"

    def test_wrappers_are_taken_off(self, squeezenet):
        wrapped = {"state_dict": {f"module._orig_mod.{name}": value for name, value in squeezenet.items()}}
        one = models.from_torch(wrapped, input_shape=(48, 48, 3))
        assert one.architecture.name == "squeezenet"

    @pytest.mark.parametrize("key", ["net", "weights", "student_state"])
    def test_any_checkpoint_of_one_state_dictionary(self, squeezenet, key):
        """As trainings keep it, with what they keep next to it."""
        inner = {f"cnn.{name}": value for name, value in squeezenet.items()}
        checkpoint = {key: inner, "acc": 0.5, "epoch": 3, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}
        plain = models.from_torch(squeezenet, input_shape=(48, 48, 3))
        found = models.from_torch(checkpoint, input_shape=(48, 48, 3))
        images = recipe.images(1, 48)
        np.testing.assert_array_equal(logits(found, images), logits(plain, images))

    def test_averaged_weights_and_those_of_a_loss(self, squeezenet):
        """As timm, torchvision's references and Lightning save them."""
        zeros = {name: np.zeros_like(value) for name, value in squeezenet.items()}
        notes: list[str] = []
        options = {"input_shape": (48, 48, 3), "preprocess": "torch", "output": "softmax", "notes": notes}
        both = models.from_torch({"state_dict": squeezenet, "state_dict_ema": zeros}, **options)
        assert [str(note) for note in notes] == [
            "the state dictionary also holds averaged weights (state_dict_ema), which are not used; save them alone to "
            "use them"
        ]
        average = {f"module.{name}": value for name, value in squeezenet.items()} | {"n_averaged": np.array(7)}
        lightning = {f"model.{name}": value for name, value in squeezenet.items()} | {
            "criterion.weight": np.ones(2, np.float32),
            "loss_fn.pos_weight": np.ones(2, np.float32),
        }
        images = recipe.images(1, 48)
        for other in ({"model_ema": average}, {"state_dict": lightning}):
            found = models.from_torch(other, **options)
            np.testing.assert_array_equal(logits(found, images), logits(both, images))
        with pytest.raises(ValueError, match=r"several sets of weights \(encoder, decoder\); save the one"):
            models.from_torch({"encoder": squeezenet, "decoder": zeros})

    def test_another_head_is_taken_as_it_is(self, mobilenet):
        """Dropout, Linear, ReLU, Dropout, Linear: the last layers computed here by hand."""
        backbone = {name: value for name, value in mobilenet.items() if not name.startswith("classifier")}
        head = {
            "classifier.1.weight": recipe.weight("a.weight", (8, 1280), True),
            "classifier.1.bias": recipe.weight("a.bias", (8,), True),
            "classifier.4.weight": recipe.weight("b.weight", (3, 8), True),
            "classifier.4.bias": recipe.weight("b.bias", (3,), True),
        }
        classifier = models.from_torch(backbone | head, input_shape=(64, 64, 3), classes=["a", "b", "c"])
        assert classifier.classes == ("a", "b", "c")
        found, maps = classifier.tapped(classifier.params, recipe.images(2, 64), {"top": None})
        notes: list[str] = []
        models.from_torch(backbone | head, input_shape=(64, 64, 3), notes=notes)
        assert any("has 2 dense layers behind its backbone: ReLU is assumed between them" in note for note in notes)
        hidden = np.maximum(
            np.asarray(maps["top"]).mean((1, 2)) @ head["classifier.1.weight"].T + head["classifier.1.bias"], 0
        )
        expected = hidden @ head["classifier.4.weight"].T + head["classifier.4.bias"]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

    def test_one_output_is_one_logit_whose_meaning_must_be_given(self, mobilenet):
        changed = mobilenet | {
            "classifier.1.weight": mobilenet["classifier.1.weight"][:1],
            "classifier.1.bias": mobilenet["classifier.1.bias"][:1],
        }
        with pytest.raises(ValueError, match="has one output and does not say what it means"):
            models.from_torch(changed, input_shape=(64, 64, 3))
        one = models.from_torch(changed, input_shape=(64, 64, 3), output="binary", classes=["healthy", "ill"])
        whole = models.from_torch(mobilenet, input_shape=(64, 64, 3), output="sigmoid")
        images = recipe.images(1, 64)
        np.testing.assert_allclose(logits(one, images), logits(whole, images)[:, :1], rtol=1e-5)
        chance = np.asarray(whole.predict(images))[0, 0]
        np.testing.assert_allclose(one.predict(images), [[1 - chance, chance]], rtol=1e-5)

    def test_look_alikes_are_told_apart_by_the_name_of_the_file_or_named(self):
        """timm's DeiT and TensorFlow's EfficientNet have the entries of others; only the file's name can tell."""
        rows = {row.architecture: row for row in sources() if row.library == "timm"}
        deit, vit, notes = "deit_base_patch16_224.safetensors", "vit_base_patch16_224.safetensors", []
        assert told_apart(rows["vit_b16"], deit, None, notes) == "torch"
        assert told_apart(rows["vit_b16"], deit, "tf", []) == "tf"
        assert told_apart(rows["vit_b16"], vit, None, notes) is None
        with pytest.raises(ValueError, match="named after TensorFlow's EfficientNet"):
            told_apart(rows["efficientnet_b0"], "tf_efficientnet_b0.safetensors", None, notes)
        assert told_apart(rows["efficientnet_b0"], "mine.safetensors", None, notes) is None
        assert [("DeiT" in note or "tf_efficientnet_b0" in note) for note in notes] == [True, True, True]

    def test_what_the_file_does_not_say_is_noted(self, mobilenet):
        notes: list[str] = []
        models.from_torch(mobilenet, input_shape=(64, 64, 3), notes=notes)
        assert len(notes) == 2
        assert any(
            "output assumed" in note and f"softmax over {len(mobilenet['classifier.1.bias'])} classes" in note
            for note in notes
        )
        assert any("torch (mean 0.485 0.456 0.406, std 0.229 0.224 0.225)" in note for note in notes)
        said: list[str] = []
        models.from_torch(mobilenet, input_shape=(64, 64, 3), output="softmax", preprocess="tf", notes=said)
        assert said == []

    def test_chest_networks_of_eighteen_findings(self, tmp_path):
        """A DenseNet of radiographs: one channel from -1024 to 1024, findings, and a buffer of operating points."""
        state = weights("torchvision_densenet121")
        state["features.conv0.weight"] = state["features.conv0.weight"].sum(1, keepdims=True)
        rng = np.random.default_rng(0)
        state["classifier.weight"] = rng.normal(0, 0.1, (18, 1024)).astype(np.float32)
        state["classifier.bias"] = rng.normal(0, 0.1, 18).astype(np.float32)
        state["op_threshs"] = np.where(np.arange(18) < 14, 0.02 + 0.01 * np.arange(18), np.nan).astype(np.float32)
        notes: list[str] = []
        save_file(state, tmp_path / "nih.safetensors")
        wide = Preprocess.read(["scale=2048", "mean=1024"])
        options = {"input_shape": (64, 64, 1), "preprocess": wide, "notes": notes}
        found = models.from_torch(tmp_path / "nih.safetensors", output="sigmoid", **options)
        assert (found.output, len(found.classes), found.preprocess) == ("sigmoid", 18, wide)
        np.testing.assert_allclose(found.thresholds[:14], 0.02 + 0.01 * np.arange(14), rtol=1e-6)
        assert set(found.thresholds[14:]) == {0.5}
        notes.clear()
        assumed = models.from_torch(state, **options)
        assert assumed.thresholds == found.thresholds
        assert any("op_threshs" in note and "its output is sigmoid" in note for note in notes)

    def test_grey_images_see_the_summed_kernel(self, squeezenet):
        colour = models.from_torch(squeezenet, input_shape=(48, 48, 3), preprocess="tf")
        one = models.from_torch(squeezenet, input_shape=(48, 48, 1), preprocess="tf")
        images = recipe.images(1, 48)[..., :1]
        np.testing.assert_allclose(
            logits(one, images), logits(colour, np.repeat(images, 3, axis=-1)), rtol=1e-4, atol=1e-5
        )

    def test_everything_that_does_not_fit_is_in_one_error(self, mobilenet):
        state = dict(mobilenet)
        state["extra.weight"] = np.zeros((3, 3), np.float32)
        del state["features.2.conv.0.1.running_mean"]
        state["features.18.0.weight"] = np.zeros((1280, 320, 3, 3), np.float32)
        with pytest.raises(ValueError, match="3 entries") as caught:
            models.from_torch(state)
        text = str(caught.value)
        assert "unmapped: extra.weight [3, 3]" in text
        assert "missing: blocks.block1.expand.norm.mean [96]" in text
        assert (
            "mis-shaped: features.18.0.weight [1280, 320, 3, 3] does not fit top.conv.kernel [1, 1, 320, 1280]" in text
        )

    def test_a_pth_file_without_torch_says_what_to_do(self, tmp_path, monkeypatch):
        (tmp_path / "m.pth").write_bytes(b"PK")
        monkeypatch.setitem(sys.modules, "torch", None)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ImportError, match=r"needs PyTorch; install it, or save the weights as \.safetensors"):
            models.from_torch(tmp_path / "m.pth")
        with pytest.raises(FileNotFoundError, match="there is no file"):
            models.from_torch(tmp_path / "n.pth")

    def test_a_converted_model_is_saved_and_loaded(self, mobilenet, tmp_path):
        state = mobilenet | {
            "classifier.1.weight": np.ones((3, 1280), np.float32),
            "classifier.1.bias": np.zeros(3, np.float32),
        }
        classifier = models.from_torch(state, input_shape=(64, 64, 3))
        again = models.load(models.save(classifier, tmp_path / "m.safetensors"))
        images = recipe.images(1, 64)
        np.testing.assert_array_equal(logits(again, images), logits(classifier, images))
        assert again.preprocess == Preprocess.named("torch")


class TestKerasFiles:
    def test_the_old_layout(self, tmp_path):
        """Groups by layer, a nested model, names with `:0` as Keras 2 wrote them."""
        with h5py.File(tmp_path / "m.h5", "w") as file:
            root = file.create_group("model_weights")
            root.attrs["layer_names"] = [b"inner", b"dense"]
            inner = root.create_group("inner")
            inner["conv_1/kernel:0"] = np.ones((3, 3, 1, 2))
            inner["bn_1/gamma:0"] = np.ones(2)
            inner.attrs["weight_names"] = [b"conv_1/kernel:0", b"bn_1/gamma:0"]
            dense = root.create_group("dense")
            dense["dense/kernel:0"] = np.ones((2, 2))
            dense.attrs["weight_names"] = [b"dense/kernel:0"]
        with opened(tmp_path / "m.h5") as contents:
            assert list(contents.entries) == ["conv_1/kernel", "bn_1/gamma", "dense/kernel"]
            assert contents.entries["conv_1/kernel"].shape == (3, 3, 1, 2)
            assert contents.layers is None

    def test_the_new_layout(self, tmp_path):
        """Numbered variables, the layers' names as attributes, and a configuration next to them."""
        config = {
            "class_name": "Functional",
            "config": {
                "layers": [
                    {"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [None, 32, 40, 3]}},
                    {"class_name": "Conv2D", "config": {"name": "first"}},
                    {
                        "class_name": "Sequential",
                        "config": {"layers": [{"class_name": "BatchNormalization", "config": {"name": "norm"}}]},
                    },
                ]
            },
        }
        with h5py.File(tmp_path / "model.weights.h5", "w") as file:
            for path, name, count in (
                ("layers/conv2d", "first", 1),
                ("layers/sequential/layers/batch_normalization", "norm", 3),
            ):
                group = file.create_group(f"{path}/vars")
                group.attrs["name"] = name
                for number in range(count):
                    group[str(number)] = np.zeros(4)
            file.create_group("layers/dropout/seed_generator/vars")["0"] = np.zeros(2)
        with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
            archive.writestr("config.json", json.dumps(config))
            archive.write(tmp_path / "model.weights.h5", "model.weights.h5")
        with opened(tmp_path / "m.keras") as contents:
            assert contents.input_shape == (32, 40, 3)
            assert [layer.name for layer in contents.layers] == ["in", "first", "norm"]
            assert list(contents.entries) == ["first/kernel", "norm/beta", "norm/moving_mean", "norm/moving_variance"]

    def test_what_is_no_keras_file_is_said(self, tmp_path):
        (tmp_path / "m.keras").write_bytes(b"nothing")
        (tmp_path / "m.h5").write_bytes(b"nothing")
        with pytest.raises(ValueError, match=r"m\.keras is not a readable Keras file"):
            models.from_keras(tmp_path / "m.keras")
        with pytest.raises(ValueError, match=r"m\.h5 is not a readable Keras file"):
            models.from_keras(tmp_path / "m.h5")


def keras_contents(layers_before, layers_behind, entries):
    from xaijax.models.importers.keras_files import Layer

    backbone = dict.fromkeys(name.rsplit("/", 1)[0] for name in entries if not name.startswith(("predictions", "d")))
    return Contents(
        entries,
        [
            *(Layer(kind, name, config) for kind, name, config in layers_before),
            *(Layer("Conv2D", name, {}) for name in backbone),
            *(Layer(kind, name, config) for kind, name, config in layers_behind),
        ],
        (64, 64, 3),
    )


@pytest.fixture(scope="module")
def entries():
    """The recipe's weights of Keras' MobileNetV2 without its head."""
    found = weights("keras_mobilenet_v2")
    return {name: value for name, value in found.items() if not name.startswith("predictions")}


class TestKerasHeads:
    def convert(self, contents):
        return convert_keras(contents, None, "them", None, None, None, None, None, None)

    def test_rescaling_becomes_the_preprocessing_and_the_head_is_read(self, entries):
        head = {
            "d1/kernel": recipe.weight("d1/kernel", (2 * 2 * 1280, 5), False),
            "d1/bias": recipe.weight("d1/bias", (5,), False),
            "d2/kernel": recipe.weight("d2/kernel", (5, 3), False),
        }
        classifier = self.convert(
            keras_contents(
                [("InputLayer", "in", {}), ("Rescaling", "r", {"scale": 1 / 127.5, "offset": -1})],
                [
                    ("ReLU", "out_relu", {}),
                    ("Flatten", "f", {}),
                    ("Dense", "d1", {"activation": "relu"}),
                    ("Dropout", "x", {}),
                    ("Dense", "d2", {"activation": "softmax"}),
                ],
                entries | head,
            )
        )
        assert classifier.preprocess.mean == pytest.approx((0.5,))
        assert classifier.preprocess.std == pytest.approx((0.5,))
        found, maps = classifier.tapped(classifier.params, recipe.images(2, 64), {"top": None})
        hidden = np.maximum(np.asarray(maps["top"]).reshape(2, -1) @ head["d1/kernel"] + head["d1/bias"], 0)
        np.testing.assert_allclose(found, hidden @ head["d2/kernel"], rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("layers", "width", "expected"),
        [
            ([("Dense", "d1", {"activation": "softmax"})], 3, "softmax"),
            ([("Dense", "d1", {"activation": "linear"}), ("Softmax", "s", {})], 3, "softmax"),
            ([("Dense", "d1", {"activation": "sigmoid"})], 5, "sigmoid"),
            ([("Dense", "d1", {"activation": "linear"}), ("Activation", "s", {"activation": "sigmoid"})], 5, "sigmoid"),
            ([("Dense", "d1", {"activation": "sigmoid"})], 1, "binary"),
            ([("Dense", "d1", {"activation": "linear"})], 3, "softmax"),
            ([("Dense", "d1", {"activation": "tanh"})], 3, None),
            ([("Dense", "d1", {"activation": "linear"}), ("Activation", "t", {"activation": "tanh"})], 3, None),
            ([("Dense", "d1", {"activation": "softmax"}), ("Softmax", "s", {})], 3, None),
        ],
    )
    def test_the_activation_at_the_end_says_the_output(self, entries, layers, width, expected):
        head = {
            "d1/kernel": recipe.weight("d1/kernel", (1280, width), False),
            "d1/bias": np.linspace(-4, 4, width).astype(np.float32) if width > 1 else np.ones(1, np.float32),
        }
        contents = keras_contents([], [("GlobalAveragePooling2D", "g", {}), *layers], entries | head)
        if expected is None:
            with pytest.raises(ValueError, match="layers that are not understood"):
                self.convert(contents)
            return
        classifier = self.convert(contents)
        assert classifier.output == expected
        images = recipe.images(2, 64)
        z = np.asarray(logits(classifier, images))
        assert z.shape == (2, width)  # a single logit stays one
        chances = 1 / (1 + np.exp(-z.astype(np.float64)))
        exponents = np.exp(z.astype(np.float64))
        wanted = {
            "softmax": exponents / exponents.sum(1, keepdims=True),
            "sigmoid": chances,
            "binary": np.concatenate([1 - chances, chances], axis=1),
        }[expected]
        np.testing.assert_allclose(classifier.predict(images), wanted, rtol=1e-4, atol=1e-6)

    def test_layers_that_are_not_understood_are_listed(self, entries):
        contents = keras_contents(
            [("Lambda", "code", {})],
            [
                ("GlobalAveragePooling2D", "g", {}),
                ("LSTM", "l", {}),
                ("Dense", "d1", {"activation": "tanh"}),
                ("Dense", "d2", {"activation": "softmax"}),
            ],
            entries | {"d1/kernel": np.zeros((1280, 4)), "d2/kernel": np.zeros((4, 2))},
        )
        with pytest.raises(ValueError, match="layers that are not understood") as caught:
            self.convert(contents)
        for part in (
            "Lambda code before the backbone",
            "LSTM l behind the backbone",
            "Dense d1 with activation 'tanh'",
        ):
            assert part in str(caught.value)

    def test_a_model_without_a_head_is_refused(self, entries):
        with pytest.raises(ValueError, match="has no classification head"):
            self.convert(keras_contents([], [("GlobalAveragePooling2D", "g", {})], entries))
