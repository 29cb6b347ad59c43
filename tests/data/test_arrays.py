"""NumPy archives: MedMNIST and others like it, read header by header, and never inflated or unpickled unseen."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from xaijax._errors import InputError
from xaijax.data import _arrays, open_dataset
from xaijax.data._arrays import Archive


def arrays(rng=None, **counts):
    """MedMNIST's arrays with these numbers of images on each side."""
    rng = rng or np.random.default_rng(0)
    found = {}
    for side, count in counts.items():
        found[f"{side}_images"] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        found[f"{side}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
    return found


def bomb(path, name, megabytes, header):
    """An archive whose array is zeros, written without holding them."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(f"{name}.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for _ in range(megabytes):
            stream.write(bytes(1 << 20))


class TestMedMNIST:
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_as_published(self, tmp_path, save):
        stored = arrays(train=5, val=2, test=3)
        save(tmp_path / "pneumoniamnist.npz", **stored)
        dataset = open_dataset(tmp_path / "pneumoniamnist.npz")
        assert dataset.name == "pneumoniamnist"
        assert dataset.classes == ("normal", "pneumonia")
        ids = [f"{side}/{row}" for side, count in (("train", 5), ("val", 2), ("test", 3)) for row in range(count)]
        assert [case.id for case in dataset.cases] == ids
        assert dataset.labels.tolist() == [0, 1, 0, 1, 0, 0, 1, 0, 1, 0]
        sides = {name: rows.tolist() for name, rows in dataset.splits.items()}
        assert sides == {"training": [0, 1, 2, 3, 4], "validation": [5, 6], "test": [7, 8, 9]}
        batch = dataset.read()
        whole = np.concatenate([stored[f"{side}_images"] for side in ("train", "val", "test")])
        np.testing.assert_array_equal(batch.images[..., 0], whole)
        assert dataset.cases[0].source.fingerprint() != dataset.cases[1].source.fingerprint()
        assert dataset.found.layout == "MedMNIST"
        assert dict(dataset.found.taken) == {"archive": 1}
        turned = open_dataset(tmp_path / "pneumoniamnist.npz", transpose=True).read([6])
        np.testing.assert_array_equal(turned.images[0, ..., 0], stored["val_images"][1].T)

    @pytest.mark.realdata
    def test_the_real_file(self):
        import os

        folder = os.environ.get("XAIJAX_DATA")
        if folder is None:
            pytest.skip("XAIJAX_DATA is not set")
        dataset = open_dataset(Path(folder) / "medmnist-pneumonia" / "pneumoniamnist_balanced.npz")
        assert dataset.class_counts() == {"normal": 1349, "pneumonia": 1349}
        assert {name: len(rows) for name, rows in dataset.splits.items()} == {"training": 2428, "validation": 270}
        assert dataset.read([0, 2697]).images.shape == (2, 28, 28, 1)

    def test_several_findings(self, tmp_path):
        labels = np.zeros((3, 14), np.uint8)
        labels[0, [0, 13]] = labels[2, 5] = 1
        np.savez(tmp_path / "chestmnist_64.npz", train_images=np.zeros((3, 64, 64), np.uint8), train_labels=labels)
        dataset = open_dataset(tmp_path / "chestmnist_64.npz")
        assert dataset.multi_label
        assert (dataset.classes[0], dataset.classes[13]) == ("atelectasis", "hernia")
        np.testing.assert_array_equal(dataset.labels, labels)
        assert [case.label for case in dataset.cases] == [-1, -1, -1]
        assert open_dataset(tmp_path / "chestmnist_64.npz", classes=["mass"]).class_counts() == {"mass": 0}

    def test_one_hot_labels_are_classes(self, tmp_path):
        where = np.array([2, 0, 1, 2])
        arrays = {"x_train": np.zeros((4, 5, 5), np.uint8), "y_train": np.eye(3, dtype=np.float32)[where]}
        np.savez(tmp_path / "k.npz", **arrays, x_test=np.zeros((1, 5, 5), np.uint8), y_test=np.eye(3)[[1]])
        dataset = open_dataset(tmp_path / "k.npz")
        assert not dataset.multi_label
        assert dataset.classes == ("0", "1", "2")
        assert dataset.labels.tolist() == [2, 0, 1, 2, 1]
        assert any("a single 1: they are read as classes" in note for note in dataset.found.notes)
        np.savez(tmp_path / "k.npz", **arrays, x_test=np.zeros((1, 5, 5), np.uint8), y_test=np.ones((1, 3)))
        assert open_dataset(tmp_path / "k.npz").multi_label

    def test_labels_of_bytes_and_channels_first(self, tmp_path):
        np.savez(tmp_path / "b.npz", images=np.zeros((2, 5, 5), np.uint8), labels=np.array([b"cyst", b"none"]))
        assert open_dataset(tmp_path / "b.npz").classes == ("cyst", "none")
        np.savez(tmp_path / "c.npz", images=np.zeros((2, 3, 5, 5), np.uint8), labels=np.array([0, 1]))
        with pytest.raises(InputError, match=r"looks like channels first: store images.transpose\(0, 2, 3, 1\)"):
            open_dataset(tmp_path / "c.npz")

    def test_colour_and_names_of_classes(self, tmp_path):
        images = np.random.default_rng(0).integers(0, 256, (9, 28, 28, 3), np.uint8)
        np.savez(tmp_path / "pathmnist.npz", test_images=images, test_labels=np.arange(9)[:, None])
        dataset = open_dataset(tmp_path / "pathmnist.npz")
        assert dataset.classes[0] == "adipose"
        assert dataset.classes[8] == "colorectal adenocarcinoma epithelium"
        np.testing.assert_array_equal(dataset.read().images, images)

    def test_labels_of_another_set(self, tmp_path):
        np.savez(tmp_path / "breastmnist.npz", images=np.zeros((2, 4, 4), np.uint8), labels=np.array([1, 7]))
        dataset = open_dataset(tmp_path / "breastmnist.npz")
        assert dataset.classes == ("1", "7")
        assert dataset.found.notes == ("The labels are not those of breastmnist: classes are named by their values.",)

    def test_volumes_are_refused(self, tmp_path):
        np.savez(tmp_path / "organmnist3d.npz", train_images=np.zeros((2, 28, 28, 28), np.uint8), train_labels=[0, 1])
        with pytest.raises(InputError, match=r"array train_images is uint8 \[2, 28, 28, 28\].*volumes are not read"):
            open_dataset(tmp_path / "organmnist3d.npz")


class TestOtherArchives:
    def test_images_labels_and_masks(self, tmp_path):
        rng = np.random.default_rng(1)
        images = rng.integers(0, 4096, (4, 6, 5)).astype(np.uint16)
        masks = np.zeros((4, 6, 5), np.uint8)
        masks[0, 1:3] = 255
        masks[2, 4] = 1
        np.savez(
            tmp_path / "set.npz", images=images, labels=np.array(["b", "A", "a", "a"]), masks=masks, ages=np.arange(4)
        )
        dataset = open_dataset(tmp_path / "set.npz", mask_role="lesion", window=(0, 4095))
        assert [case.id for case in dataset.cases] == ["0", "1", "2", "3"]
        assert dataset.classes == ("A", "b") or dataset.classes == ("a", "b")
        assert len(set(dataset.labels.tolist()[1:])) == 1
        batch = dataset.read()
        np.testing.assert_array_equal(batch.images[..., 0], np.rint(255 * (images / 4095.0)))
        np.testing.assert_array_equal(batch.masks, masks > 0)
        assert "The archive has other arrays, which are not used: ages." in dataset.found.notes

    def test_label_maps_need_a_rule(self, tmp_path):
        masks = np.zeros((1, 4, 4), np.uint8)
        masks[0, 0], masks[0, 1], masks[0, 2] = 1, 2, 4
        np.savez(tmp_path / "set.npz", images=np.zeros((1, 4, 4), np.uint8), labels=np.array([0]), masks=masks)
        batch = open_dataset(tmp_path / "set.npz").read()
        assert not batch.has_mask.any()
        assert batch.notes == (
            (
                "0",
                "a mask is a label map of the values 0 (25 %), 1 (25 %), 2 (25 %), 4 (25 %); give --mask-values",
            ),
        )
        batch = open_dataset(tmp_path / "set.npz", mask_values=["lesion=1,4", "organ=2"]).read()
        assert batch.roles["lesion"][0].sum(1).tolist() == [4, 0, 4, 0]
        assert batch.roles["organ"][0].sum(1).tolist() == [0, 4, 0, 0]

    def test_keras_names_and_floats(self, tmp_path):
        x = np.linspace(0, 1, 2 * 9, dtype=np.float32).reshape(2, 3, 3)
        np.savez(tmp_path / "mnist.npz", x_train=x, y_train=np.array([0.0, 3.0]), x_test=x[:1], y_test=np.array([3.0]))
        dataset = open_dataset(tmp_path / "mnist.npz")
        assert dataset.classes == ("0", "3")
        assert [case.split for case in dataset.cases] == ["training", "training", "test"]
        assert dataset.read([0]).images[0].ravel().tolist() == np.rint(255 * np.arange(9) / 8).tolist()

    def test_fortran_order(self, tmp_path):
        images = np.asfortranarray(np.random.default_rng(0).integers(0, 256, (3, 4, 5), np.uint8))
        for save in (np.savez, np.savez_compressed):
            save(tmp_path / "set.npz", images=images, labels=np.arange(3))
            np.testing.assert_array_equal(open_dataset(tmp_path / "set.npz").read().images[..., 0], images)


class TestSafety:
    def test_a_bomb_is_not_inflated(self, tmp_path, monkeypatch):
        """Refused from the directory of the archive; the limit is lowered, since writing 3 GiB of zeros takes long."""
        monkeypatch.setattr(_arrays, "LARGE", 64 << 20)
        header = {"descr": "|u1", "fortran_order": False, "shape": (96, 1024, 1024)}
        bomb(tmp_path / "bomb.npz", "images", 96, header)
        assert (tmp_path / "bomb.npz").stat().st_size < 1 << 20
        tracemalloc.start()
        with pytest.raises(InputError, match=r"array images would inflate from 0.1 MiB to 96.0 MiB; .* uncompressed"):
            open_dataset(tmp_path / "bomb.npz")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 << 20

    def test_opening_reads_labels_alone(self, tmp_path, monkeypatch):
        np.savez_compressed(tmp_path / "set.npz", images=np.zeros((200, 64, 64), np.uint8), labels=np.zeros(200, int))
        mapped = []
        original = Archive._map
        monkeypatch.setattr(Archive, "_map", lambda self, name: mapped.append(name) or original(self, name))
        dataset = open_dataset(tmp_path / "set.npz")
        assert mapped == ["labels"]
        dataset.read([3])
        dataset.read([199])
        assert mapped == ["labels", "images"]

    def test_stored_arrays_are_mapped_from_the_file(self, tmp_path):
        np.savez(tmp_path / "set.npz", images=np.zeros((2, 4, 4), np.uint8), labels=np.arange(2))
        image = Archive(tmp_path / "set.npz").array("images")
        assert isinstance(image, np.memmap)
        assert image.filename == tmp_path / "set.npz"

    def test_objects_are_refused_and_not_run(self, tmp_path):
        class Trap:
            def __reduce__(self):
                return (pytest.fail, ("unpickled",))

        objects = np.empty(2, object)
        objects[:] = [Trap(), Trap()]
        np.savez(tmp_path / "set.npz", images=np.zeros((2, 4, 4), np.uint8), labels=objects)
        with pytest.raises(InputError, match=r"array labels holds Python objects, which are not read"):
            open_dataset(tmp_path / "set.npz")

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda raw: b"", "is not a NumPy archive, or it is damaged"),
            (lambda raw: b"text", "is not a NumPy archive, or it is damaged"),
            (lambda raw: raw[: len(raw) // 2], "is not a NumPy archive, or it is damaged"),
            (lambda raw: raw.replace(b"\x93NUMPY", b"\x93NUMPX"), "is not a NumPy archive, or it is damaged"),
            (lambda raw: raw.replace(b"(2, 4, 4)", b"(9, 4, 4)"), "its header says|damaged"),
        ],
    )
    def test_damage(self, tmp_path, damage, message):
        stream = io.BytesIO()
        np.savez(stream, images=np.zeros((2, 4, 4), np.uint8), labels=np.arange(2))
        (tmp_path / "set.npz").write_bytes(damage(stream.getvalue()))
        with pytest.raises(InputError, match=message):
            open_dataset(tmp_path / "set.npz")

    def test_damaged_pixels_are_skipped_cases(self, tmp_path):
        path = tmp_path / "set.npz"
        rng = np.random.default_rng(0)
        np.savez_compressed(path, images=rng.integers(0, 256, (9, 64, 64), np.uint8), labels=np.arange(9))
        dataset = open_dataset(path)
        raw = bytearray(path.read_bytes())
        raw[5000:5100] = bytes(100)
        path.write_bytes(raw)
        with pytest.raises(InputError, match=r"none of the 9 requested images .* 0: array images is damaged"):
            dataset.read()

    @pytest.mark.parametrize(
        ("stored", "message"),
        [
            (
                {"scans": np.zeros((2, 4, 4)), "labels": np.arange(2)},
                r"has the arrays scans, labels; give images and labels",
            ),
            ({"images": np.zeros((2, 4, 4)), "labels": np.arange(3)}, r"labels are \[2\] or \[2, findings\]"),
            ({"images": np.zeros((2, 4, 4)), "labels": np.array([0.5, 1])}, r"labels that are not whole numbers"),
            ({"images": np.zeros((2, 4, 4)), "labels": np.full((2, 3), 2)}, r"3 columns that hold more than 0 and 1"),
            ({"images": np.zeros((0, 4, 4)), "labels": np.zeros(0, int)}, r"has no images"),
            ({"images": np.zeros((2, 4, 4)), "labels": np.array(["a", ""])}, r"images with an empty label"),
            (
                {"images": np.zeros((2, 4, 4)), "labels": np.arange(2), "masks": np.zeros((2, 5, 4), int)},
                r"masks are whole numbers \[2, 4, 4\] like their images",
            ),
        ],
    )
    def test_arrays_that_do_not_fit(self, tmp_path, stored, message):
        np.savez(tmp_path / "set.npz", **stored)
        with pytest.raises(InputError, match=message):
            open_dataset(tmp_path / "set.npz")

    def test_missing_and_misplaced_options(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no file .*set.npz; give a .npz or .h5 file"):
            open_dataset(tmp_path / "set.npz")
        np.savez(tmp_path / "set.npz", images=np.zeros((2, 4, 4), np.uint8), labels=np.arange(2))
        with pytest.raises(InputError, match=r"has its labels in itself; leave out --labels"):
            open_dataset(tmp_path / "set.npz", labels="x.csv")


class TestWhite:
    COLOURS = np.arange(2 * 4 * 3 * 3).reshape(2, 4, 3, 3) * 255 // 71

    @pytest.mark.parametrize("kind", ["int16", "int32", "int64", "uint16", "uint32", "float32", "float64"])
    def test_colours_of_8_bits_are_kept_whatever_their_type(self, tmp_path, kind):
        np.savez(tmp_path / "a.npz", images=self.COLOURS.astype(kind), labels=[0, 1])
        batch = open_dataset(tmp_path / "a.npz").read([0, 1])
        np.testing.assert_array_equal(batch.images, self.COLOURS)
        assert "taken for 8 bits" in batch.notes[0][1]

    @pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
    def test_colours_from_0_to_1_become_0_to_255(self, tmp_path, kind):
        np.savez_compressed(tmp_path / "a.npz", images=(self.COLOURS / 255).astype(kind), labels=[0, 1])
        np.testing.assert_array_equal(open_dataset(tmp_path / "a.npz").read([0, 1]).images, self.COLOURS)

    def test_a_dark_image_is_read_like_the_others_of_its_file(self, tmp_path):
        images = self.COLOURS.astype(np.float32)
        images[0] = np.clip(images[0], 0, 1)
        np.savez(tmp_path / "a.npz", x_train=images[:1], y_train=[0], x_test=images[1:], y_test=[1])
        batch = open_dataset(tmp_path / "a.npz").read([0, 1])
        assert batch.images[0].max() == 1
        assert batch.images[1].max() == 255

    def test_colours_that_are_not_numbers_are_black(self, tmp_path):
        images = self.COLOURS / 255
        images[1, 2, 1] = np.nan
        np.savez(tmp_path / "a.npz", images=images, labels=[0, 1])
        batch = open_dataset(tmp_path / "a.npz").read([0, 1])
        assert batch.images[1, 2, 1].tolist() == [0, 0, 0]
        np.testing.assert_array_equal(batch.images[0], self.COLOURS[0])
        assert ("1", "its NaN and infinite values were made black") in batch.notes

    def test_grey_values_of_8_bits_are_not_spread(self, tmp_path):
        grey = np.array([[[10, 20], [30, 40]], [[0, 200], [100, 5]]], np.int64)
        np.savez(tmp_path / "a.npz", images=grey, labels=[0, 1])
        np.testing.assert_array_equal(open_dataset(tmp_path / "a.npz").read([0, 1]).images[..., 0], grey)

    @pytest.mark.parametrize("images", [np.full((2, 2, 2, 3), 3, np.uint16), np.full((2, 2, 2, 3), -0.5, np.float32)])
    def test_colours_without_a_known_white_are_refused(self, tmp_path, images):
        np.savez(tmp_path / "a.npz", images=images, labels=[0, 1])
        with pytest.raises(InputError, match="its white is not known"):
            open_dataset(tmp_path / "a.npz").read([0, 1])


class TestHdf5:
    IMAGES = np.random.default_rng(3).integers(0, 256, (4, 6, 5, 3), np.uint8)

    def test_a_file_of_images_and_labels(self, tmp_path):
        with h5py.File(tmp_path / "set.h5", "w") as file:
            file.create_dataset("images", data=self.IMAGES, chunks=(1, 6, 5, 3), compression="gzip")
            file["labels"] = ["cyst", "none", "cyst", "none"]
            file["masks"] = (self.IMAGES[..., 0] > 128).astype(np.uint8)
            file["meta"] = np.zeros(3)
        dataset = open_dataset(tmp_path / "set.h5", mask_role="lesion")
        assert dataset.class_counts() == {"cyst": 2, "none": 2}
        assert dataset.found.layout == "HDF5 file"
        batch = dataset.read([0, 1, 2, 3])
        np.testing.assert_array_equal(batch.images, self.IMAGES)
        np.testing.assert_array_equal(batch.masks, self.IMAGES[..., 0] > 128)

    def test_pcam_as_published(self, tmp_path):
        for side in ("train", "valid", "test"):
            with h5py.File(tmp_path / f"camelyonpatch_level_2_split_{side}_x.h5", "w") as file:
                file["x"] = self.IMAGES
            with h5py.File(tmp_path / f"camelyonpatch_level_2_split_{side}_y.h5", "w") as file:
                file["y"] = np.array([0, 1, 1, 0], np.uint8).reshape(4, 1, 1, 1)
        (tmp_path / "camelyonpatch_level_2_split_train_meta.csv").write_text("wsi")
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"no tumor": 6, "tumor": 6}
        assert {case.split for case in dataset.cases} == {"training", "validation", "test"}
        assert dataset.found.seen == 7
        np.testing.assert_array_equal(dataset.read([3], shape=(6, 5, 3)).images[0], self.IMAGES[3])

    def test_links_and_data_of_other_files_are_not_followed(self, tmp_path):
        with h5py.File(tmp_path / "other.h5", "w") as file:
            file["images"] = self.IMAGES
        with h5py.File(tmp_path / "links.h5", "w") as file:
            file["images"] = h5py.ExternalLink("other.h5", "images")
            file["labels"] = [0, 1, 0, 1]
            file["loop"] = h5py.SoftLink("/loop")
        with pytest.raises(InputError, match="has the arrays labels; give images and labels"):
            open_dataset(tmp_path / "links.h5")
        with h5py.File(tmp_path / "external.h5", "w") as file:
            file.create_dataset("images", (4, 6, 5, 3), np.uint8, external=[(str(tmp_path / "raw"), 0, 360)])
        with pytest.raises(InputError, match="array images lies in other files"):
            open_dataset(tmp_path / "external.h5")

    def test_damaged_files(self, tmp_path):
        (tmp_path / "a.h5").write_bytes(b"")
        with pytest.raises(InputError, match="is not an HDF5 file, or it is damaged"):
            open_dataset(tmp_path / "a.h5")
        with pytest.raises(FileNotFoundError, match=r"give a \.npz or \.h5 file"):
            open_dataset(tmp_path / "none.hdf5")
