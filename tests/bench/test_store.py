import numpy as np
import pytest

from xaijax._errors import InputError
from xaijax.bench.store import CURVES, SCORES, Store, write_whole


def test_parts_come_back_in_order(made, tmp_path):
    store = Store.create(tmp_path / "run", {"a": 1})
    first, second = made.table(made.score_rows(["x"]), SCORES), made.table(made.score_rows(["y"]), SCORES)
    store.write_part("01-m-0000", second, CURVES.empty_table())
    store.write_part("00-m-0000", first, made.table(made.curve_rows(["x"]), CURVES), {"maps": np.ones(3)})
    assert store.scores()["image"].to_pylist() == ["x"] * first.num_rows + ["y"] * second.num_rows
    assert store.scores().schema == SCORES
    assert store.curves().num_rows == 4
    assert store.galleries()["00-m-0000"]["maps"].tolist() == [1, 1, 1]
    assert store.read_run() == {"a": 1}


def test_a_part_without_its_scores_does_not_count(made, tmp_path, monkeypatch):
    """Whatever a part was writing when it was killed, its scores were not there yet."""
    store = Store.create(tmp_path / "run", {})
    scores, curves = made.parts(["x", "y"])

    def killed(table, file):
        raise KeyboardInterrupt

    monkeypatch.setattr("xaijax.bench.store._write_parquet", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write_part("00-m-0000", scores, curves, {"maps": np.ones(3)})
    assert not store.finished("00-m-0000")
    assert store.scores().num_rows == store.curves().num_rows == 0
    assert store.galleries() == {}
    assert not list(store.root.rglob(".writing-*"))


def test_curves_of_an_unfinished_part_are_not_read(made, tmp_path):
    store = Store.create(tmp_path / "run", {})
    scores, curves = made.parts(["x", "y"])
    store.write_part("00-m-0000", scores, curves)
    (store.root / "scores" / "00-m-0000.parquet").unlink()
    assert store.curves().num_rows == 0


def test_opening_clears_what_a_killed_run_was_writing(tmp_path):
    store = Store.create(tmp_path / "run", {})
    left = store.root / "scores" / ".writing-123-00-m-0000.parquet"
    left.parent.mkdir()
    left.write_bytes(b"half")
    Store.open(store.root)
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


def test_existing_places_are_refused(tmp_path):
    store = Store.create(tmp_path / "run", {})
    with pytest.raises(InputError, match="already holds a run; add --resume"):
        Store.create(store.root, {})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(InputError, match="not empty"):
        Store.create(tmp_path / "other", {})
    with pytest.raises(InputError, match="is a file"):
        Store.create(tmp_path / "other" / "file", {})
    with pytest.raises(InputError, match="no run to resume"):
        Store.open(tmp_path / "other")


def test_a_damaged_run_description_is_refused(tmp_path):
    store = Store.create(tmp_path / "run", {})
    (store.root / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json cannot be read"):
        store.read_run()


def test_a_run_without_a_finished_part_leaves_nothing(made, tmp_path):
    store = Store.create(tmp_path / "run", {})
    store.discard_if_empty()
    assert not store.root.exists()
    store = Store.create(tmp_path / "run", {})
    store.write_part("00-m-0000", *made.parts(["x", "y"]))
    store.discard_if_empty()
    assert store.root.exists()
