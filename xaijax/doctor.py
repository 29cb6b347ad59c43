"""`xaijax doctor`: what is installed, what works, and the line that mends what does not."""

import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "safetensors",
    "numba",
    "numpy",
    "scipy",
    "pillow",
    "scikit-image",
    "matplotlib",
    "pyarrow",
    "jinja2",
    "rich",
    "tyro",
    "pyyaml",
)
# extra -> (packages, what they are for)
EXTRAS = {
    "medical": (("h5py", "pydicom"), "reads .mat and DICOM"),
    "keras": (("h5py",), "reads Keras weights from .h5 and .keras files"),
    "torch": (("torch",), "reads PyTorch .pth files"),
}
REINSTALL = "pip install --force-reinstall --no-deps xaijax   (in a checkout: pip install .)"


@dataclasses.dataclass(frozen=True)
class DoctorConfig:
    """Say what is installed, what works and what is missing, with the line that mends it."""

    json: bool = False
    """Print JSON instead of a table."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the examination. `state` is "ok", "missing" (optional), or "broken"."""

    section: str
    name: str
    value: str
    state: str = "ok"
    mend: str = ""


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Versions of xaijax, Python and everything it depends on; also kept in each run.json."""
    from xaijax import __version__

    found = {package: version(package) for package in PACKAGES}
    return {"xaijax": __version__, "python": platform.python_version()} | {k: v for k, v in found.items() if v}


def machine() -> dict[str, Any]:
    """Processor, memory and operating system, as kept in each run.json."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found: dict[str, Any] = {"system": platform.platform(), "processor": _processor(), "threads": threads}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory_gib"] = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    return found


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        text = ""
    match = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    return match.group(1).strip() if match else platform.processor() or platform.machine()


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
        state, mend = ("ok", "") if have else ("broken", f"pip install {package}")
        found.append(Finding("packages", package, have or "not installed", state, mend))
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
        mend = f"pip install 'jaxlib>={version('jaxlib')}' --upgrade, or rebuild against the one here: {REINSTALL}"
        found.append(Finding("jax", "FFI version", text, "broken" if newer else "ok", mend if newer else ""))
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
        mend = "" if plugin else "pip install 'jax[cuda13]'"
        value = f"{plugin} {version(plugin)}" if plugin else "not installed: JAX runs on the CPU"
        found.append(Finding("cuda", "JAX plugin", value, "ok" if plugin else "missing", mend))
    found.append(Finding("cuda", "nvcc", compiler or "no"))
    if module:
        found.append(Finding("cuda", "kernels", "built"))
    else:
        wanted = bool(plugin or driver)
        mend = f"put nvcc on the PATH, then {REINSTALL}" if wanted else ""
        value = "not built" if wanted else "not built, and no GPU to need them"
        found.append(Finding("cuda", "kernels", value, "missing" if wanted else "ok", mend))
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


def run_doctor(config: DoctorConfig) -> int:
    """Prints the examination; returns 1 where something that everybody needs is broken, else 0."""
    findings = examine()
    if config.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        _print(findings)
    return int(any(finding.state == "broken" for finding in findings))


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    colours = {"ok": "green", "missing": "yellow", "broken": "bold red"}
    table = Table(box=None, show_header=False, pad_edge=False)
    section = None
    for finding in findings:
        name = "" if finding.section == section else finding.section
        if name and section is not None:
            table.add_row()
        section = finding.section
        state = Text({"ok": "✓", "missing": "–", "broken": "✗"}[finding.state], colours[finding.state])
        table.add_row(Text(name, "bold"), state, Text(finding.name), Text(finding.value))
    console.print(table)
    amiss = [finding for finding in findings if finding.state != "ok"]
    console.print()
    if not amiss:
        console.print("Nothing is missing.")
    for finding in amiss:
        word = "optional" if finding.state == "missing" else "broken"
        console.print(Text(f"{word}: {finding.name}: {finding.value}", colours[finding.state]))
        if finding.mend:
            console.print(Text(f"    {finding.mend}"), soft_wrap=True)
