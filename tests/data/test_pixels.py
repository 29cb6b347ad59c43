"""DICOM pixels: photometric interpretation x bits x sign x transfer syntax x LUT and window x frames, in one table.

Files are written here by pydicom and by encoders; what must come out is computed from the source array by NumPy, by the
formulas of PS3.3 C.11, and compared to the last bit where the encoding is lossless.
"""

import hashlib
import io
import itertools
import tracemalloc
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi, apply_voi_lut

from xaijax.data import files, formats, open_dataset
from xaijax.data.formats import dicom, dicom_colour, dicom_grey
from xaijax.data.formats.dicom_grey import SMALL_TABLE
from xaijax.data.images import UnreadableError
from xaijax.data.reading import Reading

SHAPE = (34, 36)
NATIVE = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
BY_PYDICOM = (uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless)
SYNTAXES = (*NATIVE, *BY_PYDICOM, uid.JPEGLosslessSV1)
BITS = ((6, 8), (8, 8), (12, 16), (16, 16))  # stored, allocated


def write(path, frames, *, photometric="MONOCHROME2", bits=None, allocated=None, syntax=NATIVE[1], data=None, **tags):
    """A DICOM file of frames `[F, h, w]` or `[F, h, w, 3]`; `data`, where given, are the bytes of its pixels."""
    frames = np.asarray(frames)
    signed = frames.dtype.kind == "i"
    allocated = allocated or 8 * frames.dtype.itemsize
    stored = Dataset()
    stored.file_meta = FileMetaDataset()
    stored.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian if syntax in BY_PYDICOM else syntax
    stored.file_meta.MediaStorageSOPClassUID = stored.SOPClassUID = uid.SecondaryCaptureImageStorage
    stored.file_meta.MediaStorageSOPInstanceUID = stored.SOPInstanceUID = uid.generate_uid()
    stored.PatientName, stored.PatientID = "Doe^Jane", "ID-4711"
    stored.Rows, stored.Columns = frames.shape[1:3]
    stored.SamplesPerPixel = 3 if frames.ndim == 4 else 1
    stored.PhotometricInterpretation = photometric
    stored.BitsAllocated, stored.BitsStored = allocated, bits or allocated
    stored.HighBit = stored.BitsStored - 1
    stored.PixelRepresentation = int(signed)
    if frames.ndim == 4:
        stored.PlanarConfiguration = 0
    if len(frames) > 1:
        stored.NumberOfFrames = len(frames)
    for name, value in tags.items():
        setattr(stored, name, value)
    big = syntax == uid.ExplicitVRBigEndian
    if data is None and syntax == uid.JPEGLosslessSV1:
        words = frames.view(f"u{frames.dtype.itemsize}")
        data = encapsulate([imagecodecs.ljpeg_encode(one, bitspersample=stored.BitsStored) for one in words])
    if data is None:
        data = frames.astype(frames.dtype.newbyteorder(">" if big else "<")).tobytes()
    stored.PixelData = data + b"\0" * (len(data) % 2)
    stored["PixelData"].VR = "OB" if syntax.is_compressed or allocated == 8 else "OW"
    if syntax in BY_PYDICOM:
        stored.compress(syntax, generate_instance_uid=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    stored.save_as(path, enforce_file_format=True)
    return path


def values(bits, allocated, signed, frames=1, seed=0):
    """Random stored values of this depth, with both ends."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    drawn = np.random.default_rng(seed).integers(low, high + 1, (frames, *SHAPE))
    drawn[:, 0, 0], drawn[:, -1, -1] = low, high
    return drawn.astype(f"{'i' if signed else 'u'}{allocated // 8}")


def check(path, expected, *, window="file", frame=None, tolerance=0, notes=None):
    """The pixels of a file against what they must be, before it is rounded: halves may go either way."""
    pixels, said = files.read_image(path, Reading(window=window), frame)
    assert pixels.dtype == np.uint8
    expected = np.asarray(expected)
    expected = expected[..., None] if expected.ndim == 2 else expected
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected.astype(float)).max() <= 0.5 + 1e-9 + tolerance
    if notes is not None:
        assert said == notes


# How a window is written, and what it does to rescaled values x: a share 0 to 1.
SEQUENCE = np.array([0, 3000, 100, 4095, 2000], np.uint16)  # not monotonic, so that an order is seen
DISPLAYS = {
    "none": ({}, None),
    "linear": ({"WindowCenter": 40, "WindowWidth": 81}, lambda x: (x - 39.5) / 80 + 0.5),
    "first of two": ({"WindowCenter": [10, 99], "WindowWidth": [40, 7]}, lambda x: (x - 9.5) / 39 + 0.5),
    "threshold": ({"WindowCenter": 20, "WindowWidth": 1}, lambda x: x > 19.5),
    "exact": ({"WindowCenter": 40, "WindowWidth": 80, "VOILUTFunction": "LINEAR_EXACT"}, lambda x: (x - 40) / 80 + 0.5),
    "sigmoid": (
        {"WindowCenter": 40, "WindowWidth": 80, "VOILUTFunction": "SIGMOID"},
        lambda x: 1 / (1 + np.exp(-4 * (x - 40) / 80)),
    ),
    "sequence": (
        {"VOILUTSequence": (SEQUENCE, 10, 12)},
        lambda x: SEQUENCE[np.clip(np.floor(x) - 10, 0, 4).astype(int)] / 4095,
    ),
}
MODALITY = np.array([7, 90, 33, 60], np.uint16)
RESCALES = {
    "none": ({}, lambda v: v.astype(float)),
    "slope": ({"RescaleSlope": 0.5, "RescaleIntercept": -4}, lambda v: v * 0.5 - 4),
    "falling": ({"RescaleSlope": -2, "RescaleIntercept": 30}, lambda v: v * -2.0 + 30),
    "sequence": (
        {"ModalityLUTSequence": (MODALITY, 3, 16)},
        lambda v: MODALITY[np.clip(v.astype(int) - 3, 0, 3)].astype(float),
    ),
}


def with_tables(tags):
    """Tags with tables `(values, first, bits)` as sequences of one item."""
    made = dict(tags)
    for name, value in tags.items():
        if name.endswith("Sequence") and isinstance(value, tuple):
            table, first, bits = value
            item = Dataset()
            item.LUTDescriptor, item.LUTData = [len(table), first, bits], table.tolist()
            item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
            item["LUTData"].VR = "US"
            made[name] = [item]
    return made


def shown(stored, bits, rescale, display, inverted, window="file"):
    """What must be displayed, from stored values `[h, w]`: NumPy and PS3.3 alone."""
    x = RESCALES[rescale][1](stored.astype(np.int64))
    share = DISPLAYS[display][1] if window == "file" else None
    if isinstance(window, tuple):
        share = lambda x: (x - window[0]) / (window[1] - window[0])  # noqa: E731
    if share is None and bits <= 8 and stored.dtype.kind == "u" and rescale == "none":
        grey = stored * (255 / (2**bits - 1))
    elif share is None:
        grey = 255 * (x - x.min()) / (x.max() - x.min())
    else:
        with np.errstate(over="ignore"):
            grey = 255 * np.clip(share(x).astype(float), 0, 1)
    return 255 - grey if inverted else grey


@pytest.mark.parametrize("display", DISPLAYS)
@pytest.mark.parametrize("rescale", RESCALES)
def test_grey(tmp_path, display, rescale):
    rows = itertools.product(("MONOCHROME1", "MONOCHROME2"), BITS, (False, True))
    for number, (photometric, (bits, allocated), signed) in enumerate(rows):
        syntax = SYNTAXES[number % len(NATIVE)]
        stored = values(bits, allocated, signed, seed=number)
        tags = with_tables(DISPLAYS[display][0] | RESCALES[rescale][0])
        path = write(
            tmp_path / "one", stored, photometric=photometric, bits=bits, allocated=allocated, syntax=syntax, **tags
        )
        inverted = photometric == "MONOCHROME1"
        for window in ("file", "auto", (-20, 60)):
            check(
                path,
                shown(stored[0], bits, rescale, display, inverted, window),
                window=window,
                notes=(),
            )


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda one: one.name[:24])
@pytest.mark.parametrize("count", [1, 3])
def test_transfer_syntaxes_and_frames(tmp_path, syntax, count):
    for number, ((bits, allocated), signed) in enumerate(itertools.product(BITS, (False, True))):
        if syntax == uid.JPEGLosslessSV1 and (bits, signed) not in [(8, False), (12, False), (16, False), (16, True)]:
            continue  # values with a sign would leave the bits that the code stream counts
        stored = values(bits, allocated, signed, count, seed=number)
        path = write(tmp_path / "one.dcm", stored, bits=bits, allocated=allocated, syntax=syntax)
        for frame in (None, *range(count)):
            expected = shown(stored[frame or 0], bits, "none", "none", False)
            first = ("the first of several frames was taken",) if frame is None and count > 1 else ()
            check(path, expected, frame=frame, notes=first)
    with pytest.raises(ValueError, match=rf"it has {count} frames?, counted from 0; there is no {count}"):
        files.read_image(path, frame=count)


def test_pydicom_shows_the_same(tmp_path):
    """The documented way of pydicom: modality LUT, then VOI LUT, over the whole range of the output."""
    stored = values(12, 16, False)
    tags = with_tables({"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 300, "WindowWidth": 2000})
    path = write(tmp_path / "one.dcm", stored, bits=12, **tags)
    whole = pydicom.dcmread(path)
    voi = apply_voi_lut(apply_modality_lut(whole.pixel_array, whole), whole)
    low, high = -1000, 4095 * 2 - 1000
    check(path, np.rint(255 * (voi - low) / (high - low)))


@pytest.mark.parametrize("least", [0, -500])
def test_bits_high_in_the_word_and_overlays_are_ignored(tmp_path, least):
    """12 bits with junk above them, where old files keep an overlay."""
    kind = np.int16 if least else np.uint16
    stored = np.linspace(least, 1500, np.prod(SHAPE)).astype(kind).reshape(1, *SHAPE)
    junk = ((stored.view(np.uint16) & 0x0FFF) | 0x5000).view(kind)
    path = write(tmp_path / "one.dcm", junk, bits=12)
    check(path, shown(stored[0], 12, "none", "none", False))


def test_values_at_the_high_end_of_their_words(tmp_path):
    """`HighBit` 15 with 12 bits: the low four bits are no part of the value."""
    for kind in (np.uint16, np.int16):
        stored = np.linspace(-500 if kind == np.int16 else 0, 1500, np.prod(SHAPE)).astype(kind).reshape(1, *SHAPE)
        path = write(tmp_path / "one.dcm", (stored << 4) | kind(5), bits=12, HighBit=15)
        check(path, shown(stored[0], 12, "none", "none", False))


@pytest.mark.parametrize("packed", [False, True])
def test_lookup_tables_of_eight_bits_with_many_entries(tmp_path, packed):
    """pydicom counts to 255 in them, and reads no packed bytes."""
    table = np.random.default_rng(0).integers(0, 256, 4096).astype(np.uint8)
    stored = values(12, 16, False)
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 8]
    item.LUTData = table.tobytes() if packed else table.tolist()
    item["LUTData"].VR = "OW" if packed else "US"
    check(write(tmp_path / "voi.dcm", stored, bits=12, VOILUTSequence=[item]), table[stored[0]])
    item.ModalityLUTType = "US"
    path = write(tmp_path / "modality.dcm", stored, bits=12, ModalityLUTSequence=[item])
    grey = table[stored[0]].astype(float)
    check(path, 255 * (grey - grey.min()) / (grey.max() - grey.min()))


def test_a_lookup_table_that_is_too_short_costs_its_image_alone(tmp_path):
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [4096, 0, 16], [1, 2, 3]
    item["LUTData"].VR = "US"
    path = write(tmp_path / "voi.dcm", values(12, 16, False), bits=12, VOILUTSequence=[item])
    with pytest.raises(UnreadableError, match="fewer entries than it says"):
        files.read_image(path)


def test_an_enhanced_object_has_its_values_in_functional_groups(tmp_path):
    """Shared groups hold for every frame, those of a frame come on top."""
    stored = values(12, 16, False, 3)

    def group(**named):
        outer = Dataset()
        for name, tags in named.items():
            inner = Dataset()
            for tag, value in tags.items():
                setattr(inner, tag, value)
            setattr(outer, name, [inner])
        return outer

    hounsfield = {"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"}
    path = write(
        tmp_path / "enhanced.dcm",
        stored,
        bits=12,
        SharedFunctionalGroupsSequence=[
            group(
                PixelValueTransformationSequence=hounsfield,
                FrameVOILUTSequence={"WindowCenter": 40, "WindowWidth": 401},
            )
        ],
        PerFrameFunctionalGroupsSequence=[
            group(),
            group(FrameVOILUTSequence={"WindowCenter": -600, "WindowWidth": 1500, "VOILUTFunction": "LINEAR_EXACT"}),
            group(PixelValueTransformationSequence={"RescaleSlope": 2, "RescaleIntercept": 0}),
        ],
    )
    x = stored.astype(float)
    for frame, share in enumerate(
        [
            (x[0] - 1024 - 39.5) / 400 + 0.5,
            (x[1] - 1024 + 600) / 1500 + 0.5,
            (x[2] * 2 - 39.5) / 400 + 0.5,
        ]
    ):
        check(path, np.rint(255 * np.clip(share, 0, 1)), frame=frame)
    check(path, np.rint(255 * np.clip((x[0] - 1024 + 1000) / 1400, 0, 1)), window=(-1000, 400))


def test_padding_does_not_enter_the_range_and_is_black(tmp_path):
    stored = np.linspace(100, 900, np.prod(SHAPE)).astype(np.int16).reshape(1, *SHAPE)
    stored[0, 0] = -2000
    stored[0, 1, :3] = -1990
    inside = stored[0] > -1000
    x = stored[0].astype(float)
    expected = np.where(inside, np.rint(255 * (x - x[inside].min()) / (900 - x[inside].min())), 0)
    limits = {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1990}
    check(write(tmp_path / "a.dcm", stored, **limits), expected)
    inverted = np.where(inside, 255 - expected, 0)
    check(write(tmp_path / "b.dcm", stored, photometric="MONOCHROME1", **limits), inverted)
    # written without a sign, as some do; a range whose limit lies below; all of it
    path = write(tmp_path / "c.dcm", stored, PixelPaddingValue=-1990, PixelPaddingRangeLimit=-2000)
    check(path, expected)
    with pytest.raises(ValueError, match="all its values are NaN, infinite or padding"):
        files.read_image(
            write(tmp_path / "d.dcm", np.full((1, *SHAPE), 5, np.int16), PixelPaddingValue=5), Reading(window="auto")
        )


def test_polarity_by_the_presentation_lut(tmp_path):
    stored = values(8, 8, False)
    check(write(tmp_path / "a.dcm", stored, PresentationLUTShape="INVERSE"), 255 - stored[0])
    one = write(tmp_path / "b.dcm", stored, photometric="MONOCHROME1", PresentationLUTShape="INVERSE")
    check(one, 255 - stored[0])
    check(write(tmp_path / "c.dcm", stored, PresentationLUTShape="IDENTITY"), stored[0])


@pytest.mark.parametrize("tags", [{"WindowWidth": 0}, {"WindowWidth": 50, "VOILUTFunction": "CUBIC"}])
def test_a_window_that_means_nothing_is_noted(tmp_path, tags):
    stored = values(12, 16, False)
    path = write(tmp_path / "one.dcm", stored, bits=12, WindowCenter=40, **tags)
    check(path, shown(stored[0], 12, "none", "none", False), notes=(dicom_grey.BAD_WINDOW,))


def test_eight_bits_are_the_same_as_in_a_png(tmp_path):
    """Without a window they are kept; 6 bits are spread to 8."""
    stored = np.linspace(40, 200, np.prod(SHAPE)).astype(np.uint8).reshape(1, *SHAPE)
    Image.fromarray(stored[0]).save(tmp_path / "one.png")
    check(tmp_path / "one.png", stored[0])
    check(write(tmp_path / "one.dcm", stored), stored[0])
    check(write(tmp_path / "wide.dcm", stored.astype(np.uint16), bits=8), stored[0])
    check(write(tmp_path / "whole.dcm", stored, WindowCenter=128, WindowWidth=256), stored[0])
    few = stored // 4
    check(write(tmp_path / "six.dcm", few, bits=6), np.rint(few[0] * (255 / 63)))
    check(tmp_path / "six.dcm", 255 * np.clip(few[0] / 40, 0, 1), window=(0, 40))
    bits = (stored > 100).astype(np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    check(write(tmp_path / "bits.dcm", bits, bits=1, allocated=1, data=packed), bits[0] * 255)


def test_float_pixels(tmp_path):
    """A parametric map keeps floats in an element of its own."""
    stored = np.random.default_rng(1).normal(size=(1, *SHAPE)).astype("<f4")
    path = write(tmp_path / "one.dcm", stored.view(np.uint32))
    changed = pydicom.dcmread(path)
    del changed.PixelData, changed.BitsStored, changed.HighBit, changed.PixelRepresentation
    changed.FloatPixelData = stored.tobytes()
    changed.save_as(path)
    x = stored[0].astype(float)
    check(path, np.rint(255 * (x - x.min()) / (x.max() - x.min())))


# Colour

RED = (200, 0, 0)


def colours(frames=1):
    """Blocks of 2 pixels in one colour, so that halved chroma is exact, and smooth, so that JPEG is near."""
    y, x = np.mgrid[: SHAPE[0] // 2, : SHAPE[1] // 2]
    drawn = np.stack([np.stack([60 + 5 * x + at, 200 - 6 * y, 90 + 3 * (x + y) + 9 * at], -1) for at in range(frames)])
    drawn = drawn.astype(np.uint8)
    return np.repeat(np.repeat(drawn, 2, axis=1), 2, axis=2)


def ybr(rgb):
    """PS3.3 C.7.6.3.1.2, rounded."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    return np.clip(np.rint(rgb @ matrix.T + [0, 128, 128]), 0, 255).astype(np.uint8)


def ybr_422(rgb):
    """Y1 Y2 Cb Cr of each pair of pixels."""
    full = ybr(rgb).reshape(-1, 2, 3)
    return np.stack([full[:, 0, 0], full[:, 1, 0], full[:, 0, 1], full[:, 0, 2]], axis=1).tobytes()


def jpeg(frame, **options):
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "JPEG", **options)
    return stream.getvalue()


J2K = {"codecformat": "j2k"}
COLOURS = {
    "RGB": ("RGB", uid.ExplicitVRLittleEndian, None, 0),
    "RGB, big endian": ("RGB", uid.ExplicitVRBigEndian, None, 0),
    "RGB, RLE": ("RGB", uid.RLELossless, None, 0),
    "RGB, JPEG-LS": ("RGB", uid.JPEGLSLossless, None, 0),
    "RGB, planes": ("RGB", uid.ExplicitVRLittleEndian, lambda one: np.moveaxis(one, -1, 1).tobytes(), 0),
    "YBR_FULL": ("YBR_FULL", uid.ExplicitVRLittleEndian, lambda one: ybr(one).tobytes(), 2),
    "YBR_FULL_422": ("YBR_FULL_422", uid.ExplicitVRLittleEndian, ybr_422, 2),
    "YBR_FULL, JPEG": (
        "YBR_FULL",
        uid.JPEGBaseline8Bit,
        lambda one: encapsulate([jpeg(frame, quality=100, subsampling=0) for frame in one]),
        4,
    ),
    "YBR_FULL_422, JPEG": (
        "YBR_FULL_422",
        uid.JPEGBaseline8Bit,
        lambda one: encapsulate([jpeg(frame, quality=100, subsampling=1) for frame in one]),
        12,
    ),
    "YBR_RCT": (
        "YBR_RCT",
        uid.JPEG2000Lossless,
        lambda one: encapsulate([imagecodecs.jpeg2k_encode(frame, reversible=True, **J2K) for frame in one]),
        0,
    ),
    "YBR_ICT": (
        "YBR_ICT",
        uid.JPEG2000,
        lambda one: encapsulate([imagecodecs.jpeg2k_encode(frame, level=60, **J2K) for frame in one]),
        6,
    ),
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", COLOURS)
def test_colour(tmp_path, name, count):
    photometric, syntax, encoded, tolerance = COLOURS[name]
    rgb = colours(count)
    tags = {"PlanarConfiguration": 1} if name == "RGB, planes" else {}
    data = None if encoded is None else encoded(rgb)
    if data is not None and syntax in BY_PYDICOM:  # encoded already, so pydicom must not do it
        path = write_encoded(tmp_path / "one.dcm", rgb, photometric, syntax, data)
    else:
        path = write(tmp_path / "one.dcm", rgb, photometric=photometric, syntax=syntax, data=data, **tags)
    for frame in range(count):
        check(path, rgb[frame], frame=frame, tolerance=tolerance, notes=())
    flat = np.full((1, *SHAPE, 3), RED, np.uint8)
    if photometric in ("YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT"):
        path = write_encoded(tmp_path / "red.dcm", flat, photometric, syntax, encoded(flat))
        check(path, flat[0], tolerance=1)
    noted = files.read_image(path, Reading(window=(0, 10)))[1]
    assert noted[-1] == "the window was not applied: the image is in colour"


def write_encoded(path, rgb, photometric, syntax, data):
    """A file whose pixels are encoded already."""
    write(path, rgb, photometric=photometric, data=data)
    changed = pydicom.dcmread(path)
    changed.file_meta.TransferSyntaxUID = syntax
    changed["PixelData"].VR = "OB"
    changed["PixelData"].is_undefined_length = syntax.is_compressed
    changed.save_as(path)
    return path


def test_colour_of_sixteen_and_twelve_bits_is_scaled_from_its_white(tmp_path):
    for bits in (12, 16):
        rgb = np.random.default_rng(2).integers(0, 2**bits, (1, *SHAPE, 3)).astype(np.uint16)
        rgb[0, 0, 0] = 2**bits - 1
        path = write(tmp_path / f"{bits}.dcm", rgb, photometric="RGB", bits=bits)
        check(path, np.rint(rgb[0] * (255 / (2**bits - 1))))


def palette(path, indices, tables, first=0, bits=8, wide=False, segmented=(), **options):
    """A PALETTE COLOR file; `tables` are three lists of one length."""
    tags = {}
    big = options.get("syntax") == uid.ExplicitVRBigEndian
    for colour, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        kind = "u1" if bits == 8 and not wide else ">u2" if big else "<u2"
        data = np.asarray(segmented[colour] if segmented else table, kind).tobytes()
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [len(table) % 65536, first, bits]
        if big and kind == "u1":
            data += b"\0" * (len(data) % 2)
            data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
        data += b"\0" * (len(data) % 2)
        tags[f"{'Segmented' if segmented else ''}{colour}PaletteColorLookupTableData"] = data
    return write(path, indices, **({"photometric": "PALETTE COLOR"} | tags | options))


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.RLELossless])
@pytest.mark.parametrize(
    ("entries", "bits", "wide"), [(256, 8, False), (255, 8, False), (200, 8, True), (256, 16, True)]
)
def test_palettes(tmp_path, syntax, entries, bits, wide):
    rng = np.random.default_rng(entries)
    tables = rng.integers(0, 2**bits, (3, entries))
    indices = rng.integers(0, 256, (1, *SHAPE)).astype(np.uint8)
    path = palette(tmp_path / "one.dcm", indices, tables, bits=bits, wide=wide, syntax=syntax)
    taken = tables[:, np.minimum(indices[0], entries - 1)].transpose(1, 2, 0)
    check(path, taken if bits == 8 else np.rint(taken / 257))


@pytest.mark.parametrize("first", [-20, 0, 100])
def test_palettes_of_many_colours_and_any_first_value(tmp_path, first):
    rng = np.random.default_rng(3)
    tables = rng.integers(0, 256, (3, 1000))
    indices = rng.integers(-100, 1200, (1, *SHAPE)).astype(np.int16)
    path = palette(tmp_path / "one.dcm", indices, tables, first=first)
    check(path, tables[:, np.clip(indices[0] - first, 0, 999)].transpose(1, 2, 0))


def test_segmented_palettes(tmp_path):
    """Discrete values, then a linear ramp (PS3.3 C.7.9.2), and the same by pydicom."""
    ramp = {"Red": (0, 2, 10, 20, 1, 254, 255), "Green": (0, 256, *range(256)), "Blue": (0, 1, 7, 1, 255, 7)}
    expected = np.array([[10, 20, *np.rint(20 + (np.arange(1, 255) / 254) * 235)], np.arange(256), np.full(256, 7)])
    segments = {name: np.array(data, np.uint16) for name, data in ramp.items()}
    indices = (np.arange(np.prod(SHAPE)) % 256).astype(np.uint8).reshape(1, *SHAPE)
    path = palette(tmp_path / "one.dcm", indices, np.zeros((3, 256)), bits=16, segmented=segments)
    colours = apply_color_lut(indices[0], pydicom.dcmread(path))
    assert np.abs(colours - expected[:, indices[0]].transpose(1, 2, 0)).max() <= 1
    check(path, colours, notes=(SMALL_TABLE,))  # no entry is above 255


@pytest.mark.parametrize(("holds", "taken"), [(8, 8), (10, 10), (12, 12), (13, 16), (16, 16)])
def test_a_table_that_says_16_bits_and_holds_fewer_is_not_dark(tmp_path, holds, taken):
    """pydicom gives its entries as they are, 0 to 255 or 1023; the bits of the largest entry are taken."""
    rng = np.random.default_rng(holds)
    tables = rng.integers(0, 2**holds, (3, 256))
    tables[1, 7] = 2**holds - 1
    notes = () if taken == 16 else (SMALL_TABLE,)
    indices = rng.integers(0, 256, (1, *SHAPE)).astype(np.uint8)
    path = palette(tmp_path / "palette.dcm", indices, tables, bits=16)
    colours = apply_color_lut(indices[0], pydicom.dcmread(path))
    np.testing.assert_array_equal(colours, tables[:, indices[0]].transpose(1, 2, 0))
    check(path, np.rint(colours * (255 / (2**taken - 1))), notes=notes)
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [256, 0, 16], tables[1].tolist()
    item["LUTData"].VR = "US"
    path = write(tmp_path / "voi.dcm", indices, bits=8, VOILUTSequence=[item])
    grey = apply_voi(indices[0], pydicom.dcmread(path))
    check(path, grey * (255 / (2**taken - 1)), notes=notes)


def test_supplemental_palette_colours_some_values(tmp_path):
    stored = np.linspace(0, 1100, np.prod(SHAPE)).astype(np.uint16).reshape(1, *SHAPE)
    tables = np.random.default_rng(4).integers(0, 256, (3, 100))
    path = palette(
        tmp_path / "one.dcm",
        stored,
        tables,
        first=1000,
        photometric="MONOCHROME2",
        PixelPresentation="COLOR",
        WindowCenter=500,
        WindowWidth=1001,
    )
    grey = np.rint(255 * np.clip((stored[0] - 499.5) / 1000 + 0.5, 0, 1))[..., None].repeat(3, -1)
    coloured = tables[:, np.clip(stored[0].astype(int) - 1000, 0, 99)].transpose(1, 2, 0)
    check(path, np.where(stored[0][..., None] >= 1000, coloured, grey))


# The table sees errors


def test_deliberate_errors_are_seen(tmp_path, monkeypatch):
    """What a reader could do wrong, done on purpose: the check that the table uses must fail each time."""
    sequence = write(
        tmp_path / "a.dcm", values(12, 16, False), bits=12, **with_tables({"VOILUTSequence": (SEQUENCE, 10, 12)})
    )
    modality = write(
        tmp_path / "b.dcm", values(12, 16, False), bits=12, **with_tables({"ModalityLUTSequence": (MODALITY, 3, 16)})
    )
    frames = values(8, 8, False, 3)
    several = write(tmp_path / "c.dcm", frames)
    tables = np.random.default_rng(5).integers(0, 256, (3, 256))
    indices = values(8, 8, False)
    coloured = palette(tmp_path / "d.dcm", indices, tables)
    red = np.full((1, *SHAPE, 3), RED, np.uint8)
    converted = write(tmp_path / "e.dcm", red, photometric="YBR_FULL", data=ybr(red).tobytes())
    tables = tables[:, indices[0]].transpose(1, 2, 0)

    def swapped(table):
        """A table read from its other end."""
        return lambda *given: table(given[0][::-1], *given[1:])

    display, rescale = dicom_grey._display, dicom_grey._rescale
    cases = [
        (sequence, shown(values(12, 16, False)[0], 12, "none", "sequence", False), dicom_grey, "_display",
         lambda one: (swapped(display(one)[0]), ())),
        (modality, shown(values(12, 16, False)[0], 12, "sequence", "none", False), dicom_grey, "_rescale",
         lambda one: swapped(rescale(one))),
        (several, frames[0], dicom, "check_frame", lambda frame, count: 1),
        (coloured, tables, dicom_colour, "scaled", lambda one, white: one[..., ::-1].astype(np.uint8)),
        (converted, red[0], dicom, "_colour",
         lambda pixels, *_: pydicom.pixels.convert_color_space(pixels, "YBR_FULL", "RGB")),
    ]  # fmt: skip
    for path, expected, module, name, wrong in cases:
        check(path, expected, tolerance=1)
        with monkeypatch.context() as patched:
            patched.setattr(module, name, wrong)
            with pytest.raises(AssertionError):
                check(path, expected, tolerance=1)


# One frame only


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.RLELossless])
def test_one_frame_is_decoded(tmp_path, monkeypatch, syntax):
    from pydicom.pixels.decoders import base

    frames = np.random.default_rng(6).integers(0, 4096, (40, 128, 128)).astype(np.uint16)
    path = write(tmp_path / "many.dcm", frames, bits=12, syntax=syntax)
    calls = []
    decode = base.DecodeRunner._decode_frame
    monkeypatch.setattr(
        base.DecodeRunner, "_decode_frame", lambda self, data: calls.append(len(data)) or decode(self, data)
    )
    files.read_image(path, frame=7)
    calls.clear()
    tracemalloc.start()
    pixels, notes = files.read_image(path, frame=31)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(calls) == (1 if syntax.is_compressed else 0)
    assert peak < 0.8 * frames.nbytes / 2  # all frames are 1.3 MB
    assert notes == ()
    expected = 255.0 * (frames[31].astype(float) - frames[31].min()) / float(frames[31].max() - frames[31].min())
    np.testing.assert_array_equal(pixels[..., 0], np.rint(expected))


# Files without the usual name, without a header, and of other kinds


def test_dicom_is_recognised_by_its_content(tmp_path):
    stored = values(8, 8, False)
    for name in ("IM0001", "1.2.840.113619.2.55", "scan.ima", "scan.IMA", "slice.042"):
        write(tmp_path / "set" / "a" / name, stored)
        write(tmp_path / "set" / "b" / name, 255 - stored)
    (tmp_path / "set" / "a" / "notes.txt").write_text("DICM")
    (tmp_path / "set" / "a" / "other").write_bytes(b"\0" * 400)
    batch = open_dataset(tmp_path / "set").read()
    assert len(batch) == 10
    np.testing.assert_array_equal(batch.images[0, ..., 0], stored[0])
    Image.fromarray(stored[0]).save(tmp_path / "really_png.dcm", "PNG")
    check(tmp_path / "really_png.dcm", stored[0])


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_dicom_without_preamble_or_meta_information(tmp_path, syntax):
    stored = values(12, 16, False)
    path = write(tmp_path / "one.dcm", stored, bits=12, syntax=syntax)
    data = path.read_bytes()
    expected = shown(stored[0], 12, "none", "none", False)
    bare = tmp_path / "no_preamble"
    bare.write_bytes(data[132:])
    assert formats.recognise(bare) == "DICOM"
    check(bare, expected)
    whole = pydicom.dcmread(path)
    length = 12 + whole.file_meta[0x00020000].value
    bare.write_bytes(data[132 + length :])
    assert formats.recognise(bare) == "DICOM"
    check(bare, expected)
    assert files.patient(bare) == files.patient(path) is not None


def test_what_is_no_image_has_a_reason(tmp_path):
    stored = values(8, 8, False)

    def changed(name, change):
        path = write(tmp_path / name, stored)
        opened = pydicom.dcmread(path)
        change(opened)
        opened.save_as(path)
        return path

    def report(one):
        one.SOPClassUID = uid.BasicTextSRStorage
        del one.Rows, one.PixelData

    def segmentation(one):
        one.SOPClassUID = uid.SegmentationStorage

    def video(one):
        one.file_meta.TransferSyntaxUID = uid.MPEG4HP41
        one.PixelData = encapsulate([b"\0\0\0\1abcdef"])

    def unknown(one):
        one.file_meta.TransferSyntaxUID = "1.2.3.4.5"

    def huge(one):
        one.Rows = one.Columns = 65535

    def broken(one):
        one.file_meta.TransferSyntaxUID = uid.JPEG2000Lossless
        one.PixelData = encapsulate([imagecodecs.jpeg2k_encode(stored[0], codecformat="j2k")[:120]])

    for name, change, reason in [
        ("report", report, r"it is a DICOM file without an image \(Basic Text SR Storage\)"),
        ("no_pixels", lambda one: one.pop("PixelData"), "it is a DICOM file without pixels"),
        ("seg", segmentation, "it is a DICOM segmentation, which is a mask and not an image"),
        ("video", video, r"its pixels are stored as MPEG-4 AVC/H.264 High Profile / Level 4.1, which is not supported"),
        ("unknown", unknown, "stored as an unknown transfer syntax, which is not supported"),
        ("huge", huge, r"it says that it has 65535 x 65535 pixels; up to 134,217,728 are read"),
        ("broken", broken, r"its pixels, stored as JPEG 2000 .* cannot be decoded \(\w+\)"),
        ("cmyk", lambda one: setattr(one, "PhotometricInterpretation", "CMYK"), "photometric interpretation"),
    ]:
        with pytest.raises(ValueError, match=reason):
            files.read_image(changed(name, change))
    data = write(tmp_path / "whole", stored).read_bytes()
    (tmp_path / "DICOMDIR").write_bytes(
        data.replace(b"1.2.840.10008.5.1.4.1.1.7\0", b"1.2.840.10008.1.3.10\0\0\0\0\0\0")
    )
    assert not files.looks_like_image(tmp_path / "DICOMDIR")


def test_a_frame_of_another_size_than_the_header_is_not_decoded(tmp_path):
    """A few bytes can claim gigapixels: the code stream is looked at before it is decoded."""
    large = imagecodecs.jpeg2k_encode(np.zeros((600, 600), np.uint8), reversible=True, codecformat="j2k")
    path = write_encoded(
        tmp_path / "one.dcm", values(8, 8, False), "MONOCHROME2", uid.JPEG2000Lossless, encapsulate([large])
    )
    with pytest.raises(ValueError, match="its frame has 600 x 600 pixels and its header says 36 x 34"):
        files.read_image(path)


def test_a_deflated_bomb_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "one.dcm", np.zeros((30, 200, 200), np.uint8), syntax=uid.DeflatedExplicitVRLittleEndian)
    assert path.stat().st_size < 10_000
    files.read_image(path)
    monkeypatch.setattr(dicom, "_LARGEST_INFLATED", 1_000_000)
    with pytest.raises(ValueError, match="its data inflate to more than 2 GiB"):
        files.read_image(path)


def outcome(path):
    """The pixels of a file, or why there are none."""
    try:
        return files.read_image(path)[0], ""
    except ValueError as error:
        return None, str(error)


def test_nothing_but_a_reason_comes_out_of_damaged_files(tmp_path):
    """Every cut and many flips of bytes: pixels or a reason, never another exception and never a warning."""
    rng = np.random.default_rng(7)
    for syntax in (uid.ExplicitVRLittleEndian, uid.RLELossless, uid.JPEGLosslessSV1):
        data = write(tmp_path / "whole", values(12, 16, False), bits=12, syntax=syntax, WindowCenter=40, WindowWidth=9)
        data = data.read_bytes()
        damaged = [data[: int(at)] for at in np.linspace(1, len(data) - 1, 25)]
        for _ in range(60):
            flipped = bytearray(data)
            for at in rng.integers(132, len(data) - 200, 3):
                flipped[at] = rng.integers(256)
            damaged.append(bytes(flipped))
        for one in damaged:
            (tmp_path / "cut.dcm").write_bytes(one)
            files.patient(tmp_path / "cut.dcm")
            pixels, reason = outcome(tmp_path / "cut.dcm")
            assert len(reason) > 10 if pixels is None else pixels.dtype == np.uint8


def test_files_that_pydicom_brings(tmp_path):
    """Real files of many makers: pixels, or a reason."""
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    read = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size < 2_000_000 and formats.looks_like_image(path):
            pixels, reason = outcome(path)
            read += pixels is not None
            assert bool(reason) == (pixels is None)
    assert read > 20


# Privacy


def test_the_patient_is_a_key_and_nothing_else_leaves(tmp_path, capfd):
    secrets = ("Doe^Jane", "19700101", "ID-4711", "met her on Monday", "Dr^Who")
    tags = {"PatientBirthDate": "19700101", "ImageComments": "met her on Monday", "ReferringPhysicianName": "Dr^Who"}
    for name, patient in (("a/1", "ID-4711"), ("a/2", "ID-4711 "), ("b/3", "ID-4712"), ("b/4", "")):
        write(tmp_path / name, values(8, 8, False), PatientID=patient, **tags)
    dataset = open_dataset(tmp_path)
    groups = [case.group for case in dataset.cases]
    key = hashlib.blake2b(b"ID-4711", digest_size=6).hexdigest()
    assert groups[0] == groups[1] == f"patient {key}" != groups[2]
    assert groups[3] is None
    batch = dataset.read()
    everything = repr((dataset, dataset.cases, dataset.options, dataset.found, batch.notes, batch.skipped))
    data = (tmp_path / "a/1").read_bytes()
    reasons = []
    for old, new in [
        (b"\x28\0\x10\0US", b"\x28\0\x10\0DS"),  # Rows of another type
        (b"MONOCHROME2 ", b"Doe^Jane    "),
        (b"\x28\0\0\x01US\x02\0\x08\0", b"\x28\0\0\x01LO\x02\0DJ"),
        (b"1.2.840.10008.1.2.1\0", b"Doe^Jane ID-4711 19\0"),
    ]:
        assert old in data
        (tmp_path / "bad").write_bytes(data.replace(old, new))
        pixels, reason = outcome(tmp_path / "bad")
        assert pixels is None
        reasons.append(reason)
    printed = capfd.readouterr()
    for secret in secrets:
        assert secret not in everything
        assert not [reason for reason in reasons if secret in reason]
        assert secret not in printed.out + printed.err


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("name", ["ID-1", "Größe", "x" * 60])
def test_the_patient_is_the_one_that_pydicom_reads(tmp_path, syntax, name):
    item = Dataset()
    item.CodeValue = "1"
    path = write(
        tmp_path / "one",
        values(8, 8, False),
        syntax=syntax,
        SpecificCharacterSet="ISO_IR 192",
        PatientID=name,
        ProcedureCodeSequence=[item],
    )
    expected = str(pydicom.dcmread(path).PatientID).strip()
    key = hashlib.blake2b(expected.encode(), digest_size=6).hexdigest()
    assert files.patient(path) == f"patient {key}"


def test_run_lengths_that_hold_the_marker_of_jpeg_2000_are_read(tmp_path):
    """Bytes of one compression say nothing of another: run-length data may hold any of them."""
    from xaijax.data.formats import codestream

    marker = b"\xff\x4f\xff\x51"
    pixels = np.frombuffer(bytes(range(64)) + marker + bytes(60) + bytes(range(128)), np.uint8).reshape(16, 16)
    header = pydicom.Dataset()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = pydicom.uid.generate_uid()
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.Rows, header.Columns = pixels.shape
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 8, 8, 7, 0
    header.PixelData = pixels.tobytes()
    header.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    assert marker in header.PixelData
    header.save_as(tmp_path / "rle.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(files.read_image(tmp_path / "rle.dcm")[0][..., 0], pixels)
    assert codestream.measure(bytes(12) + marker + bytes(64)) is None
