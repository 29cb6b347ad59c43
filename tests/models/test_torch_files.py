"""Files that `torch.save` wrote, read by PyTorch itself: pytest tests/models/test_torch_files.py -m parity."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from xaijax import bench, models
from xaijax._errors import InputError
from xaijax.bench import BenchConfig
from xaijax.bench.store import Store

try:
    import torch
except ModuleNotFoundError:  # the tests are not selected then
    torch = None

pytestmark = pytest.mark.parity

DATA = Path(__file__).parent / "data"
_spec = importlib.util.spec_from_file_location("zoo_recipe", Path(__file__).parents[1] / "parity" / "zoo_recipe.py")
recipe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recipe)


@pytest.fixture(scope="module")
def state():
    """torchvision's ResNet-34 with a head for three classes, and its entries that are no floats."""
    with np.load(DATA / "torchvision_resnet34.npz") as file:
        shapes = next(json.loads(file[key].tobytes())["entries"] for key in file if key.endswith("/spec"))
    shapes = shapes | {"fc.weight": [3, 512], "fc.bias": [3]}
    made = {name: torch.from_numpy(recipe.weight(name, tuple(shape), True)) for name, shape in shapes.items()}
    counts = {name.replace("running_mean", "num_batches_tracked") for name in made if "running_mean" in name}
    return made | {name: torch.tensor(7) for name in counts}


@pytest.fixture(scope="module")
def expected(state):
    """Logits of the state dictionary itself, and the images."""
    classifier = models.from_torch(state, input_shape=(64, 64, 3))
    images = recipe.scenes(2, 64)
    return images, np.asarray(classifier.logits(classifier.params, images))


@pytest.mark.parametrize("form", ["plain", "checkpoint", "parallel", "legacy"])
def test_a_tuned_model_is_read(state, expected, form, tmp_path):
    file = tmp_path / "tuned.pth"
    if form == "plain":
        torch.save(state, file)
    elif form == "checkpoint":
        torch.save({"epoch": 3, "state_dict": state, "loss": 0.5}, file)
    elif form == "parallel":
        torch.save({f"module.{name}": value for name, value in state.items()}, file)
    else:
        torch.save(state, file, _use_new_zipfile_serialization=False)
    classifier = models.load(file, classes=("a", "b", "c")).with_input_shape((64, 64, 3))
    assert classifier.architecture.name == "resnet34"
    assert classifier.classes == ("a", "b", "c")
    images, logits = expected
    np.testing.assert_allclose(classifier.logits(classifier.params, images), logits, rtol=1e-5, atol=1e-5)


def test_a_tuned_model_goes_through_bench(state, tmp_path):
    torch.save(state, tmp_path / "tuned.pth")
    config = BenchConfig(
        model=(str(tmp_path / "tuned.pth"),),
        methods=("grad_cam", "random"),
        metrics=("pointing_game",),
        count=3,
        size=64,
        gallery=0,
        out=tmp_path / "run",
    )
    run = Store(bench.run(config)).read_run()
    assert run["models"][0]["classes"] == ["glioma", "meningioma", "pituitary"]


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (Path(self.target),))


@pytest.mark.parametrize("new", [True, False])
def test_code_in_a_file_is_refused_and_does_not_run(state, new, tmp_path):
    file, ran = tmp_path / "trap.pth", tmp_path / "ran"
    torch.save({**state, "extra": Trap(ran)}, file, _use_new_zipfile_serialization=new)
    with pytest.raises(
        ValueError, match=r"trap\.pth holds more than tensors or is damaged, and code from a file is never run"
    ):
        models.load(file)
    assert not ran.exists()
    torch.load(file, weights_only=False)
    assert ran.exists()  # the trap is one


def test_whole_modules_and_damaged_files_are_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pth")
    (tmp_path / "damaged.pth").write_bytes(b"PK nothing")
    (tmp_path / "empty.pth").write_bytes(b"")
    for name in ("whole", "damaged", "empty"):
        with pytest.raises(ValueError, match=f"{name}.pth holds more than tensors or is damaged"):
            models.load(tmp_path / f"{name}.pth")


@pytest.mark.filterwarnings("ignore")
def test_checkpoints_called_tar_and_programs_with_code(state, expected, tmp_path):
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "model_best.pth.tar")
    classifier = models.load(tmp_path / "model_best.pth.tar").with_input_shape((64, 64, 3))
    np.testing.assert_allclose(classifier.logits(classifier.params, expected[0]), expected[1], rtol=1e-5, atol=1e-5)
    torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.zeros(1)), str(tmp_path / "s.pt"))
    with pytest.raises(InputError, match=r"s\.pt is a TorchScript program, which is not read; save"):
        models.load(tmp_path / "s.pt")


def test_other_things_that_torch_saved(tmp_path):
    file = tmp_path / "m.pth"
    tensor = torch.ones(3)
    for value in (tensor, [tensor], {}, {3: tensor}, {"a": "words"}, {"a": {"b": "words"}}, {"state_dict": {}}):
        torch.save(value, file)
        with pytest.raises(InputError, match=r"\Am\.pth ho?[la]"):
            models.load(file)
    file.write_text("words")
    with pytest.raises(InputError, match=r"\(PyTorch: Unsupported operand \d+\)"):
        models.load(file)
