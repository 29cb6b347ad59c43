"""The one recipe by which the peers and the tests make the same weights and images, so that none have to be stored."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

SMALL, USUAL, ODD = "small", "usual", "odd"


def stream(name: str) -> np.random.Generator:
    """A random stream that belongs to a name."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big")))


def fan_in(name: str, shape: tuple[int, ...], outputs_first: bool) -> int:
    """Inputs of one output of a kernel."""
    if outputs_first:
        return int(np.prod(shape[1:]))
    if "depthwise" in name or "dwconv" in name:
        return int(np.prod(shape[:2]))
    return int(np.prod(shape[:-1]))


def weight(name: str, shape: tuple[int, ...], outputs_first: bool) -> np.ndarray:
    """The weights of one source entry, by its name and kind: kernels as He draws them, random statistics and biases."""
    last = name.replace("/", ".").split(".")[-1]
    u = stream(name).random(shape, np.float32)
    if last in ("running_var", "moving_variance", "variance"):
        return u + 0.5
    if len(shape) == 1 and last in ("weight", "gamma"):
        return 0.6 * u + 0.7
    if len(shape) >= 2 and last not in ("class_token", "cls_token", "pos_embedding", "pos_embed"):
        u -= 0.5
        u *= 2 * (6 / fan_in(name, shape, outputs_first)) ** 0.5
        return u
    return 0.2 * u - 0.1


def images(count: int, side: int) -> np.ndarray:
    """`[count, side, side, 3]` in [0, 1)."""
    return stream(f"images {side}").random((count, side, side, 3), np.float32)


def summary(activations: np.ndarray) -> np.ndarray:
    """`[B, h, w, C]` -> `[5, c]` of the first image, of 8 to 15 of the channels, to keep the files small.

    Mean, mean times a ramp down and across (positions count), and the values in two opposite corners (padding shows).
    """
    first = np.asarray(activations[0, ..., :: max(1, activations.shape[-1] // 8)], np.float64)
    down = np.linspace(-1, 1, first.shape[0])[:, None, None] if first.shape[0] > 1 else np.zeros((1, 1, 1))
    across = np.linspace(-1, 1, first.shape[1])[None, :, None] if first.shape[1] > 1 else np.zeros((1, 1, 1))
    means = [first.mean((0, 1)), (first * down).mean((0, 1)), (first * across).mean((0, 1))]
    return np.stack([*means, first[0, 0], first[-1, -1]])


def endpoints(names: Iterable[str], table: Sequence[tuple[str, Callable[..., str]]]) -> dict[str, str]:
    """Our layer -> the peer's, for the peer's names that match a pattern whole; of two, the later one counts."""
    found = {}
    for name in names:
        for pattern, ours in table:
            match = re.fullmatch(pattern, name)
            if match:
                found[ours(*match.groups())] = name
                break
    return found


def scenes(count: int, side: int) -> np.ndarray:
    """`[count, side, side, 3]` in [0, 1]: coloured discs on a gradient and a little noise, so that places differ."""
    rng = stream(f"scenes {side}")
    row, column = np.mgrid[:side, :side] / side
    found = []
    for _ in range(count):
        image = np.stack([row, column, 1 - row], -1) * rng.uniform(0.2, 0.6, 3)
        for _ in range(5):
            centre, radius = rng.uniform(0.1, 0.9, 2), rng.uniform(0.08, 0.25)
            image[(row - centre[0]) ** 2 + (column - centre[1]) ** 2 < radius**2] = rng.uniform(0, 1, 3)
        found.append(np.clip(image + 0.02 * rng.normal(size=image.shape), 0, 1))
    return np.stack(found).astype(np.float32)


# Functions of an image whose gradients are known, so that a path method can be followed in float64 without a network.
ANALYTIC = ("linear", "quadratic", "smooth")


def analytic_weights(shape: tuple[int, ...]) -> np.ndarray:
    """`[3, *shape]` float32, one plane of weights for each function of `ANALYTIC`."""
    return stream(f"analytic {shape}").normal(size=(3, *shape)).astype(np.float32)


def analytic_gradients(images: np.ndarray, which: int) -> np.ndarray:
    """`dy/dx` of `Σ w x`, `Σ w x²` or `Σ w sin(3 x) + (mean x)²`, in the dtype of `images` `[N, H, W, C]`."""
    weights = analytic_weights(images.shape[1:])[which].astype(images.dtype)
    if which == 0:
        return np.broadcast_to(weights, images.shape).copy()
    if which == 1:
        return 2 * weights * images
    mean = images.mean((1, 2, 3), keepdims=True)
    return 3 * weights * np.cos(3 * images) + 2 * mean / images[0].size
