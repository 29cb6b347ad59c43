"""Maps of bundles in a benchmark: scored as computed ones are, matched by id and pixels, refused where they misfit."""

import dataclasses
import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

from xaijax import bundle, cli, data, models
from xaijax._errors import InputError
from xaijax._runs import given
from xaijax.bench import BenchConfig, run
from xaijax.bench.plan import prepare
from xaijax.bench.store import Store
from xaijax.explain import METHODS

CLASSES = ("glioma", "meningioma", "pituitary")
METRICS = ("sic_mutual", "deletion_black", "iou", "sparseness")


def write_images(place, count=4):
    """Class folders of phantoms at 40 x 48, so that the model's 32 x 32 needs resizing, with masks."""
    drawn = data.open_dataset("phantoms", count=count, size=48, seed=5).read()
    for number in range(count):
        name = f"{CLASSES[drawn.labels[number]]}/{number}.png"
        for kind, values in (
            ("", drawn.images[number, :40, :, 0]),
            ("masks/", drawn.masks[number, :40] * np.uint8(255)),
        ):
            path = place / f"{kind}{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(path)
    return place


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("data") / "brain")


@pytest.fixture(scope="module")
def dataset(images):
    return data.open_dataset(images, mask_role="lesion")


@pytest.fixture(scope="module")
def explained(images, checkpoint, tmp_path_factory):
    """The bundle of `xaijax explain`."""
    out = tmp_path_factory.mktemp("explained") / "ours"
    folders = [str(images / name) for name in CLASSES]
    words = ["--model", str(checkpoint), "--methods", "grad_cam", "integrated_gradients", "random", "--save", "bundle"]
    assert cli.main(["explain", *folders, *words, "--set", "integrated_gradients.steps=4", "--out", str(out)]) == 0
    return out / "bundle"


@pytest.fixture
def config(images, checkpoint, tmp_path):
    return BenchConfig(
        data=str(images),
        mask_role="lesion",
        model=(str(checkpoint),),
        methods=("none",),
        metrics=METRICS,
        target="predicted",
        count=0,
        part=3,
        gallery=2,
        calibration=("none",),
        oracle=False,
        out=tmp_path / "run",
    )


def values(store, method=None):
    table = store.scores()
    table = table if method is None else table.filter(pc.equal(table["method"], method))
    rows = zip(*(table[name].to_pylist() for name in ("image", "metric", "value", "reason")), strict=True)
    return {(image, metric): (repr(value), reason) for image, metric, value, reason in rows}


def handmade(place, dataset, *, method="theirs", size=(14, 14), images=None, **more):
    ids = [case.id for case in dataset.cases] if images is None else images
    maps = np.random.default_rng(0).normal(size=(len(ids), *size))
    return bundle.write(place, images=ids, maps={method: maps}, **more)


def test_maps_of_a_bundle_score_as_the_methods_that_made_them(config, explained):
    """In one run, side by side: every value, reason and curve is the same."""
    both = Store(
        run(
            dataclasses.replace(
                config,
                methods=("grad_cam", "integrated_gradients", "random"),
                set=("integrated_gradients.steps=4",),
                maps=(explained,),
            )
        )
    )
    for method in ("grad_cam", "integrated_gradients", "random"):
        computed, given = values(both, method), values(both, f"{method}@ours")
        assert set(given) == set(computed)
        for key, (value, reason) in computed.items():
            assert given[key][1] == reason
            # One image at a time there, three here: sums may be rounded otherwise.
            assert float(given[key][0]) == pytest.approx(float(value), nan_ok=True, abs=1e-5), key
    assert both.read_run()["maps"][0]["methods"] == ["grad_cam", "integrated_gradients", "random"]
    assert "grad_cam@ours" in (both.root / "report.html").read_text().replace(" ", "_")


def test_a_bundle_alone_is_scored_under_its_own_names(config, explained):
    store = Store(run(dataclasses.replace(config, maps=(explained,))))
    described = store.read_run()
    assert described["methods"] == ["grad_cam", "integrated_gradients", "random"]
    assert "--maps" in described["command"]
    assert "--methods none" in described["command"]
    assert len(values(store)) == 4 * len(METRICS)
    gallery = next(iter(store.galleries().values()))
    raw = bundle.read(explained).maps("integrated_gradients", [bundle.read(explained).images.index(gallery["ids"][0])])
    np.testing.assert_array_equal(gallery["maps"][1, 0], np.abs(raw[0]))  # signed gradients count by magnitude


def test_maps_of_another_size_are_resized_and_noted(config, dataset, tmp_path):
    from skimage.transform import resize

    place = handmade(tmp_path / "theirs", dataset, targets=None)
    store = Store(run(dataclasses.replace(config, maps=(place,), target="label")))
    notes = " ".join(store.read_run()["notes"])
    assert "Maps of theirs (14 × 14) were brought to the 32 × 32 of model tiny, bilinearly." in notes
    assert "does not say which class its maps explain" in notes
    assert "no digests of pixels" in notes
    gallery = next(iter(store.galleries().values()))
    row = [case.id for case in dataset.cases].index(gallery["ids"][0])
    wanted = resize(bundle.read(place).maps("theirs", [row])[0].astype(float), (32, 32), order=1, mode="edge")
    np.testing.assert_allclose(gallery["maps"][0, 0], wanted, atol=1e-6)


def test_maps_with_rows_and_columns_swapped_are_refused():
    """For images of 24 x 32 maps of 32 x 24 are transposed, not maps of another size that could be resized."""

    def notes(shape, height, width):
        entry = SimpleNamespace(shape=(8, *shape))
        bundle = SimpleNamespace(methods={"cam": entry}, path="maps", label="maps")
        model = SimpleNamespace(name="m", classifier=SimpleNamespace(input_shape=(height, width, 3)))
        found = []
        given._note_sizes(bundle, [model], found)
        return found

    with pytest.raises(InputError, match=r"maps of maps are 32 x 24 and the images of model m 24 x 32 .* are swapped"):
        notes((32, 24), 24, 32)
    assert notes((24, 32), 24, 32) == []
    assert len(notes((7, 7), 24, 32)) == 1  # resized, with a note


def test_images_without_a_map_have_no_score_and_are_counted(config, dataset, tmp_path):
    ids = [case.id for case in dataset.cases]
    maps = np.random.default_rng(0).normal(size=(3, 32, 32))
    few = maps.copy()
    few[1] = np.nan
    place = bundle.write(tmp_path / "theirs", images=ids[:3], maps={"all": maps, "few": few})
    store = Store(run(dataclasses.replace(config, maps=(place,), methods=("sobel",), target="label")))
    for method, absent in (("sobel", []), ("all", ids[3:]), ("few", [ids[1], *ids[3:]])):
        found = values(store, method)
        assert {image for (image, _), (_, reason) in found.items() if reason == "no_map"} == set(absent)
        assert all(v == "nan" for (image, _), (v, _) in found.items() if image in absent)
        assert any(v != "nan" for (image, _), (v, _) in found.items() if image not in absent)
    for table in (store.curves(), store.responses()):
        pairs = set(zip(table["image"].to_pylist(), table["method"].to_pylist(), strict=True))
        assert pairs
        assert not pairs & {
            (image, m) for m, images in (("all", ids[3:]), ("few", [ids[1], *ids[3:]])) for image in images
        }
    assert "has no maps of 1 of the 4 images" in " ".join(store.read_run()["notes"])
    assert "no_map" in (store.root / "summary.csv").read_text()


def test_images_of_other_names_are_matched_by_their_pixels(config, dataset, tmp_path):
    pixels = [case.source.read(masks=False).image for case in dataset.cases]
    place = handmade(tmp_path / "theirs", dataset, images=["w", "x", "y", "z"], pixels=pixels)
    plan = prepare(dataclasses.replace(config, maps=(place,), target="label"))
    assert dict(plan.given[0].rows) == {case: case for case in plan.cases}
    swapped = handmade(tmp_path / "swapped", dataset, pixels=pixels[::-1])
    with pytest.raises(InputError, match=r"image .* has other pixels than .* of the data"):
        prepare(dataclasses.replace(config, maps=(swapped,), target="label"))
    other = handmade(tmp_path / "other", dataset, images=["w", "x", "y", "z"])
    with pytest.raises(InputError, match=r"no image of the bundle .* is among those of this run"):
        prepare(dataclasses.replace(config, maps=(other,), target="label"))


def test_the_class_that_was_explained_must_be_the_one_that_is_scored(config, dataset, checkpoint, tmp_path):
    truth = [CLASSES[case.label] for case in dataset.cases]
    labelled = handmade(tmp_path / "labelled", dataset, targets=truth)
    numbered = handmade(tmp_path / "numbered", dataset, targets=[case.label for case in dataset.cases], classes="012")
    fixed = handmade(tmp_path / "fixed", dataset, targets="pituitary", classes=CLASSES)
    for place, target, fits in (
        (labelled, "label", True),
        (numbered, "label", True),
        (fixed, "pituitary", True),
        (labelled, "pituitary", False),
        (fixed, "label", False),
        (numbered, "glioma", False),
    ):
        wanted = dataclasses.replace(config, maps=(place,), target=target)
        if fits:
            assert prepare(wanted).methods == ("theirs",)
            continue
        with pytest.raises(InputError, match=f"with --target {target} .* is scored") as caught:
            prepare(wanted)
        assert "give the --target of the bundle" in str(caught.value)
    classifier = models.load(checkpoint)
    batch = dataset.read(shape=(32, 32, 1))
    guessed = [CLASSES[i] for i in np.asarray(classifier.predict(batch.images)).argmax(axis=1)]
    assert guessed != truth
    predicted = handmade(tmp_path / "predicted", dataset, targets=guessed)
    assert prepare(dataclasses.replace(config, maps=(predicted,))).methods == ("theirs",)
    with pytest.raises(InputError, match="with --target predicted"):
        prepare(dataclasses.replace(config, maps=(labelled,)))


def test_methods_of_one_name_are_told_apart_by_their_bundle(config, dataset, tmp_path):
    one = handmade(tmp_path / "one", dataset, method="Grad-CAM")
    two = handmade(tmp_path / "two", dataset, method="grad_cam", size=(7, 7))
    alone = dataclasses.replace(config, target="label", metrics=("sparseness",))
    assert prepare(dataclasses.replace(alone, maps=(one,))).methods == ("Grad-CAM",)
    assert prepare(dataclasses.replace(alone, maps=(one, two))).methods == ("Grad-CAM@one", "grad_cam@two")
    with_ours = dataclasses.replace(alone, maps=(one,), methods=("grad_cam", "sobel"))
    assert prepare(with_ours).methods == ("grad_cam", "sobel", "Grad-CAM@one")
    assert prepare(with_ours).computed == ("grad_cam", "sobel")
    oracle = handmade(tmp_path / "truth", dataset, method="oracle")
    assert prepare(dataclasses.replace(alone, maps=(oracle,), oracle=True)).methods == ("oracle@truth", "oracle")
    again = shutil.copytree(one, tmp_path / "elsewhere" / "one")
    with pytest.raises(InputError, match=r"names the bundle .* twice"):
        prepare(dataclasses.replace(alone, maps=(one, again)))
    rival = handmade(tmp_path / "there" / "one", dataset, method="Grad-CAM", size=(5, 5))
    with pytest.raises(InputError, match="two bundles of --maps are called one"):
        prepare(dataclasses.replace(alone, maps=(one, rival)))


def test_two_models_with_a_bundle_each_are_compared(config, dataset, checkpoint, tmp_path):
    """Each bundle is scored on its own model, and the agreement of a method is between them."""
    other = tmp_path / "other"
    models.save(models.create("small_cnn", input_shape=(24, 24, 1), classes=CLASSES, key=8), other)
    places = []
    for number, (path, size) in enumerate(((checkpoint, 32), (other, 24))):
        classifier = models.load(path)
        batch = dataset.read(shape=(size, size, 1))
        maps = METHODS["grad_cam"].maps(classifier, batch.images, batch.labels)
        known = {
            "name": "m",
            "digest": prepare(dataclasses.replace(config, methods=("sobel",), model=(str(path),))).models[0].digest,
        }
        places.append(bundle.write(tmp_path / f"b{number}", images=batch.ids, maps={"theirs": maps}, model=known))
    store = Store(
        run(
            dataclasses.replace(
                config,
                model=(str(checkpoint), str(other)),
                methods=("grad_cam",),
                metrics=("agreement_spearman",),
                maps=tuple(places),
                target="label",
            )
        )
    )
    table = store.scores().to_pylist()
    found = {(row["model"], row["image"], row["method"]): row["value"] for row in table}
    assert {method for _, _, method in found} == {"grad_cam", "theirs"}
    for (model, image, method), value in found.items():
        assert value == pytest.approx(found[model, image, "grad_cam"], abs=1e-6), method
        assert abs(value) < 0.999
    unknown = bundle.write(tmp_path / "u", images=batch.ids, maps={"theirs": maps}, model={"digest": "ff"})
    plan = prepare(dataclasses.replace(config, maps=(unknown,), target="label"))
    assert "made of a model with other parameters" in " ".join(plan.notes)


def test_what_needs_the_method_itself(config, explained):
    needing = dataclasses.replace(config, maps=(explained,), metrics=("flip_spearman", "sparseness"))
    with pytest.raises(InputError, match="the metric flip_spearman explains changed images"):
        prepare(needing)
    store = Store(run(dataclasses.replace(needing, methods=("sobel",))))
    reasons = {
        method: {r for (_, m), (_, r) in values(store, method).items() if m == "flip_spearman"}
        for method in ("sobel", "random")
    }
    assert reasons == {"sobel": {""}, "random": {"no_explainer"}}


def test_no_method_and_no_maps_is_refused(config):
    with pytest.raises(InputError, match="name methods with --methods, or bundles of maps with --maps"):
        prepare(config)


def test_a_run_resumes_with_the_same_bundle_alone(config, dataset, tmp_path, monkeypatch):
    place = handmade(tmp_path / "theirs", dataset)
    wanted = dataclasses.replace(config, maps=(place,), target="label")
    whole = Store(run(dataclasses.replace(wanted, out=tmp_path / "whole")))
    original, written = Store.write_part, []

    def interrupted(self, part, *tables):
        if written:
            raise KeyboardInterrupt
        written.append(part)
        original(self, part, *tables)

    monkeypatch.setattr(Store, "write_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(wanted)
    monkeypatch.undo()
    kept = shutil.copytree(place, tmp_path / "kept")
    handmade(place, dataset, size=(15, 15), overwrite=True)
    with pytest.raises(InputError, match=r"the bundle .* changed since the run"):
        run(dataclasses.replace(wanted, resume=True))
    shutil.rmtree(place)
    shutil.copytree(kept, place)
    assert values(Store(run(dataclasses.replace(wanted, resume=True)))) == values(whole)


def test_a_bundle_that_was_altered_is_refused_before_work(config, explained, tmp_path):
    place = shutil.copytree(explained, tmp_path / "copy")
    (place / "images.csv").write_text((place / "images.csv").read_text() + "\n")
    with pytest.raises(InputError, match="SHA-256 differs"):
        run(dataclasses.replace(config, maps=(place,)))
    assert not config.out.exists()


# Names and people.

TELLTALE = {
    "PatientName": "Tellname^Anna",
    "PatientBirthDate": "19470911",
    "OtherPatientNames": "Tellother^Bea",
    "PatientComments": "tellcomment patient",
    "ImageComments": "tellcomment image",
    "StudyDescription": "tellstudy",
    "SeriesDescription": "tellseries",
    "InstitutionName": "Tellhospital",
    "ReferringPhysicianName": "Tellphysician^Carl",
    "AdditionalPatientHistory": "tellhistory",
}
SECRETS = [value.split("^")[0].split()[0].encode() for value in TELLTALE.values()]


def write_dicom(path, pixels):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    stored = Dataset()
    stored.file_meta = FileMetaDataset()
    stored.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stored.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        setattr(stored, keyword, generate_uid(None))
    stored.Rows, stored.Columns = pixels.shape
    stored.BitsAllocated = stored.BitsStored = 8
    stored.HighBit, stored.PixelRepresentation, stored.SamplesPerPixel = 7, 0, 1
    stored.PhotometricInterpretation = "MONOCHROME2"
    stored.ImagePositionPatient, stored.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    stored.PixelSpacing, stored.SliceThickness, stored.PatientID = [1, 1], 1, path.stem
    stored.PixelData = pixels.astype(np.uint8).tobytes()
    for keyword, value in TELLTALE.items():
        setattr(stored, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    stored.save_as(path, enforce_file_format=True)


def contents(path):
    """The bytes of a file, unpacked where it is compressed."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield repr(pq.read_table(path).to_pylist()).encode()
        yield repr(pq.read_schema(path).metadata).encode()
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            for name in arrays.files:
                yield arrays[name].tobytes()
                yield repr(arrays[name].tolist() if arrays[name].dtype.kind == "U" else "").encode()
    elif path.suffix == ".gz":
        import gzip

        yield gzip.decompress(path.read_bytes())
    elif path.suffix in (".png", ".tiff"):
        with Image.open(path) as image:
            yield repr(dict(image.info)).encode()


def test_nothing_of_a_patient_leaves_a_dicom_file_but_into_dicom(config, checkpoint, tmp_path, capsys):
    place = tmp_path / "scans"
    drawn = data.open_dataset("phantoms", count=3, size=40, seed=2).read()
    for number, name in enumerate(CLASSES):
        write_dicom(place / name / f"{number}.dcm", drawn.images[number, ..., 0])
    (place / CLASSES[0] / "broken.dcm").write_bytes((place / CLASSES[0] / "0.dcm").read_bytes()[:-400])
    out = tmp_path / "maps"
    folders = [str(place / name) for name in CLASSES]
    words = ["--model", str(checkpoint), "--methods", "sobel", "--out", str(out), "--save"]
    formats = ["png", "npz", "tiff", "nifti", "bundle", "dicom-sc", "dicom-seg", "dicom-pm"]
    assert cli.main(["explain", *folders, *words, *formats]) == 2  # the broken one
    assert len(list(out.glob("*.dcm"))) == 9
    run(
        dataclasses.replace(
            config,
            data=str(place),
            mask_role=None,
            metrics=("sic_shannon",),
            methods=("random",),
            maps=(out / "bundle",),
        )
    )
    printed = capsys.readouterr()
    texts = [(printed.out + printed.err).encode()]
    files = [path for folder in (out, config.out) for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 30
    for path in files:
        if path.suffix == ".dcm":
            assert b"Tellname^Anna" in path.read_bytes()  # the patient module, as the standard requires
            assert not any(word in path.read_bytes() for word in (b"Tellhospital", b"tellseries", b"tellcomment image"))
        else:
            texts += contents(path)
    for secret in SECRETS:
        assert not any(secret in text for text in texts), secret


def test_names_of_files_are_escaped_in_pages(checkpoint, tmp_path):
    """Folders, files, classes, methods of bundles and the run itself are named by whoever made the data."""
    place = tmp_path / "<script>data"
    write_images(place, count=6)
    bad = "<script>alert(1)<b onload=x>"
    for kind in ("", "masks/"):
        path = place / f"{kind}{CLASSES[0]}"
        next(path.iterdir()).rename(path / f"{bad}.png")
    (place / CLASSES[1] / f"{bad}.png").write_bytes(b"broken")
    dataset = data.open_dataset(place, mask_role="lesion")
    given = handmade(tmp_path / "<script>bundle", dataset, method="<script>method")
    out = tmp_path / "<script>run"
    run(
        BenchConfig(
            data=str(place),
            mask_role="lesion",
            model=(str(checkpoint),),
            methods=("sobel",),
            maps=(given,),
            metrics=("sic_shannon", "deletion_black", "iou"),
            count=0,
            calibration=("none",),
            out=out,
        )
    )
    page = (out / "report.html").read_text()
    assert "&lt;script&gt;" in page
    ours = r'<script(?: type="application/json" id="(?:browser-data|picture-\d+-\d+)")?>'
    tags = re.findall(r"<script[^>]*>", page)
    assert all(re.fullmatch(ours, tag) for tag in tags), tags
    assert tags.count("<script>") == len(re.findall("</script>", page)) - sum("json" in tag for tag in tags) <= 3
    assert "<b onload" not in page
    for figure in out.rglob("*.svg"):
        assert "<script" not in figure.read_text()
    assert all("<" not in path.name for path in out.rglob("*"))
    assert json.loads((out / "run.json").read_text())["data"]["skipped"][0][0].endswith(f"{bad}.png")
    for shown in (dataset, dataset.cases[0], dataset.read(shape=(32, 32, 1)), dataset.found):
        assert "<script" not in shown._repr_html_()
        assert "<b onload" not in shown._repr_html_()


def test_names_are_escaped_in_every_template():
    """Templates are rendered by one environment; none marks what comes from data as safe."""
    from pathlib import Path

    import xaijax
    from xaijax._runs import page

    templates = list(Path(xaijax.__file__).parent.rglob("*.j2"))
    assert len(templates) >= 3
    for path in templates:
        assert "| safe" not in path.read_text().replace("|safe", "| safe"), path
        assert "autoescape" not in path.read_text(), path
    text = page.render(
        "xaijax.bench",
        "statistics.html.j2",
        pairs=False,
        compared={"sections": [], "unit": "images", "models": [{"alt": "<script>", "source": '"><script>'}]},
    )
    assert "<script>" not in text
