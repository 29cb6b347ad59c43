"""Which backend answers, what importing costs, and the check of the FFI version."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from xaijax import kernels
from xaijax.kernels import _backend, _ffi

IMAGE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def run_python(code, **environment):
    """Runs `code` in a fresh interpreter and gives what it prints, read as JSON."""
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_import_in_a_subprocess_needs_numpy_only_and_little_time():
    code = (
        "import json, sys, time, numpy, importlib.abc\n"
        "class Blocker(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        top = name.split('.')[0]\n"
        "        if top not in sys.stdlib_module_names and top not in {'xaijax', 'numpy'}:\n"
        "            raise ImportError(name + ' is blocked')\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "start = time.process_time()\n"
        "import xaijax.kernels\n"
        "taken = time.process_time() - start\n"
        "other = {name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(json.dumps([taken, sorted(other & {'jax', 'jaxlib', 'numba', 'scipy', 'flax', 'skimage'})]))"
    )
    taken, loaded = min(run_python(code) for _ in range(3))
    assert loaded == []
    assert taken < 0.3


def test_numpy_calls_in_a_subprocess_do_not_load_jax(native):
    code = (
        "import json, sys, numpy as np\n"
        "from xaijax import kernels\n"
        "bits = kernels.histogram_entropy(np.arange(16, dtype=np.uint8).reshape(4, 4, 1))\n"
        "print(json.dumps([float(bits), 'jax' in sys.modules]))"
    )
    assert run_python(code, XAIJAX_BACKEND="") == [4.0, False]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_starts_threads_of_its_own_in_a_subprocess(native):
    code = (
        "import json, os, numpy as np\n"
        "from xaijax import kernels\n"
        "images = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)\n"
        "def bits():\n"
        "    return kernels.histogram_entropy(images, num_threads=3).tobytes()\n"
        "expected = bits()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if bits() == expected and bits() == expected else 1)\n"
        "print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), bits() == expected]))"
    )
    assert run_python(code) == [0, True]


def test_unknown_backend(monkeypatch):
    monkeypatch.setenv("XAIJAX_BACKEND", "fortran")
    with pytest.raises(_backend.BackendError, match="XAIJAX_BACKEND is 'fortran'; it must be one of native, numba"):
        kernels.histogram_entropy(IMAGE)


def without(monkeypatch, absent):
    real = _backend._module
    monkeypatch.setattr(_backend, "_module", lambda name: None if name == absent else real(name))


def test_forcing_an_absent_backend_is_an_error(monkeypatch):
    import jax.numpy as jnp

    without(monkeypatch, "xaijax._core")
    monkeypatch.setenv("XAIJAX_BACKEND", "native")
    with pytest.raises(_backend.BackendError, match="the native backend is not built; reinstall"):
        kernels.histogram_entropy(IMAGE)
    without(monkeypatch, "xaijax._cuda")
    monkeypatch.setenv("XAIJAX_BACKEND", "cuda")
    with pytest.raises(_backend.BackendError, match="there is no CUDA module"):
        kernels.histogram_entropy(jnp.asarray(IMAGE))
    with pytest.raises(_backend.BackendError, match="NumPy arrays need native or numba"):
        kernels.histogram_entropy(IMAGE)
    monkeypatch.setattr(_backend, "_found", lambda name: False)
    monkeypatch.setenv("XAIJAX_BACKEND", "numba")
    with pytest.raises(_backend.BackendError, match="numba is not installed"):
        kernels.histogram_entropy(IMAGE)


def test_without_the_extension_numba_answers(monkeypatch):
    import jax

    expected = kernels.histogram_entropy(IMAGE)
    without(monkeypatch, "xaijax._core")
    monkeypatch.delenv("XAIJAX_BACKEND", raising=False)
    assert kernels.build_info()["backend"] == "numba"
    assert kernels.build_info()["compiler"] is None
    assert kernels.histogram_entropy(IMAGE) == pytest.approx(expected, abs=1e-12)
    assert jax.jit(kernels.histogram_entropy)(IMAGE) == pytest.approx(expected, abs=1e-6)


def test_build_info(native):
    info = kernels.build_info()
    assert info["backend"] == os.environ.get("XAIJAX_BACKEND", "native")
    assert "-march=native" not in info["flags"]
    assert "-ffp-contract=off" in info["flags"]
    assert info["threads"] >= 1


def test_ffi_version_of_this_build_suits_the_installed_jaxlib(native):
    assert _ffi.runtime_version() is not None
    _ffi.check_version(tuple(kernels.build_info()["ffi_version"]), _ffi.runtime_version())


@pytest.mark.parametrize(("built", "runtime"), [((0, 3), (0, 3)), ((0, 2), (0, 3)), ((1, 0), (1, 5)), ((0, 9), None)])
def test_ffi_versions_that_work(built, runtime):
    _ffi.check_version(built, runtime)


@pytest.mark.parametrize(("built", "runtime"), [((0, 4), (0, 3)), ((1, 0), (0, 9)), ((0, 3), (1, 0))])
def test_ffi_versions_that_xla_would_refuse(built, runtime):
    says = rf"built for XLA FFI {built[0]}\.{built[1]}, and jaxlib .* has {runtime[0]}\.{runtime[1]}; reinstall"
    with pytest.raises(_backend.BackendError, match=says):
        _ffi.check_version(built, runtime)
