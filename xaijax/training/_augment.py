"""Random changes of training images that leave their class: one affine resampling, brightness and contrast.

Images are float `[B, H, W, C]` in [0, 1] and stay in it. Pure and jitted with the training step; the same key gives
the same images.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp

from xaijax._options import Range, Share, check_fields

Flip = Literal["none", "horizontal", "both"]
Degrees = Annotated[float, Range(0, 180)]
Zoom = Annotated[float, Range(0, 1, without_high=True)]


@dataclass(frozen=True)
class Augmentation:
    """How much is changed; every amount is drawn uniformly from ± its value.

    Args:
        flip: mirror left and right, also up and down, or not at all.
        shift: share of the image's side.
        rotation: degrees.
        zoom: share of the size.
        brightness: added to the pixels in [0, 1].
        contrast: share by which differences from the image's mean grow or shrink.

    Raises:
        InputError: for a value outside its range.

    Example:
        >>> Augmentation(rotation=float("nan"))
        Traceback (most recent call last):
        xaijax._errors.InputError: rotation is nan; it must be a number from 0 to 180
    """

    flip: Flip = "horizontal"
    shift: Share = 0.08
    rotation: Degrees = 12.0
    zoom: Zoom = 0.1
    brightness: Share = 0.08
    contrast: Share = 0.15

    def __post_init__(self) -> None:
        for name, value in check_fields(self).items():
            object.__setattr__(self, name, value)

    def __call__(self, images: Any, key: Any) -> Any:
        """Change every image of a batch in its own way.

        Args:
            images: `[B, H, W, C]`, float in [0, 1].
            key: JAX random key.

        Returns:
            `[B, H, W, C]`, float in [0, 1]. What comes in from outside repeats the border.
        """
        return jax.vmap(self._one)(images, jax.random.split(key, images.shape[0]))

    def with_masks(self, images: Any, masks: Any, key: Any) -> tuple[Any, Any]:
        """The same images, and masks that move with them.

        Args:
            images: `[B, H, W, C]`, float in [0, 1].
            masks: `[B, H, W]` bool.
            key: JAX random key.

        Returns:
            `[B, H, W, C]` as calling it gives, and `[B, H, W]` bool.
        """
        keys = jax.random.split(key, images.shape[0])
        moved = jax.vmap(self._moved)(masks[..., None].astype(jnp.float32), jax.vmap(_draws)(keys))
        return jax.vmap(self._one)(images, keys), moved[..., 0] > 0.5

    def _one(self, image: Any, key: Any) -> Any:
        draws = _draws(key)
        moved = self._moved(image, draws)
        mean = moved.mean()
        changed = (moved - mean) * (1 + self.contrast * draws[6]) + mean + self.brightness * draws[7]
        return jnp.clip(changed, 0, 1)

    def _moved(self, image: Any, draws: Any) -> Any:
        angle = jnp.deg2rad(self.rotation) * draws[0]
        scale = 1 + self.zoom * draws[1]
        mirror_x = jnp.where((self.flip != "none") & (draws[2] > 0), -1.0, 1.0)
        mirror_y = jnp.where((self.flip == "both") & (draws[3] > 0), -1.0, 1.0)
        height, width, _ = image.shape
        y, x = jnp.meshgrid(jnp.arange(height) - (height - 1) / 2, jnp.arange(width) - (width - 1) / 2, indexing="ij")
        sine, cosine = jnp.sin(angle) * scale, jnp.cos(angle) * scale
        rows = mirror_y * (cosine * y - sine * x) + (height - 1) / 2 + self.shift * height * draws[4]
        columns = mirror_x * (sine * y + cosine * x) + (width - 1) / 2 + self.shift * width * draws[5]
        return _bilinear(image, rows, columns)


def _draws(key: Any) -> Any:
    """`[8]`, from -1 to 1: angle, scale, two mirrors, two shifts, contrast, brightness."""
    return jax.random.uniform(key, (8,), minval=-1.0, maxval=1.0)


def _bilinear(image: Any, rows: Any, columns: Any) -> Any:
    """`image` `[H, W, C]` at float positions `[H, W]`, the border repeated outside."""
    height, width, _ = image.shape
    rows, columns = jnp.clip(rows, 0, height - 1), jnp.clip(columns, 0, width - 1)
    top, left = jnp.floor(rows).astype(jnp.int32), jnp.floor(columns).astype(jnp.int32)
    bottom, right = jnp.minimum(top + 1, height - 1), jnp.minimum(left + 1, width - 1)
    down, along = (rows - top)[..., None], (columns - left)[..., None]
    upper = image[top, left] * (1 - along) + image[top, right] * along
    lower = image[bottom, left] * (1 - along) + image[bottom, right] * along
    return upper * (1 - down) + lower * down
