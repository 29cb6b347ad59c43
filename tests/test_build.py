"""The build outside the compiler: when CMake's cache is used again (setup.py), and what a source archive holds."""

import importlib.metadata
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def load():
    """setup.py as a module."""
    pytest.importorskip("setuptools")
    spec = importlib.util.spec_from_file_location("xaijax_setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def build(monkeypatch):
    """setup.py in an environment that has all it needs. CMake is not run: its calls are listed in `build.calls`."""
    module = load()
    module.calls = []

    def run_cmake(arguments):
        module.calls.append(arguments)
        (arguments[arguments.index("-B") + 1] / "CMakeCache.txt").write_text("")

    monkeypatch.setattr(module, "run_cmake", run_cmake)
    monkeypatch.setattr(module, "package", lambda name: [f"/tmp/pip-build-env-1/{name}/__init__.py", "1.0"])
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/usr/bin/{name}")
    for name in (*module.COMPILER_VARIABLES, "CMAKE_ARGS"):
        monkeypatch.delenv(name, raising=False)
    return module


def test_a_second_build_keeps_cache_and_objects(build, tmp_path):
    work = tmp_path / "work"
    build.configure(work)
    (work / "object.o").write_text("compiled")
    build.configure(work)
    assert len(build.calls) == 1
    assert (work / "object.o").exists()
    assert f"-DPython_EXECUTABLE={sys.executable}" in build.calls[0]


CHANGES = {
    "another interpreter": lambda patch, build: patch.setattr(build.sys, "executable", "/elsewhere/bin/python"),
    "another version of Python": lambda patch, build: patch.setattr(build.sys, "version", "3.99.0 (main)"),
    "CMAKE_ARGS": lambda patch, build: patch.setenv("CMAKE_ARGS", "-DXAIJAX_CUDA=OFF"),
    "CXXFLAGS": lambda patch, build: patch.setenv("CXXFLAGS", "-g"),
    "another compiler": lambda patch, build: patch.setenv("CXX", "clang++"),
    "a checkout that has moved": lambda patch, build: patch.setattr(build, "ROOT", Path("/elsewhere")),
    "pybind11 and jaxlib in another place": lambda patch, build: patch.setattr(
        build, "package", lambda name: [f"/tmp/pip-build-env-2/{name}/__init__.py", "1.0"]
    ),
    "another version of jaxlib": lambda patch, build: patch.setattr(
        build, "package", lambda name: [f"/tmp/pip-build-env-1/{name}/__init__.py", "1.1"]
    ),
    "cmake in another place": lambda patch, build: patch.setattr(build.shutil, "which", lambda name: f"/opt/{name}"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_stale_cache_is_not_used(build, tmp_path, monkeypatch, change):
    work = tmp_path / "work"
    build.configure(work)
    (work / "object.o").write_text("compiled")
    CHANGES[change](monkeypatch, build)
    build.configure(work)
    assert len(build.calls) == 2
    assert not (work / "object.o").exists()
    build.configure(work)
    assert len(build.calls) == 2


def test_a_configuration_that_failed_or_was_damaged_is_not_used(build, tmp_path, monkeypatch):
    work = tmp_path / "work"
    good = build.run_cmake

    def fails(arguments):
        good(arguments)
        raise SystemExit(1)

    monkeypatch.setattr(build, "run_cmake", fails)
    with pytest.raises(SystemExit):
        build.configure(work)
    monkeypatch.setattr(build, "run_cmake", good)
    build.configure(work)
    assert len(build.calls) == 2
    (work / "settings.json").write_text("{")
    build.configure(work)
    assert len(build.calls) == 3
    (work / "CMakeCache.txt").unlink()
    build.configure(work)
    assert len(build.calls) == 4


def test_what_the_build_lacks_is_named(build, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "package", lambda name: None if name == "pybind11" else ["/a/b.py", "1.0"])
    monkeypatch.setattr(build.shutil, "which", lambda name: None if name == "ninja" else f"/usr/bin/{name}")
    with pytest.raises(SystemExit, match=r"needs pybind11, ninja to be built.*pip install pybind11 ninja first"):
        build.configure(tmp_path / "work")
    assert not build.calls


def test_settings_name_what_is_installed():
    module = load()
    settings = module.settings()
    assert json.loads(json.dumps(settings)) == settings
    place, version = settings["packages"]["jaxlib"]
    assert Path(place).exists()
    assert version == importlib.metadata.version("jaxlib")
    assert module.package("no_such_package_anywhere") is None


def test_the_source_archive_holds_every_tracked_file(tmp_path):
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    pytest.importorskip("setuptools", minversion="77")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    # Built from a copy: sdist writes next to setup.py, and nothing untracked may be needed.
    source = tmp_path / "source"
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "setup.py", "--quiet", "sdist", "--formats=gztar", "--dist-dir", str(tmp_path)]
    ran = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        held = {name.partition("/")[2] for name in tar.getnames()}
    assert {"CMakeLists.txt", "csrc/include/xaijax/reveal.hpp", "bindings/module.cpp", "xaijax/_core.pyi"} <= tracked
    assert sorted(tracked - held) == []


def test_the_version_is_the_same_everywhere():
    import xaijax

    places = {
        "pyproject.toml": r'^version = "(.+)"$',
        "CITATION.cff": r"^version: (.+)$",
        ".conda/meta.yaml": r'set version = "(.+)"',
    }
    found = {
        place: re.search(pattern, (ROOT / place).read_text("utf-8"), re.MULTILINE)[1]
        for place, pattern in places.items()
    }
    assert set(found.values()) == {xaijax.__version__}, found


def test_the_recipe_and_the_project_need_the_same_packages():
    """The run-time requirements of the conda recipe are those of pyproject.toml, with conda's own names."""
    import tomllib

    named = {"matplotlib-base": "matplotlib", "docstring_parser": "docstring-parser"}
    recipe = (ROOT / ".conda/meta.yaml").read_text("utf-8")
    run = recipe[recipe.index("  run:") : recipe.index("test:")]
    conda = {named.get(name, name): floor for name, floor in re.findall(r"^    - (\S+) >=(\S+)$", run, re.MULTILINE)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    assert conda == dict(one.split(">=") for one in project)


def test_the_oldest_packages_are_the_floors():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    floors = dict(one.split(">=") for one in project)
    lines = (ROOT / "tests/oldest.txt").read_text("utf-8").splitlines()
    oldest = dict(line.split("==") for line in lines if "==" in line)
    assert {name for name in floors if name not in oldest} == set()
    for name, floor in floors.items():
        assert oldest[name].split(".")[: len(floor.split("."))] == floor.split("."), name
