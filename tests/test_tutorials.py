"""The tutorials run, block after block: with PyTorch under the marker parity, by default with a stand-in for it."""

import csv
import re
import shlex
import shutil
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xaijax import bundle, cli, data, explain

PAGE = Path(__file__).parents[1] / "docs" / "tutorials" / "your_model_your_maps.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = re.findall(r"```python( torch)?\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^    xaijax (bench .*)$", TEXT, re.MULTILINE)

COUNT = 6
# What stands in for the blocks of PyTorch, in their order: the model, the maps, the file of the model, the conversion.
STAND_IN = (
    """
def predict(images):  # float32 [n, 3, H, W], normalised
    assert images.shape[1:] == (3, 96, 96) and images.dtype == np.float32
    light = 1e-3 + images[:, 0].reshape(len(images), 3, 32, 96).std(axis=(2, 3))
    return light / light.sum(axis=1, keepdims=True)
""",
    """
maps = {"Grad-CAM": images.mean(axis=3), "Eigen-CAM": np.linspace(0, 1, 96)[:, None] * images.mean(axis=3)}
""",
    """
from pathlib import Path
Path("runs/mine.py").write_text('''
import numpy as np

input_shape, channels, mean, std = (96, 96, 3), "first", 0.5, 0.25


def predict(images):
    light = 1e-3 + images[:, 0].reshape(len(images), 3, 32, 96).std(axis=(2, 3))
    return light / light.sum(axis=1, keepdims=True)
''')
""",
    "",
)


def write_phantoms(folder, *, count, size):
    """Phantoms as a folder of classes with masks."""
    batch = data.open_dataset("phantoms", count=count, size=size, seed=3).read(shape=(size, size, 1))
    names = ("glioma", "meningioma", "pituitary")
    for row, (image, mask, label) in enumerate(zip(batch.images, batch.masks, batch.labels, strict=True)):
        for place, pixels in (("brain_mri", image[..., 0]), ("brain_mri/masks", np.uint8(255 * mask))):
            path = folder / place / names[label] / f"{row}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Phantoms as a folder of classes with masks, which is the working directory."""
    write_phantoms(tmp_path, count=COUNT, size=96)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(blocks):
    """The names that the page has defined in the end; a module of its own, so that functions find them."""
    page = types.ModuleType("page")
    for number, block in enumerate(blocks):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), vars(page))
    return vars(page)


def need_torchvision():
    """pytorch-grad-cam imports torchvision, which may lack its compiled operators."""
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torch.xaijax_library = library


def means(rows):
    return {(row["method"], row["metric"]): (float(row["mean"]), int(row["n"])) for row in rows}


def check(names, out):
    """What both ways of running the page promise."""
    ids, scores, maps = names["ids"], names["scores"], names["maps"]
    assert len(ids) == COUNT
    assert set(names["classes"]) == {image.split("/")[0] for image in ids}
    assert scores.methods() == ["Grad-CAM", "Eigen-CAM", "random", "sobel"]
    assert scores.metrics() == names["chosen"]
    assert all(heat.shape == (COUNT, 96, 96) for heat in maps.values())
    text = Path("runs/mine/report.html").read_text("utf-8")
    assert "Maps of pytorch-grad-cam at the last convolution." in text
    right = int((names["probabilities"].argmax(axis=1) == names["labels"]).sum())
    assert f"my network, {right} of {COUNT}" in text
    assert list(bundle.read("runs/maps").methods) == ["Grad-CAM", "Eigen-CAM"]
    assert f"right: {right} of {COUNT}" in out
    assert cli.main(shlex.split(COMMANDS[0])) == 0
    with open("runs/mine/summary.csv", newline="") as one, open("runs/bench/summary.csv", newline="") as two:
        own, found = means(csv.DictReader(one)), means(csv.DictReader(two))
    assert set(own) <= set(found)
    for key, (mean, count) in own.items():
        assert found[key][1] == count, key
        if key[0] != "random":  # a run draws its own
            assert found[key][0] == pytest.approx(mean, abs=1e-4), key


def test_the_page_runs_with_a_stand_in_for_pytorch(folder, capsys):
    assert [bool(kind) for kind, _ in BLOCKS].count(True) == len(STAND_IN)
    parts = iter(STAND_IN)
    names = run([next(parts) if kind else block for kind, block in BLOCKS])
    check(names, capsys.readouterr().out)
    assert "torch" not in names


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
def test_the_page_runs_with_pytorch(folder, capsys):
    need_torchvision()
    names = run([block for _, block in BLOCKS])
    check(names, capsys.readouterr().out)
    assert names["difference"] < 1e-4
    ours = explain.postprocess(names["ours"], "relu+minmax")
    for mine, theirs in zip(ours, names["maps"]["Grad-CAM"], strict=True):
        assert theirs.std() == 0 or np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] > 0.99
    assert cli.main(shlex.split(COMMANDS[1])) == 0
    assert Path("runs/converted/report.html").is_file()


def test_the_table_of_calls_names_what_there_is():
    from xaijax.metrics import METRICS

    text = (PAGE.parents[1] / "migration.md").read_text("utf-8")
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 20
    words = {"plot", "explain", "layer4", "overlay", "image", "cam", "model", "images", "labels", "layer"}
    for _, here, _ in rows:
        for name in re.findall(r"[a-z][a-z0-9_]+", " ".join(re.findall(r"`([^`]+)`", here))):
            assert name in (*explain.METHODS, *METRICS) or name in words, name


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("package", "heading"), [("captum.attr", "Captum"), ("pytorch_grad_cam", "pytorch-grad-cam")])
def test_the_table_of_calls_names_what_is_there(package, heading):
    import importlib

    need_torchvision()
    text = (PAGE.parents[1] / "migration.md").read_text("utf-8")
    section = text.split(f"## {heading}")[1].split("\n## ")[0]
    found = importlib.import_module(package)
    there = " ".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    names = {name for name in re.findall(r"\b[A-Z]\w+", there) if not name.startswith(("ROAD", "None"))}
    assert names
    assert [name for name in names if not hasattr(found, name)] == []


FIRST = (PAGE.parent / "first_benchmark.md").read_text("utf-8")
# Smaller numbers than the page's, and no calibration where it would take minutes.
SMALLER = {"--count 12": "--count 6", "--count 24": "--count 3 --calibration none", "--epochs 20": "--epochs 1"}


def test_the_first_benchmark(folder, capsys):
    commands = re.findall(r"^    xaijax (.*)$", FIRST, re.MULTILINE)
    blocks = re.findall(r"```python\n(.*?)```", FIRST, re.DOTALL)
    assert len(commands) == 5
    shutil.rmtree(folder / "brain_mri")
    batch = data.open_dataset("phantoms", count=24, size=64, seed=3).read(shape=(64, 64, 1))
    for row, (image, label) in enumerate(zip(batch.images, batch.labels, strict=True)):
        path = folder / "brain_mri" / str(label) / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    for command in commands:
        for there, here in SMALLER.items():
            command = command.replace(there, here)
        assert cli.main(shlex.split(command)) in (0, None), command
    assert (folder / "runs/first/report.html").is_file()
    capsys.readouterr()
    for block in blocks:
        exec(block, {})
    assert (folder / "runs/first/maps.png").is_file()
    said = capsys.readouterr().out
    assert re.search(r"^grad_cam \d\.\d+ over \d images$", said, re.MULTILINE)


def test_kernels_in_another_program(capsys):
    text = (PAGE.parent / "kernels_elsewhere.md").read_text("utf-8")
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    good, bad = (line.split("[")[1].rstrip("]").split() for line in capsys.readouterr().out.splitlines())
    assert float(good[1]) > float(bad[1])  # the image with the evidence shown is recognised earlier


STUDY = (PAGE.parent / "paper_study.md").read_text("utf-8")


def test_a_papers_study(folder, capsys):
    """The page as it is written, on smaller images and with fewer epochs."""
    shutil.rmtree(folder / "brain_mri")
    write_phantoms(folder, count=48, size=64)
    found = re.findall(
        r'```yaml title="(.*?)"\n(.*?)```|^    xaijax ([^\n]*)$|```python\n(.*?)```', STUDY, re.DOTALL | re.MULTILINE
    )
    names: dict = {}
    for title, file, command, code in found:
        if title:
            (folder / title).write_text(file.replace("epochs: 6", "epochs: 1"), "utf-8")
        elif command:
            assert cli.main(shlex.split(command)) in (0, None), command
        else:
            exec(compile(code, "paper_study.md", "exec"), names)
    said = capsys.readouterr()
    trained = sorted(path.name for path in (folder / "runs/trainings").glob("*/*"))
    assert trained == ["brain-small_cnn", "brain-small_resnet"]  # of both studies
    assert len(re.findall(r"^small_\w+ macro-F1 0\.\d+ from 0\.\d+ to [01]\.\d+$", said.out, re.MULTILINE)) == 2
    assert len(re.findall(r"^\w+ SIC: published 0\.\d+ here \d\.\d+ \(mean \d\.\d+\)$", said.out, re.MULTILINE)) == 3
    kept = re.findall(r"^(grad_cam|random) (\w+) [-+.e\d]+ over (\d+) images$", said.out, re.MULTILINE)
    assert {(method, label) for method, label, _ in kept} == {
        (method, label) for method in ("grad_cam", "random") for label in ("glioma", "meningioma", "pituitary")
    }
    assert sum(int(count) for method, _, count in kept if method == "random") == 12  # a quarter of 48
    page = (folder / "runs/mine/report.html").read_text("utf-8")
    assert "AIC and SIC on our brain scans" in page
    assert "InceptionResNetV2" in page
