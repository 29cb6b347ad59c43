"""What is installed, what works, and how to fix what does not."""

import dataclasses
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._runs.provenance import PACKAGES, version, versions

# extra -> (packages, what they are for)
EXTRAS = {
    "medical": (("h5py", "pydicom"), "reads .mat and DICOM"),
    "keras": (("h5py",), "reads Keras weights from .h5 and .keras files"),
    "torch": (("torch",), "reads PyTorch .pth files"),
    "cluster": (("distributed", "dask-jobqueue"), "runs on several machines, --cluster"),
    "cloud": (("s3fs",), "runs in object storage, --out s3://..."),
}
REINSTALL = "pip install --force-reinstall --no-deps xaijax   (in a checkout: pip install .)"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the examination. `state` is "ok", "missing" (optional), or "broken"."""

    section: str
    name: str
    value: str
    state: str = "ok"
    fix: str = ""


def header_ffi_version(include: Path) -> tuple[int, int] | None:
    """The FFI version that a folder of XLA headers declares, or None where it cannot be read."""
    try:
        text = (include / "xla" / "ffi" / "api" / "c_api.h").read_text("utf-8", "replace")
    except OSError:
        return None
    numbers = [re.search(rf"#define\s+XLA_FFI_API_{part}\s+(\d+)", text) for part in ("MAJOR", "MINOR")]
    if not all(numbers):
        return None
    major, minor = (int(match.group(1)) for match in numbers if match)
    return major, minor


def examine() -> list[Finding]:
    """Everything that `xaijax doctor` says; imports JAX and starts its backend."""
    return [*_packages(), *_kernels(), *_jax(), *_cuda(), *_extras()]


def _packages() -> list[Finding]:
    found = [
        Finding("packages", "python", f"{platform.python_version()} ({sys.executable})"),
        Finding("packages", "xaijax", versions()["xaijax"]),
    ]
    for package in PACKAGES:
        have = version(package)
        state, fix = ("ok", "") if have else ("broken", f"pip install {package}")
        found.append(Finding("packages", package, have or "not installed", state, fix))
    return found


def _kernels() -> list[Finding]:
    from xaijax import kernels

    try:
        info = kernels.build_info()
    except (kernels.BackendError, ImportError) as error:
        return [Finding("kernels", "extension", str(error), "broken", REINSTALL)]
    if info["compiler"] is None:
        built = Finding("kernels", "extension", "not built: kernels fall back to numba", "broken", REINSTALL)
    else:
        built = Finding("kernels", "extension", f"{info['compiler']}, {info['flags']}")
    found = [built, Finding("kernels", "SIMD", str(info["simd"] or "unknown"))]
    found.append(Finding("kernels", "threads", str(info["threads"])))
    found.append(Finding("kernels", "backend", str(info["backend"])))
    backends = [
        name
        for name, there in (
            ("native", info["compiler"] is not None),
            ("cuda", info["cuda"]),
            ("numba", importlib.util.find_spec("numba") is not None),
        )
        if there
    ]
    found.append(Finding("kernels", "backends there", ", ".join(backends)))
    forced = os.environ.get("XAIJAX_BACKEND")
    if forced:
        found.append(Finding("kernels", "XAIJAX_BACKEND", forced))
    return found


def _jax() -> list[Finding]:
    try:
        import jax
    except Exception as error:  # a broken jaxlib fails in many ways, and to say how is this command's work
        return [Finding("jax", "import", _line(error), "broken", "pip install --upgrade jax jaxlib")]
    found = []
    try:
        devices = ", ".join(f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices())
        found.append(Finding("jax", "devices", devices))
    except RuntimeError as error:
        return [Finding("jax", "devices", _line(error), "broken", "JAX_PLATFORMS=cpu xaijax doctor")]
    found.append(Finding("jax", "x64", "on" if jax.config.read("jax_enable_x64") else "off"))
    from xaijax import kernels

    built = kernels.build_info()["ffi_version"]
    running = header_ffi_version(Path(jax.ffi.include_dir()))
    if built is not None:
        text = f"{_dotted(built)} in the headers of the build, {_dotted(running)} in the running jaxlib"
        newer = running is not None and tuple(built) > running
        fix = f"pip install 'jaxlib>={version('jaxlib')}' --upgrade, or rebuild against the one here: {REINSTALL}"
        found.append(Finding("jax", "FFI version", text, "broken" if newer else "ok", fix if newer else ""))
        found.append(_ffi_call())
    return found


def _ffi_call() -> Finding:
    """Calls a kernel inside jit: XLA refuses a handler of the wrong version at the first call only."""
    import jax

    from xaijax import kernels

    image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1)
    try:
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            inside = float(np.asarray(jax.jit(kernels.histogram_entropy)(image))[0])
        outside = float(np.asarray(kernels.histogram_entropy(image))[0])
    except Exception as error:  # whatever it is, it is the finding
        return Finding("jax", "kernel in jit", _line(error), "broken", REINSTALL)
    if abs(inside - outside) > 1e-5:
        return Finding("jax", "kernel in jit", f"gives {inside}, but {outside} from NumPy", "broken", REINSTALL)
    return Finding("jax", "kernel in jit", "works")


def _cuda() -> list[Finding]:
    from xaijax import kernels

    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
    plugin = next((name for name in ("jax-cuda13-plugin", "jax-cuda12-plugin") if version(name)), None)
    compiler = shutil.which("nvcc")
    module = kernels.build_info()["cuda"]
    found = [Finding("cuda", "driver", "yes" if driver else "no")]
    if plugin or driver:
        fix = "" if plugin else "pip install 'jax[cuda13]'"
        value = f"{plugin} {version(plugin)}" if plugin else "not installed: JAX runs on the CPU"
        found.append(Finding("cuda", "JAX plugin", value, "ok" if plugin else "missing", fix))
    found.append(Finding("cuda", "nvcc", compiler or "no"))
    if module:
        found.append(Finding("cuda", "kernels", "built"))
    else:
        wanted = bool(plugin or driver)
        fix = f"put nvcc on the PATH, then {REINSTALL}" if wanted else ""
        value = "not built" if wanted else "not built, and no GPU to need them"
        found.append(Finding("cuda", "kernels", value, "missing" if wanted else "ok", fix))
    return found


def _extras() -> list[Finding]:
    found = []
    for extra, (packages, purpose) in EXTRAS.items():
        absent = [package for package in packages if version(package) is None]
        if absent:
            value = f"{', '.join(absent)} not installed ({purpose})"
            found.append(Finding("extras", extra, value, "missing", f"pip install 'xaijax[{extra}]'"))
        else:
            found.append(Finding("extras", extra, f"installed ({purpose})"))
    return found


def _dotted(numbers: Any) -> str:
    return "unknown" if numbers is None else ".".join(map(str, numbers))


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
