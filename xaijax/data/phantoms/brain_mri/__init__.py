"""Phantom of contrast-enhanced T1-weighted axial brain MRI with one of three tumours.

The tumours differ as in life: a glioma grows irregularly inside the brain, with an enhancing ring, a dark necrotic core
and oedema around it; a meningioma is round and homogeneous, bright, and sits on the dura at the skull or the falx; a
pituitary tumour is small, bright and in the midline at the base. Masks are the enhancing tumour with its core, without
oedema, exact to the pixel centre. Every slice level but the lowest two can hold a glioma or meningioma, and those two
can hold any tumour, so that the level alone does not give the class away.

`render` draws the tumour first and the head around it, which it displaces. `exchange` draws the two apart: a head at
any level, and a tumour that replaces tissue and changes nothing beyond its soft edge, so that tumours can be exchanged.
"""

import numpy as np

from xaijax.data.phantoms import _fields
from xaijax.data.phantoms.brain_mri import anatomy, tumours

CLASSES = ("glioma", "meningioma", "pituitary")

_LEVELS = {
    "glioma": {"vertex": 0.20, "body": 0.25, "horns": 0.30, "cistern": 0.15, "base": 0.10},
    "meningioma": {"vertex": 0.25, "body": 0.20, "horns": 0.25, "cistern": 0.15, "base": 0.15},
    "pituitary": {"cistern": 0.55, "base": 0.45},
}

ALL_LEVELS = ("vertex", "body", "horns", "cistern", "base")
SOFT = 3 / 128
"""Share of the image's side within which the edge of an exchanged tumour fades into its surroundings."""


def render(label: str, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw one slice.

    Args:
        label: one of `CLASSES`.
        size: side in pixels.
        rng: a fresh generator; it decides everything else.

    Returns:
        `(image, mask)`: grey uint8 `[size, size]`, and bool `[size, size]`, True on the tumour; never empty.
    """
    levels = _LEVELS[label]
    level = str(rng.choice(list(levels), p=list(levels.values())))
    head = anatomy.Head.draw(level, rng)
    tumour = tumours.draw(label, head, rng)
    slice_ = anatomy.Slice(head, size, rng)
    slice_.paint(tumour)
    edge = tumour.paint(slice_, rng)
    mask = edge > 0
    if not mask.any():  # a tumour smaller than a pixel of a tiny image
        mask.flat[edge.argmax()] = True
    return _acquire(slice_.whole(slice_.picture, anatomy.AIR), rng), slice_.whole(mask, False)


def exchange(
    label: str, size: int, head_rng: np.random.Generator, tumour_rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one slice of a head and a tumour that know nothing of each other.

    The head, its level and what the scanner adds follow from `head_rng` alone; outline, size and texture of the tumour
    from `tumour_rng` alone, its place too, unless it does not fit there: then it moves to the nearest place that does.

    Args:
        label: one of `CLASSES`.
        size: side in pixels.
        head_rng: a fresh generator.
        tumour_rng: another.

    Returns:
        `(image, mask)` as of `render`. Two images of one `head_rng` are the same, bit for bit, at all pixels that are
        further than `SOFT` from both masks.
    """
    anatomy_rng, scanner_rng = head_rng.spawn(2)
    shape_rng, texture_rng = tumour_rng.spawn(2)
    levels = _LEVELS[label]
    home = anatomy.Head.draw(str(shape_rng.choice(list(levels), p=list(levels.values()))), shape_rng)
    tumour = tumours.draw(label, home, shape_rng)
    head = anatomy.Head.draw(str(anatomy_rng.choice(ALL_LEVELS)), anatomy_rng)
    slice_ = anatomy.Slice(head, size, anatomy_rng)
    slice_.paint(None)
    slice_.rng = texture_rng
    edge = tumours.moved(tumour, head).paint(slice_, texture_rng, around=False)
    mask = edge > 0
    if not mask.any():
        mask.flat[edge.argmax()] = True
    return _acquire(slice_.whole(slice_.picture, anatomy.AIR), scanner_rng), slice_.whole(mask, False)


def _acquire(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What the scanner adds: a coil's slow shading, Rician noise, and the window of the export."""
    size = len(picture)
    x, y = _fields.grid(size)
    tilt = rng.normal(0, 0.07, 2)
    hollow = rng.uniform(-0.04, 0.14)
    bias = np.exp(tilt[0] * x + tilt[1] * y + hollow * (x * x + y * y) + 0.03 * _fields.noise(rng, 2, size))
    gain = rng.uniform(0.92, 1.10)
    sigma = rng.uniform(0.008, 0.020)
    real, imaginary = rng.standard_normal((2, size, size)) * sigma
    signal = np.hypot(picture * bias + real, imaginary)
    return np.rint(255 * np.clip(gain * signal, 0, 1)).astype(np.uint8)
