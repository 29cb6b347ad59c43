import numpy as np
import pytest

from xaijax._errors import InputError
from xaijax._files import write_whole
from xaijax._runs import checksums
from xaijax._runs.folder import DESCRIPTION, RunFolder
from xaijax.bench.store import CURVES, SCORES, Store


def test_parts_come_back_in_order(made, tmp_path):
    store = made.started(tmp_path / "run", {"a": 1})
    first, second = made.table(made.score_rows(["x"]), SCORES), made.table(made.score_rows(["y"]), SCORES)
    store.write_part("01-m-0000", made.tables(second, CURVES.empty_table()))
    curves = made.table(made.curve_rows(["x"]), CURVES)
    store.write_part("00-m-0000", made.tables(first, curves, {"maps": np.ones(3)}))
    assert store.scores()["image"].to_pylist() == ["x"] * first.num_rows + ["y"] * second.num_rows
    assert store.scores().schema == SCORES
    assert store.curves().num_rows == 4
    assert store.galleries()["00-m-0000"]["maps"].tolist() == [1, 1, 1]
    assert store.read_run() == {"a": 1}


def test_a_part_without_its_scores_does_not_count(made, tmp_path, monkeypatch):
    """Whatever a part was writing when it was killed, it was not marked as finished yet."""
    store = made.started(tmp_path / "run", {})
    scores, curves = made.parts(["x", "y"])

    written = []

    def killed(path, write):
        if written:
            write_whole(path, lambda file: (file.write(b"half"), fail_with(KeyboardInterrupt)))
        written.append(path)
        write_whole(path, write)

    monkeypatch.setattr("xaijax.bench.store.write_whole", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write_part("00-m-0000", made.tables(scores, curves, {"maps": np.ones(3)}))
    assert not store.finished("00-m-0000")
    assert store.scores().num_rows == store.curves().num_rows == 0
    assert store.galleries() == {}
    assert not list(store.root.rglob(".writing-*"))


def test_curves_of_an_unfinished_part_are_not_read(made, tmp_path):
    store = made.started(tmp_path / "run", {})
    scores, curves = made.parts(["x", "y"])
    store.write_part("00-m-0000", made.tables(scores, curves))
    store.forget("00-m-0000")
    assert store.curves().num_rows == store.scores().num_rows == 0


def test_opening_clears_what_a_killed_run_was_writing(made, tmp_path):
    store = made.started(tmp_path / "run", {})
    left = store.root / "scores" / ".writing-123-00-m-0000.parquet"
    left.parent.mkdir()
    left.write_bytes(b"half")
    with RunFolder(store.root, "run", resume=True):
        assert not left.exists()


def test_write_whole_keeps_the_old_file_when_writing_fails(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")

    def fail(file):
        file.write(b"half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_existing_places_are_refused(made, tmp_path):
    store = made.started(tmp_path / "run", {})
    with pytest.raises(InputError, match="already holds a run; add --resume"):
        RunFolder(store.root, "run", resume=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(InputError, match="not empty"):
        RunFolder(tmp_path / "other", "run", resume=False)
    with pytest.raises(InputError, match="is a file"):
        RunFolder(tmp_path / "other" / "file", "run", resume=False)
    with pytest.raises(InputError, match="no run to resume"):
        RunFolder(tmp_path / "other", "run", resume=True)


def test_a_damaged_run_description_is_refused(made, tmp_path):
    store = made.started(tmp_path / "run", {})
    (store.root / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json cannot be read"):
        store.read_run()


def test_a_run_without_a_finished_part_leaves_nothing(made, tmp_path):
    root = tmp_path / "run"
    with pytest.raises(RuntimeError), RunFolder(root, "run", resume=False) as run:
        fail_after(lambda: run.describe({}))
    assert not root.exists()
    with pytest.raises(RuntimeError), RunFolder(root, "run", resume=False) as run:
        fail_after(lambda: (run.describe({}), Store(root).write_part("a", made.tables(*made.parts(["x", "y"])))))
    assert root.exists()


def fail_after(work):
    work()
    raise RuntimeError


def fail_with(error):
    raise error


@pytest.mark.parametrize("what", ["scores", "curves", "predictions", "gallery"])
def test_a_damaged_part_is_named_with_what_to_do(made, tmp_path, what):
    store = made.started(tmp_path / "run", {})
    store.write_part("00-m-0000", made.tables(*made.parts(["x", "y"]), {"maps": np.ones(3)}))
    (path,) = (store.root / what).iterdir()
    read = {"scores": store.scores, "curves": store.curves, "gallery": store.galleries}.get(what, store.predictions)
    kept = path.read_bytes()
    for place in range(0, len(kept), 7):
        path.write_bytes(kept[:place] + bytes([kept[place] ^ 4]) + kept[place + 1 :])
        assert [one.part for one in checksums.problems(store.root, DESCRIPTION)] == ["00-m-0000"]
        with pytest.raises(InputError, match=rf"{path.name} was changed after it was written: .*verify.*--resume"):
            read()
    path.unlink()
    with pytest.raises(InputError, match=rf"{path.name} is gone; .* --resume"):
        read()


def test_a_part_that_is_written_again_leaves_nothing_of_the_old_one(made, tmp_path):
    store = made.started(tmp_path / "run", {})
    store.write_part("a", made.tables(*made.parts(["x", "y"]), {"maps": np.ones(3)}))
    scores, _ = made.parts(["x", "y"])
    store.write_part("a", made.tables(scores, CURVES.empty_table()), {"images": "new"})
    assert store.curves().num_rows == 0
    assert store.galleries() == {}
    assert store.made("a") == {"images": "new"}
