"""`xaijax explain`: errors of maps, one method over its layers, and several models that disagree."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from xaijax import bundle, cli, explain, metrics, models
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
        certain = (np.abs(rise.maps - rise.maps.mean()) > 2.001 * rise.standard_errors).mean()
        assert one["errors"]["rise"]["side_of_mean_certain"] == pytest.approx(certain, abs=2e-3)


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
    methods = ("rise", "kernel_shap", "deeplift")
    options = ("--model", checkpoints[0], "--methods", *methods, "--uncertainty", "--save", "npz")
    few = ("--set", "rise.count=40", "kernel_shap.count=60")
    assert call(scans, *options, "--out", tmp_path / "a", *few) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "40 draws" in said
    assert "above or below the mean certain" in said
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


def lesions(folder):
    """Masks of the images, the second one empty."""
    folder.mkdir()
    mask = np.zeros((32, 32), np.uint8)
    mask[4:12, 18:26] = 255
    Image.fromarray(mask).save(folder / "0.png")
    return folder


def test_layers_are_drawn_scored_and_left_out_with_reasons(scans, checkpoints, tmp_path, capsys):
    out = tmp_path / "out"
    masks = lesions(tmp_path / "masks")
    options = (
        "--model",
        checkpoints[0],
        "--methods",
        "grad_cam",
        "eigen_cam",
        "--layer",
        "all",
        "--out",
        out,
        "--json",
    )
    assert call(scans, *options, "--masks", masks, "--target", "b", "--set", "grad_cam.target=probability") == 0
    said = json.loads(capsys.readouterr().out)
    classifier = models.load(checkpoints[0])
    assert said["faithfulness"]["metric"] == "sic_mutual"
    assert "not confirmed" in said["faithfulness"]["source"]
    images = np.concatenate([model_input(scans / f"{number}.png") for number in range(2)])
    mask = np.zeros((2, 32, 32), bool)
    mask[0, 4:12, 18:26] = True
    for method, given in (("grad_cam", {"target": "probability"}), ("eigen_cam", {})):
        usable = explain.usable_layers(method, classifier)
        rows = [row for row in said["layers"] if row["method"] == method]
        assert [row["layer"] for row in rows] == list(usable.layers)
        assert [row["layer"] for row in rows if row["default"]] == [classifier.default_layer]
        assert said["left_out"][method] == usable.left_out
        assert {*usable.layers, *usable.left_out} == {*classifier.layers()}
        row = rows[1]
        maps = np.asarray(getattr(explain, method)(classifier, images, [1, 1], layer=row["layer"], **given))
        names = ["sic_mutual", "pointing_game", "average_precision", "top15_energy"]
        scores = metrics.evaluate(classifier, images, [1, 1], {"own": maps}, mask, names, ids=["0", "1"])
        for name in names:
            values = scores.select(metric=name).value
            if np.isfinite(values).any():
                assert row[name] == pytest.approx(np.nanmean(values), abs=1e-5)
            else:
                assert row[name] is None
        assert row["average_precision"] is not None
    assert said["masks"] == 1
    assert sorted(path.name for path in out.iterdir()) == ["eigen_cam.layers.png", "grad_cam.layers.png"]
    with Image.open(out / "grad_cam.layers.png") as drawn:
        assert drawn.height == (1 + len(explain.usable_layers("grad_cam", classifier).layers)) * 115
    assert call(scans, *options) == 2
    assert "is there already; add --overwrite" in capsys.readouterr().err


def test_the_text_of_layers_names_means_and_what_is_left_out(scans, checkpoints, tmp_path, capsys):
    options = ("--model", checkpoints[0], "--methods", "grad_cam", "--layer", "all", "--out", tmp_path / "out")
    assert call(scans / "0.png", *options) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "(default)" in said
    assert "the order of the layers is not confirmed" in said
    assert "grad_cam leaves out" in said
    assert "no positions" in said


def test_the_metric_of_layers_is_the_one_that_a_calibration_supports(tmp_path):
    from xaijax.explain_images.layers import faithfulness

    name, source = faithfulness(models.builtin(), tmp_path / "out")
    assert name == "infidelity_patches"
    assert source == "supported best by the calibration that comes with xaijax"


def test_several_models_have_a_mean_a_spread_and_an_agreement(scans, checkpoints, tmp_path, capsys):
    out = tmp_path / "out"
    options = ("--model", *checkpoints, "--methods", "input_x_gradient", "grad_cam", "--save", "png", "npz")
    assert call(scans, *options, "--out", out, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["models"] == ["net0", "net1", "net2"]
    found = [models.load(path) for path in checkpoints]
    for number, one in enumerate(said["images"]):
        image = model_input(scans / f"{number}.png")
        chances = np.array([np.asarray(model.predict(image))[0] for model in found])
        label = int(chances.mean(0).argmax())
        assert one["explained"] == "ab"[label]
        np.testing.assert_allclose(list(one["probabilities"].values()), chances[:, label], rtol=1e-5)
        maps = np.stack([np.asarray(explain.input_x_gradient(model, image, label))[0] for model in found])
        maps = np.abs(maps) / np.abs(maps).max((1, 2), keepdims=True)
        with np.load(out / f"{number}.input_x_gradient.models.npz") as arrays:
            np.testing.assert_allclose(arrays["maps"], maps, atol=1e-5)
            np.testing.assert_allclose(arrays["mean"], maps.mean(0), atol=1e-5)
            np.testing.assert_allclose(arrays["spread"], maps.std(0, ddof=1), atol=1e-5)
            assert arrays["models"].tolist() == said["models"]
        (row,) = [r for r in said["disagreement"] if (r["image"], r["method"]) == (str(number), "input_x_gradient")]
        pairs = [stats.spearmanr(maps[i].ravel(), maps[j].ravel())[0] for i, j in ((0, 1), (0, 2), (1, 2))]
        assert row["agreement_spearman"] == pytest.approx(np.mean(pairs), abs=1e-4)
        assert row["mean_spread"] == pytest.approx(maps.std(0, ddof=1).mean(), rel=1e-4)
    assert len(said["files"]) == 2 + 4
    assert all((out / name).is_file() for name in ("grad_cam.models.png", "input_x_gradient.models.png"))


def test_one_model_twice_does_not_disagree(scans, checkpoints, tmp_path, capsys):
    assert call(scans, "--model", checkpoints[1], checkpoints[1], "--out", tmp_path / "out") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "standard deviation over the models" in said
    assert call(scans, "--model", checkpoints[1], checkpoints[1], "--out", tmp_path / "json", "--json") == 0
    for row in json.loads(capsys.readouterr().out)["disagreement"]:
        assert row["agreement_pearson"] == pytest.approx(1)
        assert row["mean_spread"] == pytest.approx(0, abs=1e-7)


def test_a_control_that_ignores_the_model_is_no_floor_of_agreement(scans, checkpoints, tmp_path, capsys):
    """The same random map for every model would agree perfectly, which no method can."""
    options = ("--model", *checkpoints[:2], "--methods", "random", "sobel", "grad_cam")
    assert call(scans, *options, "--out", tmp_path / "json", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    rows = [(row["method"], row["agreement_spearman"]) for row in said["disagreement"]]
    assert all(abs(value) < 0.2 for method, value in rows if method == "random")
    assert all(value == 1 for method, value in rows if method == "sobel")
    assert said["notes"] == [
        "sobel agrees perfectly between models, because nothing of the model enters: agreement alone says nothing of a "
        "map"
    ]
    assert call(scans, *options, "--out", tmp_path / "out") == 0
    assert "nothing of the model enters" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--layer", "all", "--methods", "rise"], "--layer all is for methods that look at a layer, and rise does not"),
        (["--layer", "all", "--save", "npz"], "leave --save npz out"),
        (["--layer", "all", "--uncertainty"], "leave --uncertainty out"),
        (["--layer", "all", "--set", "grad_cam.layer=head"], "contradict each other"),
        (["--layer", "all", "--masks", "none"], "--masks is none, which does not exist"),
        (["--masks", "none"], "--masks are scored with --layer all"),
        (["--save", "tiff", "TWICE"], "--save tiff is for one model; with several --save takes png and npz"),
        (["--uncertainty", "TWICE"], "--uncertainty is for one model, and --model names 2"),
        (["--layer", "all", "TWICE"], "--layer all is for one model"),
    ],
)
def test_what_does_not_go_together_is_refused(scans, checkpoints, tmp_path, capsys, options, sentence):
    several = checkpoints[: 2 if "TWICE" in options else 1]
    options = [word for word in options if word != "TWICE"]
    assert call(scans, "--model", *several, "--out", tmp_path / "out", *options) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
