"""Where a training starts: weights of a file, the head kept or new."""

import numpy as np
import pytest

from xaijax import models, train
from xaijax._network.trees import flatten
from xaijax.models import _load
from xaijax.training import start_from


def leaves(classifier):
    return {".".join(path): np.asarray(leaf) for path, leaf in flatten(classifier.params)}


@pytest.fixture(scope="module")
def trained():
    return models.create("small_cnn", 2, (32, 32, 1), key=3, classes=["cat", "dog"], preprocess="tf", width=4)


def test_the_head_is_kept_for_the_same_classes(trained):
    begun = start_from(trained, ["cat", "dog"], None, key=0)
    assert begun.head_kept
    for name, leaf in leaves(begun.classifier).items():
        np.testing.assert_array_equal(leaf, leaves(trained)[name])
    assert begun.classifier.preprocess == trained.preprocess
    assert begun.classifier.architecture == trained.architecture


@pytest.mark.parametrize("classes", [["dog", "cat"], ["a", "b", "c"]])
def test_other_classes_get_a_new_head_on_the_old_backbone(trained, classes):
    begun = start_from(trained, classes, 48, key=0)
    assert not begun.head_kept
    assert begun.classifier.classes == tuple(classes)
    assert begun.classifier.input_shape == (48, 48, 1)
    for name, leaf in leaves(begun.classifier).items():
        old = leaves(trained)[name]
        if name == "dense.kernel":
            assert leaf.shape == (24, len(classes))
            assert leaf.shape != old.shape or not np.array_equal(leaf, old)
        elif name != "dense.bias":
            np.testing.assert_array_equal(leaf, old)


def test_every_kind_of_file_has_its_reader(trained, tmp_path, monkeypatch):
    models.save(trained, tmp_path / "run")
    file = models.save(trained, tmp_path / "other.safetensors")
    for path in (tmp_path / "run", file):
        assert models.load(path).architecture == trained.architecture
    for name in ("m.keras", "m.h5", "m.weights.h5", "m.hdf5", "m.H5", "m.pth", "m.pt"):
        (tmp_path / name).touch()
        reader = "from_torch" if ".p" in name else "from_keras"
        with monkeypatch.context() as patch:
            patch.setattr(_load, reader, lambda path, **options: trained)
            assert models.load(tmp_path / name, channels=1) is trained
    assert models.load("builtin").classes == models.builtin().classes
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        models.load(tmp_path / "broken.safetensors")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"notes.txt is not a supported weights file; choose a folder of xaijax"):
        models.load(tmp_path / "notes.txt")


def test_torch_weights_in_safetensors_are_told_from_our_own(tmp_path):
    from safetensors.numpy import save_file

    save_file({"fc.weight": np.zeros((2, 3), np.float32)}, tmp_path / "torch.safetensors")
    with pytest.raises(ValueError, match=r"is not recognised: .* --model FILE\.py:make_model") as said:
        models.load(tmp_path / "torch.safetensors")
    assert "architecture=" not in str(said.value)  # which load does not have


@pytest.mark.slow
def test_a_size_that_the_backbone_does_not_take_is_refused():
    vit = models.create("vit_b16", 2, (32, 32, 3))
    with pytest.raises(ValueError, match=r"images of 32x32 pixels and do not fit 48x48: leave out --size"):
        start_from(vit, ["a", "b"], 48, key=0)


def test_a_training_goes_on_from_the_weights_of_another(finished, config, tmp_path, console):
    """With a frozen backbone and the old head, the first epoch is as good as the training before."""
    out = tmp_path / "fine"
    made = config(out, weights=finished.out, size=None, epochs=1, frozen_epochs=1, frozen_learning_rate=1e-6)
    done = train.run(made, console=console)
    assert "(its head too)" in console.file.getvalue()
    assert done.metrics["confusion"] == finished.metrics["confusion"]
    old, new = leaves(models.load(finished.out)), leaves(models.load(out))
    changed = {name for name in old if not np.array_equal(old[name], new[name])}
    assert changed == {"dense.bias", "dense.kernel"}
