"""Where and with what something was computed: versions, machine, devices, time."""

import datetime
import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

PACKAGES = (
    *("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "safetensors", "numba", "numpy", "scipy", "pillow"),
    *("scikit-image", "scikit-learn", "matplotlib", "pyarrow", "jinja2", "rich", "tyro", "pyyaml"),
)


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Versions of xaijax, Python and everything it depends on."""
    from xaijax import __version__

    found = {package: version(package) for package in PACKAGES}
    return {"xaijax": __version__, "python": platform.python_version()} | {k: v for k, v in found.items() if v}


def machine() -> dict[str, Any]:
    """Operating system, processor, threads of this process, and memory."""
    found: dict[str, Any] = {"system": platform.platform(), "processor": _processor(), "threads": processors()}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory_gib"] = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    return found


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def devices() -> list[str]:
    """The devices that JAX sees; starts its backend."""
    import jax

    return [f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices()]


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def describe() -> dict[str, Any]:
    """What every `run.json` says of where it was made; starts JAX's backend."""
    from xaijax import kernels

    return {
        "started": now(),
        "versions": versions(),
        "machine": machine() | {"devices": devices()},
        "kernels": kernels.build_info(),
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        text = ""
    match = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    return match.group(1).strip() if match else platform.processor() or platform.machine()
