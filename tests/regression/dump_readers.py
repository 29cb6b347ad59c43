"""Every reader on files written here, every kind of phantom, cues, covering, and the split."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import adapters
import numpy as np
from dump import Dump
from PIL import Image

SIDE = (12, 10)


def picture(path: Path, seed: int = 0, shape: tuple[int, ...] = SIDE, dtype: str = "uint8") -> np.ndarray:
    """Writes noise as an image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    Image.fromarray(pixels).save(path)
    return pixels


def outline(path: Path, rows: slice = slice(2, 5), shape: tuple[int, int] = SIDE) -> None:
    """Writes a mask of some rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(shape, np.uint8)
    mask[rows] = 255
    Image.fromarray(mask).save(path)


def table(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes `labels.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def keep(dump: Dump, name: str, dataset: Any, *, shape: tuple[int, int, int] | None = None) -> None:
    """Everything that a data set says and reads."""
    dump.text(f"{name}/name", dataset.name)
    dump.text(f"{name}/classes", list(dataset.classes))
    dump.text(f"{name}/mask_role", dataset.mask_role)
    dump.text(f"{name}/roles", list(dataset.roles))
    dump.text(f"{name}/options", adapters.data_options(dataset))
    dump.text(f"{name}/cases", [[c.id, c.label, c.group, dict(c.extra), c.has_mask] for c in dataset.cases])
    batch = dataset.read(shape=shape)
    dump.text(f"{name}/ids", list(batch.ids))
    for what in ("images", "labels", "masks", "has_mask", "indices"):
        dump.array(f"{name}/{what}", getattr(batch, what))
    for role, found in batch.roles.items():
        dump.array(f"{name}/roles/{role}", found)
        dump.array(f"{name}/has_role/{role}", batch.has_role[role])
    for number, elements in enumerate(batch.elements):
        dump.text(f"{name}/elements/{number}", [[one.name, one.role] for one in elements])
        for position, one in enumerate(elements):
            dump.array(f"{name}/elements/{number}/{position}", one.mask)
    dump.text(f"{name}/skipped", [case for case, _ in batch.skipped])
    for case, reason in batch.skipped:
        dump.note(f"{name}/skipped/{case}", reason)


def labels_csv(dump: Dump) -> None:
    """Tables with masks, roles, patients, numbered sources, further columns, deep and broken images."""
    rows = []
    for index, label in enumerate(["glioma", "adenoma", "glioma", "adenoma", "glioma", "adenoma"]):
        picture(Path(f"scans/images/{index}.png"), index)
        mask = "" if index == 3 else f"masks/{index}.png"
        if mask:
            outline(Path("scans") / mask, slice(index, index + 3))
        columns = {"file": f"images/{index}.png", "label": label, "mask": mask}
        rows.append({**columns, "patient": f"p{index // 2}", "age": str(40 + index)})
    table(Path("scans"), rows)
    with dump.piece("table"):
        keep(dump, "table", adapters.open_dataset("scans"))
    with dump.piece("role"):
        keep(dump, "role", adapters.open_dataset("scans", mask_role="lesion"))
    with dump.piece("transposed"):
        keep(dump, "transposed", adapters.open_dataset("scans", mask_role="organ", transpose=True))
    with dump.piece("resized"):
        keep(dump, "resized", adapters.open_dataset("scans", mask_role="lesion"), shape=(7, 9, 3))

    outline(Path("several/masks/lesion.png"), slice(0, 3))
    outline(Path("several/masks/ruler.png"), slice(5, 6))
    outline(Path("several/masks/sticker.png"), slice(8, 10))
    rows = []
    for index in range(4):
        picture(Path(f"several/images/{index}.png"), 10 + index, (*SIDE, 3))
        lesion = "masks/lesion.png" if index < 3 else ""
        artefacts = "masks/ruler.png; masks/sticker.png" if index == 1 else ""
        columns = {"file": f"images/{index}.png", "label": "ab"[index % 2]}
        rows.append({**columns, "mask_lesion": lesion, "mask_artefact": artefacts})
    table(Path("several"), rows)
    for role in (None, "artefact"):
        with dump.piece(f"several/{role}"):
            keep(dump, f"several/{role}", adapters.open_dataset("several", mask_role=role))
    with dump.piece("several/covered"):
        keep(dump, "several/covered", adapters.open_dataset("several", covered=True))

    numbers = [1, 2, 30, 50, 51, 60, 200, 201, 252]
    for number in numbers:
        picture(Path(f"numbered/{number}.png"), number)
    table(Path("numbered"), [{"file": f"{n}.png", "label": "ab"[n % 2], "source_id": n} for n in numbers])
    with dump.piece("numbered"):
        keep(dump, "numbered", adapters.open_dataset("numbered"))

    for number, name in enumerate("abc"):
        picture(Path(f"placed/{name}.png"), number)
    found = [("a.png", "tench", 0), ("b.png", "goldfish", 1), ("c.png", "cock", 7)]
    table(Path("placed"), [dict(zip(("file", "label", "index"), row, strict=True)) for row in found])
    with dump.piece("placed"):
        keep(dump, "placed", adapters.open_dataset("placed"))

    deep = [picture(Path(f"deep/{n}.png"), n, dtype="uint16") for n in range(3)]
    Path("deep/3.png").write_bytes(Path("deep/2.png").read_bytes()[:60])
    table(Path("deep"), [{"file": f"{n}.png", "label": "xy"[n % 2]} for n in range(5)][: len(deep) + 1])
    for window in (None, (1000.0, 50000.0)):
        with dump.piece(f"deep/{window}"):
            keep(dump, f"deep/{window}", adapters.open_dataset("deep", window=window))


def class_folders(dump: Dump) -> None:
    """Folders of classes, masks in their places, several roles."""
    for number, name in enumerate(("b10", "b2", "a1")):
        picture(Path(f"plain/{name[0]}/{name}.png"), number)
    picture(Path("plain/b/colour.png"), 5, (*SIDE, 3))
    picture(Path("plain/a/lossy.jpg"), 6, (*SIDE, 3))
    picture(Path("plain/a/old.bmp"), 7)
    Path("plain/a/notes.txt").write_text("no image")
    with dump.piece("plain"):
        keep(dump, "plain", adapters.open_dataset("plain"), shape=(*SIDE, 3))
    for number, place in enumerate(("masks/cyst/one.png", "cyst/masks/one.png", "cyst/one_mask.png")):
        folder = Path(f"masked{number}")
        picture(folder / "cyst" / "one.png", number)
        picture(folder / "none" / "two.png", number + 5)
        outline(folder / place)
        with dump.piece(folder.name):
            keep(dump, folder.name, adapters.open_dataset(folder, mask_role="lesion"))
    picture(Path("joined/benign/benign (4).png"))
    outline(Path("joined/benign/benign (4)_mask.png"), slice(0, 2))
    outline(Path("joined/benign/benign (4)_mask_1.png"), slice(6, 8))
    picture(Path("joined/normal/normal (1).png"), 1)
    with dump.piece("joined"):
        keep(dump, "joined", adapters.open_dataset("joined", mask_role="lesion"))
    picture(Path("roles/cyst/one.png"))
    picture(Path("roles/tumour/two.png"), 1)
    outline(Path("roles/masks_artefact/cyst/one.png"))
    outline(Path("roles/masks/cyst/one.png"), slice(7, 9))
    for role in (None, "lesion"):
        with dump.piece(f"roles/{role}"):
            keep(dump, f"roles/{role}", adapters.open_dataset("roles", mask_role=role))
    for number, name in enumerate(("COVID", "Normal")):
        picture(Path(f"inside/{name}/images/{name}-1.png"), number)
        outline(Path(f"inside/{name}/masks/{name}-1.png"))
    with dump.piece("inside"):
        keep(dump, "inside", adapters.open_dataset("inside", mask_role="organ"))


def figshare(dump: Dump) -> None:
    """The `.mat` files of the brain tumour set."""
    import h5py

    rng = np.random.default_rng(0)
    Path("mat").mkdir()
    for number, label, patient in ((1, 1, "100360"), (2, 1, "100360"), (10, 2, "MR01"), (11, 3, "MR02")):
        mask = np.zeros((16, 20), np.uint8)
        mask[3:6, 4:10] = 1
        with h5py.File(f"mat/{number}.mat", "w") as stored:
            data = stored.create_group("cjdata")
            data["image"], data["tumorMask"] = rng.integers(0, 3000, (16, 20)).astype(np.int16).T, mask.T
            data["label"] = np.array([[float(label)]])
            data["PID"] = np.array([[ord(letter)] for letter in patient], np.uint16)
    with dump.piece("plain"):
        keep(dump, "plain", adapters.open_dataset("mat"))
    with dump.piece("window"):
        keep(dump, "window", adapters.open_dataset("mat", transpose=True, window=(0, 1500)))


def dicom(dump: Dump) -> None:
    """DICOM files in folders of classes: rescaled, windowed, inverted, cut off."""
    import pydicom

    def write(path: Path, pixels: np.ndarray, patient: str, **tags: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        stored = pydicom.Dataset()
        stored.file_meta = pydicom.dataset.FileMetaDataset()
        stored.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        stored.file_meta.MediaStorageSOPClassUID = stored.SOPClassUID = pydicom.uid.CTImageStorage
        uid = pydicom.uid.generate_uid(entropy_srcs=[str(path)])
        stored.file_meta.MediaStorageSOPInstanceUID = stored.SOPInstanceUID = uid
        stored.PatientID = patient
        stored.Rows, stored.Columns = pixels.shape
        stored.SamplesPerPixel, stored.PhotometricInterpretation = 1, "MONOCHROME2"
        stored.BitsAllocated = stored.BitsStored = 16
        stored.HighBit, stored.PixelRepresentation = 15, 1
        stored.PixelData = pixels.astype("<i2").tobytes()
        for name, value in tags.items():
            setattr(stored, name, value)
        stored.save_as(path, enforce_file_format=True)

    pixels = np.arange(0, 2400, 6).reshape(20, 20)
    lung = {"RescaleSlope": 1, "RescaleIntercept": -1024, "WindowCenter": -600, "WindowWidth": 1501}
    write(Path("ct/benign/1.dcm"), pixels, "A", **lung)
    write(Path("ct/benign/2.dcm"), pixels[::-1], "A")
    write(Path("ct/malignant/3.dcm"), pixels, "B", PhotometricInterpretation="MONOCHROME1")
    Path("ct/malignant/cut.dcm").write_bytes(Path("ct/benign/1.dcm").read_bytes()[:-60])
    Path("ct/malignant/text.dcm").write_bytes(b"hello")
    with dump.piece("plain"):
        keep(dump, "plain", adapters.open_dataset("ct"))
    with dump.piece("window"):
        keep(dump, "window", adapters.open_dataset("ct", window=(-1000, 400)))


def phantoms(dump: Dump) -> None:
    """Every kind of phantom, at two sizes, with more lesions where there can be more."""
    for kind in ("brain_mri", "chest_xray", "lung_ct", "dermoscopy"):
        for size, seed in ((16, 0),) if dump.quick else ((16, 0), (64, 3)):
            with dump.piece(f"{kind}/{size}"):
                keep(dump, f"{kind}/{size}", adapters.open_dataset(f"phantoms:{kind}", count=6, size=size, seed=seed))
        if kind != "brain_mri":
            with dump.piece(f"{kind}/lesions"):
                keep(
                    dump,
                    f"{kind}/lesions",
                    adapters.open_dataset(f"phantoms:{kind}", count=6, size=40, seed=1, lesions=2),
                )
    with dump.piece("default"):
        dataset = adapters.open_dataset("phantoms")
        dump.text("default/cases", [[case.id, case.label] for case in dataset.cases])
        dump.text("default/options", adapters.data_options(dataset))


def cues(dump: Dump) -> None:
    """Every cue planted and covered, and the split with groups and duplicates."""
    plant, cover, split = (adapters.place(name) for name in ("plant", "cover", "split"))
    clean = adapters.open_dataset("phantoms", count=6 if dump.quick else 12, size=48, seed=4)
    for cue in ("text", "ruler:glioma", "marker:glioma", "hairs:glioma", "dark_corners:glioma"):
        with dump.piece(cue):
            planted = plant(clean, [cue], correlation=0.7, seed=2)
            keep(dump, cue, planted)
            dump.array(f"{cue}/cover", cover(planted).read().images)
    with dump.piece("opened"):
        options: dict[str, Any] = {"cues": ["text", "ruler:melanoma"], "correlation": 0.8, "seed": 5}
        keep(dump, "opened", adapters.open_dataset("phantoms:dermoscopy", count=9, size=32, **options))
        keep(dump, "covered", adapters.open_dataset("phantoms:dermoscopy", count=9, size=32, **options, covered=True))
    for number in range(12):
        picture(Path(f"folder/{'ab'[number % 2]}/{number}.png"), number)
    Path("folder/a/copy.png").write_bytes(Path("folder/a/0.png").read_bytes())
    with dump.piece("folder"):
        dataset = adapters.open_dataset("folder", cues=["text"], seed=3)
        keep(dump, "folder", dataset)
        for seed in range(4):
            for fraction in (0.2, 0.4):
                for name, data in (("folder", dataset), ("phantoms", clean)):
                    parts = split(data, fraction, seed)
                    for side, part in zip(("training", "validation"), parts, strict=True):
                        dump.array(f"split/{name}/{fraction}/{seed}/{side}", part)
    numbers = [1, 2, 30, 50, 51, 60, 200, 201, 252, 300, 400, 500]
    for number in numbers:
        picture(Path(f"grouped/{number}.png"), number)
    rows = [{"file": f"{n}.png", "label": "ab"[i % 2], "patient": f"p{i // 3}"} for i, n in enumerate(numbers)]
    table(Path("grouped"), rows)
    with dump.piece("grouped"):
        for seed in range(4):
            for side, part in zip(
                ("training", "validation"), split(adapters.open_dataset("grouped"), 0.3, seed), strict=True
            ):
                dump.array(f"split/grouped/{seed}/{side}", part)


TABLES = {
    "readers/labels_csv": labels_csv,
    "readers/class_folders": class_folders,
    "readers/figshare": figshare,
    "readers/dicom": dicom,
    "readers/phantoms": phantoms,
    "readers/cues": cues,
}
