"""Where PyTorch models come from: names, files of weights, `.pt2` files; what holds code is refused before it runs."""

import importlib.util
import json
import pickle
import zipfile

import pytest

from xaijax import models
from xaijax._errors import InputError
from xaijax.models.importers.torch_graph import building, pt2

WITHOUT_TORCH = importlib.util.find_spec("torch") is None


class Hostile:
    """Unpickling it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def exported(path, *, model=None, entries=None, weights=None):
    """A file as `torch.export.save` writes it, with these entries."""
    model = {"graph_module": {"graph": {"nodes": []}}, "guards_code": ["print(1)"]} | (model or {})
    config = {"config": weights or {}}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("m/archive_version", "0")
        file.writestr("m/models/model.json", json.dumps(model))
        file.writestr("m/data/weights/model_weights_config.json", json.dumps(config))
        file.writestr("m/data/sample_inputs/model.pt", pickle.dumps(1))
        for name, data in (entries or {}).items():
            file.writestr(f"m/{name}", data)
    return path


def test_what_could_run_is_left_out_of_the_copy(tmp_path):
    copy = pt2._copy(exported(tmp_path / "good.pt2"))
    with zipfile.ZipFile(copy) as file:
        assert file.read("m/data/sample_inputs/model.pt") == b""
        assert json.loads(file.read("m/models/model.json"))["guards_code"] == []


BAD = {
    "pickled weights": ({"weights": {"w": {"path_name": "weight_0", "use_pickle": True}}}, "holds pickled entries"),
    "weights of the old format": ({"entries": {"data/weights/model.pt": b"x"}}, "holds pickled entries"),
    "a pickled object": ({"entries": {"data/constants/opaque_obj_0": b"x"}}, "holds pickled entries"),
    "a script object": ({"entries": {"data/constants/custom_obj_0": b"x"}}, "holds pickled entries"),
    "compiled code": ({"entries": {"data/aotinductor/model/a.so": b"x"}}, "holds pickled entries"),
    "a size that calls": ({"model": {"a": [{"expr_str": "__import__('os').system('true')"}]}}, "no arithmetic"),
    "a size with an attribute": ({"model": {"a": {"expr_str": "Symbol('s0').__class__"}}}, "no arithmetic"),
    "a size that is read": ({"model": {"a": {"expr_str": "open('x')"}}}, "no arithmetic"),
    "another function": ({"model": {"target": "torch.hub.load"}}, "none of PyTorch's core"),
    "an operator that calls": ({"model": {"target": "_operator.methodcaller"}}, "none of PyTorch's core"),
    "an operation of elsewhere": ({"model": {"target": "torch.ops.mine.run.default"}}, "none of PyTorch's core"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_program_that_holds_code_is_refused(what, tmp_path):
    parts, words = BAD[what]
    with pytest.raises(InputError, match=words):
        pt2._copy(exported(tmp_path / "bad.pt2", **parts))


@pytest.mark.parametrize(
    "size", ["Symbol('s77', positive=True, integer=True)", "s0", "64*s0", "Mul(Integer(3), Symbol('s1', integer=True))"]
)
def test_sizes_as_pytorch_writes_them_pass(size):
    assert pt2._is_size(size)


def test_an_older_program_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "old.pt2", "w") as file:
        file.writestr("serialized_state_dict.pt", pickle.dumps(Hostile(tmp_path / "ran")))
    with pytest.raises(InputError, match=r"has no models/model.json of PyTorch 2.8 or newer"):
        pt2._copy(tmp_path / "old.pt2")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("timm:resnet50", True),
        ("torchvision:swin_t", True),
        ("models/net.py:make_model", True),
        ("net.py", False),
        ("C:/net.pth", False),
        ("resnet50", False),
    ],
)
def test_names_of_modules_are_told_from_paths(text, is_one):
    assert building.is_name(text) is is_one


@pytest.mark.skipif(not WITHOUT_TORCH, reason="PyTorch is installed")
@pytest.mark.parametrize("source", ["timm:resnet18", "net.py:make_model", "model.pt2"])
def test_without_pytorch_it_is_said_what_needs_it(source, tmp_path):
    if source.endswith(".pt2"):
        source = exported(tmp_path / source)
    elif source.startswith("net.py"):
        (tmp_path / "net.py").write_text("def make_model():\n    return None\n")
        source = f"{tmp_path}/{source}"
    with pytest.raises(ImportError, match=r"needs PyTorch; install it, or convert the model once where it is"):
        models.load(source)


def test_what_does_not_belong_together_is_refused(tmp_path):
    with pytest.raises(InputError, match="weights are for a model that is named"):
        models.load("builtin", weights="other.safetensors")
    with pytest.raises(InputError, match=r"source must be a torch\.nn\.Module, a file, a name"):
        models.from_torch(3)
    with pytest.raises(InputError, match="here source is the weights"):
        models.from_torch({"a": 1}, weights={"a": 1})
