"""Test-time augmentation: the mean of any method's maps over flips and quarter turns of the image, turned back.

These transformations move pixels and interpolate nothing, so that each map is put back exactly.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp

from xaijax import _names
from xaijax._errors import InputError
from xaijax._options import Form
from xaijax.classifier import Classifier
from xaijax.explain._method import BatchSize, resolve_labels
from xaijax.explain._registry import METHODS, explainer, methods


def _base_name(name: str) -> str:
    known = [
        name
        for name in methods(without="masks")
        if "base" not in METHODS[name].options and not METHODS[name].host  # not itself, nor the cascade
    ]
    return _names.match("base method", name, known)


Base = Annotated[str, Form(_base_name, "a method that JAX can trace, needs no masks and takes no base itself")]
Moves = Literal["mirror", "flips", "dihedral"]
# Quarter turns, and whether left and right change places first.
_MOVES: dict[str, tuple[tuple[int, bool], ...]] = {
    "mirror": ((0, False), (0, True)),
    "flips": ((0, False), (0, True), (2, False), (2, True)),
    "dihedral": tuple((turns, mirrored) for turns in range(4) for mirrored in (False, True)),
}


def _moved(images: jax.Array, turns: int, mirrored: bool) -> jax.Array:
    """`[B, H, W, ...]`, left and right exchanged, then turned by quarters."""
    return jnp.rot90(images[:, :, ::-1] if mirrored else images, turns, axes=(1, 2))


def _moved_back(maps: jax.Array, turns: int, mirrored: bool) -> jax.Array:
    turned = jnp.rot90(maps, -turns, axes=(1, 2))
    return turned[:, :, ::-1] if mirrored else turned


@explainer(family="cam", cost=5, needs={"layer"}, signed=True)
def tta(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    base: Base = "grad_cam",
    moves: Moves = "flips",
    options: Mapping[str, Any] | None = None,
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Test-time augmentation: the mean of a method's maps over flips and turns of the image, each turned back.

    `S = (1/n) Σ_j T_j⁻¹ a(T_j x)`, `T_j` the moves, the identity among them, a the base method's raw map for the class
    of the unmoved image.

    Args:
        classifier: a classifier that has what the base method needs.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the class predicted for the unmoved image.
        base: a method of `METHODS`; not XRAI, which works on the host.
        moves: `"mirror"`, 2: left and right exchanged or not; `"flips"`, 4: up and down too; `"dihedral"`, 8: quarter
            turns too, for square images.
        options: further options of the base method, such as `{"layer": ...}` or `{"key": ...}`.
        batch_size: most images in flight in the base method.

    Returns:
        `[B, H, W]` float32, unit and sign of the base method's maps.

    Raises:
        InputError: for an unknown base method, and for quarter turns of images that are not square.

    Differences:
        pytorch-grad-cam's `aug_smooth` mirrors images and scales their values by 0.9, 1 and 1.1; here pixels move and
        keep their values. Raw maps are averaged, not maps scaled to [0, 1]. A signed gradient method as the base is
        read with its sign: give `options={"reduce": "abs_sum"}` for magnitudes.

    References:
        Gildenblat et al., "PyTorch library for CAM methods", 2021 (`aug_smooth`).

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[2.0, 0.0], [4.0, 1.0]])  # [pixels, classes]
        >>> model = Classifier.from_function(lambda w, x: x.reshape(-1, 2) @ w, weights, input_shape=(1, 2, 1))
        >>> image = jnp.array([[[[1.0], [0.5]]]])
        >>> tta(model, image, 0, base="gradient", moves="mirror").tolist()  # the mean of (2, 4) and (4, 2)
        [[[3.0, 3.0]]]
    """
    method = METHODS[base]
    if moves == "dihedral" and images.shape[1] != images.shape[2]:
        raise InputError(
            f"quarter turns need square images; these are {images.shape[1]} x {images.shape[2]}: use moves='flips'"
        )
    labels = resolve_labels(classifier, images, labels, batch_size)
    applied = _MOVES[moves]
    every = jnp.concatenate([_moved(images, *move) for move in applied])
    own = {"batch_size": batch_size} if "batch_size" in method.options else {}
    maps = method.function(classifier, every, jnp.concatenate([labels] * len(applied)), **own | dict(options or {}))
    back = [_moved_back(part, *move) for part, move in zip(jnp.split(maps, len(applied)), applied, strict=True)]
    return sum(back[1:], back[0]) / len(back)
