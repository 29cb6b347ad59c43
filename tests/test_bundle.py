"""Evidence bundles: what is written is read again, what was altered or leaves the folder is refused."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from xaijax import bundle, cli
from xaijax._errors import InputError
from xaijax._runs import bundle as store
from xaijax._runs import checksums
from xaijax.data.images import fingerprint

IDS = ["a/1.png", "b/2.png", 'c, "3".png']
CLASSES = ["glioma", "none"]


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    found = {"Grad-CAM": rng.normal(size=(3, 7, 5)), "gradient": rng.normal(size=(3, 16, 16)).astype(np.float32)}
    found["gradient"][1] = np.nan  # no map
    return found


@pytest.fixture
def place(tmp_path, maps):
    rng = np.random.default_rng(1)
    return bundle.write(
        tmp_path / "maps",
        images=IDS,
        maps=maps,
        targets=["glioma", 1, "none"],
        predictions=rng.dirichlet([1, 1], 3),
        classes=CLASSES,
        pixels=[np.full((4, 6), value, np.uint8) for value in (1, 2, 3)],
        absolute=["gradient"],
        options={"gradient": {"steps": 3}},
        model={"name": "net", "digest": "00ff"},
    )


def manifest(place):
    return json.loads((place / "manifest.json").read_text())


def resign(place, **changes):
    """Writes the manifest again, as somebody who fills bundles by hand would."""
    said = manifest(place)
    said["files"] = {name: checksums.digest(place / name) for name in said["files"] if (place / name).is_file()}
    (place / "manifest.json").write_text(json.dumps(said | changes))


def test_what_is_written_is_read_again(place, maps):
    found = bundle.read(place)
    assert found.images == tuple(IDS)
    assert found.targets == ("glioma", "none", "none")
    assert found.classes == tuple(CLASSES)
    assert found.model == {"name": "net", "digest": "00ff"}
    assert found.pixels[1] == fingerprint(np.full((4, 6, 1), 2, np.uint8))
    np.testing.assert_array_equal(found.probabilities, np.random.default_rng(1).dirichlet([1, 1], 3))
    assert found.predicted == tuple(CLASSES[int(row.argmax())] for row in found.probabilities)
    assert list(found.methods) == ["Grad-CAM", "gradient"]
    for name, values in maps.items():
        np.testing.assert_array_equal(found.maps(name), values.astype(np.float32))
        np.testing.assert_array_equal(found.maps(name, [2, 0]), values[[2, 0]].astype(np.float32))
    np.testing.assert_array_equal(found.evidence("gradient", found.maps("gradient", [0])), np.abs(maps["gradient"][:1]))
    np.testing.assert_array_equal(found.evidence("Grad-CAM", maps["Grad-CAM"]), maps["Grad-CAM"])
    assert found.methods["gradient"].options == {"steps": 3}


def test_the_files_are_what_the_page_says(place, maps):
    said = manifest(place)
    assert (said["schema"], said["version"]) == ("xaijax.bundle", 1)
    assert said["methods"]["gradient"]["missing"] == 1
    on_disk = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert on_disk == {*said["files"], "manifest.json"}
    assert all(checksums.digest(place / name) == kept for name, kept in said["files"].items())
    with np.load(place / said["methods"]["Grad-CAM"]["file"], allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["maps"], maps["Grad-CAM"].astype(np.float32))
        assert arrays["images"].tolist() == IDS


def test_the_least_bundle_has_ids_and_maps(tmp_path):
    found = bundle.read(bundle.write(tmp_path / "b", images=["x"], maps={"m": np.ones((1, 2, 2))}))
    assert (found.targets, found.pixels, found.probabilities) == (("",), ("",), None)
    assert found.covers == "image"


def test_labels_of_numpy_and_tensors_of_a_graph(tmp_path):
    class Tensor:
        """As PyTorch's with a gradient: NumPy cannot read it before `detach`."""

        dtype = "torch.float32"

        def __init__(self, values):
            self.values = values

        def detach(self):
            return self

        def cpu(self):
            return self.values

        def __array__(self, *rest, **options):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    values = np.random.default_rng(0).random((3, 2, 2)).astype(np.float32)
    written = {"maps": {"m": Tensor(values)}, "targets": np.array([1.0, 0.0, 1.0]), "classes": CLASSES}
    found = bundle.read(bundle.write(tmp_path / "b", images=IDS, **written))
    np.testing.assert_array_equal(found.maps("m"), values)
    assert found.targets == ("none", "glioma", "none")


def test_the_same_maps_give_the_same_files(tmp_path, maps):
    one, two = (bundle.write(tmp_path / name, images=IDS, maps=maps) for name in "ab")
    assert manifest(one)["files"] == manifest(two)["files"]


def test_a_method_may_have_its_first_map_late(tmp_path):
    values = np.full((3, 2, 2), np.nan)
    values[2] = 5
    found = bundle.read(bundle.write(tmp_path / "b", images=IDS, maps={"late": values, "m": np.ones((3, 1, 1))}))
    np.testing.assert_array_equal(found.maps("late"), values.astype(np.float32))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"maps": {}}, "at least one method"),
        ({"maps": {"m": np.ones((2, 4, 4))}}, "with N = 3"),
        ({"maps": {"m": np.full((3, 4, 4), "x")}}, "numbers"),
        ({"maps": {"m": np.ones((3, 4, 4)) * [[[np.nan]], [[1]], [[1]]]}}, "has no map by any method"),
        ({"maps": {"m": np.where(np.eye(4, dtype=bool), np.nan, np.ones((3, 4, 4)))}}, "NaN or infinity"),
        ({"maps": {"m": np.full((3, 4, 4), np.inf)}}, "NaN or infinity"),
        ({"maps": {"Grad-CAM": np.ones((3, 2, 2)), "grad_cam": np.ones((3, 2, 2))}}, "have one name"),
        ({"maps": {"": np.ones((3, 2, 2))}}, "name of a method"),
        ({"images": ["a", "a", "b"]}, "used twice"),
        ({"images": ["a", "b\n", "c"]}, "without line breaks"),
        ({"images": ["a", "b", "\udcff"]}, "Unicode"),
        ({"targets": "glioma", "classes": ["x"]}, "not among the classes x"),
        ({"targets": 3, "classes": ["x"]}, "is not a position in classes"),
        ({"targets": ["x", "y"]}, "one per image"),
        ({"targets": np.eye(3)[:, :2], "classes": CLASSES}, "one-hot rows their argmax"),
        ({"targets": [0.5, 0, 1], "classes": CLASSES}, "is not a class: give a name or a whole number"),
        ({"targets": [True, False, True], "classes": CLASSES}, "is not a class: give a name or a whole number"),
        ({"maps": {"m": [np.ones((2, 2)), np.ones((3, 3)), np.ones((2, 2))]}}, "all of one size"),
        ({"maps": {"m": np.full((3, 4, 4), 1e-40)}}, "float32 cannot tell apart; multiply"),
        ({"predictions": np.ones((3, 2))}, "predictions must be"),
        ({"predictions": np.full((3, 2), np.nan), "classes": CLASSES}, "finite"),
        ({"pixels": [np.ones((2, 2), np.uint8)]}, "one per id"),
        ({"pixels": [np.ones((2, 2))] * 3}, "uint8"),
        ({"absolute": ["n"]}, "n is not among the methods"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_left(tmp_path, given, sentence):
    usual = {"images": IDS, "maps": {"m": np.ones((3, 4, 4))}}
    with pytest.raises(InputError, match=sentence):
        bundle.write(tmp_path / "b", **(usual | given))
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_comes_last_and_a_bundle_appears_whole(tmp_path, maps, monkeypatch):
    seen = []

    def fail(path, values):
        seen.extend(file.relative_to(path.parent).as_posix() for file in path.parent.rglob("*") if file.is_file())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_json", fail)
    with pytest.raises(OSError, match="No space"):
        bundle.write(tmp_path / "b", images=IDS, maps=maps)
    assert sorted(seen) == ["images.csv", "maps/Grad_CAM.npz", "maps/gradient.npz"]
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_replaced_only_when_asked(place, tmp_path):
    new = {"images": ["x"], "maps": {"m": np.ones((1, 2, 2))}}
    with pytest.raises(InputError, match="holds a bundle already"):
        bundle.write(place, **new)
    assert bundle.read(place).images == tuple(IDS)
    bundle.write(place, **new, overwrite=True)
    assert bundle.read(place).images == ("x",)
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no bundle"):
        bundle.write(tmp_path / "other", **new, overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        bundle.write(tmp_path / "other" / "mine.txt", **new, overwrite=True)
    assert (tmp_path / "other" / "mine.txt").read_text() == "mine"


def test_fields_that_are_not_known_are_ignored(place):
    said = manifest(place)
    said["methods"]["Grad-CAM"]["colour"] = "red"
    resign(place, methods=said["methods"], licence="CC0")
    assert list(bundle.read(place).methods) == ["Grad-CAM", "gradient"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": 2}, "version 2 of the schema and this xaijax reads 1"),
        ({"version": "1"}, "version '1'"),
        ({"schema": "other"}, "does not describe an evidence bundle"),
        ({"files": {}}, "lists no SHA-256 of images.csv"),
        ({"files": {"../secret.txt": "00"}}, "outside the bundle"),
        ({"files": {"/etc/hostname": "00"}}, "outside the bundle"),
        ({"files": {"maps/../../x": "00"}}, "outside the bundle"),
        ({"files": {"C:\\x": "00"}}, "outside the bundle"),
        ({"files": {"..\\x": "00"}}, "outside the bundle"),
        ({"files": {"link/secret.txt": "00"}}, "outside the bundle"),
        ({"files": {"absent.npz": "00"}}, "lacks its file absent.npz"),
        ({"files": {"images.csv": "00"}}, "SHA-256 differs"),
        ({"files": None}, "is damaged"),
        ({"methods": {}}, "has no maps"),
        ({"methods": {"m": {"file": "manifest.json", "shape": [3, 1, 1]}}}, "lists no SHA-256 of manifest.json"),
        ({"methods": {"m": {"file": "images.csv", "shape": [3, 1, 1]}}}, "not a readable file of maps"),
        ({"methods": {"m": {"file": "maps/gradient.npz", "shape": [3, 1, 1]}}}, "the manifest says float32"),
        ({"methods": {"m": {"file": "maps/gradient.npz", "shape": [2, 16, 16]}}}, "with N = 3"),
        ({"methods": {"m": {"shape": [3, 16, 16]}}}, "is damaged"),
        ({"covers": "left half"}, "covers 'left half'"),
    ],
)
def test_damaged_and_hostile_manifests_are_refused(place, tmp_path, changes, sentence):
    (tmp_path / "secret.txt").write_text("secret")
    (place / "link").symlink_to(tmp_path)
    resign(place, **changes)
    with pytest.raises(InputError, match=sentence) as caught:
        bundle.read(place)
    assert len(str(caught.value).splitlines()) == 1


def test_files_that_were_altered_are_refused(place):
    path = place / "maps" / "gradient.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"gradient.npz of the bundle .* its SHA-256 differs"):
        bundle.read(place)
    with pytest.raises(InputError, match=r"it has no manifest.json"):
        bundle.read(place / "maps")
    (place / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        bundle.read(place)


def test_compressed_and_handmade_files_are_read(place, maps):
    """Others write `.npz` by NumPy."""
    path = place / manifest(place)["methods"]["Grad-CAM"]["file"]
    for write in (np.savez_compressed, np.savez):
        write(path, maps=maps["Grad-CAM"].astype(np.float32))
        resign(place)
        np.testing.assert_array_equal(
            bundle.read(place).maps("Grad-CAM", [1]), maps["Grad-CAM"][1:2].astype(np.float32)
        )


def test_pickles_are_not_opened(place):
    class Hostile:
        def __reduce__(self):
            return open, (str(place / "opened"), "w")

    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([Hostile()], object), allow_pickle=True)
    with zipfile.ZipFile(place / manifest(place)["methods"]["gradient"]["file"], "w") as archive:
        archive.writestr("maps.npy", buffer.getvalue())
    resign(place)
    with pytest.raises(InputError, match="holds maps of object"):
        bundle.read(place)
    assert not (place / "opened").exists()


def test_a_file_that_is_shorter_than_it_says_is_refused(place):
    buffer = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (3, 16, 16)}
    np.lib.format.write_array_header_1_0(buffer, header)
    with zipfile.ZipFile(place / manifest(place)["methods"]["gradient"]["file"], "w") as archive:
        archive.writestr("maps.npy", buffer.getvalue() + b"1234")
    resign(place)
    with pytest.raises(InputError, match="fewer or more values"):
        bundle.read(place)


# `xaijax explain --save`.


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    from xaijax import models

    place = tmp_path_factory.mktemp("model") / "tiny"
    models.save(models.create("small_cnn", input_shape=(32, 32, 1), classes=("a", "b"), key=0), place)
    return place


@pytest.fixture
def pictures(tmp_path):
    for number, name in enumerate(("one/x.png", "two/x.png", "two/y.png")):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (50, 70), np.uint8)).save(path)
    return tmp_path / "images"


def explain(pictures, checkpoint, out, *more, methods=("grad_cam", "gradient")):
    words = [str(pictures / "one"), str(pictures / "two"), "--model", str(checkpoint), "--methods", *methods]
    return cli.main(["explain", *words, "--out", str(out), *more])


def test_explain_saves_a_bundle_of_what_the_methods_make(pictures, checkpoint, tmp_path):
    from xaijax import data, models
    from xaijax.data.images import resize_image
    from xaijax.explain import METHODS

    assert explain(pictures, checkpoint, tmp_path / "out", "--save", "bundle", "--set", "gradient.reduce=sum") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bundle"]
    found = bundle.read(tmp_path / "out" / "bundle")
    dataset = data.open_dataset(pictures)
    assert sorted(found.images) == sorted(case.id for case in dataset.cases)
    classifier = models.load(checkpoint)
    for case in dataset.cases:
        row = found.images.index(case.id)
        assert found.pixels[row] == case.source.fingerprint()
        given = resize_image(case.source.read(masks=False).image, (32, 32))[None]
        chances = np.asarray(classifier.predict(given))[0]
        np.testing.assert_array_equal(found.probabilities[row], chances.astype(np.float64))
        assert found.targets[row] == found.predicted[row] == classifier.classes[int(chances.argmax())]
        label = np.array([chances.argmax()], np.int32)
        for method in ("grad_cam", "gradient"):
            options = {"reduce": "sum"} if method == "gradient" else {}
            raw = METHODS[method].maps(classifier, given, label, **options)
            np.testing.assert_array_equal(found.maps(method, [row]), raw)
            np.testing.assert_array_equal(found.evidence(method, raw), METHODS[method].evidence(raw))
    assert found.methods["gradient"].options["reduce"] == "sum"
    assert len(list((found.path / "overlays").iterdir())) == 6
    assert found.label == "out"


def test_explain_saves_every_plain_format_on_the_pixels_of_the_image(pictures, checkpoint, tmp_path, capsys):
    import nibabel
    import tifffile

    out = tmp_path / "out"
    options = ["--save", "npz", "tiff", "nifti", "png", "--set", "input_x_gradient.reduce=sum"]
    assert explain(pictures, checkpoint, out, *options, methods=("input_x_gradient",)) == 0
    names = sorted(path.name for path in out.iterdir())
    assert names == sorted(
        f"{s}.input_x_gradient{e}" for s in ("x", "x-2", "y") for e in (".npz", ".tiff", ".nii.gz", ".png")
    )
    with np.load(out / "y.input_x_gradient.npz") as arrays:
        raw, evidence = arrays["raw"], arrays["evidence"]
        assert json.loads(str(arrays["description"]))["method"] == "input_x_gradient"
    assert raw.shape == (50, 70)
    assert raw.min() < 0 <= evidence.min()
    np.testing.assert_array_equal(tifffile.imread(out / "y.input_x_gradient.tiff"), raw)
    np.testing.assert_array_equal(np.asarray(nibabel.load(out / "y.input_x_gradient.nii.gz").dataobj)[..., 0].T, raw)
    capsys.readouterr()
    assert explain(pictures, checkpoint, out, "--save", "tiff", methods=("input_x_gradient",)) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_part_of_the_image_is_where_it_was_cut(pictures, checkpoint, tmp_path, capsys):
    out = tmp_path / "out"
    assert explain(pictures, checkpoint, out, "--crop", "--save", "npz", "bundle", methods=("sobel",)) == 0
    with np.load(out / "y.sobel.npz") as arrays:
        assert np.isnan(arrays["raw"][:, :10]).all()
        assert np.isnan(arrays["raw"][:, 60:]).all()
        assert np.isfinite(arrays["raw"][:, 10:60]).all()
    assert bundle.read(out / "bundle").covers == "centre"
    words = ["--data", str(pictures), "--model", str(checkpoint), "--maps", str(out / "bundle")]
    assert cli.main(["bench", *words, "--methods", "none", "--out", str(tmp_path / "run")]) == 2
    assert "make the bundle without --crop" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--save", "dicom-seg"], "and %s/one/x.png is not DICOM"),
        (["--save", "bmp"], "--save is 'bmp'"),
        (["--save"], "--save names nothing to write"),
        (["--mark-top", "0.3"], "--mark-top is for --save dicom-seg"),
        (["--save", "dicom-seg", "--mark-from", "nan"], "--mark-from is"),
        (["--save", "dicom-seg", "--mark-top", "0"], "--mark-top is"),
    ],
)
def test_formats_that_cannot_be_saved_are_refused_before_work(pictures, checkpoint, tmp_path, capsys, more, sentence):
    assert explain(pictures, checkpoint, tmp_path / "out", *more) == 2
    error = capsys.readouterr().err
    assert (sentence % pictures if "%s" in sentence else sentence) in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_bundle_that_fails_leaves_nothing(pictures, checkpoint, tmp_path, monkeypatch, capsys):
    from xaijax.explain_images import maps

    monkeypatch.setattr(maps, "overlay", lambda *a, **k: (_ for _ in ()).throw(RuntimeError("broken")))
    assert explain(pictures, checkpoint, tmp_path / "out", "--save", "bundle") == 1
    assert "broken" in capsys.readouterr().err
    assert not any((tmp_path / "out").rglob("*"))


def test_a_bundle_is_overwritten_with_the_option_alone(pictures, checkpoint, tmp_path, capsys):
    out = tmp_path / "out"
    assert explain(pictures, checkpoint, out, "--save", "bundle", methods=("sobel",)) == 0
    before = bundle.read(out / "bundle").digest
    assert explain(pictures, checkpoint, out, "--save", "bundle", methods=("sobel",)) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert bundle.read(out / "bundle").digest == before
    assert explain(pictures, checkpoint, out, "--save", "bundle", "--overwrite", methods=("random",)) == 0
    assert list(bundle.read(out / "bundle").methods) == ["random"]


def test_logits_are_no_predictions(tmp_path):
    with pytest.raises(
        InputError, match=r"must be probabilities in \[0, 1\]; got -2 to 3: are these logits\? apply the"
    ):
        bundle.write(
            tmp_path / "b", images=["a"], maps={"m": np.ones((1, 2, 2))}, predictions=[[3.0, -2.0]], classes=["x", "y"]
        )
    assert not (tmp_path / "b").exists()
