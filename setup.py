"""Builds the extension with CMake; everything else is declared in pyproject.toml."""

import importlib.metadata
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.resolve()
# Not setuptools' own folder, which is another one at every editable install: here the next build finds its objects.
WORK = ROOT / "build" / f"cmake-{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
COMPILER_VARIABLES = ("CXX", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "CUDACXX", "CUDAFLAGS")


def package(name: str) -> list[str] | None:
    """Where a package of the build environment is, and its version; None where it is not installed."""
    spec = importlib.util.find_spec(name)
    return None if spec is None else [str(spec.origin), importlib.metadata.version(name)]


def settings() -> dict[str, object]:
    """All that CMake's cache depends on. A cache made with other settings cannot be used again: options that were
    left out would stay in it, and so would the paths of a build environment that has moved or is gone."""
    compiler = shlex.split(os.environ.get("CXX", "")) or ["c++"]
    return {
        "source": str(ROOT),
        "options": [
            "-DCMAKE_BUILD_TYPE=Release",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-DXAIJAX_CUDA={'ON' if shutil.which('nvcc') else 'OFF'}",
            *shlex.split(os.environ.get("CMAKE_ARGS", "")),
        ],
        "python": sys.version,
        "packages": {name: package(name) for name in ("pybind11", "jaxlib")},
        "tools": {name: shutil.which(name) for name in ("cmake", "ninja", "nvcc", compiler[0])},
        "environment": {name: os.environ.get(name) for name in COMPILER_VARIABLES},
    }


def reusable(work: Path, wanted: dict[str, object]) -> bool:
    """Whether `work` holds a build that was configured with these settings."""
    try:
        found = json.loads((work / "settings.json").read_text())
    except (OSError, ValueError):
        return False
    return found == wanted and (work / "CMakeCache.txt").exists()


def run_cmake(arguments: list) -> None:
    try:
        subprocess.run(["cmake", *map(str, arguments)], check=True)
    except subprocess.CalledProcessError as error:
        raise SystemExit(
            "xaijax: the C++ extension could not be built; it needs a C++17 compiler and the Python headers "
            "(Debian: apt install g++ python3-dev). The compiler's own message stands above."
        ) from error


def configure(work: Path) -> None:
    """Configures, from the beginning where the last build in `work` had other settings."""
    wanted = settings()
    missing = [name for name in ("pybind11", "jaxlib") if wanted["packages"][name] is None]
    missing += [name for name in ("cmake", "ninja") if wanted["tools"][name] is None]
    if missing:
        raise SystemExit(
            f"xaijax: the C++ extension needs {', '.join(missing)} to be built; leave out --no-build-isolation, or "
            f"pip install {' '.join(missing)} first"
        )
    if reusable(work, wanted):
        return
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run_cmake(["-S", ROOT, "-B", work, "-G", "Ninja", *wanted["options"]])
    (work / "settings.json").write_text(json.dumps(wanted))  # last: a configuration that failed is not used again


class CMakeBuild(build_ext):
    """Builds with CMake what has changed, and puts the extension where setuptools expects it."""

    def build_extension(self, ext: Extension) -> None:
        place = Path(self.get_ext_fullpath(ext.name)).parent.resolve()
        configure(WORK)
        run_cmake(["--build", WORK])
        run_cmake(["--install", WORK, "--prefix", place.parent])


if __name__ == "__main__":  # the tests import this file
    setup(ext_modules=[Extension("xaijax._core", sources=[])], cmdclass={"build_ext": CMakeBuild})
