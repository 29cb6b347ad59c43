"""The C++ tests, by ctest."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command):
    """Runs a command; its output is the message when it fails."""
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
def test_ctest(tmp_path):
    """Builds and runs csrc/tests, or runs what is already built in the folder named by XAIJAX_CPP_BUILD."""
    if shutil.which("cmake") is None or shutil.which("ctest") is None:
        pytest.skip("cmake is not installed")
    if not any(shutil.which(name) for name in (os.environ.get("CXX") or "c++", "g++", "clang++")):
        pytest.skip("no C++ compiler is installed")
    if not (ROOT / "CMakeLists.txt").exists():
        pytest.skip("the sources are not here")
    build = Path(os.environ.get("XAIJAX_CPP_BUILD") or tmp_path)
    if not (build / "CTestTestfile.cmake").exists():
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        options = ["-DCMAKE_BUILD_TYPE=Release", "-DXAIJAX_PYTHON=OFF", "-DXAIJAX_TESTS=ON"]
        run("cmake", "-S", ROOT, "-B", build, *generator, *options)
        run("cmake", "--build", build, "--parallel", "2")
    run("ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error")
