"""The tool that compares two commits: its comparison, and its dumps at their smallest size."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def tool():
    """`tool("comparison")`: a module of the tool, which is no package and is run from its folder."""
    before = set(sys.modules)
    sys.path.insert(0, str(HERE))

    def load(name):
        return importlib.import_module(name)

    yield load
    sys.path.remove(str(HERE))
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(HERE)):
            del sys.modules[name]


@pytest.fixture
def write(tool, tmp_path):
    """`write("base", arrays, texts=..., notes=..., failures=...)`: a dump, and its folder."""

    def make(side, arrays=None, texts=None, notes=None, failures=None):
        dump = tool("dump").Dump(tmp_path)
        for name, array in (arrays or {}).items():
            dump.array(name, array)
        for name, text in (texts or {}).items():
            dump.text(name, text)
        for name, text in (notes or {}).items():
            dump.note(name, text)
        dump.failures |= failures or {}
        dump.write(tmp_path / side)
        return tmp_path / side

    return make


def test_the_same_bytes_are_the_same(tool, write):
    arrays = {"a/b": np.array([1.0, np.nan, -0.0]), "c": np.zeros((0, 3), np.uint8), "d": np.bool_(True)}
    texts = {"t": "one", "u": ["two", 3]}
    found = tool("comparison").compare("x", write("base", arrays, texts), write("head", arrays, texts))
    assert found.findings == found.changed_notes == []
    assert found.counts == {"texts": 2, "notes": 0, "arrays": 3}
    assert found.line() == "same       x: 2 texts, 3 arrays"


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 2.5]), "1 of 2 numbers differ, by 0.5 at most"),
        (np.array([1.0, 2.0]), np.array([1.0, np.nan]), "1 of 2 numbers differ, by inf at most"),
        (np.array([0.0]), np.array([-0.0]), "signs of zero or NaN"),
        (np.zeros(2, np.float32), np.zeros(2), "float32 [2] -> float64 [2]"),
        (np.zeros((1, 2)), np.zeros((2, 1)), "float64 [1, 2] -> float64 [2, 1]"),
        (np.array([True]), np.array([False]), "1 of 1 numbers differ, by 1 at most"),
        (np.array([0, 255], np.uint8), np.array([1, 254], np.uint8), "2 of 2 numbers differ, by 1 at most"),
    ],
)
def test_arrays_that_differ_are_named(tool, write, before, after, says):
    found = tool("comparison").compare("x", write("base", {"a": before}), write("head", {"a": after}))
    assert found.findings == [f"array a: {says}"]
    assert found.line().startswith("DIFFERENT  x: 1 findings in 1 arrays")


def test_a_tolerance_is_absolute_and_forgives_no_nan(tool, write):
    base = write("base", {"a": np.array([1.0, np.nan])})
    compare = tool("comparison").compare
    assert compare("x", base, write("head", {"a": np.array([1.001, np.nan])}), tolerance=0.01).findings == []
    assert compare("x", base, write("head", {"a": np.array([1.001, np.nan])}), tolerance=0.0001).findings
    assert compare("x", base, write("head", {"a": np.array([1.0, 2.0])}), tolerance=0.01).findings


def test_what_one_side_lacks_is_named(tool, write, tmp_path):
    compare = tool("comparison").compare
    base = write("base", {"a": np.zeros(1), "b": np.zeros(1)}, {"t": "one"})
    found = compare("x", base, write("head", {"a": np.zeros(1)}, {"u": "one"}))
    wanted = ["missing in head: text t", "missing in base: text u", "missing in head: array b"]
    assert found.findings == wanted
    found = compare("x", base, tmp_path / "none")
    assert found.findings == ["missing in head: the dump did not finish (no output)"]


def test_a_piece_that_failed_is_a_difference_even_on_both_sides(tool, write):
    failures = {"piece": "Traceback ...\nLookupError: no such option"}
    found = tool("comparison").compare("x", write("base", failures=failures), write("head", failures=failures))
    assert found.findings == [f"failed in {side}: piece: LookupError: no such option" for side in ("base", "head")]


def test_messages_count_only_where_asked_for(tool, write):
    base, head = write("base", notes={"n": "old words"}), write("head", notes={"n": "new words"})
    compare = tool("comparison").compare
    assert compare("x", base, head).findings == []
    assert compare("x", base, head).changed_notes == ["note n: 'old words' -> 'new words'"]
    assert compare("x", base, head, messages=True).findings == ["note n: 'old words' -> 'new words'"]


def test_names_choose_tables_and_groups(tool):
    chosen = tool("compare_commits").chosen
    assert chosen(["kernels/ffi"]) == ["kernels/ffi"]
    assert len(chosen(["kernels"])) > 2
    assert len(chosen([])) == len(set(chosen([])))
    with pytest.raises(SystemExit, match="there is no table or group 'kernel': choose from kernels/numpy"):
        chosen(["kernel"])


def dumped(table, folder):
    """Dumps a table at its smallest size in a process of its own."""
    command = [sys.executable, HERE / "dump.py", table, folder, "--quick"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XAIJAX_")}
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False,
        env=environment | {"JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


QUICK = (
    "kernels/numpy",
    "kernels/ffi",
    "readers/labels_csv",
    "readers/class_folders",
    "readers/figshare",
    "readers/dicom",
    "readers/phantoms",
    "readers/cues",
)


@pytest.mark.parametrize("table", QUICK)
def test_quick_tables_are_the_same_twice(tool, table, tmp_path):
    first, second = (dumped(table, tmp_path / side) for side in ("first", "second"))
    found = tool("comparison").compare(table, first, second, messages=True)
    assert found.findings == []
    assert found.counts["arrays"] > 5
    assert not (first / "scratch").exists()
