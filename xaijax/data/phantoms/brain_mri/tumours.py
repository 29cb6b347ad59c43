"""The three tumours: where each sits, its outline, what it does to its surroundings, and how it takes contrast."""

from dataclasses import dataclass, replace

import numpy as np

from xaijax.data.phantoms import _fields as f
from xaijax.data.phantoms.brain_mri.anatomy import Head, Slice

Array = np.ndarray

GRID = 0.02  # spacing of the places where a tumour of another head is tried


@dataclass(frozen=True)
class Tumour:
    """Common geometry: a centre, a mean radius, and an outline given by harmonics of the angle."""

    x: float
    y: float
    radius: float
    waves: tuple[tuple[float, float], ...]  # (relative amplitude, phase) of the 2nd, 3rd ... harmonic
    mass: float  # share of its area by which the tumour pushes rather than replaces tissue

    def push(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Where the tissue now at `(x, y)` was: areas outside the tumour are kept, fading out at three radii."""
        dx, dy = x - self.x, y - self.y
        far = np.hypot(dx, dy) / self.radius + 1e-9
        shrink = np.sqrt(np.maximum(1 - self.mass / np.maximum(far, 1) ** 2, 0.05))
        fade = np.clip((3 - far) / 2, 0, 1)
        factor = 1 + (shrink - 1) * fade
        return self.x + dx * factor, self.y + dy * factor

    def outline(self, x: Array, y: Array) -> Array:
        """Distance to the outline."""
        dx, dy = x - self.x, y - self.y
        reach = np.hypot(dx, dy) + 1e-9
        edge = 1 + f.harmonics(dx / reach, dy / reach, self.waves)
        return self.radius * np.maximum(edge, 0.35) - reach

    def paint(self, slice_: Slice, rng: np.random.Generator, *, around: bool = True) -> Array:
        """Paint the tumour and return the distance to its edge, positive inside.

        Without `around` nothing changes beyond its soft edge: no oedema, and no tail along the dura.
        """
        raise NotImplementedError

    def fits(self, head: Head, x: Array, y: Array) -> Array:
        """Whether the tumour can sit at `(x, y)` in this head."""
        raise NotImplementedError


@dataclass(frozen=True)
class Glioma(Tumour):
    """Irregular, with an enhancing ring of uneven thickness, a dark core, and oedema along the white matter."""

    def paint(self, slice_: Slice, rng: np.random.Generator, *, around: bool = True) -> Array:
        """Paint the tumour and return the distance to its edge, positive inside."""
        s, r = slice_, self.radius
        rough = r * (0.15 * s.noise(11) + 0.09 * s.noise(26))
        edge = np.minimum(self.outline(s.x, s.y) + rough, s.brain - 0.004)
        if around:
            swell = r * rng.uniform(0.4, 1.0)
            oedema = f.cover(edge + swell * (1 + 0.45 * s.noise(7)), max(s.soft, 0.05))
            oedema = oedema * f.cover(s.surface - 0.02, 0.03)
            f.paint(s.picture, oedema * rng.uniform(0.6, 0.9), 0.205 + 0.010 * s.noise(16))
        inside = f.cover(edge, max(s.soft, 0.016))
        core = rng.uniform(0.10, 0.18) + 0.025 * s.noise(16)
        f.paint(s.picture, inside, core)
        # The ring: uneven in thickness and in brightness, with nodules and strands into the core.
        thick = r * rng.uniform(0.16, 0.30) * np.clip(1 + 0.65 * s.noise(8), 0.25, 2.4)
        bright = rng.uniform(0.54, 0.70) * np.clip(1 + 0.16 * s.noise(11) + 0.08 * s.noise(40), 0.60, 1.25)
        f.paint(s.picture, inside * f.cover(thick - edge, max(s.soft, 0.022)), bright)
        strands = 0.07 * r - np.abs(s.noise(9)) * 0.35 * r
        f.paint(s.picture, 0.55 * f.cover(np.minimum(strands, edge - 0.3 * thick), max(s.soft, 0.03)), 0.8 * bright)
        return edge

    def fits(self, head: Head, x: Array, y: Array) -> Array:
        """Inside a hemisphere, not across the midline or the surface."""
        return (head.brain(x, y) > 0.85 * self.radius) & (np.abs(x) > 0.6 * self.radius)


@dataclass(frozen=True)
class Meningioma(Tumour):
    """Round, homogeneous and bright, broad against the dura, with a tail along it and a dark cleft to the brain."""

    falx: bool = False
    sunk: float = 0.0  # how deep below the dura its centre lies

    def paint(self, slice_: Slice, rng: np.random.Generator, *, around: bool = True) -> Array:
        """Paint the tumour and return the distance to its edge, positive inside."""
        s = slice_
        edge = np.minimum(self.outline(s.x, s.y) + 0.02 * self.radius * s.noise(12), s.cavity - 0.002)
        if around and rng.random() < 0.35:  # some have oedema too
            swell = self.radius * rng.uniform(0.2, 0.5)
            oedema = f.cover(edge + swell * (1 + 0.5 * s.noise(7)), 0.06) * f.cover(s.surface - 0.02, 0.03)
            f.paint(s.picture, 0.6 * oedema, 0.23)
        cleft = f.band(edge, -0.016, 0.0, s.soft) * f.cover(s.cavity - 0.01, s.soft)
        f.paint(s.picture, rng.uniform(0.4, 0.9) * cleft, 0.14)
        if around:
            tail = f.band(edge, -0.75 * self.radius, 0.0, 0.3 * self.radius)
            line = f.cover(0.007 - np.abs(s.x), s.soft) if self.falx else f.band(s.cavity, -0.004, 0.020, s.soft)
            f.paint(s.picture, tail * line, 0.62)
        bright = rng.uniform(0.50, 0.70) * (1 + 0.025 * s.noise(9) + 0.020 * s.noise(40))
        f.paint(s.picture, f.cover(edge, max(s.soft, 0.012)), bright)
        return edge

    def fits(self, head: Head, x: Array, y: Array) -> Array:
        """At the same depth below the dura, or where the falx is at the same distance from it."""
        depth = head.cavity(x, y)
        if self.falx:
            return (depth > 0.5 * self.radius) & (np.abs(x - self.x) < GRID)
        return np.abs(depth - self.sunk) < GRID


@dataclass(frozen=True)
class Pituitary(Tumour):
    """Small, smooth, bright, in the midline above the sella; larger ones have a waist and are less even."""

    waist: float = 0.0

    def outline(self, x: Array, y: Array) -> Array:
        """Distance to the outline: a circle, or two that overlap where the diaphragm constricts the tumour."""
        round_ = super().outline(x, y)
        if not self.waist:
            return round_
        return np.maximum(round_, f.ellipse(x, y, self.x, self.y - self.waist, 0.75 * self.radius, 0.7 * self.radius))

    def paint(self, slice_: Slice, rng: np.random.Generator, *, around: bool = True) -> Array:
        """Paint the tumour and return the distance to its edge, positive inside."""
        s = slice_
        edge = self.outline(s.x, s.y) + 0.04 * self.radius * s.noise(16)
        f.paint(s.picture, 0.6 * f.band(edge, -0.016, 0.0, s.soft), 0.12)
        bright = rng.uniform(0.48, 0.68) * (1 + 0.05 * s.noise(14) + 0.02 * s.noise(40))
        f.paint(s.picture, f.cover(edge, max(s.soft, 0.012)), bright)
        if rng.random() < 0.25:  # a cyst or old bleeding
            hole = f.ellipse(s.x, s.y, self.x, self.y, 0.45 * self.radius, 0.38 * self.radius)
            f.paint(s.picture, f.cover(hole + 0.15 * self.radius * s.noise(18), max(s.soft, 0.03)), 0.36)
        return edge

    def fits(self, head: Head, x: Array, y: Array) -> Array:
        """Where it was: every head has a midline there."""
        return np.hypot(x - self.x, y - self.y) < GRID


def draw(label: str, head: Head, rng: np.random.Generator) -> Tumour:
    """A tumour of this class at a place where it occurs in this head."""
    return {"glioma": _glioma, "meningioma": _meningioma, "pituitary": _pituitary}[label](head, rng)


def moved(tumour: Tumour, head: Head) -> Tumour:
    """The tumour of another head in this one: at the nearest place where it fits, and unchanged where it fits already.

    Where no place fits, as a large glioma in a narrow fossa, it takes the one deepest below the dura.
    """
    here = np.array([tumour.x]), np.array([tumour.y])
    if tumour.fits(head, *here)[0]:
        return tumour
    line = np.arange(-0.9, 0.9 + GRID / 2, GRID)
    x, y = np.meshgrid(line, line)
    fits = tumour.fits(head, x, y)
    far = np.where(fits, np.hypot(x - tumour.x, y - tumour.y), np.inf) if fits.any() else -head.cavity(x, y)
    at = np.unravel_index(far.argmin(), far.shape)
    return replace(tumour, x=float(x[at]), y=float(y[at]))


def _waves(rng: np.random.Generator, size: float, orders: int) -> tuple[tuple[float, float], ...]:
    return tuple((rng.normal(0, size / order**0.5), rng.uniform(0, 2 * np.pi)) for order in range(2, 2 + orders))


def _glioma(head: Head, rng: np.random.Generator) -> Tumour:
    low = head.level == "base"
    radius = rng.uniform(0.085, 0.14) if low else rng.uniform(0.10, 0.21)
    # Somewhere inside a hemisphere, not across the midline or the surface; the radius gives way if the place is tight.
    for _ in range(200):
        x = rng.uniform(0.12, 0.52) * (1 if rng.random() < 0.5 else -1)
        y = rng.uniform(-0.60, 0.60)
        if float(head.brain(np.array(x), np.array(y))) > 0.85 * radius and abs(x) > 0.6 * radius:
            break
        radius = max(0.98 * radius, 0.07)
    else:
        x, y = (0.25, 0.38)
    return Glioma(x, y, radius, _waves(rng, 0.13, 6), mass=rng.uniform(0.3, 0.8))


def _meningioma(head: Head, rng: np.random.Generator) -> Tumour:
    radius = rng.uniform(0.085, 0.135) if head.level == "base" else rng.uniform(0.085, 0.19)
    waves = _waves(rng, 0.05, 4)
    sign = 1 if rng.random() < 0.5 else -1
    if head.level in ("vertex", "body") and rng.random() < 0.30:
        x = sign * radius * rng.uniform(0.55, 0.90)
        ends = (-0.5, 0.5) if head.level == "vertex" else (-0.62, -0.45)
        y = rng.uniform(*ends) * head.length / 0.86
        return Meningioma(x, y, radius, waves, mass=rng.uniform(0.5, 0.9), falx=True)
    # On a ray from the middle of the head (of a fossa at the base) outwards, sunk into the dura.
    if head.level == "base":
        origin, turn = ((sign * 0.30, -0.15), rng.uniform(-0.9, 1.2)) if rng.random() < 0.5 else ((0.0, 0.36), 0.15)
        turn = turn if sign > 0 else np.pi - turn
    else:
        origin, turn = (0.0, 0.0), rng.uniform(0, 2 * np.pi)
    sunk = radius * rng.uniform(0.45, 0.80)
    steps = np.linspace(0, 1.2, 600)
    x_ray, y_ray = origin[0] + steps * np.cos(turn), origin[1] + steps * np.sin(turn)
    at = int(np.argmax(head.cavity(x_ray, y_ray) < sunk))
    return Meningioma(float(x_ray[at]), float(y_ray[at]), radius, waves, mass=rng.uniform(0.5, 0.9), sunk=sunk)


def _pituitary(head: Head, rng: np.random.Generator) -> Tumour:
    radius = rng.uniform(0.05, 0.115)
    y = (-0.175 if head.level == "base" else -0.11) + rng.normal(0, 0.012)
    waist = radius * rng.uniform(0.8, 1.1) * (1 if rng.random() < 0.5 else -1) if rng.random() < 0.3 else 0.0
    return Pituitary(rng.normal(0, 0.012), y, radius, _waves(rng, 0.06, 4), mass=0.7, waist=waist)
