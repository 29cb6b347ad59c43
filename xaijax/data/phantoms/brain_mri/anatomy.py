"""The head without its tumour: outline, scalp, skull, dura, and the brain at five axial levels.

From the top: `vertex` (two hemispheres and the falx), `body` (bodies of the lateral ventricles), `horns` (frontal and
occipital horns, basal ganglia), `cistern` (midbrain and suprasellar cistern), `base` (orbits, temporal poles, pons and
cerebellum). Lengths are in canonical units: the head is about 1.7 long and 1.35 wide. Signal is 0 to 1, T1-weighted
after contrast: fat and enhancing vessels bright, white matter above grey matter, fluid dark, air and bone darkest.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xaijax.data.phantoms import _fields as f
from xaijax.data.phantoms._pose import Pose

Array = np.ndarray

AIR, BONE, FLUID, MUSCLE, GREY, WHITE, MARROW, VESSEL, FAT = 0.012, 0.05, 0.115, 0.27, 0.305, 0.385, 0.36, 0.62, 0.76


class Lesion(Protocol):
    """What the anatomy must know of a tumour: how it pushes its surroundings away."""

    def push(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Where the tissue now at `(x, y)` was before the tumour grew."""
        ...


@dataclass(frozen=True)
class Head(Pose):
    """The geometry of one head at one level, independent of the image size."""

    level: str
    width: float
    length: float
    waves: tuple[tuple[float, float], ...]  # (amplitude, phase) of the 2nd, 3rd ... harmonic of the outline
    scalp: float
    skull: float
    space: float  # subarachnoid space

    @classmethod
    def draw(cls, level: str, rng: np.random.Generator) -> "Head":
        """A head of ordinary variation. Higher slices are smaller, the base is narrower than it is long."""
        shrink = {"vertex": rng.uniform(0.80, 0.92), "body": 0.96, "horns": 1.0, "cistern": 1.0, "base": 0.99}[level]
        long = 1.02 if level == "base" else 1.0
        return cls(
            level=level,
            width=shrink * rng.uniform(0.64, 0.72),
            length=shrink * long * rng.uniform(0.82, 0.90),
            waves=tuple((rng.normal(0, 0.018 / order), rng.uniform(0, 2 * np.pi)) for order in range(2, 6)),
            scalp=rng.uniform(0.035, 0.065) * (1.2 if level == "vertex" else 1),
            skull=rng.uniform(0.045, 0.065) * (1.2 if level == "vertex" else 1),
            space=rng.uniform(0.012, 0.035),
            angle=rng.normal(0, 0.07),
            scale=rng.uniform(0.88, 1.05),
            shift=(rng.normal(0, 0.025), rng.normal(0, 0.025)),
        )

    def outside(self, x: Array, y: Array) -> Array:
        """Distance to the skin."""
        x = x + 1e-12  # the very centre has no direction
        reach = np.hypot(x, y)
        cos, sin = x / reach, y / reach
        # Narrower in front than behind, as heads are.
        wide = self.width * (1 + 0.07 * sin)
        edge = (1 + f.harmonics(cos, sin, self.waves)) / np.sqrt((cos / wide) ** 2 + (sin / self.length) ** 2)
        if self.level == "base":  # nose; 2 (1 + sin) is the squared angle from straight ahead
            edge = edge + 0.07 * np.exp(-2 * (1 + sin) / 0.13**2)
        return edge - reach

    def cavity(self, x: Array, y: Array, outside: Array | None = None) -> Array:
        """Distance to the inner face of the skull; `outside` saves its computation where it is known."""
        inner = (self.outside(x, y) if outside is None else outside) - self.scalp - self.skull
        if self.level != "base":
            return inner
        # The floor of the skull: two middle fossae in front of the petrous ridges, the posterior fossa behind.
        side = np.abs(x)
        middle = f.ellipse(side, y, 0.345 * self.width / 0.68, -0.150, 0.250, 0.275, -0.35)
        back = f.ellipse(x, y, 0.0, 0.35, 0.82 * self.width, 0.39)
        stem = f.ellipse(x, y, 0.0, 0.02, 0.17, 0.15)
        return np.minimum(inner, np.maximum(np.maximum(middle, back), stem))

    def brain(self, x: Array, y: Array) -> Array:
        """Distance to the surface of the brain, its folds left out."""
        return self.cavity(x, y) - self.space


class Slice:
    """An image being painted: canonical coordinates of its pixels, and the tissue so far.

    Only the window around the head is painted; about half of the image is air.
    """

    def __init__(self, head: Head, size: int, rng: np.random.Generator) -> None:
        x, y = head.place(*f.grid(size))
        outside = head.outside(x, y)
        near = outside > -0.06
        rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
        self.window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        self.head, self.size, self.rng = head, size, rng
        # An edge is about a pixel wide, and never sharper than a scanner would show it.
        self.soft = max(2 / size / head.scale, 0.017)
        self.x, self.y = np.ascontiguousarray(x[self.window]), np.ascontiguousarray(y[self.window])
        self.outside = np.ascontiguousarray(outside[self.window])
        self.picture = np.full(self.x.shape, AIR)
        self.cavity = head.cavity(self.x, self.y, self.outside)
        self.brain = self.cavity - head.space
        self.surface = self.brain  # depth below the nearest fold or surface; set when the cortex is painted

    def noise(self, cells: int) -> Array:
        """Smooth noise on this image; features are `2 / cells` long in image coordinates."""
        return f.noise(self.rng, cells, self.size, self.window)

    def whole(self, part: Array, rest: float) -> Array:
        """The window's values in the whole image `[size, size]`, `rest` outside."""
        picture = np.full((self.size, self.size), rest, part.dtype)
        picture[self.window] = part
        return picture

    def paint(self, tumour: Lesion | None) -> None:
        """Everything but the tumour, displaced by it; by none where it is None."""
        if self.head.level == "base":
            self._face()
        else:
            self._vault()
        inside = f.cover(self.cavity, self.soft)
        f.paint(self.picture, inside, FLUID)
        x, y = (self.x, self.y) if tumour is None else tumour.push(self.x, self.y)
        # Nobody's brain is symmetric: bend the coordinates before anything is drawn in them.
        x = x + 0.020 * self.noise(3) + 0.006 * self.noise(9)
        y = y + 0.020 * self.noise(3) + 0.006 * self.noise(9)
        if self.head.level == "base":
            self._low_brain(x, y)
        else:
            self._high_brain(x, y)
        self._dura()

    def _vault(self) -> None:
        """Scalp and skull of the upper levels: skin, fat, outer table, marrow, inner table."""
        depth, soft = self.outside, self.soft
        scalp = self.head.scalp * (1 + 0.22 * self.noise(5))
        bone = depth - scalp
        # Fat is brightest next to the bone, and streaked.
        fat = FAT * (0.86 + 0.10 * self.noise(7) + 0.09 * self.noise(34)) + 1.6 * np.clip(depth, 0, 0.08)
        f.paint(self.picture, f.cover(depth, soft), fat)
        f.paint(self.picture, f.band(depth, -0.01, 0.012, soft), 0.42)
        # Temporal muscles lie between skin and bone at the sides of the lower levels.
        if self.head.level in ("horns", "cistern"):
            flank = np.exp(-(((self.y + 0.22) / 0.22) ** 4))
            f.paint(self.picture, flank * f.band(bone, -0.45 * self.head.scalp, 0.0, soft), MUSCLE)
        f.paint(self.picture, f.cover(bone, soft), BONE)
        middle = 0.5 * self.head.skull
        marrow = MARROW * np.clip(0.75 + 0.35 * self.noise(7), 0.1, 1.3)
        thick = 0.24 * self.head.skull * np.clip(1 + 0.6 * self.noise(6), 0.1, 2)
        f.paint(self.picture, f.cover(thick - np.abs(bone - middle), max(soft, 0.015)), marrow)

    def _dura(self) -> None:
        """The dura takes contrast: a thin bright line inside the bone, brighter where veins run."""
        line = f.band(self.cavity, -0.006, 0.006, self.soft) * np.clip(0.5 + 0.35 * self.noise(8), 0.1, 1)
        f.paint(self.picture, line, 0.48)
        if self.head.level != "base":
            back = self.head.length - self.head.scalp - self.head.skull - 0.03
            sinus = f.ellipse(np.abs(self.x), self.y, 0.0, back, 0.035, 0.03)
            f.paint(self.picture, f.cover(sinus, self.soft), VESSEL)

    # -- upper levels ------------------------------------------------------------------------------------------------

    def _high_brain(self, x: Array, y: Array) -> None:
        level, soft, rng = self.head.level, self.soft, self.rng
        side = np.abs(x)
        # Where the hemispheres are apart: everywhere at the vertex, elsewhere in front of and behind the callosum.
        joined = {"vertex": 0.0, "body": 0.36, "horns": 0.34, "cistern": 0.40}[level] * self.head.length / 0.86
        apart = np.full_like(x, 0.0) if level == "vertex" else 1.5 * np.clip(joined - np.abs(y - 0.02), 0, 1)
        medial = side + apart
        depth = np.minimum(self.brain, medial - 0.008)
        centre = 0.47 * (self.head.width - self.head.scalp - self.head.skull)
        folds = self._folds(x, y, depth, (centre, 0.02), int(rng.integers(16, 22)))
        if level == "horns":
            folds = np.minimum(folds, self._sylvian(side, y))
        if level == "cistern":
            folds = np.minimum(folds, self._sylvian(side, y + 0.05))
        self.surface = folds
        self._tissue(folds, ribbon=rng.uniform(0.030, 0.042))
        if level == "body":
            self._bodies(side, y)
        elif level == "horns":
            self._nuclei(side, y)
            self._horns(side, y)
        elif level == "cistern":
            self._cistern(x, side, y)
        self._vessels()
        falx = f.cover(0.006 - side - 0.5 * apart, soft) * f.cover(self.cavity, soft)
        f.paint(self.picture, falx * np.clip(0.7 + 0.3 * self.noise(9), 0, 1), 0.46)

    def _folds(self, x: Array, y: Array, depth: Array, centre: tuple[float, float], count: int) -> Array:
        """Depth below the nearest surface, where sulci are surfaces too.

        Sulci start at the surface of a hemisphere or lobe and run towards its centre: lines of constant phase around
        it, `count` of them, of uneven spacing, meandering, each to its own depth. `centre` is that of the lobe at
        x > 0; the other is its mirror image.
        """
        rng = self.rng
        right = x > 0
        from_x, from_y = np.abs(x) - centre[0], y - centre[1]
        turn = np.arctan2(0.8 * from_y, from_x)
        reach = np.hypot(from_x, from_y)
        # Both lobes in one go; the harmonics that space the sulci differ between them.
        phase = count * turn / (2 * np.pi) + np.where(right, rng.uniform(0, 1), rng.uniform(0, 1))
        cos, sin = from_x / (reach + 1e-9), from_y / (reach + 1e-9)
        for lobe in (right, ~right):
            waves = tuple((rng.normal(0, 0.34 / order**0.5), rng.uniform(0, 2 * np.pi)) for order in range(1, 6))
            phase[lobe] += f.harmonics(cos[lobe], sin[lobe], waves, first=1)
        phase = phase + 0.22 * self.noise(12) + 0.10 * self.noise(26)
        nearest = np.rint(phase)
        across = np.abs(phase - nearest) * 2 * np.pi * np.maximum(reach, 0.10) / count
        across = across + np.maximum(0.62 * float(depth.max()) - reach, 0)
        row = nearest.astype(np.int64) % 64 + np.where(right, 64, 0)
        # No sulcus reaches the centre, where all phases meet.
        deepest = 0.72 * float(depth.max())
        tip = np.minimum(rng.gamma(2.2, 0.055, 128) + 0.02, deepest)[row] * (1 + 0.20 * self.noise(18))
        width = rng.uniform(0.000, 0.013, 128)[row] * np.clip(1.3 - depth / np.maximum(tip, 0.02), 0, 1.3)
        return np.minimum(depth, np.hypot(across, np.maximum(depth - tip, 0)) - width)

    def _sylvian(self, side: Array, y: Array) -> Array:
        """The lateral fissure with the insula at its end: depth below its banks."""
        wide = self.head.width - self.head.scalp - self.head.skull
        side = side + 0.022 * self.noise(14)
        y = y + 0.035 * self.noise(9)
        thin = 0.004 + 0.008 * np.abs(self.noise(8))
        stem = f.segment(side, y, wide, -0.22, 0.68 * wide, -0.12, 0.0)
        bend = f.segment(side, y, 0.68 * wide, -0.17, 0.70 * wide, 0.08, 0.0)
        twig = f.segment(side, y, 0.70 * wide, 0.08, 0.84 * wide, 0.16, -0.004)
        return -(np.maximum(np.maximum(stem, bend), twig) + thin)

    def _tissue(self, folds: Array, ribbon: float) -> None:
        """Cortex along the folds, white matter below, both slightly uneven."""
        soft = self.soft
        mottle = 1 + 0.025 * self.noise(12) + 0.025 * self.noise(44)
        f.paint(self.picture, f.cover(folds, soft), GREY * mottle)
        edge = ribbon * (1 + 0.15 * self.noise(16))
        f.paint(self.picture, f.cover(folds - edge, max(soft, 0.028)), WHITE * mottle)

    def _bodies(self, side: Array, y: Array) -> None:
        wide = self.rng.uniform(0.025, 0.060)
        long = self.rng.uniform(0.22, 0.32)
        bowed = side - 0.055 - wide * 0.7 - 0.35 * (y - 0.02) ** 2
        shape = f.ellipse(bowed, y, 0.0, 0.03, wide, long)
        self._fluid(shape)
        self._choroid(f.ellipse(bowed, y, 0.0, 0.16, wide * 0.35, 0.10))

    def _horns(self, side: Array, y: Array) -> None:
        wide = self.rng.uniform(0.028, 0.055)
        front = f.ellipse(side, y, 0.065 + 0.5 * wide, -0.20, wide, self.rng.uniform(0.10, 0.15), 0.40)
        back = f.ellipse(side, y, 0.235, 0.27, 0.8 * wide + 0.005, self.rng.uniform(0.09, 0.14), -0.35)
        third = f.ellipse(side, y, 0.0, 0.02, self.rng.uniform(0.010, 0.020), 0.09)
        self._fluid(np.maximum(np.maximum(front, back), third))
        self._choroid(f.ellipse(side, y, 0.215, 0.225, 0.020, 0.035))
        veins = f.ellipse(side, y, 0.018, 0.125, 0.012, 0.016)
        f.paint(self.picture, f.cover(veins, self.soft), VESSEL)

    def _nuclei(self, side: Array, y: Array) -> None:
        """Caudate, lentiform nucleus and thalamus: grey matter deep in the white."""
        caudate = f.ellipse(side, y, 0.155, -0.165, 0.035, 0.085, 0.30)
        lens = f.ellipse(side, y, 0.265, -0.035, 0.055, 0.135, -0.25)
        thalamus = f.ellipse(side, y, 0.105, 0.075, 0.075, 0.105, -0.35)
        grey = np.maximum(np.maximum(caudate, lens), thalamus)
        f.paint(self.picture, 0.8 * f.cover(grey, max(self.soft, 0.03)), GREY)

    def _cistern(self, x: Array, side: Array, y: Array) -> None:
        """Midbrain behind the star-shaped suprasellar cistern; the top of the cerebellum behind it."""
        soft = self.soft
        bent, bent_y = np.abs(x + 0.016 * self.noise(12)), y + 0.022 * self.noise(9)
        star = np.maximum(f.ellipse(x, y, 0, -0.10, 0.10, 0.085), f.segment(bent, bent_y, 0, -0.12, 0.19, -0.18, 0.016))
        star = np.maximum(star, f.segment(bent, bent_y, 0.0, -0.10, 0.0, -0.24, 0.014) + 0.004 * self.noise(14))
        midbrain = f.ellipse(x, y, 0, 0.075, 0.155, 0.125)
        around = (0.006 + 0.006 * self.noise(9)) - np.abs(midbrain)
        star = np.maximum(star, np.minimum(around, 0.17 - np.abs(y - 0.08)))
        self._fluid(star)
        stem = np.maximum(f.ellipse(side, y, 0.065, 0.035, 0.060, 0.075, 0.5), f.ellipse(x, y, 0, 0.10, 0.12, 0.085))
        f.paint(self.picture, f.cover(stem, soft), 0.5 * (GREY + WHITE) * (1 + 0.02 * self.noise(20)))
        f.paint(self.picture, f.cover(f.ellipse(x, y, 0, 0.125, 0.010, 0.012), soft), FLUID)
        # The top of the cerebellum, between the two leaves of the tentorium.
        roof = 0.75 * (y - 0.185 - 0.55 * side - 0.5 * side * side) + 0.03 + 0.012 * self.noise(7)
        tent = np.minimum(roof, f.ellipse(x, y, 0, 0.325, 0.30, 0.185))
        self._folia(np.minimum(tent, self.brain), x, y)
        line = f.band(roof, -0.014, 0.002, soft) * f.cover(0.30 - side, 0.10) * f.cover(self.brain, soft)
        f.paint(self.picture, line * np.clip(0.55 + 0.35 * self.noise(9), 0, 1), 0.44)
        for sign in (-1, 1):  # carotid and middle cerebral arteries: black flow, enhancing wall
            f.paint(self.picture, f.cover(f.ellipse(x, y, sign * 0.085, -0.145, 0.017, 0.017), soft), 0.58)
        f.paint(self.picture, f.cover(f.ellipse(x, y, 0.0, -0.035, 0.013, 0.013), soft), 0.62)
        f.paint(self.picture, f.cover(f.ellipse(x, y, 0.0, -0.105, 0.012, 0.012), soft), 0.45)

    # -- lowest level ------------------------------------------------------------------------------------------------

    def _face(self) -> None:
        """Skin, fat and muscle, orbits, nose and sinuses, bone of the skull base."""
        soft, rng = self.soft, self.rng
        depth = self.outside
        x = self.x + 0.014 * self.noise(3) + 0.008 * self.noise(6)
        y = self.y + 0.014 * self.noise(3) + 0.008 * self.noise(6)
        side = np.abs(x)
        fat = FAT * (1 + 0.10 * self.noise(8) + 0.06 * self.noise(40))
        f.paint(self.picture, f.cover(depth, soft), fat)
        f.paint(self.picture, f.band(depth, -0.01, 0.014, soft), 0.50)
        under = depth - self.head.scalp * (1 + 0.25 * self.noise(6))
        strands = np.clip(MUSCLE + 0.10 * self.noise(10) + 0.07 * self.noise(28), 0.05, 0.75)
        f.paint(self.picture, f.cover(under, soft), strands)
        bone = np.clip(BONE + 0.05 * self.noise(12), 0.02, 0.3)
        f.paint(self.picture, f.cover(self.cavity + 0.040, soft), bone)
        # Outer table and marrow of the back of the skull.
        f.paint(self.picture, f.cover(under, soft) * f.cover(y - 0.25, 0.2), BONE)
        marrow = f.band(under, 0.018, 0.03 + 0.010, max(soft, 0.015)) * f.cover(y - 0.3, 0.2)
        f.paint(self.picture, marrow * np.clip(0.6 + 0.3 * self.noise(8), 0, 1), MARROW)
        wide = self.head.width / 0.68
        # Orbits: a cone of fat with the globe in front, muscles and nerve behind.
        cone = np.minimum(
            f.ellipse(side, y, 0.27 * wide, -0.56, 0.165 * wide, 0.22, 0.42), -0.36 - y + 0.35 * (0.3 - side)
        )
        f.paint(self.picture, f.cover(cone + 0.025, soft), BONE * 1.5)
        f.paint(self.picture, f.cover(cone, soft), FAT * 0.92 * (1 + 0.05 * self.noise(30)))
        for x1 in (0.155, 0.20, 0.385):
            line = f.segment(side, y, 0.15 * wide, -0.38, x1 * wide, -0.60, 0.013)
            f.paint(self.picture, f.cover(np.minimum(line, cone), soft), 0.42)
        globe = f.ellipse(side, y, 0.275 * wide, -0.655, 0.112, 0.115)
        f.paint(self.picture, f.cover(globe + 0.012, soft), 0.45)
        f.paint(self.picture, f.cover(globe, soft), 0.15)
        lens = f.ellipse(side, y, 0.28 * wide, -0.735, 0.05, 0.022)
        f.paint(self.picture, f.cover(lens, soft), 0.34)
        # Ethmoid cells and sphenoid sinus: air between thin walls.
        nose = np.minimum(0.105 - side, np.minimum(y + 0.80, -0.26 - y))
        cells = np.abs(self.noise(16)) - 0.30
        f.paint(self.picture, f.cover(nose, soft), 0.42)
        f.paint(self.picture, f.cover(np.minimum(nose - 0.012, 0.06 * cells), soft), AIR * 2)
        f.paint(self.picture, f.cover(0.008 - side, soft) * f.cover(nose, soft), 0.38)
        sinus = f.ellipse(x, y, rng.normal(0, 0.01), -0.30, rng.uniform(0.09, 0.13), rng.uniform(0.08, 0.11))
        f.paint(self.picture, f.cover(sinus + 0.012, soft), 0.36)
        f.paint(self.picture, f.cover(sinus, soft), AIR)
        # Petrous bone and mastoid: dark, with bright specks of marrow.
        ridge = f.segment(side, y, 0.14, -0.01, 0.60 * wide, 0.16, 0.060)
        specks = np.clip(BONE + 0.12 * np.maximum(self.noise(30), 0) + 0.05 * np.maximum(self.noise(14), 0), 0, 0.6)
        f.paint(self.picture, f.cover(ridge, soft) * f.cover(under, soft), specks)
        ear = f.ellipse(side, y, 0.57 * wide, 0.20, 0.07, 0.10)
        f.paint(self.picture, f.cover(ear, max(soft, 0.03)), AIR * 3 + 0.10 * np.maximum(self.noise(34), 0))

    def _low_brain(self, x: Array, y: Array) -> None:
        soft, head = self.soft, self.head
        side = np.abs(x)
        mottle = 1 + 0.020 * self.noise(12) + 0.020 * self.noise(48)
        wide = head.width / 0.68
        lobe = f.ellipse(side, y, 0.345 * wide, -0.150, 0.250, 0.275, -0.35) - 0.6 * head.space
        lobe = np.minimum(lobe, self.brain + 0.4 * head.space)
        folds = self._folds(x, y, lobe, (0.32 * wide, -0.12), int(self.rng.integers(9, 13)))
        self.surface = np.maximum(folds, self.brain - 0.02)
        f.paint(self.picture, f.cover(folds, soft), GREY * mottle)
        f.paint(self.picture, f.cover(folds - 0.035, max(soft, 0.028)), WHITE * mottle)
        # Cerebellum: it fills the posterior fossa behind the petrous ridges, with a notch behind the vermis.
        half = f.ellipse(x, y, 0, 0.35, 0.81 * head.width, 0.38) - 0.5 * head.space
        notch = f.segment(x + 0.02 * self.noise(8), y, 0, 0.60, 0, 0.85, 0.006) + 0.03 * np.clip(y - 0.6, 0, 1)
        self._folia(np.minimum(np.minimum(half, -notch), y - 0.09 - 0.16 * side), x, y)
        # Pons, fourth ventricle, cisterns.
        pons = f.ellipse(x, y, 0, 0.035, 0.150, 0.115)
        arms = f.segment(side, y, 0.08, 0.08, 0.22, 0.20, 0.045)
        f.paint(self.picture, f.cover(np.maximum(pons, arms), soft), 0.5 * (GREY + WHITE) * mottle)
        fourth = f.ellipse(x, y, 0, 0.175, self.rng.uniform(0.04, 0.06), self.rng.uniform(0.022, 0.035))
        self._fluid(fourth)
        # Vessels: basilar artery, carotids in the enhancing cavernous sinus, sigmoid sinuses.
        f.paint(self.picture, f.cover(f.ellipse(x, y, 0.0, -0.098, 0.016, 0.015), soft), 0.60)
        x, side = self.x, np.abs(self.x)
        y = self.y
        sella = f.ellipse(x, y, 0.0, -0.175, 0.055, 0.035)
        cavernous = f.ellipse(side, y, 0.095, -0.17, 0.045, 0.065, 0.2)
        f.paint(self.picture, f.cover(sella + 0.02, soft), BONE * 2)
        f.paint(self.picture, f.cover(cavernous, soft), VESSEL * (0.85 + 0.1 * self.noise(24)))
        f.paint(self.picture, f.cover(sella, soft), 0.42)
        f.paint(self.picture, f.cover(f.ellipse(side, y, 0.098, -0.180, 0.020, 0.024), soft), BONE)
        sigmoid = f.ellipse(side, y, 0.475 * wide, 0.30, 0.030, 0.055, -0.5)
        f.paint(self.picture, f.cover(sigmoid, soft), VESSEL * (0.8 + 0.1 * self.noise(20)))

    def _folia(self, shape: Array, x: Array, y: Array) -> None:
        """Cerebellar tissue: thin leaves that follow the outline."""
        soft = self.soft
        bend = 0.030 * self.noise(7) + 0.010 * self.noise(18)
        leaves = np.cos((0.55 * shape + 0.55 * y + 0.10 * x * x + bend) * 2 * np.pi / 0.038)
        seen = np.clip(0.55 + 0.45 * self.noise(8), 0, 1) * f.cover(0.20 - shape, 0.15)
        tissue = (GREY + 0.025) * (1 + 0.02 * self.noise(12)) + 0.030 * leaves * seen + 0.007 * self.noise(44)
        f.paint(self.picture, f.cover(shape, soft), tissue)
        core = f.cover(shape - 0.11 - 0.035 * self.noise(9), 0.07)
        f.paint(self.picture, 0.6 * core, WHITE)

    # -- shared ------------------------------------------------------------------------------------------------------

    def _fluid(self, shape: Array) -> None:
        f.paint(self.picture, f.cover(shape, max(self.soft, 0.014)), FLUID)

    def _choroid(self, shape: Array) -> None:
        f.paint(self.picture, f.cover(shape + 0.008 * self.noise(30), self.soft), 0.46)

    def _vessels(self) -> None:
        """Small enhancing vessels in the sulci."""
        spots = self.noise(50)
        near = f.band(self.surface, -0.03, 0.006, self.soft) * f.cover(self.cavity, self.soft)
        f.paint(self.picture, 0.8 * near * f.cover(0.025 * (spots - 2.1), self.soft), 0.58)
