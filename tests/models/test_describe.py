"""models.describe: architectures by any spelling and files of weights, as data; the documentation names them all."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from xaijax import models
from xaijax._errors import InputError
from xaijax._names import BUILTIN
from xaijax.models import importers, zoo
from xaijax.models.zoo import _entry

DOCS = Path(__file__).parents[2] / "docs" / "models.md"


def test_all_architectures_are_described():
    found = models.describe()
    assert tuple(each.name for each in found) == models.list_models()
    for each in found:
        entry = zoo.entry(each.name)
        assert (each.input_shape, each.minimum, each.options) == (entry.input_shape, entry.minimum, entry.options)
        assert each.summary
        assert not each.is_file
        assert set(each.sources.values()) <= set(importers.__all__)


@pytest.mark.parametrize("spelling", ["resnet50", "ResNet-50", "RESNET 50", "res_net_50"])
def test_names_are_found_in_any_spelling(spelling):
    assert models.describe(spelling)[0].name == zoo.entry(spelling).name == "resnet50"


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("EfficientNet-B0", "efficientnet_b0"),
        ("ViT-B/16", "vit_b16"),
        ("Inception-ResNet v2", "inception_resnet_v2"),
        ("ResNet50V2", "resnet50v2"),
        ("MobileNetV2", "mobilenet_v2"),
        ("VGG-16", "vgg16"),
    ],
)
def test_names_as_papers_write_them(spelling, name):
    assert zoo.entry(spelling).name == models.describe(spelling)[0].name == name


def test_a_classifier_made_by_another_spelling_is_the_same():
    one, two = models.create("Small-CNN", 3, (32, 32, 1)), models.create("small_cnn", 3, (32, 32, 1))
    assert jax.tree.structure(one) == jax.tree.structure(two)
    jax.tree.map(np.testing.assert_array_equal, one.params, two.params)


@pytest.mark.parametrize("name", ["small_cnn", "squeezenet", "vit_b16"])
def test_parameters_and_layers_are_those_of_the_model(name):
    found = models.describe(name)[0]
    side = zoo.entry(name).input_shape
    made = models.create(name, found.num_classes, side)
    assert found.parameters == made.parameter_count()
    assert found.layers == made.layers()
    assert found.layer == made.default_layer
    assert found.preprocess == made.preprocess


def test_nothing_is_allocated():
    found = models.describe("vgg19")[0]
    assert found.parameters == 143_667_240  # torchvision's documentation
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(found._abstract.params))


def test_a_checkpoint_is_described_by_its_header(tmp_path):
    made = models.create("small_cnn", input_shape=(32, 40, 3), classes=["cat", "dog"], preprocess="torch", width=4)
    models.save(made, tmp_path, info={"macro_f1": 0.5})
    (found,) = models.describe(tmp_path)
    assert (found.name, found.architecture, found.is_file) == (str(tmp_path), "small_cnn", True)
    assert (found.classes, found.num_classes, found.input_shape) == (("cat", "dog"), 2, (32, 40, 3))
    assert (found.made_with, found.info) == ({"width": 4}, {"macro_f1": 0.5})
    assert found.preprocess == made.preprocess
    assert found.parameters == made.parameter_count()
    assert found.layers == made.layers()


def test_the_built_in_model_is_described():
    (found,) = models.describe("Builtin")
    assert found.classes == models.builtin().classes
    assert "xaijax train" in found.info["command"]
    assert found == models.describe(BUILTIN)[0]


def test_what_is_neither_is_refused(tmp_path):
    with pytest.raises(InputError, match="unknown model 'resnet51': did you mean resnet50"):
        models.describe("resnet51")
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint gone/model\.safetensors"):
        models.describe("gone/model.safetensors")
    save_file({"a": np.zeros(2, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="is not recognised"):
        models.describe(tmp_path / "other.safetensors")


def test_a_file_wins_over_an_architecture_of_its_name(tmp_path, monkeypatch):
    models.save(models.create("small_cnn", 2, (32, 32, 1)), tmp_path / "resnet50")
    monkeypatch.chdir(tmp_path)
    assert models.describe("resnet50")[0].architecture == "small_cnn"


class TestRegistry:
    def test_every_file_of_the_zoo_registers(self):
        """An architecture is one file and one import."""
        folder = Path(zoo.__file__).parent
        files = {file.stem for file in folder.glob("*.py") if not file.stem.startswith("_")} - {"layers"}
        assert all("register(" in (folder / f"{name}.py").read_text() for name in files)
        assert files <= set(vars(zoo))

    def test_names_are_registered_once(self):
        entry = zoo.entry("small_cnn")
        with pytest.raises(ValueError, match="has an architecture 'Small-CNN' already"):
            zoo.register(dataclasses.replace(entry, name="Small-CNN"))

    def test_sources_are_a_query(self):
        assert {source.architecture for source in _entry.sources()} == set(models.list_models()) - {
            "small_cnn",
            "small_resnet",
            "small_vit",
        }
        for source in _entry.sources():
            assert source.variant in zoo.entry(source.architecture).variants

    def test_the_documentation_lists_every_architecture(self):
        text = DOCS.read_text()
        assert [name for name in models.list_models() if f"`{name}`" not in text] == []
