"""Every kernel on random input, through each of its faces: NumPy, XLA FFI inside `jit`, numba, numba inside `jit`."""

import os
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
from dump import Dump

IMAGE_DTYPES = ("uint8", "uint16", "float32", "float64")
MAP_DTYPES = ("float32", "float64")
FRACTIONS = (0.005, 0.02, 0.1, 0.34, 0.75, 1.0)
Case = tuple[str, str, tuple[Any, ...], dict[str, Any]]
"""(name, kernel, arguments, options)"""


def generator(name: str) -> np.random.Generator:
    """A random stream that belongs to a name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def images(name: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Noise over a ramp; integers over the whole range of their type."""
    rng = generator(f"images {name} {shape} {dtype}")
    if dtype.startswith("uint"):
        return rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    return (rng.normal(size=shape) + np.linspace(-1, 1, shape[-2])[:, None]).astype(dtype)


def maps(name: str, shape: tuple[int, int], dtype: str, *, constant: bool = True) -> np.ndarray:
    """`[3 or 4, H, W]`: noise, a smooth map, one with many ties, and a constant one."""
    rng = generator(f"maps {name} {shape} {dtype}")
    smooth = np.add.outer(np.cos(np.arange(shape[0]) / 5), np.sin(np.arange(shape[1]) / 7))
    found = [rng.normal(size=shape), smooth, rng.integers(-3, 4, shape)]
    return np.stack([*found, np.full(shape, 2.5)] if constant else found).astype(dtype)


def masks(name: str, count: int, shape: tuple[int, int]) -> np.ndarray:
    """`[count, H, W]` bool: rectangles, the last of which is empty."""
    rng = generator(f"masks {name} {shape}")
    found = np.zeros((count, *shape), bool)
    for mask in found[:-1]:
        top, left = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        mask[top : top + 1 + shape[0] // 3, left : left + 1 + shape[1] // 3] = True
    return found


def cases(quick: bool) -> Iterator[Case]:
    """All calls."""
    shapes = [(9, 7)] if quick else [(1, 37), (16, 16), (45, 31)]
    image_dtypes = ("uint8", "float32") if quick else IMAGE_DTYPES
    map_dtypes = ("float32",) if quick else MAP_DTYPES
    for shape in shapes:
        size = f"{shape[0]}x{shape[1]}"
        for dtype in image_dtypes:
            batch = images("batch", (2, *shape, 3), dtype)
            at = f"{size}/{dtype}"
            for name, options in (("", {}), ("7", {"bins": 7}), ("range", {"bins": 64, "range": (-0.5, 200.0)})):
                yield f"histogram_entropy/{at}/{name}", "histogram_entropy", (batch,), options
            for name, options in (("", {}), ("bins", {"bins": 5})):
                references = images("references", (2, *shape, 3), dtype)
                yield f"mutual_information/{at}/{name}", "mutual_information", (batch, references), options
            yield from fills(shape, dtype, at, quick)
        for dtype in map_dtypes:
            some, at = maps("some", shape, dtype), f"{size}/{dtype}"
            always = generator(f"always {size}").random((len(some), *shape)) < 0.05
            yield f"reveal_levels/{at}/", "reveal_levels", (some, FRACTIONS), {}
            yield f"reveal_levels/{at}/always", "reveal_levels", (some, FRACTIONS, always), {}
            yield f"reveal_levels/{at}/steps", "reveal_levels", (some, 7), {}
            for percent in (3.0, 50.0):
                yield f"top_k_threshold/{at}/{percent:g}", "top_k_threshold", (some,), {"percent": percent}
            yield from ebayes(some, at, quick)
            yield from regions(shape, dtype, at)
            inside = masks("lesions", len(some), shape)
            for name, options in (
                ("", {}),
                ("signed", {"relu": False, "threshold": 0.3, "percent": 7.0}),
                ("near", {"tolerance": 3.0, "scores": ("pointing_game", "boundary_f1")}),
            ):
                yield f"localization_scores/{at}/{name}", "localization_scores", (some, inside), options
            other = maps("other", shape, dtype)
            yield f"similarity/{at}/", "similarity", (some, other), {}
            yield f"similarity/{at}/25", "similarity", (some, other), {"percent": 25.0, "measure": ("topk_iou",)}
        for fraction, seed in ((0.01, 0), (0.3, 12345), (1.0, 2**63 + 5)):
            name = f"random_mask/{size}/{fraction:g}"
            yield name, "random_mask", (shape, fraction, seed), {}


def fills(shape: tuple[int, int], dtype: str, at: str, quick: bool) -> Iterator[Case]:
    """The calls of `reveal`: random levels and those of a smooth map, every fill in both directions."""
    n_levels = 4
    one = images("one", (*shape, 3), dtype)
    # Random levels, which leave isolated known pixels, and nested blobs; level n_levels is never revealed.
    random = generator(f"levels {at}").integers(0, n_levels + 1, shape)
    smooth = maps("levels", shape, "float64", constant=False)[1]
    nested = np.digitize(smooth, np.quantile(smooth, [0.1, 0.3, 0.6, 0.9]))
    levels = np.stack([random, nested]).astype(np.uint16)
    another = images("another", (*shape, 3), dtype)
    chosen: dict[str, tuple[Any, dict[str, Any]]] = {
        "linear": ("linear", {}),
        "nearest": ("nearest", {}),
        "mean": ("mean", {}),
        "blur": ("blur", {"sigma": 2.5}),
        "noisy_linear": ("noisy_linear", {"noise": 0.05, "seed": 7}),
        "smooth_noisy_linear": ("noisy_linear", {"noise": 0.0}),
        "number": (3, {}),
        "colour": ((1, 2, 3), {}),
        "image": (another, {}),
    }
    for name, (fill, options) in chosen.items():
        for direction in ("insertion",) if quick else ("insertion", "deletion"):
            given = {"fill": fill, "direction": direction, **options}
            yield f"reveal/{at}/{name}/{direction}", "reveal", (one, levels, n_levels), given


def ebayes(some: np.ndarray, at: str, quick: bool) -> Iterator[Case]:
    """The calls of `ebayes_threshold`."""
    for rule in ("median",) if quick else ("median", "mean", "hard", "soft"):
        for prior in ("laplace", "cauchy"):
            options = {"prior": prior, "rule": rule, "details": True}
            yield f"ebayes_threshold/{at}/{prior}/{rule}", "ebayes_threshold", (some,), options
    options = {"a": None, "sd": 0.7, "universal_floor": False, "details": True}
    yield f"ebayes_threshold/{at}/estimated", "ebayes_threshold", (some,), options


def regions(shape: tuple[int, int], dtype: str, at: str) -> Iterator[Case]:
    """The calls of `rank_regions`."""
    attribution, parts = maps("attribution", shape, dtype), masks("parts", 12, shape)
    for name, options in (
        ("", {"min_pixels": 2}),
        ("fast", {"min_pixels": 2, "fast": True}),
        ("dilated", {"dilate": 2, "min_pixels": 3, "area": 0.8}),
    ):
        yield f"rank_regions/{at}/{name}", "rank_regions", (attribution, parts), options


def numpy_face(dump: Dump) -> None:
    """Calls on NumPy arrays, at one thread and at several, and `reveal_chunks`, which has no other face."""
    from xaijax import kernels

    for name, kernel, arguments, options in cases(dump.quick):
        with dump.piece(name):
            dump.tree(name, getattr(kernels, kernel)(*arguments, **options))
        if kernel == "random_mask":
            continue
        with dump.piece(f"{name}/threads"):
            dump.tree(f"{name}/threads", getattr(kernels, kernel)(*arguments, **options, num_threads=3))
    one, levels = images("chunks", (20, 20, 3), "uint8"), masks("chunks", 3, (20, 20)).astype(np.uint16)
    with dump.piece("reveal_chunks"):
        for number, (first, last, part) in enumerate(kernels.reveal_chunks(one, levels, 2, max_bytes=2000)):
            dump.text(f"reveal_chunks/{number}/range", [int(first), int(last)])
            dump.array(f"reveal_chunks/{number}", part)


def jax_face(dump: Dump, *, shapes: str = "") -> None:
    """Jitted calls on JAX arrays: in the default precision, in float64, and under `vmap`.

    Args:
        dump: to fill.
        shapes: part of the names of the cases to which to keep; default: all.
    """
    import jax

    from xaijax import kernels

    for x64 in (False, True):
        # Not the context manager: it holds for this thread only, and a host callback runs on another.
        jax.config.update("jax_enable_x64", x64)
        for name, kernel, arguments, options in cases(dump.quick):
            if (not x64 and "float64" in name) or (not dump.quick and shapes not in name):
                continue
            if kernel == "random_mask":
                shape, fraction, seed = arguments
                if seed >= 2 ** (63 if x64 else 31):
                    continue
                function: Callable[..., Any] = jax.jit(lambda s, a=shape, f=fraction: kernels.random_mask(a, f, s))
                operands = [np.asarray(seed, np.int64 if x64 else np.int32)]
                mapped = [np.stack([operands[0], operands[0] + 1])]
            else:
                operands = [value for value in arguments if isinstance(value, np.ndarray)]
                function = _jitted(getattr(kernels, kernel), arguments, options)
                # One leading axis is mapped: the kernels that take an image without a batch get a batch of two.
                mapped = [np.stack([value, value[::-1]]) for value in operands]
            with dump.piece(f"{name}/x64={x64}"):
                dump.tree(f"{name}/x64={x64}", jax.tree.map(np.asarray, function(*operands)))
            if x64 and "16x16" in name:
                with dump.piece(f"{name}/vmap"):
                    dump.tree(f"{name}/vmap", jax.tree.map(np.asarray, jax.jit(jax.vmap(function))(*mapped)))
    jax.config.update("jax_enable_x64", False)


def _jitted(kernel: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Callable[..., Any]:
    """A kernel as a jitted function of the arrays among its arguments; all others are static."""
    import jax

    def call(*operands: Any) -> Any:
        rest = iter(operands)
        return kernel(*(next(rest) if isinstance(value, np.ndarray) else value for value in arguments), **options)

    return jax.jit(call)


def _with(backend: str, face: Callable[[Dump], None]) -> Callable[[Dump], None]:
    def run(dump: Dump) -> None:
        os.environ["XAIJAX_BACKEND"] = backend
        face(dump)

    return run


def cuda_on_cpu(dump: Dump) -> None:
    """The CUDA kernels' logic, compiled for the processor from the sources of this side."""
    if dump.source is None:
        raise LookupError("the sources of this side are needed: give --source")
    compiler = next((name for name in (os.environ.get("CXX"), "c++", "g++", "clang++") if name and which(name)), None)
    if compiler is None:
        raise LookupError("a C++ compiler is needed")
    csrc = dump.source / "csrc"
    # The folders of the headers, wherever they were moved to: the emulation, the kernels, and what they include.
    (emulation,) = csrc.rglob("cuda_on_cpu.hpp")
    places = dict.fromkeys([csrc, csrc / "include", emulation.parent])
    program, results = dump.scratch / "cuda_on_cpu", dump.scratch / "results"
    results.mkdir()
    command = [compiler, "-std=c++17", "-O1", "-ffp-contract=off", "-pthread", *(f"-I{place}" for place in places)]
    command += [str(Path(__file__).with_name("cuda_on_cpu.cpp")), "-o", str(program)]
    for words in (command, [str(program), str(results)]):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} failed: {done.stderr[-3000:]}")
    for file in sorted(results.iterdir()):
        dump.array(file.stem, np.frombuffer(file.read_bytes(), file.suffix[1:]))


TABLES = {
    "kernels/numpy": _with("native", numpy_face),
    "kernels/ffi": _with("native", jax_face),
    "kernels/numba": _with("numba", numpy_face),
    # Callbacks to the host: each call is compiled by XLA, and none of these programs can be kept.
    "kernels/jax-numba": _with("numba", lambda dump: jax_face(dump, shapes="16x16")),
    "kernels/cuda-on-cpu": cuda_on_cpu,
}
