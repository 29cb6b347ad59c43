"""Phantom of an axial CT slice of the chest in the lung window: normal, smooth benign, or spiculated malignant nodule.

Values are Hounsfield units until the window (centre -490, width 1350) turns them into grey levels: air black, lung dark
grey, fat and muscle light, bone white. What differs between people and slices (level, habitus, vessels, fissures, pose,
noise) is drawn before the class is looked at and from generators of its own: the same case of another class is the same
image outside its nodules.

Both kinds of nodule have the same places and the same range of sizes and densities. A benign one is round with a
smooth edge and even; a malignant one is lobed, uneven, and has spicules, thin strands of tissue that radiate from it
and belong to its mask. Masks are exact to the pixel centre.
"""

from dataclasses import dataclass

import numpy as np

from xaijax.data.phantoms import _fields as f
from xaijax.data.phantoms import _vessels
from xaijax.data.phantoms._pose import Pose

Array = np.ndarray
CLASSES = ("normal", "benign", "malignant")
AIR, FAT, MUSCLE, BLOOD, MARROW, CORTEX = -1000.0, -95.0, 50.0, 65.0, 190.0, 650.0
_CENTRE, _WIDTH = -490.0, 1350.0


@dataclass(frozen=True)
class Thorax(Pose):
    """The geometry of one slice; x to the right of the image (the patient's left), y towards the back."""

    level: float  # 0 at the aortic arch, 1 at the middle of the heart
    width: float
    depth: float
    fat: float
    wall: float
    heart: float
    lean: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Thorax":
        """A thorax of ordinary variation, any level between the arch and the heart."""
        return cls(
            level=rng.uniform(0, 1),
            width=rng.uniform(0.84, 0.95),
            depth=rng.uniform(0.64, 0.76),
            fat=rng.uniform(0.025, 0.075),
            wall=rng.uniform(0.085, 0.115),
            angle=rng.normal(0, 0.04),
            scale=rng.uniform(0.98, 1.10),
            shift=(rng.normal(0, 0.02), -0.06 + rng.normal(0, 0.03)),
            heart=rng.uniform(0.90, 1.12),
            lean=rng.normal(0, 0.03),
        )

    def skin(self, x: Array, y: Array) -> Array:
        """Depth below the skin: an oval, flatter behind."""
        p = 2.5
        radius = (np.abs(x / self.width) ** p + np.abs(y / (self.depth * np.where(y > 0, 0.96, 1.0))) ** p) ** (1 / p)
        return (1 - radius) * np.where(radius > 0, np.hypot(x, y) / np.maximum(radius, 1e-6), self.depth)

    def cavity(self, x: Array, y: Array) -> Array:
        """Depth below the inner face of the ribs."""
        inner = self.fat + self.wall
        wide, deep = self.width - inner - 0.075, self.depth - inner
        p = 2.3
        radius = (np.abs(x / wide) ** p + np.abs(y / deep) ** p) ** (1 / p)
        return (1 - radius) * np.hypot(x, y) / np.maximum(radius, 1e-6)

    def lung(self, x: Array, y: Array) -> Array:
        """Distance to the surface of the lungs, inside positive."""
        return np.minimum(self.cavity(x, y), -self.middle(x, y))

    def middle(self, x: Array, y: Array) -> Array:
        """Distance to the outline of what is between the lungs."""
        low, h = self.level, self.heart
        spine = f.ellipse(x, y, 0.0, 0.43 * self.depth / 0.65, 0.155, 0.17)
        front = f.segment(x, y, self.lean, -0.9, self.lean, -0.20, 0.020 + 0.03 * low)
        core = f.ellipse(x, y, 0.0, 0.02, 0.135 + 0.03 * low, 0.30)
        arch = f.segment(x, y, -0.06, -0.16, 0.11, 0.10, 0.085)
        heart = f.ellipse(x, y, 0.12 * h, -0.13, (0.10 + 0.25 * low) * h, (0.12 + 0.13 * low) * h, -0.45)
        right = f.ellipse(x, y, -0.09 * h, -0.06, 0.10 + 0.07 * low, 0.12 + 0.06 * low)
        aorta = f.ellipse(x, y, 0.115, 0.27, 0.070, 0.070)
        found = f.join(f.join(heart, right, 0.05), f.join(core, arch, 0.05), 0.06)
        return f.join(f.join(found, front, 0.08), f.join(spine, aorta, 0.05), 0.06)


def render(label: str, size: int, rng: np.random.Generator, lesions: int = 1) -> tuple[Array, tuple[Array, ...]]:
    """Draw one slice.

    Args:
        label: one of `CLASSES`.
        size: side in pixels.
        rng: a fresh generator; it decides everything else.
        lesions: number of nodules.

    Returns:
        `(image, masks)`: grey uint8 `[size, size, 1]`, and one bool `[size, size]` per nodule.
    """
    anatomy, disease, scanner = rng.spawn(3)
    thorax = Thorax.draw(anatomy)
    x, y = thorax.place(*f.grid(size))
    slice_ = _Slice(thorax, size, x, y, anatomy)
    taken: list[tuple[float, float, float]] = []
    count = lesions if label != "normal" else 0
    masks = tuple(_nodule(label, slice_, disease, taken) for _ in range(count))
    return _scan(slice_.picture, scanner)[..., None], masks


class _Slice:
    """Hounsfield units of a slice being painted."""

    def __init__(self, thorax: Thorax, size: int, x: Array, y: Array, rng: np.random.Generator) -> None:
        self.thorax, self.size, self.rng = thorax, size, rng
        self.soft = max(2 / size / thorax.scale, 0.010)
        self.true_x, self.true_y = x, y
        self.x = x + 0.014 * self._noise(3) + 0.004 * self._noise(10)
        self.y = y + 0.014 * self._noise(3) + 0.004 * self._noise(10)
        self.lung = thorax.lung(self.x, self.y)
        self.picture = np.full_like(x, AIR)
        self._table()
        self._wall()
        self._mediastinum()
        self._lungs()

    def _noise(self, cells: int) -> Array:
        return f.noise(self.rng, cells, self.size)

    def _table(self) -> None:
        """The couch: two thin curved lines behind the back."""
        t = self.thorax
        # It does not turn with the patient, only moves.
        y = self.true_y - t.depth - 0.065 - 0.03 * self.rng.random() + 0.10 * self.true_x**2
        for depth, half in ((0.0, 0.006), (0.085, 0.005)):
            line = f.cover(half - np.abs(y - depth), self.soft) * f.cover(0.86 - np.abs(self.true_x), self.soft)
            f.paint(self.picture, 0.75 * line, -420.0)

    def _wall(self) -> None:
        t, x, y, soft, rng = self.thorax, self.x, self.y, self.soft, self.rng
        skin = t.skin(x, y)
        f.paint(self.picture, f.cover(skin, soft), FAT + 14 * self._noise(24))
        f.paint(self.picture, f.band(skin, -0.002, 0.010, soft), 10.0)
        muscle = np.minimum(skin - t.fat * (1 + 0.25 * self._noise(5)), t.cavity(x, y) + 0.30)
        texture = MUSCLE + 12 * self._noise(20)
        f.paint(self.picture, f.cover(muscle, soft), texture)
        # Fat between the muscles of the wall.
        planes = f.cover(0.006 - np.abs(skin - t.fat - 0.55 * t.wall + 0.012 * self._noise(6)), max(soft, 0.014))
        f.paint(self.picture, 0.75 * planes * f.cover(muscle, soft), FAT)
        cavity = t.cavity(x, y)
        # Ribs lie around the cavity: pieces of a ring, between -0.055 and -0.015.
        around = np.arctan2(y / t.depth, x / t.width)
        count, start = rng.integers(9, 12), rng.uniform(0, 2 * np.pi)
        pieces = np.cos(count * around + start + 0.5 * np.sin(2 * around + rng.uniform(0, 6))) - 0.15
        ribs = np.minimum(0.020 - np.abs(cavity + 0.036), 0.05 * pieces)
        self._bone(ribs)
        side = np.abs(x)
        blade = f.segment(side, y, 0.50 * t.width / 0.9, 0.56 * t.depth / 0.65, 0.72 * t.width / 0.9, 0.20, 0.018)
        self._bone(np.minimum(blade + 0.004 * self._noise(9), skin - t.fat - 0.02))
        breastbone = f.ellipse(x, y, t.lean, -t.depth + t.fat + 0.060, 0.095, 0.026)
        self._bone(breastbone)
        back = 0.43 * t.depth / 0.65
        self._bone(f.ellipse(x, y, 0.0, back, 0.105, 0.090))
        arch = np.maximum(
            f.segment(side, y, 0.06, back + 0.06, 0.05, back + 0.15, 0.026),
            f.segment(side, y, 0.05, back + 0.12, 0.17, back + 0.13, 0.020),
        )
        self._bone(np.maximum(arch, f.segment(x, y, 0.0, back + 0.15, 0.0, back + 0.21, 0.018)))
        f.paint(self.picture, f.cover(f.ellipse(x, y, 0.0, back + 0.105, 0.036, 0.030), soft), 30.0)

    def _bone(self, edge: Array) -> None:
        f.paint(self.picture, f.cover(edge, self.soft), CORTEX)
        f.paint(self.picture, f.cover(edge - 0.012, self.soft), MARROW + 60 * self._noise(30))

    def _mediastinum(self) -> None:
        t, x, y, soft = self.thorax, self.x, self.y, self.soft
        inside = f.cover(t.cavity(x, y), soft)
        middle = t.middle(x, y)
        fat = f.cover(middle, soft) * inside
        spine = f.cover(f.ellipse(x, y, 0.0, 0.43 * t.depth / 0.65, 0.12, 0.105), soft)
        fat = fat * (1 - spine)
        f.paint(self.picture, fat, FAT + 15 * self._noise(16))
        low, h = t.level, t.heart
        vessels = [
            f.ellipse(x, y, 0.115, 0.27, 0.062, 0.062),
            f.ellipse(x, y, -0.10, -0.12 + 0.02 * low, 0.042, 0.050),
            f.ellipse(x, y, 0.12 * h, -0.13, (0.085 + 0.245 * low) * h, (0.10 + 0.125 * low) * h, -0.45),
            f.ellipse(x, y, -0.09 * h, -0.06, 0.05 + 0.11 * low, 0.06 + 0.11 * low),
            f.segment(x, y, -0.05, -0.15, 0.10, 0.10, 0.075 - 0.02 * low),
        ]
        for vessel in vessels:
            f.paint(self.picture, f.cover(np.minimum(vessel, middle - 0.008), soft) * fat, BLOOD + 8 * self._noise(18))
        # The windpipe above, the two main bronchi below.
        apart = 0.16 * np.clip((low - 0.25) / 0.35, 0, 1)
        bore = 0.050 - 0.020 * np.clip((low - 0.25) / 0.35, 0, 1)
        for sign in (-1, 1):
            tube = f.ellipse(x, y, sign * apart * 0.75 - 0.01, 0.09 - 0.02 * low, bore, bore * 1.05)
            f.paint(self.picture, f.cover(tube + 0.010, soft), 20.0)
            f.paint(self.picture, f.cover(tube, soft), AIR)

    def _lungs(self) -> None:
        t, soft, rng = self.thorax, self.soft, self.rng
        inside = f.cover(self.lung, max(soft, 0.014))
        # Denser at the back, where blood settles, and towards the hila.
        slope = rng.uniform(20, 70)
        texture = 13 * self._noise(9) + 16 * self._noise(26) + 14 * self._noise(48)
        f.paint(self.picture, inside, rng.uniform(-880, -825) + slope * (self.y + 0.1) + texture)
        for sign in (-1, 1):
            bend = self.y - rng.uniform(-0.08, 0.10) - sign * self.x * rng.uniform(-0.55, 0.25) + 0.02 * self._noise(5)
            line = np.exp(-((bend / 0.008) ** 2)) * f.cover(sign * self.x, soft) * f.cover(self.lung - 0.01, soft)
            f.paint(self.picture, rng.uniform(0.02, 0.10) * line, 0.0)
        trees, airways = [], []
        for sign in (-1, 1):
            hilum = (sign * rng.uniform(0.17, 0.20) * (1 + 0.1 * t.level), rng.uniform(-0.02, 0.08))
            for turn in (-1.15, -0.45, 0.25, 0.95):
                heading = turn + rng.normal(0, 0.15)
                heading = heading if sign > 0 else np.pi - heading
                trees.append(_vessels.grow(rng, hilum, heading, rng.uniform(0.11, 0.16), rng.uniform(0.014, 0.020), 4))
                bronchus = (hilum[0], hilum[1] + 0.03)
                airways.append(_vessels.grow(rng, bronchus, heading + 0.1, 0.10, 0.015, 1))
        inner = f.cover(self.lung, soft)
        tubes = _vessels.draw(t.image(np.concatenate(trees)), self.size, depth=False)
        # Branches that leave the slice are seen in part, and those that cross it as dots.
        seen = np.clip(0.62 + 0.70 * self._noise(13), 0.06, 1)
        f.paint(self.picture, tubes * seen * inner, 20.0)
        count = 90
        places = rng.uniform(-1, 1, (count, 2)) * (t.width - 0.2, t.depth - 0.15)
        dots = np.concatenate([places, places + rng.normal(0, 0.006, (count, 2))], axis=1)
        radii = rng.uniform(0.004, 0.013, (count, 1))
        f.paint(
            self.picture,
            0.85 * inner * _vessels.draw(t.image(np.concatenate([dots, radii, radii], axis=1)), self.size, depth=False),
            0.0,
        )
        walls = np.concatenate(airways)
        f.paint(self.picture, 0.5 * inner * _vessels.draw(t.image(walls), self.size, depth=False), -150.0)
        walls[:, 4:] *= 0.62
        f.paint(self.picture, inner * _vessels.draw(t.image(walls), self.size, depth=False), AIR + 30)


def _nodule(label: str, slice_: _Slice, rng: np.random.Generator, taken: list[tuple[float, float, float]]) -> Array:
    """Paint a nodule into a lung, away from those that are there, and return its mask."""
    t, size = slice_.thorax, slice_.size
    radius = rng.uniform(0.075, 0.125)
    x0, y0 = 0.5, 0.0
    for attempt in range(300):
        x0, y0 = rng.uniform(-1, 1) * (t.width - 0.25), rng.uniform(-1, 1) * (t.depth - 0.15)
        free = all(np.hypot(x0 - x, y0 - y) > radius + other + 0.06 for x, y, other in taken)
        deep = float(t.lung(np.array(x0), np.array(y0)))
        if free and deep > (1.05 - 0.003 * attempt) * radius:
            break
    taken.append((x0, y0, radius))
    dx, dy = slice_.true_x - x0, slice_.true_y - y0
    reach = np.hypot(dx, dy) + 1e-9
    cos, sin = dx / reach, dy / reach
    value = rng.uniform(-60, 60)
    if label == "benign":
        waves = tuple((rng.normal(0, 0.035), rng.uniform(0, 2 * np.pi)) for _ in range(2))
        edge = radius * (1 + f.harmonics(cos, sin, waves)) - reach
        uneven = 12 * f.noise(rng, 20, size)
    else:
        waves = tuple((rng.normal(0, 0.085), rng.uniform(0, 2 * np.pi)) for _ in range(5))
        body = 0.86 * radius * (1 + f.harmonics(cos, sin, waves)) - reach + 0.10 * radius * f.noise(rng, 24, size)
        count = int(rng.integers(7, 11))
        turns = 2 * np.pi * (np.arange(count) + rng.uniform(-0.4, 0.4, count)) / count + rng.uniform(0, 6)
        edge = body
        for turn, length in zip(turns, radius * rng.uniform(1.45, 2.05, count), strict=True):
            end = turn + rng.normal(0, 0.10)
            spike = f.segment(dx, dy, 0.6 * radius * np.cos(turn), 0.6 * radius * np.sin(turn),
                              length * np.cos(end), length * np.sin(end), 0.0)  # fmt: skip
            # Thick at the nodule, fine at the tip.
            thick = max(0.9 / size, 0.17 * radius) * np.clip(1.6 - 0.65 * reach / radius, 0.35, 1)
            edge = np.maximum(edge, spike + thick)
        uneven = 70 * f.noise(rng, 24, size)
    edge = np.minimum(edge, slice_.lung + 0.004)
    mask = edge > 0
    if not mask.any():  # smaller than a pixel of a tiny image
        mask.flat[edge.argmax()] = True
        edge = np.where(mask, slice_.soft, edge)
    f.paint(slice_.picture, np.clip(edge / (0.8 * slice_.soft), 0, 1) * mask, value + uneven)
    return mask


def _scan(picture: Array, rng: np.random.Generator) -> Array:
    """What the scanner adds: noise that is correlated and stronger in the middle of the body, and the lung window."""
    size = len(picture)
    x, y = f.grid(size)
    grain = rng.standard_normal((size, size))
    smooth = (grain + 0.5 * (np.roll(grain, 1, 0) + np.roll(grain, 1, 1))) / np.sqrt(1.5)
    sigma = rng.uniform(18, 42) * (1.2 - 0.5 * (x * x + y * y))
    centre, width = _CENTRE + rng.normal(0, 25), _WIDTH * rng.uniform(0.92, 1.08)
    value = (picture + np.maximum(sigma, 6) * smooth - centre) / width + 0.5
    return np.rint(255 * np.clip(value, 0, 1)).astype(np.uint8)
