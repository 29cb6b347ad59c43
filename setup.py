"""Builds the extension with CMake; everything else is declared in pyproject.toml."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.resolve()


class CMakeBuild(build_ext):
    """Runs CMake once and puts what it installs where setuptools expects the extension."""

    def build_extension(self, ext: Extension) -> None:
        place = Path(self.get_ext_fullpath(ext.name)).parent.resolve()
        work = (Path(self.build_temp) / "cmake").resolve()
        # A cache made for another interpreter or by a build environment that is gone cannot be used again.
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        options = [
            "-DCMAKE_BUILD_TYPE=Release",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-DXAIJAX_CUDA={'ON' if shutil.which('nvcc') else 'OFF'}",
            *os.environ.get("CMAKE_ARGS", "").split(),
        ]
        self.run_cmake(["-S", ROOT, "-B", work, "-G", "Ninja", *options])
        self.run_cmake(["--build", work])
        self.run_cmake(["--install", work, "--prefix", place.parent])

    @staticmethod
    def run_cmake(arguments: list) -> None:
        try:
            subprocess.run(["cmake", *map(str, arguments)], check=True)
        except subprocess.CalledProcessError as error:
            raise SystemExit(
                "xaijax: the C++ extension could not be built; it needs a C++17 compiler and the Python headers "
                "(Debian: apt install g++ python3-dev). The compiler's own message stands above."
            ) from error


setup(ext_modules=[Extension("xaijax._core", sources=[])], cmdclass={"build_ext": CMakeBuild})
