"""`xaijax explain`: errors of maps, one method over its layers, and several models that disagree."""

import json

import numpy as np
import pytest
from PIL import Image

from xaijax import bundle, cli, explain, models
from xaijax.data.images import resize_image


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Three small networks of other initial weights, of grey images of 32 x 32 pixels."""
    folder = tmp_path_factory.mktemp("models")
    for key in range(3):
        models.save(
            models.create("small_cnn", input_shape=(32, 32, 1), classes=("a", "b"), key=key), folder / f"net{key}"
        )
    return [str(folder / f"net{key}") for key in range(3)]


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(2):
        values = np.random.default_rng(number).integers(0, 256, (32, 32), np.uint8)
        Image.fromarray(values).save(folder / f"{number}.png")
    return folder


def call(*words):
    return cli.main(["explain", *map(str, words)])


def model_input(path):
    with Image.open(path) as image:
        return resize_image(np.asarray(image)[..., None], (32, 32))[None]


SET = ("--set", "rise.count=60", "sobol.design=4", "sobol.regions=3")


def test_errors_are_those_of_the_function_in_text_files_and_bundle(scans, checkpoints, tmp_path, capsys):
    out = tmp_path / "out"
    options = ("--model", checkpoints[0], "--methods", "rise", "sobol", "--out", out, "--seed", 5, *SET)
    assert call(scans, *options, "--uncertainty", "--json", "--save", "png", "npz", "bundle") == 0
    said = json.loads(capsys.readouterr().out)
    assert [one["image"] for one in said] == ["scans/0.png", "scans/1.png"]
    stored = bundle.read(out / "bundle")
    classifier = models.load(checkpoints[0])
    for number, one in enumerate(said):
        image = model_input(scans / f"{number}.png")
        label = [list(classifier.classes).index(one["explained"])]
        own = {"rise": {"count": 60, "batch_size": 64}, "sobol": {"design": 4, "regions": 3, "batch_size": 64}}
        for method, given in own.items():
            found = explain.uncertainty(method, classifier, image, label, key=5, **given)
            kept = one["errors"][method]
            assert kept["draws"] == {"rise": 60, "sobol": 8}[method]
            assert kept["mean_standard_error"] == pytest.approx(float(found.standard_errors.mean()), rel=1e-5)
            with np.load(out / f"{number}.{method}.npz") as arrays:
                np.testing.assert_array_equal(arrays["raw"], found.maps[0])
                np.testing.assert_array_equal(arrays["standard_error"], found.standard_errors[0])
            np.testing.assert_array_equal(stored.maps(method, [number])[0], found.maps[0])
            np.testing.assert_array_equal(stored.standard_errors(method, [number])[0], found.standard_errors[0])
            with Image.open(out / f"{number}.{method}.errors.png") as drawn:
                assert drawn.width > 2 * drawn.height
        # Student's t of 60 draws
        rise = explain.uncertainty("rise", classifier, image, label, key=5, **own["rise"])
        certain = (np.abs(rise.maps) > 2.001 * rise.standard_errors).mean()
        assert one["errors"]["rise"]["sign_certain"] == pytest.approx(certain, abs=2e-3)


def test_a_bundle_without_errors_says_so_and_a_changed_one_is_refused(scans, checkpoints, tmp_path):
    out = tmp_path / "out"
    options = ("--model", checkpoints[0], "--out", out, "--save", "bundle", "--overwrite")
    assert call(scans, *options, "--methods", "sobel") == 0
    assert bundle.read(out / "bundle").standard_errors("sobel") is None
    assert call(scans, *options, "--methods", "rise", "--uncertainty", "--set", "rise.count=9") == 0
    file = out / "bundle" / "errors" / "rise.npz"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"errors/rise\.npz .* is not the one that was written"):
        bundle.read(out / "bundle")


def test_a_tolerance_gives_each_image_the_draws_it_needs(scans, checkpoints, tmp_path, capsys):
    options = ("--model", checkpoints[0], "--methods", "rise", "integrated_gradients", "--uncertainty", "--json")
    assert call(scans, *options, "--tolerance", 0.02, "--out", tmp_path / "a") == 0
    said = json.loads(capsys.readouterr().out)
    for one in said:
        assert one["errors"]["rise"]["mean_standard_error"] <= 0.02
        assert one["errors"]["rise"]["draws"] % 64 == 0
        path = one["errors"]["integrated_gradients"]
        assert abs(path["completeness_gap"]) <= 0.02 * abs(path["change_of_score"])
        assert path["steps"] >= 16
    assert sorted(file.name for file in (tmp_path / "a").iterdir()) == [
        *("0.integrated_gradients.png", "0.rise.errors.png", "0.rise.png"),
        *("1.integrated_gradients.png", "1.rise.errors.png", "1.rise.png"),
    ]


def test_the_text_names_draws_error_and_certain_pixels(scans, checkpoints, tmp_path, capsys):
    options = ("--model", checkpoints[0], "--methods", "rise", "deeplift", "--uncertainty", "--save", "npz")
    assert call(scans, *options, "--out", tmp_path / "a", "--set", "rise.count=40") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "40 draws" in said
    assert "sign certain" in said
    assert "completeness gap" in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--methods", "grad_cam", "--uncertainty"], "grad_cam is neither, so that its map has no error: leave it out"),
        (["--methods", "rise", "--tolerance", "0.1"], "--tolerance is for --uncertainty"),
        (["--methods", "sobol", "--uncertainty", "--tolerance", "0.1"], "and sobol takes a fixed number"),
        (["--methods", "rise", "--uncertainty", "--tolerance", "0"], "it must be a number above 0"),
    ],
)
def test_what_has_no_error_is_refused(scans, checkpoints, tmp_path, capsys, options, sentence):
    assert call(scans, "--model", checkpoints[0], "--out", tmp_path / "out", *options) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
