"""A run is resumed with what it was started with, or says what is another one; damaged files are named and replaced."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xaijax import bench, cli, models
from xaijax._errors import InputError
from xaijax._runs import identity
from xaijax.bench import BenchConfig
from xaijax.bench.report import Report
from xaijax.bench.store import Store


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two classes of four images, each with a lesion mask."""
    root = tmp_path_factory.mktemp("data") / "scans"
    rng = np.random.default_rng(0)
    for number in range(8):
        folder = root / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        image = rng.integers(0, 120, (32, 32), np.uint8)
        mask = np.zeros((32, 32), np.uint8)
        mask[8:16, 8 : 12 + number] = 255
        Image.fromarray(np.where(mask, 200, image).astype(np.uint8)).save(folder / f"{number}.png")
        Image.fromarray(mask).save(folder / f"{number}_mask.png")
    return root


@pytest.fixture(scope="module")
def finished(images, tmp_path_factory):
    place = tmp_path_factory.mktemp("identity")
    models.save(models.create("small_cnn", classes=["a", "b"], input_shape=(32, 32, 1), key=3), place / "model")
    config = BenchConfig(
        data=str(images), model=(str(place / "model"),), methods=("gradient", "random"), part=3, gallery=1, count=8,
        metrics=("deletion_black", "iou", "sic_mutual"), mask_role="lesion",
        calibration=("none",), out=place / "run",
    )  # fmt: skip
    bench.run(config)
    return config


@pytest.fixture
def copied(finished, tmp_path):
    """The run, to be resumed; what a test changes of it, its data and its model is put back."""
    places = [finished.out, Path(finished.data), Path(finished.model[0])]
    for number, place in enumerate(places):
        shutil.copytree(place, tmp_path / "kept" / str(number))
    yield dataclasses.replace(finished, resume=True)
    for number, place in enumerate(places):
        shutil.rmtree(place)
        shutil.copytree(tmp_path / "kept" / str(number), place)


@pytest.fixture
def without_report(monkeypatch):
    monkeypatch.setattr(
        "xaijax.bench.report.write_report", lambda store: Report([], [], [], {}, store.root / "report.html")
    )
    monkeypatch.setattr("xaijax.bench.terminal.show", lambda made: None)


def rows(out):
    return repr(Store(out).scores().to_pylist())  # NaN is not equal to itself


def test_the_same_is_resumed_and_nothing_is_computed_again(copied, without_report, monkeypatch):
    before = rows(copied.out)
    monkeypatch.setattr("xaijax.bench.part.score_part", lambda *_, **__: pytest.fail("a part was computed again"))
    bench.run(copied)
    assert rows(copied.out) == before


@pytest.mark.parametrize("what", ["pixels", "mask", "mask gone", "weights", "packages", "machine"])
def test_what_changed_is_named_and_computed_again_where_asked(copied, without_report, tmp_path, monkeypatch, what):
    data = Path(copied.data)
    before = rows(copied.out)
    match what:
        case "pixels":
            image = np.asarray(Image.open(data / "a" / "4.png")).copy()
            image[20:30, 20:30] = 255
            Image.fromarray(image).save(data / "a" / "4.png")
            sentence = r"the pixels, masks or labels of a/4\.png are others \(1 of 8 images\)"
        case "mask":
            image = np.asarray(Image.open(data / "a" / "4_mask.png")).copy()
            image[20:30, 20:30] = 255
            Image.fromarray(image).save(data / "a" / "4_mask.png")
            sentence = r"a/4\.png are others \(1 of 8 images\)"
        case "mask gone":
            (data / "a" / "4_mask.png").unlink()
            sentence = r"a/4\.png are others \(1 of 8 images\)"
        case "weights":
            other = models.create("small_cnn", classes=["a", "b"], input_shape=(32, 32, 1), key=4)
            models.save(other, copied.model[0])
            sentence = r"the model model: digest was \w+ and is \w+"
        case "packages":
            monkeypatch.setattr(identity, "packages", lambda: {"xaijax": "0.0.1", "jax": "9.9"})
            sentence = r"xaijax was .* and is 0\.0\.1; jax was .* and is 9\.9"
        case "machine":
            monkeypatch.setattr(identity, "machine", lambda: {"device": "tpu v9", "instructions": "none"})
            sentence = r"the machine: device was cpu.* and is tpu v9"
    with pytest.raises(InputError, match=rf"{sentence}.*--recompute-changed .* another --out"):
        bench.run(copied)
    assert rows(copied.out) == before
    made = {name: Store(copied.out).made(name) for name in ("00-model-0000", "00-model-0001", "00-model-0002")}
    bench.run(dataclasses.replace(copied, recompute_changed=True))
    again = {name: Store(copied.out).made(name) for name in made}
    fresh = dataclasses.replace(copied, resume=False, out=tmp_path / "fresh")
    bench.run(fresh)
    assert rows(copied.out) == rows(fresh.out)
    one_image = what in ("pixels", "mask", "mask gone")
    assert sum(made[name] != again[name] for name in made) == (1 if one_image else 3)
    assert rows(copied.out) != before or what in ("packages", "machine")
    bench.run(copied)  # run.json describes what there is now


def test_images_that_came_or_went_are_another_run(copied):
    (Path(copied.data) / "a" / "4.png").unlink()
    with pytest.raises(InputError, match=r"images of .* are not those that the run .* was started with"):
        bench.run(dataclasses.replace(copied, recompute_changed=True))


def test_damaged_files_are_named_by_verify_and_replaced_by_resume(copied, capsys):
    out = copied.out
    assert cli.main(["verify", str(out)]) == 0
    assert "all as they were written" in capsys.readouterr().out
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    for name in ("scores/00-model-0001.parquet", "curves/00-model-0000.parquet", "report.html", "summary.csv"):
        content = before[out / name]
        (out / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (out / "predictions" / "00-model-0002.parquet").unlink()
    assert cli.main(["verify", str(out)]) == 2
    said = capsys.readouterr().out
    for name in ("scores/00-model-0001.parquet", "report.html", "summary.csv", "predictions/00-model-0002.parquet"):
        assert name in said
    assert "--resume" in said
    assert cli.main(["verify", str(out), "--json"]) == 2
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 5
    bench.run(copied)
    assert cli.main(["verify", str(out)]) == 0
    for folder in ("scores", "curves", "predictions", "parts"):
        for file in (out / folder).iterdir():
            assert file.read_bytes() == before[file]


def test_no_run_to_verify(tmp_path, capsys):
    assert cli.main(["verify", str(tmp_path)]) == 2
    assert "holds no run and no bundle" in capsys.readouterr().err


def test_a_changed_model_file_is_refused(tmp_path):
    made = models.create("small_cnn", classes=["a", "b"], input_shape=(32, 32, 1), key=3)
    path = models.save(made, tmp_path)
    kept = path.read_bytes()
    rng = np.random.default_rng(0)
    named = 0
    for place in rng.integers(0, len(kept), 60):
        path.write_bytes(kept[:place] + bytes([kept[place] ^ 2]) + kept[place + 1 :])
        with pytest.raises(ValueError, match=r"model\.safetensors") as error:
            models.load(path)
        named += "was changed after it was written" in str(error.value)
    assert named > 50
    path.write_bytes(kept)
    models.load(path)
