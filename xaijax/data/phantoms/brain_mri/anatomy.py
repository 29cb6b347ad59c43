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

Array = np.ndarray

AIR, BONE, FLUID, MUSCLE, GREY, WHITE, MARROW, VESSEL, FAT = 0.012, 0.05, 0.11, 0.28, 0.315, 0.385, 0.40, 0.66, 0.86


class Lesion(Protocol):
    """What the anatomy must know of a tumour: how it pushes its surroundings away."""

    def push(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Where the tissue now at `(x, y)` was before the tumour grew."""
        ...


@dataclass(frozen=True)
class Head:
    """The geometry of one head at one level, independent of the image size."""

    level: str
    width: float
    length: float
    waves: tuple[tuple[float, float], ...]  # (amplitude, phase) of the 2nd, 3rd ... harmonic of the outline
    scalp: float
    skull: float
    space: float  # subarachnoid space
    angle: float
    scale: float
    shift: tuple[float, float]

    @classmethod
    def draw(cls, level: str, rng: np.random.Generator) -> "Head":
        """A head of ordinary variation. Higher slices are smaller, the base is narrower than it is long."""
        shrink = {"vertex": rng.uniform(0.80, 0.92), "body": 0.96, "horns": 1.0, "cistern": 1.0, "base": 0.99}[level]
        long = 1.04 if level == "base" else 1.0
        return cls(
            level=level,
            width=shrink * rng.uniform(0.64, 0.72),
            length=shrink * long * rng.uniform(0.82, 0.90),
            waves=tuple((rng.normal(0, 0.018 / order), rng.uniform(0, 2 * np.pi)) for order in range(2, 6)),
            scalp=rng.uniform(0.035, 0.075) * (1.2 if level == "vertex" else 1),
            skull=rng.uniform(0.045, 0.065) * (1.2 if level == "vertex" else 1),
            space=rng.uniform(0.012, 0.035),
            angle=rng.normal(0, 0.07),
            scale=rng.uniform(0.96, 1.06),
            shift=(rng.normal(0, 0.025), rng.normal(0, 0.025)),
        )

    def place(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Image coordinates to canonical ones: x to the subject's left of the picture, y from front to back."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        x, y = (x - self.shift[0]) / self.scale, (y - self.shift[1]) / self.scale
        return x * cos + y * sin, y * cos - x * sin

    def outside(self, x: Array, y: Array) -> Array:
        """Distance to the skin."""
        turn = np.arctan2(y, x)
        # Narrower in front than behind, as heads are.
        wide = self.width * (1 + 0.07 * np.sin(turn))
        edge = 1 / np.sqrt((np.cos(turn) / wide) ** 2 + (np.sin(turn) / self.length) ** 2)
        for order, (size, phase) in enumerate(self.waves, 2):
            edge = edge * (1 + size * np.cos(order * turn + phase))
        if self.level == "base":  # nose
            edge = edge + 0.07 * np.exp(-(((turn + np.pi / 2) / 0.13) ** 2))
        return edge - np.hypot(x, y)

    def cavity(self, x: Array, y: Array) -> Array:
        """Distance to the inner face of the skull."""
        inner = self.outside(x, y) - self.scalp - self.skull
        if self.level != "base":
            return inner
        # The floor of the skull: two middle fossae in front of the petrous ridges, the posterior fossa behind.
        side = np.abs(x)
        middle = f.ellipse(side, y, 0.335 * self.width / 0.68, -0.155, 0.235, 0.255, -0.35)
        back = f.ellipse(x, y, 0.0, 0.36, 0.80 * self.width, 0.40)
        stem = f.ellipse(x, y, 0.0, 0.02, 0.17, 0.15)
        return np.minimum(inner, np.maximum(np.maximum(middle, back), stem))

    def brain(self, x: Array, y: Array) -> Array:
        """Distance to the surface of the brain, its folds left out."""
        return self.cavity(x, y) - self.space


class Slice:
    """A picture being painted: canonical coordinates of its pixels, and the tissue so far."""

    def __init__(self, head: Head, x: Array, y: Array, soft: float, size: int, rng: np.random.Generator) -> None:
        self.head, self.x, self.y, self.soft, self.size, self.rng = head, x, y, soft, size, rng
        self.picture = np.full((size, size), AIR)
        self.outside = head.outside(x, y)
        self.cavity = head.cavity(x, y)
        self.brain = self.cavity - head.space
        self.surface = self.brain  # depth below the nearest fold or surface; set when the cortex is painted

    def noise(self, cells: int) -> Array:
        """Smooth noise on this picture; features are `2 / cells` long in image coordinates."""
        return f.noise(self.rng, cells, self.size)

    def paint(self, tumour: Lesion) -> None:
        """Everything but the tumour."""
        if self.head.level == "base":
            self._face()
        else:
            self._vault()
        inside = f.cover(self.cavity, self.soft)
        f.paint(self.picture, inside, FLUID)
        x, y = tumour.push(self.x, self.y)
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
        scalp = self.head.scalp * (1 + 0.20 * self.noise(5))
        bone = depth - scalp
        fat = FAT * (1 + 0.08 * self.noise(8) + 0.05 * self.noise(40))
        f.paint(self.picture, f.cover(depth, soft), fat)
        f.paint(self.picture, f.band(depth, -0.01, 0.012, soft), 0.52)
        # Temporal muscles lie between skin and bone at the sides of the lower levels.
        if self.head.level in ("horns", "cistern"):
            flank = np.exp(-(((self.y + 0.22) / 0.22) ** 4))
            f.paint(self.picture, flank * f.band(bone, -0.45 * self.head.scalp, 0.0, soft), MUSCLE)
        f.paint(self.picture, f.cover(bone, soft), BONE)
        middle = 0.5 * self.head.skull
        marrow = MARROW * np.clip(0.75 + 0.35 * self.noise(7), 0.1, 1.3)
        thick = 0.22 * self.head.skull * np.clip(1 + 0.5 * self.noise(6), 0.2, 2)
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
        folds = self._folds(x, y, depth)
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

    def _folds(self, x: Array, y: Array, depth: Array) -> Array:
        """Depth below the nearest surface, where sulci are surfaces too.

        Sulci start at the surface of each hemisphere and run towards its centre: lines of constant phase around the
        hemisphere, of uneven spacing, meandering, each to its own depth.
        """
        rng, head = self.rng, self.head
        folded = np.full_like(x, np.inf)
        for sign in (-1, 1):
            centre = 0.46 * (head.width - head.scalp - head.skull)
            turn = np.arctan2(y / head.length, (sign * x - centre) / head.width * 1.15)
            reach = np.hypot(y, sign * x - centre)
            count = int(rng.integers(15, 20))
            phase = count * turn / (2 * np.pi)
            for order in range(1, 6):
                phase = phase + rng.normal(0, 0.30 / order**0.5) * np.cos(order * turn + rng.uniform(0, 2 * np.pi))
            phase = phase + 0.16 * self.noise(14) + 0.05 * self.noise(30)
            nearest = np.rint(phase)
            across = np.abs(phase - nearest) * 2 * np.pi * np.maximum(reach, 0.08) / count
            tips = np.abs(rng.normal(0.0, 0.11, 64)) + 0.05
            tip = tips[nearest.astype(np.int64) % 64] * (1 + 0.15 * self.noise(20))
            widths = rng.uniform(0.001, 0.013, 64)[nearest.astype(np.int64) % 64]
            past = np.maximum(depth - tip, 0)
            fold = np.hypot(across, past) - widths * np.clip(1.3 - depth / np.maximum(tip, 0.02), 0, 1.3)
            folded = np.where(sign * x > 0, fold, folded)
        return np.minimum(depth, folded)

    def _sylvian(self, side: Array, y: Array) -> Array:
        """The lateral fissure with the insula at its end: depth below its banks."""
        wide = self.head.width - self.head.scalp - self.head.skull
        stem = f.segment(side, y, wide, -0.20, 0.66 * wide, -0.10, 0.006)
        bend = f.segment(side, y, 0.66 * wide, -0.20, 0.68 * wide, 0.10, 0.010)
        return -np.maximum(stem, bend)

    def _tissue(self, folds: Array, ribbon: float) -> None:
        """Cortex along the folds, white matter below, both slightly uneven."""
        soft = self.soft
        mottle = 1 + 0.020 * self.noise(12) + 0.020 * self.noise(48)
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
        star = np.maximum(f.ellipse(x, y, 0, -0.10, 0.10, 0.085), f.segment(side, y, 0, -0.12, 0.20, -0.17, 0.022))
        star = np.maximum(star, f.segment(side, y, 0.0, -0.10, 0.0, -0.24, 0.018))
        around = np.abs(f.ellipse(x, y, 0, 0.085, 0.165, 0.140)) * -1 + 0.016
        star = np.maximum(star, np.minimum(around, 0.2 - np.abs(y - 0.06)))
        self._fluid(star)
        stem = np.maximum(f.ellipse(side, y, 0.065, 0.035, 0.060, 0.075, 0.5), f.ellipse(x, y, 0, 0.10, 0.12, 0.085))
        f.paint(self.picture, f.cover(stem, soft), 0.5 * (GREY + WHITE) * (1 + 0.02 * self.noise(20)))
        f.paint(self.picture, f.cover(f.ellipse(x, y, 0, 0.125, 0.010, 0.012), soft), FLUID)
        vermis = f.ellipse(x, y, 0, 0.32, 0.17, 0.13)
        self._folia(vermis, x, y)
        tent = f.band(vermis, -0.022, -0.008, soft) * f.cover(self.brain, soft)
        f.paint(self.picture, 0.7 * tent, 0.45)
        for sign in (-1, 1):  # carotid and middle cerebral arteries: black flow, enhancing wall
            f.paint(self.picture, f.cover(f.ellipse(x, y, sign * 0.085, -0.145, 0.017, 0.017), soft), 0.58)
        f.paint(self.picture, f.cover(f.ellipse(x, y, 0.0, -0.035, 0.013, 0.013), soft), 0.62)
        f.paint(self.picture, f.cover(f.ellipse(x, y, 0.0, -0.105, 0.012, 0.012), soft), 0.45)

    # -- lowest level ------------------------------------------------------------------------------------------------

    def _face(self) -> None:
        """Skin, fat and muscle, orbits, nose and sinuses, bone of the skull base."""
        x, y, soft, rng = self.x, self.y, self.soft, self.rng
        side, depth = np.abs(x), self.outside
        fat = FAT * (1 + 0.10 * self.noise(8) + 0.06 * self.noise(40))
        f.paint(self.picture, f.cover(depth, soft), fat)
        f.paint(self.picture, f.band(depth, -0.01, 0.014, soft), 0.50)
        under = depth - self.head.scalp * (1 + 0.25 * self.noise(6))
        strands = np.clip(MUSCLE + 0.10 * self.noise(10) + 0.07 * self.noise(28), 0.05, 0.75)
        f.paint(self.picture, f.cover(under, soft), strands)
        bone = np.clip(BONE + 0.05 * self.noise(12), 0.02, 0.3)
        f.paint(self.picture, f.cover(self.cavity + 0.055, soft), bone)
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
        lobe = f.ellipse(side, y, 0.335 * wide, -0.155, 0.235, 0.255, -0.35) - head.space
        lobe = np.minimum(lobe, self.brain)
        folds = np.minimum(lobe, 0.75 * self._folds(x, y * 1.0, lobe))
        self.surface = np.maximum(folds, self.brain - 0.02)
        f.paint(self.picture, f.cover(folds, soft), GREY * mottle)
        f.paint(self.picture, f.cover(folds - 0.035, max(soft, 0.028)), WHITE * mottle)
        # Cerebellum: two hemispheres and the vermis, with fine folia.
        half = f.ellipse(side, y, 0.25 * wide, 0.38, 0.27 * wide, 0.31, 0.15) - 0.6 * head.space
        vermis = f.ellipse(x, y, 0, 0.40, 0.10, 0.24)
        self._folia(np.minimum(np.maximum(half, vermis), self.brain), x, y)
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
        leaves = np.cos((shape * 0.8 + 0.25 * y + 0.012 * self.noise(10)) * 2 * np.pi / 0.042)
        tissue = GREY + 0.028 * leaves * f.cover(0.16 - shape, 0.08) + 0.006 * self.noise(40)
        f.paint(self.picture, f.cover(shape, soft), tissue)
        core = f.cover(shape - 0.10 - 0.03 * self.noise(9), 0.06)
        f.paint(self.picture, 0.7 * core, WHITE)

    # -- shared ------------------------------------------------------------------------------------------------------

    def _fluid(self, shape: Array) -> None:
        f.paint(self.picture, f.cover(shape, max(self.soft, 0.014)), FLUID)

    def _choroid(self, shape: Array) -> None:
        f.paint(self.picture, f.cover(shape + 0.006 * self.noise(30), self.soft), 0.55)

    def _vessels(self) -> None:
        """Small enhancing vessels in the sulci."""
        spots = self.noise(44)
        near = f.band(self.surface, -0.03, 0.012, self.soft) * f.cover(self.cavity, self.soft)
        f.paint(self.picture, near * f.cover(0.02 * (spots - 1.7), self.soft), 0.6)
