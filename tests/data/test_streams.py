"""WebDataset shards and Hugging Face data sets: listed without their pixels, read image by image."""

import io
import json
import tarfile
import tracemalloc

import datasets
import fsspec
import numpy as np
import pytest
from PIL import Image

from xaijax._errors import InputError
from xaijax.data import _spool, open_dataset
from xaijax.data.readers import hugging_face, webdataset


def png(seed=0, shape=(6, 5)):
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def pixels_of(raw):
    return np.asarray(Image.open(io.BytesIO(raw)))


MASK = np.zeros((6, 5), np.uint8)
MASK[2:4] = 255


def shard(**members):
    """The bytes of a tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, raw in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return stream.getvalue()


def mask_png():
    stream = io.BytesIO()
    Image.fromarray(MASK).save(stream, "png")
    return stream.getvalue()


@pytest.fixture
def shards(tmp_path):
    """Two shards of two images each."""
    folder = tmp_path / "shards"
    folder.mkdir()
    first = {"a/000.png": png(0), "a/000.cls": b"1\n", "a/000.mask.png": mask_png()}
    first |= {"a/001.png": png(1), "a/001.cls": b"0"}
    person = json.dumps({"label": 1, "patient_id": "P7", "split": "test", "note": [1]}).encode()
    second = {"000.json": person, "000.png": png(2), "002.PNG": png(3), "002.cls": b"2", "002.txt": b"a caption"}
    (folder / "set-000.tar").write_bytes(shard(**first))
    (folder / "set-001.tar").write_bytes(shard(**second))
    return folder


class TestShards:
    @pytest.mark.parametrize(
        "place", ["{folder}", "{folder}/set-{{000..001}}.tar", "{folder}/set-*.tar", "file://{folder}"]
    )
    def test_folders_patterns_and_urls(self, shards, place):
        dataset = open_dataset(place.format(folder=shards), mask_role="organ")
        assert [(case.id, case.label, case.group, case.split) for case in dataset.cases] == [
            ("set-000/a/000", 1, None, None),
            ("set-000/a/001", 0, None, None),
            ("set-001/000", 1, "patient P7", "test"),
            ("set-001/002", 2, None, None),
        ]
        assert dataset.classes == ("0", "1", "2")
        batch = dataset.read()
        for row in range(4):
            np.testing.assert_array_equal(batch.images[row, ..., 0], pixels_of(png(row)))
        assert batch.has_role["organ"].tolist() == [True, False, False, False]
        np.testing.assert_array_equal(batch.masks[0], MASK > 0)
        assert dict(dataset.found.taken) == {"image": 4, "annotation": 4, "mask": 1, "shard": 2}
        assert dataset.found.left_out["it is not an image, a mask or a label"].examples == ("set-001/002.txt",)
        assert dataset.found.seen == 2 + 10

    def test_memory_files(self, shards):
        files = fsspec.filesystem("memory")
        for path in shards.iterdir():
            files.pipe(f"/bucket/{path.name}", path.read_bytes())
        dataset = open_dataset("memory://bucket/set-{000..001}.tar")
        assert [case.id for case in dataset.cases][2:] == ["set-001/000", "set-001/002"]
        np.testing.assert_array_equal(dataset.read([2]).images[0, ..., 0], pixels_of(png(2)))
        assert dataset.options["source"] == "memory://bucket/set-{000..001}.tar"
        assert len(open_dataset("memory://bucket")) == 4
        files.rm("/bucket/set-001.tar")
        batch = dataset.read([0, 2])
        assert batch.ids == ("set-000/a/000",)
        assert [name for name, _ in batch.skipped] == ["set-001/000"]
        with pytest.raises(FileNotFoundError, match=r"there is no shard .*set-001.tar"):
            open_dataset("memory://bucket/set-{000..001}.tar")
        files.rm("/bucket", recursive=True)

    def test_reading_an_image_fetches_its_bytes_alone(self, shards, monkeypatch):
        dataset = open_dataset(shards)
        fetched = []
        original = webdataset.Member.read
        monkeypatch.setattr(webdataset.Member, "read", lambda self: fetched.append(self.size) or original(self))
        dataset.read([1])
        assert fetched == [len(png(1))]

    def test_texts_are_classes_by_name(self, tmp_path):
        names = {f"{key}.png": png(at) for at, key in enumerate("abc")}
        texts = {"a.cls": b"cyst", "b.cls": b"Cyst", "c.cls": b"abscess"}
        (tmp_path / "x.tar").write_bytes(shard(**names, **texts))
        dataset = open_dataset(tmp_path / "x.tar")
        assert len(dataset.classes) == 2
        assert dataset.classes[0] == "abscess" or dataset.classes == ("Cyst", "abscess")
        labels = dataset.labels.tolist()
        assert labels[0] == labels[1] != labels[2]
        assert "are one class" in " ".join(dataset.found.notes)

    def test_masks_of_roles(self, tmp_path):
        (tmp_path / "x.tar").write_bytes(
            shard(**{"a.png": png(), "a.cls": b"0", "a.mask_lesion.png": mask_png(), "a.mask_artefact.png": mask_png()})
        )
        dataset = open_dataset(tmp_path / "x.tar")
        assert dataset.roles == ("lesion", "artefact")
        assert dataset.mask_role == "lesion"

    def test_a_rule_of_several_roles(self, tmp_path):
        labels = np.zeros((6, 5), np.uint8)
        labels[1], labels[3:5] = 1, 2
        stream = io.BytesIO()
        Image.fromarray(labels).save(stream, "png")
        (tmp_path / "x.tar").write_bytes(shard(**{"a.png": png(), "a.cls": b"0", "a.mask.png": stream.getvalue()}))
        dataset = open_dataset(tmp_path / "x.tar", mask_values=["lesion=1", "organ=2"])
        assert (dataset.roles, dataset.mask_role) == (("lesion", "organ"), "lesion")
        batch = dataset.read()
        np.testing.assert_array_equal(batch.roles["lesion"][0], labels == 1)
        np.testing.assert_array_equal(batch.roles["organ"][0], labels == 2)

    def test_names_that_leave_the_archive_and_odd_members(self, tmp_path):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name in (
                "../up.png",
                "/etc/abs.png",
                "a/../../out.png",
                ".hidden.png",
                "good.png",
                "good.jpg",
                "bad.json",
            ):
                member = tarfile.TarInfo(name)
                raw = b"{" if name.endswith("json") else png()
                member.size = len(raw)
                archive.addfile(member, io.BytesIO(raw))
            for name, kind in (
                ("link.png", tarfile.SYMTYPE),
                ("hard.png", tarfile.LNKTYPE),
                ("pipe.png", tarfile.FIFOTYPE),
            ):
                member = tarfile.TarInfo(name)
                member.type, member.linkname = kind, "/etc/passwd"
                archive.addfile(member)
            for name, raw in (("good.cls", b"1"), ("lone.png", png()), ("blank.cls", b"2")):
                member = tarfile.TarInfo(name)
                member.size = len(raw)
                archive.addfile(member, io.BytesIO(raw))
        (tmp_path / "x.tar").write_bytes(stream.getvalue())
        dataset = open_dataset(tmp_path / "x.tar")
        assert [case.id for case in dataset.cases] == ["x/good"]
        assert {reason: one.count for reason, one in dataset.found.left_out.items()} == {
            "its name leaves the archive": 3,
            "it is not a regular file": 3,
            "it is hidden": 1,
            "its sample has another image": 1,
            "it is not UTF-8 text, or not JSON": 1,
        }
        assert {reason: one.examples for reason, one in dataset.found.rows.items()} == {
            "it has no image": ("x/bad", "x/blank"),
            "it has no label": ("x/lone",),
        }
        assert dataset.found.seen == 13 + 1

    def test_damaged_shards(self, shards):
        whole = (shards / "set-000.tar").read_bytes()
        (shards / "set-000.tar").write_bytes(whole[:700])
        (shards / "set-002.tar").write_bytes(b"no archive" * 100)
        (shards / "set-003.tar").write_bytes(b"")
        dataset = open_dataset(shards)
        assert [case.id for case in dataset.cases] == ["set-001/000", "set-001/002"]
        reasons = " ".join(dataset.found.left_out)
        assert "it is not a tar archive" in reasons
        assert len(dataset.found.left_out) >= 2

    def test_bad_sources(self, tmp_path, shards):
        with pytest.raises(FileNotFoundError, match=r"there is no shard .*none.tar"):
            open_dataset(tmp_path / "none.tar")
        with pytest.raises(FileNotFoundError, match=r"there is no .tar file in memory://nowhere"):
            open_dataset("memory://nowhere")
        with pytest.raises(InputError, match=r"counts from 3 to 1"):
            open_dataset(f"{shards}/set-{{003..001}}.tar")
        with pytest.raises(InputError, match=r"at most 100000 shards"):
            open_dataset(f"{shards}/set-{{0..999999999}}.tar")
        with pytest.raises(InputError, match=r"nosuch://x.tar cannot be opened|needs a package"):
            open_dataset("nosuch://x.tar")
        (tmp_path / "empty.tar").write_bytes(shard(**{"a.txt": b"x"}))
        with pytest.raises(InputError, match=r"holds no image with a label; a sample is NAME.jpg"):
            open_dataset(tmp_path / "empty.tar")
        with pytest.raises(InputError, match=r"shards have their labels in themselves"):
            open_dataset(shards, label_column="x")

    def test_a_folder_with_images_is_not_one_of_shards(self, shards):
        (shards / "a").mkdir()
        (shards / "a" / "x.png").write_bytes(png())
        assert len(open_dataset(shards)) == 4
        (shards / "x.png").write_bytes(png())
        assert not webdataset.matches(shards)


def features(**more):
    return datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["benign", "malignant"]), **more}
    )


@pytest.fixture
def rows():
    images = [Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 5), np.uint8)) for seed in range(4)]
    return {"image": images, "label": [1, 0, 1, -1], "patient_id": ["P", "P", "Q", "R"]}


class TestHuggingFace:
    def test_an_object(self, rows):
        stored = datasets.Dataset.from_dict(rows, features(patient_id=datasets.Value("string")))
        dataset = open_dataset(stored)
        assert dataset.classes == ("benign", "malignant")
        assert [(case.id, case.label, case.group, case.split) for case in dataset.cases] == [
            ("0", 1, "patient P", None),
            ("1", 0, "patient P", None),
            ("2", 1, "patient Q", None),
        ]
        assert dataset.found.rows["it has no label"].examples == ("3",)
        batch = dataset.read()
        for row in range(3):
            np.testing.assert_array_equal(batch.images[row, ..., 0], np.asarray(rows["image"][row]))
        assert json.dumps(dict(dataset.options))
        assert open_dataset(stored.select([2, 0])).labels.tolist() == [1, 1]

    def test_images_are_not_decoded_at_opening(self, rows, monkeypatch):
        stored = datasets.Dataset.from_dict(rows, features(patient_id=datasets.Value("string")))

        def decoded(*arguments, **options):
            raise AssertionError("decoded")

        monkeypatch.setattr(datasets.Image, "decode_example", decoded)
        assert len(open_dataset(stored).read()) == 3

    def test_sides_masks_and_saved_folders(self, rows, tmp_path):
        masks = [Image.fromarray(MASK), None, Image.fromarray(MASK), None]
        stored = datasets.Dataset.from_dict(
            {"image": rows["image"], "label": rows["label"], "mask_lesion": masks},
            features(mask_lesion=datasets.Image()),
        )
        parts = datasets.DatasetDict(
            {"train": stored.select([0, 1]), "validation": stored.select([2]), "extra": stored}
        )
        datasets.disable_progress_bars()
        parts.save_to_disk(str(tmp_path / "saved"))
        for source in (parts, tmp_path / "saved"):
            dataset = open_dataset(source)
            assert [(case.id, case.split) for case in dataset.cases] == [
                ("train/0", "training"),
                ("train/1", "training"),
                ("validation/0", "validation"),
                ("extra/0", None),
                ("extra/1", None),
                ("extra/2", None),
            ]
            assert dataset.mask_role == "lesion"
            batch = dataset.read([0, 1, 2])
            assert batch.has_mask.tolist() == [True, False, True]
            np.testing.assert_array_equal(batch.masks[2], MASK > 0)
            assert not batch.notes
            assert "The part extra of the data set is not a side of a split" in " ".join(dataset.found.notes)
        assert dataset.name == "saved"
        assert dataset.found.seen == sum(path.is_file() for path in (tmp_path / "saved").rglob("*"))
        assert dict(dataset.found.taken) == {"description": 7, "rows": 3}
        stored.save_to_disk(str(tmp_path / "one"))
        assert [case.id for case in open_dataset(tmp_path / "one").cases] == ["0", "1", "2"]

    def test_several_findings(self, rows):
        tags = datasets.List(datasets.ClassLabel(names=["mass", "nodule"]))
        stored = datasets.Dataset.from_dict(
            {"image": rows["image"], "tags": [[0], [], [0, 1], None]},
            datasets.Features(image=datasets.Image(), tags=tags),
        )
        dataset = open_dataset(stored)
        assert dataset.classes == ("mass", "nodule")
        assert dataset.labels.tolist() == [[1, 0], [0, 0], [1, 1]]

    def test_numbers_and_texts(self, rows):
        stored = datasets.Dataset.from_dict(
            {"image": rows["image"], "level": [0, 3, 3, 0], "kind": ["a", "A", "b", ""]},
            datasets.Features(image=datasets.Image(), level=datasets.Value("int64"), kind=datasets.Value("string")),
        )
        assert open_dataset(stored).classes == ("0", "1", "2", "3")
        dataset = open_dataset(stored, label_column="kind")
        assert len(dataset) == 3
        assert len(dataset.classes) == 2

    def test_what_cannot_be_read(self, rows, tmp_path):
        stored = datasets.Dataset.from_dict(rows, features(patient_id=datasets.Value("string")))
        with pytest.raises(InputError, match=r"has no column that holds the label; it has image, patient_id"):
            open_dataset(stored.remove_columns("label"))
        with pytest.raises(InputError, match=r"has no column that holds the image; it has label, patient_id"):
            open_dataset(stored.remove_columns("image"))
        both = {"front": rows["image"], "side": rows["image"], "label": rows["label"]}
        kinds = datasets.Features(front=datasets.Image(), side=datasets.Image(), label=features()["label"])
        with pytest.raises(InputError, match=r"several columns that may hold the image: front, side; name one"):
            open_dataset(datasets.Dataset.from_dict(both, kinds))
        assert len(open_dataset(datasets.Dataset.from_dict(both, kinds), image_column="side").read()) == 3
        with pytest.raises(InputError, match=r"has its labels in itself; leave out --labels"):
            open_dataset(stored, labels="x.csv")
        with pytest.raises(InputError, match=r"a list is not a data set"):
            open_dataset([1, 2])

    def test_a_saved_folder_cannot_point_outside(self, tmp_path):
        (tmp_path / "secret.png").write_bytes(png())
        stored = datasets.Dataset.from_dict(
            {
                "image": [{"bytes": None, "path": str(tmp_path / "secret.png")}, {"bytes": png(1), "path": None}],
                "label": [0, 1],
            },
            datasets.Features(
                image={"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
                label=datasets.ClassLabel(names=["a", "b"]),
            ),
        ).cast_column("image", datasets.Image())
        assert len(open_dataset(stored).read()) == 2
        stored.info.features = stored.features
        folder = tmp_path / "saved"
        datasets.disable_progress_bars()
        stored.save_to_disk(str(folder))
        state = json.loads((folder / "state.json").read_text())
        state["_data_files"][0]["filename"] = "../elsewhere.arrow"
        (folder / "state.json").write_text(json.dumps(state))
        with pytest.raises(InputError, match=r"names '../elsewhere.arrow', which lies elsewhere"):
            open_dataset(folder)
        (folder / "state.json").write_text("{")
        with pytest.raises(InputError, match=r"is not a whole folder of datasets.save_to_disk"):
            open_dataset(folder)


class TestStreamingHuggingFace:
    @pytest.fixture
    def stored(self, rows):
        masks = [Image.fromarray(MASK), None, Image.fromarray(MASK), None]
        kinds = features(patient_id=datasets.Value("string"), mask_lesion=datasets.Image())
        return datasets.Dataset.from_dict({**rows, "mask_lesion": masks}, kinds)

    def test_a_stream_is_the_data_set_that_it_streams(self, stored):
        whole, stream = open_dataset(stored), open_dataset(stored.to_iterable_dataset(num_shards=2))
        assert [(one.id, one.label, one.group) for one in stream.cases] == [
            (one.id, one.label, one.group) for one in whole.cases
        ]
        assert (stream.classes, stream.roles, stream.mask_role) == (whole.classes, whole.roles, whole.mask_role)
        for order in ([0, 1, 2], [2, 0, 1], [1, 1]):
            expected, found = whole.read(order), stream.read(order)
            np.testing.assert_array_equal(found.images, expected.images)
            np.testing.assert_array_equal(found.masks, expected.masks)
            np.testing.assert_array_equal(found.has_mask, expected.has_mask)
        assert stream.found.rows["it has no label"].examples == ("3",)
        assert dict(stream.found.taken) == dict(whole.found.taken) == {"image": 4}
        assert "The stream was run through once" in " ".join(stream.found.notes)
        assert json.dumps(dict(stream.options))

    def test_parts_are_sides(self, stored):
        parts = {"train": stored.select([0, 1]), "test": stored.select([2])}
        streams = datasets.IterableDatasetDict({key: part.to_iterable_dataset() for key, part in parts.items()})
        dataset = open_dataset(streams)
        assert [(case.id, case.split) for case in dataset.cases] == [
            ("train/0", "training"),
            ("train/1", "training"),
            ("test/0", "test"),
        ]
        np.testing.assert_array_equal(dataset.read([2]).images[0, ..., 0], np.asarray(stored[2]["image"]))

    def test_a_folder_of_parquet_files(self, stored, tmp_path):
        """As `load_dataset("org/set", streaming=True)` reads them from the hub."""
        stored.select([0, 1]).to_parquet(str(tmp_path / "train-0.parquet"))
        stored.select([2, 3]).to_parquet(str(tmp_path / "train-1.parquet"))
        files = {"train": [str(tmp_path / f"train-{at}.parquet") for at in (0, 1)]}
        stream = datasets.load_dataset("parquet", data_files=files, streaming=True, cache_dir=str(tmp_path / "cache"))
        dataset = open_dataset(stream)
        assert [case.id for case in dataset.cases] == ["train/0", "train/1", "train/2"]
        np.testing.assert_array_equal(dataset.read([2]).images[0, ..., 0], np.asarray(stored[2]["image"]))

    def test_files_that_rows_name_are_fetched_as_they_come(self, tmp_path):
        for at in range(2):
            (tmp_path / f"{at}.png").write_bytes(png(at))

        def rows():
            for at in range(3):
                yield {"image": {"bytes": None, "path": f"file://{tmp_path}/{at}.png"}, "label": at % 2}

        stream = datasets.IterableDataset.from_generator(rows, features=features())
        dataset = open_dataset(stream)
        for at in range(2):
            (tmp_path / f"{at}.png").unlink()
        batch = dataset.read()
        assert batch.ids == ("0", "1")
        assert batch.skipped == (("2", "its row has no image"),)
        np.testing.assert_array_equal(batch.images[1, ..., 0], pixels_of(png(1)))

    def test_memory_holds_one_row(self):
        """200 images of 1 MB: what opening takes does not grow with them."""
        raw = np.random.default_rng(0).bytes(1 << 20)

        def rows(count):
            for at in range(count):
                yield {"image": {"bytes": raw[at:], "path": None}, "label": at % 2}

        stream = datasets.IterableDataset.from_generator(rows, features=features(), gen_kwargs={"count": 200})
        open_dataset(datasets.IterableDataset.from_generator(rows, features=features(), gen_kwargs={"count": 2}))
        tracemalloc.start()
        dataset = open_dataset(stream)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(dataset) == 200
        assert peak < 20 << 20
        assert dataset.cases[7].source.image.read() == raw[7:]

    def test_what_is_refused(self, stored, monkeypatch):
        def rows():
            yield {"image": {"bytes": png(), "path": None}, "label": 0}
            raise OSError("connection reset")

        with pytest.raises(InputError, match=r"the stream breaks off \(.*connection reset\): open it again"):
            open_dataset(datasets.IterableDataset.from_generator(rows, features=features()))
        with pytest.raises(InputError, match="the stream does not say what its columns are"):
            open_dataset(datasets.IterableDataset.from_generator(rows))
        with pytest.raises(InputError, match="has no column that holds the label; it has image"):
            open_dataset(stored.to_iterable_dataset().select_columns(["image"]))
        monkeypatch.setattr(hugging_face, "Spool", lambda: _spool.Spool(300))
        with pytest.raises(InputError, match=r"the stream has more than 0 GiB of images, .* take a part of it"):
            open_dataset(stored.to_iterable_dataset())
