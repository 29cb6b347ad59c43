"""Maps as files: every format is read again by the library of its own, and lies on the pixels of its source."""

import json

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from xaijax._errors import InputError
from xaijax.data import saving
from xaijax.data.files import read_image
from xaijax.data.formats.nifti import shown
from xaijax.data.images import resize_image
from xaijax.data.reading import Reading

CT, CR, US = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.3.1"
PLACED = {
    "ImagePositionPatient": [-20.0, 30.0, 12.5],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [0.5, 0.75],
    "SliceThickness": 3,
}
# What must not travel: equipment, people and free text that belong neither to the patient nor to the study.
FOREIGN = {
    "InstitutionName": "Hospital-of-Foo",
    "InstitutionAddress": "Street-of-Foo",
    "OperatorsName": "Operator^Foo",
    "ImageComments": "free text foo",
    "SeriesDescription": "series foo",
    "StationName": "STATIONFOO",
}
# What the Patient and Study modules hold.
OWN = {
    "PatientName": "Doe^Jane",
    "PatientID": "p 17",
    "PatientBirthDate": "19610203",
    "PatientSex": "F",
    "StudyDate": "20200304",
    "StudyTime": "101112",
    "StudyID": "s9",
    "AccessionNumber": "a5",
    "ReferringPhysicianName": "Roe^Richard",
    "StudyDescription": "head",
    "PatientAge": "059Y",
}


def source(path, sop=CT, shape=(20, 30), **values):
    """A DICOM file of 16 bits, with what is stored by a scanner."""
    stored = Dataset()
    stored.file_meta = FileMetaDataset()
    stored.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stored.SOPClassUID = sop
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(stored, keyword, generate_uid(None))
    stored.Rows, stored.Columns = shape
    stored.BitsAllocated, stored.BitsStored, stored.HighBit = 16, 12, 11
    stored.PixelRepresentation, stored.SamplesPerPixel = 0, 1
    stored.PhotometricInterpretation = "MONOCHROME2"
    frames = int(values.get("NumberOfFrames", 1))
    stored.PixelData = np.arange(frames * shape[0] * shape[1], dtype=np.uint16).tobytes()
    for keyword, value in {**OWN, **FOREIGN, **values}.items():
        if value is not None:
            setattr(stored, keyword, value)
    stored.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def ct(tmp_path):
    return source(tmp_path / "ct.dcm", FrameOfReferenceUID=generate_uid(None), **PLACED)


def a_map(shape=(20, 30), method="grad_cam", **values):
    raw = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return saving.SavedMap("scan", method, raw, np.abs(raw), "glioma", "net, parameters 00", **values)


# Where a map lies.


def test_a_map_goes_back_the_way_that_the_image_came():
    """A plane is what bilinear resizing keeps: down to the model and back it is itself, but for the border."""
    rows, columns = np.mgrid[:64, :96].astype(np.float32)
    plane = 2 * rows + columns
    image = np.zeros((64, 96, 1), np.uint8)
    small = np.asarray(Image.fromarray(plane).resize((24, 16), Image.Resampling.BILINEAR))
    back = saving.on_image(small, (64, 96))
    np.testing.assert_allclose(back[8:-8, 8:-8], plane[8:-8, 8:-8], atol=1e-3)
    assert resize_image(image, (16, 24)).shape == (16, 24, 1)


def test_an_impulse_lies_on_its_pixel():
    """The brightest pixel of an image, explained by the image itself, is the largest of the map on the image."""
    image = np.zeros((40, 60, 1), np.uint8)
    image[10:14, 32:36] = 255
    part = (0, 10, 40, 40)
    given = resize_image(np.ascontiguousarray(image[:, 10:50]), (20, 20))[..., 0]
    heat = saving.on_image(given.astype(np.float32), (40, 60), part)
    centre = np.argwhere(heat == np.nanmax(heat)).mean(axis=0)
    np.testing.assert_allclose(centre, [11.5, 33.5])
    assert np.isnan(heat[:, :10]).all()
    assert np.isnan(heat[:, 50:]).all()
    assert np.isfinite(heat[:, 10:50]).all()


@pytest.mark.parametrize("part", [(0, 0, 21, 30), (-1, 0, 5, 5), (0, 0, 0, 5), (18, 0, 5, 5)])
def test_a_part_outside_the_image_is_refused(part):
    with pytest.raises(InputError, match="is not inside an image of 20x30 pixels"):
        saving.on_image(np.ones((4, 4)), (20, 30), part)


@pytest.mark.parametrize("raw", [np.zeros((2, 3, 1)), np.zeros((2, 3), int), np.full((2, 3), np.nan)])
def test_what_is_no_map_is_refused(raw):
    with pytest.raises(InputError):
        saving.SavedMap("a", "m", raw, raw)


def test_a_map_of_a_transposed_image_is_turned_back(tmp_path, ct):
    one = a_map((30, 20))
    saving.save_dicom_pm(tmp_path / "a.dcm", one.transposed(), saving.read_header(ct), saving.Series())
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "a.dcm").pixel_array, one.raw.T)
    assert one.transposed().method == one.method


# Formats that any program reads.


def test_npz(tmp_path):
    one = a_map()
    saving.save_npz(tmp_path / "a.npz", one)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["raw"], one.raw)
        np.testing.assert_array_equal(arrays["evidence"], one.evidence)
        assert arrays["raw"].dtype == np.float32
        assert [str(arrays[name]) for name in ("image", "method", "target")] == ["scan", "grad_cam", "glioma"]


def test_tiff(tmp_path):
    one = a_map()
    saving.save_tiff(tmp_path / "a.tiff", one)
    with tifffile.TiffFile(tmp_path / "a.tiff") as file:
        np.testing.assert_array_equal(file.asarray(), one.raw)
        assert file.pages[0].dtype == np.float32
        said = json.loads(file.pages[0].description)
    assert (said["method"], said["target"]) == ("grad_cam", "glioma")
    with Image.open(tmp_path / "a.tiff") as image:
        np.testing.assert_array_equal(np.asarray(image), one.raw)


def test_nifti_without_a_volume_has_the_identity_and_says_so(tmp_path):
    one = a_map()
    saving.save_nifti(tmp_path / "a.nii.gz", one)
    volume = nibabel.load(tmp_path / "a.nii.gz")
    assert volume.shape == (30, 20, 1)
    assert volume.get_data_dtype() == np.float32
    np.testing.assert_array_equal(volume.affine, np.eye(4))
    np.testing.assert_array_equal(np.asarray(volume.dataobj)[:, :, 0].T, one.raw)
    assert b"no geometry" in volume.header["descrip"].tobytes()


@pytest.mark.parametrize("axes", ["RAS", "LAS", "LPS", "ALI", "SPR", "PIR", "RSA", "ASL"])
def test_nifti_lies_where_its_slice_lies(tmp_path, axes):
    """In millimetres: to the right of the image is the patient's left or back, down is the back or the feet."""
    direction = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, letter in enumerate(axes):
        row, sign = direction[letter]
        affine[row, axis] = sign * (2 + axis)
    affine[:3, 3] = [-7, 11, 13]
    values = np.random.default_rng(1).normal(size=(5, 6, 7)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "volume.nii.gz")
    assert saving.is_nifti(tmp_path / "volume.nii.gz")
    place = saving.slice_of(tmp_path / "volume.nii.gz")
    assert place.index == 3

    shape = shown(values[:, :, 3], affine).shape
    raw = np.arange(30, dtype=np.float32).reshape(shape)
    np.testing.assert_array_equal(shown(place.voxels(raw)[:, :, 0], affine), raw)
    # The image that is explained lies on the same voxels.
    image, _ = read_image(tmp_path / "volume.nii.gz", Reading(window="auto"))
    plane = values[:, :, 3].astype(np.float64)
    grey = np.rint(255 * (plane - plane.min()) / (plane.max() - plane.min()))
    np.testing.assert_array_equal(place.voxels(image[..., 0])[:, :, 0], grey)
    saving.save_nifti(tmp_path / "map.nii.gz", saving.SavedMap("a", "m", raw, raw), place)
    found = nibabel.load(tmp_path / "map.nii.gz")
    assert found.shape == (5, 6, 1)
    written = np.asarray(found.dataobj)[:, :, 0]

    def millimetres(row, column):
        i, j = np.argwhere(written == raw[row, column])[0]
        here = found.affine @ [i, j, 0, 1]
        np.testing.assert_allclose(here, affine @ [i, j, 3, 1])  # the voxel of the volume
        return here[:3]

    right = millimetres(0, 1) - millimetres(0, 0)
    down = millimetres(1, 0) - millimetres(0, 0)
    assert {int(np.argmax(np.abs(right))), int(np.argmax(np.abs(down)))} == {
        direction[letter][0] for letter in axes[:2]
    }
    across = int(np.argmax(np.abs(right)))
    assert across in (0, 1)  # left-right, or front-back in sagittal slices
    assert right[across] < 0  # to the left, or the back
    assert down[int(np.argmax(np.abs(down)))] < 0  # to the back, or the feet


def test_png(tmp_path):
    drawn = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    saving.save_png(tmp_path / "a.png", drawn)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), drawn)


# DICOM.


def save(kind, path, one, header, series=None, **options):
    series = series or saving.Series()
    if kind == "sc":
        drawn = np.random.default_rng(2).integers(0, 256, (*one.raw.shape, 3), np.uint8)
        return saving.save_dicom_sc(path, one, drawn, header, series)
    function = saving.save_dicom_pm if kind == "pm" else saving.save_dicom_seg
    return function(path, one, header, series, **options)


@pytest.mark.parametrize("kind", ["sc", "seg", "pm"])
def test_dicom_objects_belong_to_the_study_and_take_nothing_else(tmp_path, ct, kind):
    save(kind, tmp_path / "map.dcm", a_map(), saving.read_header(ct))
    stored, made = pydicom.dcmread(ct), pydicom.dcmread(tmp_path / "map.dcm")
    for keyword in (*OWN, "StudyInstanceUID"):
        assert made[keyword].value == stored[keyword].value, keyword
    assert made.SeriesInstanceUID != stored.SeriesInstanceUID
    assert made.SOPInstanceUID not in (stored.SOPInstanceUID, made.SeriesInstanceUID)
    if kind != "sc":  # a secondary capture has no place in space
        assert made.FrameOfReferenceUID == stored.FrameOfReferenceUID
    data = (tmp_path / "map.dcm").read_bytes()
    for text in FOREIGN.values():
        assert text.encode() not in data
    references = [
        item.ReferencedSOPInstanceUID for item in made.SourceImageSequence if "ReferencedSOPInstanceUID" in item
    ]
    assert references == [stored.SOPInstanceUID]
    assert "Foo" not in str(made)


def test_dicom_segmentation_marks_the_strongest_pixels(tmp_path, ct):
    one = a_map()
    save("seg", tmp_path / "a.dcm", one, saving.read_header(ct), top=0.05)
    made = highdicom.seg.segread(tmp_path / "a.dcm")
    stored = pydicom.dcmread(ct)
    marked = made.get_pixels_by_source_instance([stored.SOPInstanceUID], combine_segments=True)[0]
    limit = np.sort(one.evidence, axis=None)[-30]
    np.testing.assert_array_equal(marked == 1, one.evidence >= limit)
    assert (marked == 1).sum() == 30
    described = made.get_segment_description(1)
    assert described.segmented_property_type.meaning == "Saliency"
    assert described.algorithm_type.value == "AUTOMATIC"
    geometry = made.get_volume_geometry()
    np.testing.assert_allclose(geometry.position, PLACED["ImagePositionPatient"])
    np.testing.assert_allclose(geometry.pixel_spacing, PLACED["PixelSpacing"])


def test_dicom_segmentation_by_a_threshold(tmp_path, ct):
    one = a_map()
    save("seg", tmp_path / "a.dcm", one, saving.read_header(ct), threshold=1.5)
    pixels = highdicom.imread(tmp_path / "a.dcm").get_frames()[0]
    np.testing.assert_array_equal(pixels > 0, one.evidence >= 1.5)


def test_what_a_segmentation_cannot_mark_is_refused():
    flat, negative = np.ones((4, 4)), -np.arange(1.0, 17).reshape(4, 4)
    for heat, options, sentence in (
        (flat, {}, "one value everywhere"),
        (negative, {}, "no positive evidence"),
        (negative, {"threshold": 0.5}, "no evidence of m in a reaches 0.5; its highest is -1"),
    ):
        with pytest.raises(InputError, match=sentence):
            saving.marked(saving.SavedMap("a", "m", heat, heat), **options)
    half = np.where(np.arange(16).reshape(4, 4) < 2, 1.0, 0.0)  # fewer positive pixels than the share
    assert saving.marked(saving.SavedMap("a", "m", half, half), 0.5).sum() == 2
    ties = np.where(np.arange(16).reshape(4, 4) < 4, 2.0, 1.0)
    assert saving.marked(saving.SavedMap("a", "m", ties, ties), 0.1).sum() == 4
    cut = np.full((4, 4), np.nan)
    cut[:, 1:3] = np.arange(8).reshape(4, 2)
    assert saving.marked(saving.SavedMap("a", "m", cut, cut), 0.25).sum() == 2  # of the part that was explained


def test_dicom_parametric_map_keeps_every_float(tmp_path, ct):
    one = a_map(method="grad_cam", kind="gradient-weighted class activation")
    save("pm", tmp_path / "a.dcm", one, saving.read_header(ct))
    made = highdicom.imread(tmp_path / "a.dcm")
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "a.dcm").pixel_array, one.raw)
    np.testing.assert_allclose(made.get_frames(apply_voi_transform=False)[0], one.raw)
    shared = made.SharedFunctionalGroupsSequence[0]
    quantity = shared.RealWorldValueMappingSequence[0].QuantityDefinitionSequence[0].ConceptCodeSequence[0]
    assert quantity.CodeMeaning == "Gradient-weighted class activation"
    assert "SpacingBetweenSlices" not in shared.PixelMeasuresSequence[0]  # a single slice has none
    position = made.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient
    np.testing.assert_allclose(position, PLACED["ImagePositionPatient"])


def test_what_was_not_explained_is_zero_in_a_parametric_map(tmp_path, ct):
    raw = saving.on_image(np.full((8, 8), 3.0), (20, 30), (0, 5, 20, 20))
    save("pm", tmp_path / "a.dcm", saving.SavedMap("a", "m", raw, raw), saving.read_header(ct))
    made = highdicom.imread(tmp_path / "a.dcm")
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "a.dcm").pixel_array, np.where(np.isnan(raw), 0, raw))
    assert "0 outside" in made.ContentDescription


def test_dicom_secondary_capture_shows_the_overlay(tmp_path, ct):
    one = a_map()
    save("sc", tmp_path / "a.dcm", one, saving.read_header(ct))
    made = pydicom.dcmread(tmp_path / "a.dcm")
    drawn = np.random.default_rng(2).integers(0, 256, (20, 30, 3), np.uint8)
    np.testing.assert_array_equal(made.pixel_array, drawn)
    assert made.PhotometricInterpretation == "RGB"
    assert made.ImageType[0] == "DERIVED"


def test_objects_of_a_run_share_series_by_source_method_and_format(tmp_path, ct):
    header, series = saving.read_header(ct), saving.Series()
    for number, (kind, method) in enumerate([("pm", "a"), ("pm", "a"), ("pm", "b"), ("seg", "a")]):
        save(kind, tmp_path / f"{number}.dcm", a_map(method=method), header, series)
    made = [pydicom.dcmread(tmp_path / f"{number}.dcm") for number in range(4)]
    assert len({one.SeriesInstanceUID for one in made}) == 3
    assert made[0].SeriesInstanceUID == made[1].SeriesInstanceUID
    assert [one.InstanceNumber for one in made] == [1, 2, 1, 1]
    assert len({one.SOPInstanceUID for one in made}) == 4


def test_projections_have_captures_and_segmentations(tmp_path):
    path = source(tmp_path / "cr.dcm", CR, PatientOrientation=["L", "F"])
    header = saving.read_header(path)
    for kind in ("sc", "seg"):
        save(kind, tmp_path / f"{kind}.dcm", a_map(), header)
        highdicom.imread(tmp_path / f"{kind}.dcm")
    assert list(pydicom.dcmread(tmp_path / "sc.dcm").PatientOrientation) == ["L", "F"]
    with pytest.raises(InputError, match="no place in space"):
        save("pm", tmp_path / "pm.dcm", a_map(), header)
    assert not (tmp_path / "pm.dcm").exists()


@pytest.mark.parametrize("absent", ["PatientName", "PatientBirthDate", "StudyDate", "AccessionNumber"])
def test_attributes_that_may_be_empty_may_be_absent(tmp_path, absent):
    path = source(tmp_path / "a.dcm", CR, **{absent: None})
    save("seg", tmp_path / "seg.dcm", a_map(), saving.read_header(path))
    assert not pydicom.dcmread(tmp_path / "seg.dcm")[absent].value


def test_sources_that_a_map_does_not_lie_on_are_refused(tmp_path, ct):
    with pytest.raises(InputError, match="is 30x20 and its DICOM file is 20x30"):
        save("seg", tmp_path / "a.dcm", a_map((30, 20)), saving.read_header(ct))
    cine = source(tmp_path / "us.dcm", US, NumberOfFrames=3)
    for kind in ("seg", "pm"):
        with pytest.raises(InputError, match="has 3 frames"):
            save(kind, tmp_path / "a.dcm", a_map(), saving.read_header(cine))
    save("sc", tmp_path / "sc.dcm", a_map(), saving.read_header(cine))
    assert pydicom.dcmread(tmp_path / "sc.dcm").SourceImageSequence[0].ReferencedFrameNumber == 1
    (tmp_path / "text.dcm").write_text("no image at all, but long enough to be one" * 10)
    assert not saving.is_dicom(tmp_path / "text.dcm")
    with pytest.raises(InputError, match="is not DICOM"):
        saving.read_header(tmp_path / "text.dcm")
    unknown = source(tmp_path / "unknown.dcm", "1.2.3")
    with pytest.raises(InputError, match="highdicom does not know"):
        save("sc", tmp_path / "a.dcm", a_map(), saving.read_header(unknown))
    nowhere = source(tmp_path / "nowhere.dcm", CT)
    with pytest.raises(InputError, match="Frame Of Reference"):
        save("seg", tmp_path / "a.dcm", a_map(), saving.read_header(nowhere))
    assert not (tmp_path / "a.dcm").exists()


def test_explain_saves_maps_on_the_pixels_that_the_file_stores(tmp_path, ct, capsys):
    """Transposed or not, a saved map lies on the stored pixels: the parametric map is that of the other, turned."""
    from xaijax import cli

    stored = {}
    for name, more in (("plain", []), ("turned", ["--transpose"])):
        out = tmp_path / name
        words = ["--model", "builtin", "--methods", "sobel", "--save", "dicom-pm", "npz", "--out", str(out), *more]
        assert cli.main(["explain", str(ct), *words]) == 0, capsys.readouterr().err
        (pm,), (npz,) = out.glob("*.pm.dcm"), out.glob("*.npz")
        raw = np.load(npz)["raw"]
        pixels = pydicom.dcmread(pm)
        frame = np.frombuffer(pixels.FloatPixelData, np.float32).reshape(pixels.Rows, pixels.Columns)
        stored[name] = frame
        np.testing.assert_array_equal(frame, raw.T if more else raw)
    assert np.corrcoef(stored["plain"].ravel(), stored["turned"].ravel())[0, 1] > 0.95


def test_explain_saves_nifti_on_the_voxels_of_a_volume(tmp_path, capsys):
    from xaijax import cli

    affine = np.diag([-2.0, 3.0, 4.0, 1.0])
    values = np.random.default_rng(0).integers(0, 900, (40, 50, 3)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "scan.nii.gz")
    words = ["--model", "builtin", "--methods", "sobel", "--save", "nifti", "npz", "--out", str(tmp_path / "maps")]
    assert cli.main(["explain", str(tmp_path / "scan.nii.gz"), *words]) == 0
    assert "the middle one of several slices was taken" in capsys.readouterr().err
    (saved,), (npz,) = (tmp_path / "maps").glob("*.nii.gz"), (tmp_path / "maps").glob("*.npz")
    found = nibabel.load(saved)
    assert found.shape == (40, 50, 1)
    np.testing.assert_allclose(found.affine @ [3, 4, 0, 1], affine @ [3, 4, 1, 1])
    np.testing.assert_array_equal(shown(np.asarray(found.dataobj)[:, :, 0], affine), np.load(npz)["raw"])
