"""Images per second of DICOM, PNG, TIFF and NIfTI reading, next to pydicom, Pillow, tifffile and nibabel alone.

python benchmarks/reading.py --images 200 --out reading.json

Files are written to a temporary folder and read once before the first round, so they come from the page cache. The peer
decodes the same pixels and does no more; where it can also display them (DICOM: modality LUT, then VOI LUT) that is a
row of its own. Pixels of both are compared before anything is timed. Rounds are interleaved.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import PIL
import pydicom
import tifffile
from PIL import Image
from pydicom import uid
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut

import xaijax
from xaijax.data.files import patient, read_image

Peer = Callable[[Path], np.ndarray]


def ct(size: int, seed: int) -> np.ndarray:
    """A body of smooth tissue with noise, 12 bits."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    tissue = np.where(x**2 + 1.5 * y**2 < 0.7, 1060 + 300 * np.cos(7 * x + seed) * np.sin(5 * y), 24)
    return np.clip(tissue + np.random.default_rng(seed).normal(0, 12, tissue.shape), 0, 4095).astype(np.uint16)


def write_dicom(path: Path, pixels: np.ndarray, syntax: Any) -> None:
    """One CT slice with a rescaling and a window."""
    stored = pydicom.Dataset()
    stored.file_meta = FileMetaDataset()
    stored.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    stored.file_meta.MediaStorageSOPClassUID = stored.SOPClassUID = uid.CTImageStorage
    stored.file_meta.MediaStorageSOPInstanceUID = stored.SOPInstanceUID = uid.generate_uid()
    stored.PatientID, stored.SamplesPerPixel, stored.PhotometricInterpretation = "1", 1, "MONOCHROME2"
    stored.Rows, stored.Columns = pixels.shape
    stored.BitsAllocated, stored.BitsStored, stored.HighBit, stored.PixelRepresentation = 16, 12, 11, 0
    stored.RescaleSlope, stored.RescaleIntercept, stored.WindowCenter, stored.WindowWidth = 1, -1024, 40, 400
    stored.PixelData = pixels.tobytes()
    if syntax.is_compressed:
        stored.compress(syntax, generate_instance_uid=False)
    stored.save_as(path, enforce_file_format=True)


def pydicom_displayed(path: Path) -> np.ndarray:
    """What pydicom's documentation does to show a CT slice, brought to 8 bits."""
    stored = pydicom.dcmread(path)
    voi = apply_voi_lut(apply_modality_lut(stored.pixel_array, stored), stored)
    return np.rint((voi + 1024) * (255 / 4095)).astype(np.uint8)


def stretched(values: np.ndarray) -> np.ndarray:
    """The own range of an array as 8 bits."""
    x = values.astype(np.float64)
    return np.rint(255 * (x - x.min()) / (x.max() - x.min())).astype(np.uint8)


def same(value: np.ndarray) -> np.ndarray:
    """8-bit values as they are."""
    return value


# name -> (suffix, how a slice is written, the peers by name, what makes the first peer's array our pixels)
def cases() -> dict[str, tuple[str, Callable[[Path, np.ndarray], object], dict[str, Peer], Callable[..., np.ndarray]]]:
    """The kinds of files that are timed."""
    alone: dict[str, Peer] = {
        "pydicom, displayed": pydicom_displayed,
        "pydicom": lambda path: pydicom.dcmread(path).pixel_array,
    }
    eight = lambda pixels: (pixels >> 4).astype(np.uint8)  # noqa: E731
    return {
        "DICOM": (".dcm", lambda path, one: write_dicom(path, one, uid.ExplicitVRLittleEndian), alone, same),
        "DICOM, JPEG 2000": (".dcm", lambda path, one: write_dicom(path, one, uid.JPEG2000Lossless), alone, same),
        "DICOM, RLE": (".dcm", lambda path, one: write_dicom(path, one, uid.RLELossless), alone, same),
        "PNG, 8 bits": (
            ".png",
            lambda path, one: Image.fromarray(eight(one)).save(path),
            {"Pillow": lambda path: np.asarray(Image.open(path))},
            same,
        ),
        "PNG, 16 bits": (
            ".png",
            lambda path, one: Image.fromarray(one).save(path),
            {"Pillow": lambda path: np.asarray(Image.open(path))},
            stretched,
        ),
        "TIFF, 16 bits": (
            ".tif",
            lambda path, one: tifffile.imwrite(path, one),
            {"tifffile": lambda path: tifffile.imread(path)},
            stretched,
        ),
        "NIfTI, one slice of 20": (
            ".nii",
            lambda path, one: nibabel.Nifti1Image(
                np.repeat(one.T[..., None], 20, axis=2), np.diag([-1, -1, 1, 1.0])
            ).to_filename(path),
            {"nibabel": lambda path: np.asarray(nibabel.load(path).dataobj[..., 10]).T},
            stretched,
        ),
    }


def rate(read: Callable[[Path], object], paths: list[Path]) -> float:
    """Files per second."""
    start = time.perf_counter()
    for path in paths:
        read(path)
    return len(paths) / (time.perf_counter() - start)


def main() -> None:
    """Times every kind of file and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200, help="files of each kind")
    parser.add_argument("--size", type=int, default=512, help="side in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the JSON here too")
    options = parser.parse_args()
    slices = [ct(options.size, seed) for seed in range(options.images)]
    rows = {}
    for name, (suffix, write, peers, shown) in cases().items():
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{number}{suffix}" for number in range(len(slices))]
            for path, pixels in zip(paths, slices, strict=True):
                write(path, pixels)
            first = next(iter(peers.values()))
            for path in paths:
                ours, theirs = read_image(path)[0][..., 0], shown(first(path))
                # Rounding of exact halves may differ where the peer takes another way.
                assert np.abs(ours.astype(int) - theirs).max() <= (1 if "displayed" in next(iter(peers)) else 0), name
            readers: dict[str, Callable[[Path], object]] = {"xaijax": read_image, **peers}
            if suffix == ".dcm":
                readers["xaijax, patient only"] = patient
            rates: dict[str, list[float]] = {reader: [] for reader in readers}
            for _ in range(options.rounds):
                for reader, read in readers.items():
                    rates[reader].append(rate(read, paths))
            rows[name] = {
                reader: {"images_per_s": round(statistics.median(found), 1), "all": [round(one, 1) for one in found]}
                for reader, found in rates.items()
            }
    result = {
        "images": options.images,
        "size": options.size,
        "machine": platform.processor() or platform.machine(),
        "versions": {
            "xaijax": xaijax.__version__,
            "pydicom": pydicom.__version__,
            "Pillow": PIL.__version__,
            "tifffile": tifffile.__version__,
            "nibabel": nibabel.__version__,
            "numpy": np.__version__,
        },
        "rows": rows,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
