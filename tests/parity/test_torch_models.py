"""Conversion of PyTorch models, where PyTorch, torchvision and timm are installed: pytest tests/parity -m parity.

`torch_table.py` compares many architectures; here is what files and names do, and what is refused.
"""

import logging
import sys

import numpy as np
import pytest

from xaijax import models
from xaijax._errors import InputError
from xaijax._runs.models import open_one
from xaijax._runs.options import ModelOptions
from xaijax.models.importers.torch_graph import building

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore"),
]
SIDE = 64


class Hostile:
    """Unpickling it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture(scope="module")
def torch():
    import torch

    try:
        import torchvision
    except RuntimeError:  # a torchvision without its compiled operators
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torch.xaijax_library = library  # it ends with the object
        import torchvision  # noqa: F401
    torch.manual_seed(0)
    return torch


@pytest.fixture(scope="module")
def small(torch):
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    ).eval()


def images(channels, count=3, side=SIDE):
    return np.random.default_rng(0).uniform(size=(count, side, side, channels)).astype(np.float32)


def close(torch, classifier, module, x):
    with torch.no_grad():
        wanted = module(torch.from_numpy(x.transpose(0, 3, 1, 2))).numpy()
    found = np.asarray(classifier.logits(classifier.params, x))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_a_module_keeps_its_mode_and_a_bare_one_is_assumed_to_take_pixels(torch, small, caplog):
    small.train()
    try:
        with caplog.at_level(logging.WARNING):
            classifier = models.from_torch(small, input_shape=(SIDE, SIDE, 1))
        assert small.training
    finally:
        small.eval()
    assert "pixels in [0, 1] are assumed; --preprocess overrides" in caplog.text
    assert "its output is assumed to be softmax; --output overrides" in caplog.text
    close(torch, classifier, small.eval(), images(1))
    assert classifier.default_layer == "2"
    assert classifier.has_head()


def endings(nn):
    """(what a module ends in, what is said of its output, or what it is refused for)."""
    return {
        "softmax": (nn.Softmax(1), "softmax"),
        "log_softmax": (nn.LogSoftmax(1), "softmax"),
        "sigmoid": (nn.Sigmoid(), "sigmoid"),
        "one sigmoid": (nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()), "binary"),
        "reshaped": (nn.Sequential(nn.Softmax(1), nn.Flatten()), "softmax"),
        "tanh": (nn.Tanh(), "ends in tanh"),
        "over the batch": (nn.Softmax(0), "softmax over the images of a batch"),
    }


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sigmoid", "one sigmoid", "reshaped"])
@pytest.mark.parametrize("file", [False, True])
def test_the_end_of_a_module_says_its_output(torch, small, tmp_path, name, file):
    """A softmax is not applied twice, and findings are not read as classes that exclude each other."""
    end, output = endings(torch.nn)[name]
    source, notes = torch.nn.Sequential(*small, end).eval(), []
    x = images(1)
    with torch.no_grad():
        wanted = source(torch.from_numpy(x.transpose(0, 3, 1, 2))).numpy()
    wanted = np.exp(wanted) if name == "log_softmax" else wanted
    shape = {"input_shape": (SIDE, SIDE, 1)}
    if file:
        example = (torch.zeros(2, 1, SIDE, SIDE),)
        torch.export.save(torch.export.export(source, example), tmp_path / "net.pt2")
        source, shape = tmp_path / "net.pt2", {}
    classifier = models.from_torch(source, notes=notes, **shape)
    assert classifier.output == output
    found = classifier.predict(x)[:, -wanted.shape[1] :]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    assert not any("assumed to be softmax" in note for note in notes)
    with pytest.raises(InputError, match="so its output is"):
        models.from_torch(source, output="softmax" if output != "softmax" else "sigmoid", **shape)


@pytest.mark.parametrize("name", ["tanh", "over the batch"])
def test_other_endings_are_refused(torch, small, name):
    end, message = endings(torch.nn)[name]
    with pytest.raises(InputError, match=message):
        models.from_torch(torch.nn.Sequential(*small, end), input_shape=(SIDE, SIDE, 1))


@pytest.mark.parametrize("batch", ["dynamic", 1, 4])
def test_a_program_in_a_file_takes_any_batch(torch, small, tmp_path, batch):
    example = (torch.zeros(2 if batch == "dynamic" else batch, 1, SIDE, SIDE),)
    shapes = ({0: torch.export.Dim("batch")},) if batch == "dynamic" else None
    torch.export.save(torch.export.export(small, example, dynamic_shapes=shapes), tmp_path / "small.pt2")
    classifier = models.load(tmp_path / "small.pt2", classes=["a", "b", "c", "d"])
    assert classifier.classes == ("a", "b", "c", "d")
    for count in (1, 3, 8):
        close(torch, classifier, small, images(1, count))


def test_a_script_gives_a_module(torch, tmp_path):
    script = tmp_path / "net.py"
    script.write_text(
        "import torch\ndef make():\n    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3))\n"
    )
    classifier = models.load(f"{script}:make", input_shape=(4, 4, 3))
    assert len(classifier.classes) == 3
    with pytest.raises(InputError, match="does not say the size of its images"):
        models.load(f"{script}:make")
    with pytest.raises(InputError, match="has no 'other'; name a function of the file"):
        models.load(f"{script}:other", input_shape=(4, 4, 3))


@pytest.mark.parametrize("layer", ["BatchNorm2d", "Dropout"])
def test_a_program_in_training_mode_is_refused(torch, layer, tmp_path):
    nn = torch.nn
    inner = nn.BatchNorm2d(4) if layer == "BatchNorm2d" else nn.Dropout()
    module = nn.Sequential(nn.Conv2d(1, 4, 3), inner, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).train()
    torch.export.save(torch.export.export(module, (torch.zeros(2, 1, SIDE, SIDE),)), tmp_path / "train.pt2")
    with pytest.raises(InputError, match=r"exported in training mode .*call its eval\(\) before torch\.export"):
        models.load(tmp_path / "train.pt2")


NET = """
import torch
from {helper} import Net

input_shape = (8, 8, 1)
classes = ["a", "b"]
mean, std = 0.5, [0.25]
output = "sigmoid"
thresholds = [0.25, 0.75]


def make():
    return Net(1)


class Needs(torch.nn.Module):
    def __init__(self, count):
        super().__init__()


class Own(Net):
    pass
"""
HELPER = """
import torch


class Net(torch.nn.Module):
    def __init__(self, channels=1):
        super().__init__()
        self.conv = torch.nn.Conv2d(channels, 2, 3)

    def forward(self, x):
        return self.conv(x).mean((2, 3))
"""


def test_a_script_says_what_its_module_takes(torch, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    script, helper = tmp_path / "net.py", f"helper_{tmp_path.name}"
    script.write_text(NET.format(helper=helper))
    (tmp_path / f"{helper}.py").write_text(HELPER)
    found = models.load(f"{script}:make")
    assert (found.input_shape, found.classes, found.output) == ((8, 8, 1), ("a", "b"), "sigmoid")
    assert (found.preprocess.mean, found.preprocess.std, found.thresholds) == ((0.5,), (0.25,), (0.25, 0.75))
    options = ModelOptions(model=(f"{script}:make",), size=16)
    assert open_one(options.model[0], options, []).input_shape == (16, 16, 1)
    script.write_text(NET.format(helper=helper).replace("input_shape =", "shape ="))
    assert models.load(f"{script}:make", input_shape=(12, 12)).input_shape == (12, 12, 1)
    with pytest.raises(InputError, match=r"give --size 128, or write input_shape = \(128, 128, 3\) in the file"):
        models.load(f"{script}:make")


def test_a_class_of_a_script_needs_its_weights(torch, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    script, helper = tmp_path / "net.py", f"helper_{tmp_path.name}"
    script.write_text(NET.format(helper=helper))
    (tmp_path / f"{helper}.py").write_text(HELPER)
    weights = {"conv.weight": torch.full((2, 1, 3, 3), 0.1), "conv.bias": torch.tensor([0.0, 1.0])}
    torch.save(weights, tmp_path / "w.pth")
    found = models.load(f"{script}:Own", weights=tmp_path / "w.pth")
    ones = np.ones((1, 8, 8, 1), np.float32)  # (1 - 0.5) / 0.25 = 2
    np.testing.assert_allclose(found.logits(found.params, ones), [[1.8, 2.8]], atol=1e-5)
    with pytest.raises(InputError, match=r"Own of .* is a class, whose weights are random: give --weights, or write"):
        models.load(f"{script}:Own")
    with pytest.raises(InputError, match=r"Needs of .* is a class that needs arguments .*count.*: write a function"):
        models.load(f"{script}:Needs", weights=tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"Net of .* is a class: write a function make_model\(\)"):
        models.load(f"{script}:Net")  # imported there


def test_a_model_of_timm_with_its_own_preprocessing_and_head(torch, tmp_path):
    import timm
    from safetensors.torch import save_file

    module = timm.create_model("resnet10t", num_classes=7, in_chans=1).eval()
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    source = "timm:resnet10t"
    classifier = models.load(source, weights=tmp_path / "weights.safetensors", input_shape=(SIDE, SIDE, 1))
    assert len(classifier.classes) == 7
    assert classifier.preprocess.mean == (pytest.approx(0.449),)
    x = images(1)
    close(torch, classifier, lambda t: module((t - 0.449) / 0.226), x)


def test_a_checkpoint_of_lightning_and_of_data_parallel(torch, tmp_path):
    import torchvision

    module = torchvision.models.squeezenet1_1(num_classes=1000).eval()
    state = {f"model.module.{name}": value for name, value in module.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3, "hyper_parameters": {"lr": 0.1}}, tmp_path / "last.ckpt")
    name = "torchvision:squeezenet1_1"
    classifier = models.load(name, weights=tmp_path / "last.ckpt", input_shape=(SIDE, SIDE, 3))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (classifier.preprocess.mean, classifier.preprocess.std))
    close(torch, classifier, lambda t: module((t - mean) / std), images(3))


@pytest.mark.parametrize("name", ["inception_v3", "googlenet"])
def test_torchvision_models_with_an_input_transform_of_their_own(torch, tmp_path, name):
    """With published weights these modules normalise their normalised pixels once more; the state does not say so."""
    import torchvision

    options = {"init_weights": False, "aux_logits": name == "googlenet"}
    module = torchvision.models.get_model(name, num_classes=5, transform_input=True, **options).eval()
    torch.save({f"module.{key}": value for key, value in module.state_dict().items()}, tmp_path / "w.pth")
    notes = []
    shape = (96, 96, 3)
    classifier = models.load(f"torchvision:{name}", weights=tmp_path / "w.pth", input_shape=shape, notes=notes)
    assert any("transform_input" in note for note in notes)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    close(torch, classifier, lambda t: module((t - mean) / std), images(3, side=96))


def test_pixels_of_torchvision_are_those_of_its_weights(torch, small, monkeypatch, tmp_path):
    """Not all of them take ImageNet's mean: EfficientNetV2-L (replaced by a small network here) takes -1 to 1."""
    import torchvision

    monkeypatch.setattr(torchvision.models, "get_model", lambda name, **options: small)
    torch.save(small.state_dict(), tmp_path / "w.pth")
    for name, mean in (("efficientnet_v2_l", 0.5), ("efficientnet_v2_s", 0.485)):
        built = building.build(f"torchvision:{name}", tmp_path / "w.pth")
        assert built.preprocess.mean[0] == mean


@pytest.mark.parametrize("saved", ["whole", "inner", "parallel", "checkpoint"])
def test_weights_of_a_class_around_a_network(torch, small, tmp_path, saved):
    """The names of the file and of the script's module differ by the attribute that holds the network."""
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\ninput_shape = (64, 64, 1)\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.model = nn.Sequential("
        "nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), "
        "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))\n"
        "    def forward(self, x):\n        return self.model(x)\n"
    )
    inner = small.state_dict()
    whole = {f"model.{name}": value for name, value in inner.items()}
    state = {
        "whole": whole,
        "inner": inner,
        "parallel": {f"module.{name}": value for name, value in whole.items()},
        "checkpoint": {"net": whole, "epoch": 3},
    }[saved]
    torch.save(state, tmp_path / "w.pth")
    close(torch, models.load(f"{tmp_path}/net.py:Net", weights=tmp_path / "w.pth"), small, images(1))


def test_a_module_that_divides_by_255_gets_bytes(torch, small):
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = small

        def forward(self, x):
            return self.inner(x / 127.5 - 1)

    module, notes = Scaled().eval(), []
    classifier = models.from_torch(module, input_shape=(SIDE, SIDE, 1), notes=notes)
    assert any("is for pixels from 0 to 255, so it gets those" in note for note in notes)
    close(torch, classifier, lambda t: module(255 * t), images(1))


def test_weights_that_do_not_fit_are_listed(torch):
    with pytest.raises(InputError, match=r"the weights do not fit timm's resnet10t: missing .*; .*unknown other"):
        models.from_torch("timm:resnet10t", weights={"other": torch.zeros(1)})
    with pytest.raises(InputError, match="timm has no model 'resnet9999'"):
        models.from_torch("timm:resnet9999", weights={"other": torch.zeros(1)})
    with pytest.raises(InputError, match="needs its weights; give weights="):
        models.from_torch("timm:resnet10t")


@pytest.mark.parametrize("ending", [".pth", ".ckpt"])
def test_a_hostile_pickle_is_refused_and_does_not_run(torch, tmp_path, ending):
    file, ran = tmp_path / f"bad{ending}", tmp_path / "ran"
    torch.save({"state_dict": {"fc.weight": torch.zeros(1)}, "hyper_parameters": Hostile(ran)}, file)
    for give in (lambda: models.load(file), lambda: models.from_torch("timm:resnet10t", weights=file)):
        with pytest.raises(
            InputError, match="holds more than tensors or is damaged, and code from a file is never run"
        ):
            give()
    assert not ran.exists()


def test_a_program_with_another_operation_is_refused_with_its_module(torch):
    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Identity()
            self.part = Part()

        def forward(self, x):
            return self.part(x).flatten(1)

    class Part(torch.nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(x)

    with pytest.raises(InputError, match=r"special_bessel_j0 \(in part\); use it as a black box with models.from_pre"):
        models.from_torch(Odd(), input_shape=(4, 4, 1))


def test_weights_of_an_architecture_given_by_name(torch):
    import torchvision

    module = torchvision.models.shufflenet_v2_x0_5(num_classes=5).eval()
    classifier = models.from_torch(
        module.state_dict(), "torchvision:shufflenet_v2_x0_5", input_shape=(SIDE, SIDE, 3), preprocess="identity"
    )
    close(torch, classifier, module, images(3))
