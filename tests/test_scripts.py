"""The scripts of benchmarks and parity name what there is, and run: a module that moved must not break them unseen.

Scripts whose peers are not installed here are read instead of run: everything that they take from xaijax, and from each
other, must be there.
"""

import ast
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted([*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "tests" / "parity").glob("*.py")])
SCRIPTS += sorted((ROOT / "tests" / "regression").glob("*.py"))
WITH_HELP = (
    *(
        "attention_gallery",
        "bare_passes",
        "cascade_cost",
        "cascade_labels",
        "error_coverage",
        "growth",
        "kernels",
        "known_truth",
        "many_images",
        "metrics_overhead",
        "phantom_histograms",
        "pic_symmetry",
        "published_procedures",
        "reliability",
    ),
    "reading",
    "pic_starts",
    "run_peers",
    "shortcuts",
    "until",
    "which_metric",
)
NAMES = {str(script.relative_to(ROOT)): script for script in SCRIPTS}


def there(module, name):
    """Whether a module has a name, as an attribute or as a module in it."""
    found = importlib.import_module(module)
    return hasattr(found, name) or importlib.util.find_spec(f"{module}.{name}") is not None


@pytest.mark.parametrize("name", NAMES)
def test_what_a_script_takes_from_xaijax_is_there(name):
    script = NAMES[name]
    tree = ast.parse(script.read_text("utf-8"))
    # A name that several versions of the package had in different places is imported under `try`.
    tried = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Try) for inner in ast.walk(node)}
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "xaijax" and id(node) not in tried:
                    importlib.import_module(alias.name)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "xaijax":
            for alias in node.names:
                assert id(node) in tried or there(node.module, alias.name), f"{name}:{node.lineno} {alias.name}"
                module = f"{node.module}.{alias.name}"
                if importlib.util.find_spec(node.module) and not hasattr(
                    importlib.import_module(node.module), alias.name
                ):
                    aliases[alias.asname or alias.name] = importlib.import_module(module)
                else:
                    value = getattr(importlib.import_module(node.module), alias.name)
                    if hasattr(value, "__path__") or type(value).__name__ == "module":
                        aliases[alias.asname or alias.name] = value
    rebound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    rebound |= {argument.arg for node in ast.walk(tree) if isinstance(node, ast.arguments) for argument in node.args}
    for node in ast.walk(tree):
        known = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases
        if known and node.value.id not in rebound:
            assert hasattr(aliases[node.value.id], node.attr), f"{name}:{node.lineno} {node.value.id}.{node.attr}"


def run(*words, folder):
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, env=environment, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("name", WITH_HELP)
def test_a_script_with_options_lists_them(name, tmp_path):
    assert "usage:" in run(ROOT / "benchmarks" / f"{name}.py", "--help", folder=tmp_path)


def test_the_study_of_stability_runs_at_its_smallest_size(tmp_path):
    out = tmp_path / "phantoms"
    words = ("--data", "phantoms", "--model", "builtin", "--images", "1", "--draws", "1", "--methods", "random")
    run("-m", "benchmarks.stability", "collect", *words, "--out", out, folder=ROOT)
    with np.load(out / "raw.npz") as file:
        methods, answers = file["model/0/methods"].tolist(), file["model/0/probability"]
    assert methods == ["random", "oracle"]
    assert answers.shape[:2] == (1, 2)
    np.testing.assert_allclose(answers.sum(axis=-1), 1, rtol=1e-5)


def test_stored_numbers_are_compared_with_new_ones(tmp_path):
    script = ROOT / "tests/parity/compare_stored.py"
    assert "quantus.npz: 0.0e+00" in run(script, ROOT / "tests", ROOT / "tests", folder=tmp_path)
    for name in ("explain", "metrics"):
        (tmp_path / name).mkdir()
        shutil.copytree(ROOT / "tests" / name / "data", tmp_path / name / "data")
    file = tmp_path / "metrics/data/robustness.npz"
    with np.load(file) as stored:
        arrays = dict(stored)
    name = "infidelity_other_True"
    np.savez(file, **arrays | {name: arrays[name] * np.float32(1.001)})
    done = subprocess.run(
        [sys.executable, script, ROOT / "tests", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"metrics/data/robustness.npz: {name} differs by 1.0e-03" in done.stderr


def test_the_histograms_of_phantoms_run_at_their_smallest_size(tmp_path):
    assert "0." in run(ROOT / "benchmarks/phantom_histograms.py", "--images", "40", "--size", "32", folder=tmp_path)


def test_tables_and_images_of_a_run_are_made(tmp_path):
    from xaijax import bench
    from xaijax.bench import BenchConfig

    config = BenchConfig(methods=("grad_cam", "random"), metrics=("iou",), count=2, gallery=2, out=tmp_path / "run")
    bench.run(config)
    text = run(ROOT / "benchmarks/localization_table.py", tmp_path / "run", "any", folder=tmp_path)
    assert "grad_cam" in text.replace(" ", "_") or "Grad-CAM" in text
    run(ROOT / "benchmarks/picture_table.py", tmp_path / "run", tmp_path / "table.png", "2", folder=tmp_path)
    assert (tmp_path / "table.png").stat().st_size > 1000
