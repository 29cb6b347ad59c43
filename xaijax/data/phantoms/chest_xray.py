"""Phantom of a frontal chest radiograph: normal, lobar opacity, or bilateral peripheral ground glass.

The image is drawn from thicknesses along the view: soft tissue and bone attenuate, the air of the lungs does not, and
the film shows the sum through an S-shaped curve, dense is bright. What differs between people and exposures (habitus,
pose, depth of breath, size of the heart, bones, vessels, gas in the stomach, exposure, noise) is drawn before the class
is looked at and from generators of its own: the same case of another class is the same image outside its lesions.

A lobar opacity is dense and even, lies in one lung, and may stop sharply at a fissure; vessels drown in it, bronchi
that hold air stay dark. Ground glass is a haze along the outer border of both lungs, faint and patchy, through which
the vessels are seen. Masks are the lesions, exact to the pixel centre; a lesion's density begins at its outline.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xaijax.data.phantoms import _fields as f
from xaijax.data.phantoms import _vessels
from xaijax.data.phantoms._pose import Pose

Array = np.ndarray
CLASSES = ("normal", "opacity", "ground_glass")
FINDINGS = ("opacity", "ground_glass", "nodule")


@dataclass(frozen=True)
class Chest(Pose):
    """The geometry of one chest; x to the right of the image (the patient's left), y down, canonical lengths."""

    width: float  # half, of the trunk
    shoulder: float
    apex: float
    base: float  # where the lungs end in the middle of the dome
    dome: float
    lift: float  # of the dome on the patient's right, over the liver
    heart: float
    tilt: float
    ribs: float  # spacing
    turned: float  # how far the patient is turned: the spine leaves the middle of the mediastinum
    arms: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Chest":
        """A chest of ordinary variation."""
        return cls(
            angle=rng.normal(0, 0.03),
            scale=rng.uniform(1.06, 1.24),
            shift=(rng.normal(0, 0.03), 0.05 + rng.normal(0, 0.035)),
            width=rng.uniform(0.72, 0.84),
            shoulder=rng.uniform(-0.90, -0.78),
            apex=rng.uniform(-0.82, -0.74),
            base=rng.uniform(0.32, 0.50),
            dome=rng.uniform(0.10, 0.20),
            lift=rng.uniform(0.02, 0.08),
            heart=rng.uniform(0.88, 1.16),
            tilt=rng.uniform(0.45, 0.75),
            ribs=rng.uniform(0.118, 0.142),
            turned=rng.normal(0, 0.015),
            arms=rng.uniform(0.0, 0.5),
        )

    def cage(self, y: Array) -> Array:
        """Half the inner width of the rib cage at a height."""
        u = np.clip((y - self.apex) / (self.base + 0.18 - self.apex), 0, 1)
        return 0.90 * self.width * (1 - (1 - u) ** 2.1) ** 0.56

    def floor(self, x: Array) -> Array:
        """Height of the diaphragm."""
        side = np.abs(x)
        from_top = (side - 0.42 * self.width) / (0.46 * self.width)
        # Round in the middle, falling off steeply into the angle at the side.
        drop = self.dome * np.where(from_top > 0, from_top**2 + 0.5 * from_top**4, 0.35 * from_top**2)
        return self.base + drop - self.lift * f.cover(-x, 0.1)

    def lung(self, x: Array, y: Array) -> Array:
        """Distance to the border of the lungs as they appear next to the mediastinum; inside positive."""
        side = np.abs(x)
        outer = 0.9 * (self.cage(y) - side)
        return np.minimum(np.minimum(outer, 0.9 * (self.floor(x) - y)), -self.middle(x, y))

    def middle(self, x: Array, y: Array) -> Array:
        """Distance to the outline of heart, great vessels and spine."""
        h = self.heart
        down = self.base - 0.45
        body = f.ellipse(x, y, 0.115 * h, 0.27 + down, 0.325 * h, 0.215 * h, self.tilt)
        atrium = f.ellipse(x, y, -0.055 * h, 0.28 + down, 0.135 * h, 0.20)
        arch = f.ellipse(x, y, 0.070, -0.36, 0.078, 0.085)
        trunk = f.ellipse(x, y, 0.085, -0.13 + 0.5 * down, 0.085, 0.12)
        upper = f.segment(x, y, -0.012, -1.2, 0.012, 0.1, 0.092)
        return f.join(f.join(body, atrium, 0.06), f.join(f.join(arch, trunk, 0.10), upper, 0.06), 0.08)


def render(label: str, size: int, rng: np.random.Generator, lesions: int = 1) -> tuple[Array, tuple[Array, ...]]:
    """Draw one radiograph.

    Args:
        label: one of `CLASSES`.
        size: side in pixels.
        rng: a fresh generator; it decides everything else.
        lesions: opacities, or patches of ground glass in each lung.

    Returns:
        `(image, masks)`: grey uint8 `[size, size, 1]`, and one bool `[size, size]` per lesion.
    """
    anatomy, disease, detector = rng.spawn(3)
    chest = Chest.draw(anatomy)
    x, y = chest.place(*f.grid(size))
    film = _Film(chest, size, x, y, anatomy)
    dense = np.zeros_like(x)
    masks: list[Array] = []
    for lesion in range(lesions if label != "normal" else 0):
        if label == "opacity":
            masks += _opacity(chest, film, disease, dense, lesion)
        else:
            masks += _ground_glass(chest, film, disease, dense, lesion)
    return _expose(film.thickness(dense), detector)[..., None], tuple(masks)


def render_findings(
    found: Sequence[str], size: int, rng: np.random.Generator
) -> tuple[Array, tuple[tuple[str, Array], ...]]:
    """Draw one radiograph with any of `FINDINGS`, each as it is without the others.

    Args:
        found: those that it has.
        size: side in pixels.
        rng: a fresh generator; it decides everything else.

    Returns:
        `(image, ((finding, mask), ...))`: grey uint8 `[size, size, 1]`, and one bool `[size, size]` per lesion.
    """
    anatomy, disease, detector = rng.spawn(3)
    chest = Chest.draw(anatomy)
    x, y = chest.place(*f.grid(size))
    film = _Film(chest, size, x, y, anatomy)
    dense = np.zeros_like(x)
    draw = {"opacity": _opacity, "ground_glass": _ground_glass, "nodule": _nodule}
    masks: list[tuple[str, Array]] = []
    for finding, own in zip(FINDINGS, disease.spawn(len(FINDINGS)), strict=True):
        if finding in found:
            masks += [(finding, mask) for mask in draw[finding](chest, film, own, dense, 0)]
    return _expose(film.thickness(dense), detector)[..., None], tuple(masks)


class _Film:
    """Thicknesses along the view, in units of the trunk's depth, before the lesions."""

    def __init__(self, chest: Chest, size: int, x: Array, y: Array, rng: np.random.Generator) -> None:
        self.chest, self.size, self.rng = chest, size, rng
        self.soft = max(2 / size / chest.scale, 0.012)
        # People are not symmetric: everything is drawn in bent coordinates.
        self.x = x + 0.012 * self._noise(3) + 0.003 * self._noise(9)
        self.y = y + 0.012 * self._noise(3) + 0.003 * self._noise(9)
        self.side = np.abs(self.x - chest.turned)
        self.lung = chest.lung(self.x, self.y)
        self.tissue = self._trunk()
        self.air = self._lungs()
        self.vessels = self._vessels()
        self.bone = self._bones()

    def thickness(self, dense: Array) -> Array:
        """What attenuates, with a share `dense` of the air of the lungs replaced by fluid."""
        # Vessels are fluid too: what surrounds them with fluid hides them.
        filled = self.air * (1 - 0.88 * dense)
        return self.tissue - 0.66 * filled + self.vessels * (1 - 0.9 * dense) + self.bone

    def _noise(self, cells: int) -> Array:
        return f.noise(self.rng, cells, self.size)

    def _trunk(self) -> Array:
        c, side, y = self.chest, self.side, self.y
        wide = c.width * (1.06 - 0.05 * np.clip(y, -1, 1)) + 0.10 * np.clip(y - 0.55, 0, 1)
        depth = np.clip(1 - (side / wide) ** 2, 0, 1) ** 0.32
        # Shoulders slope down from the neck, and are thinner than the chest.
        slope = c.shoulder + 0.36 * np.clip(side - 0.16, 0, 1) ** 1.2
        trunk = depth * np.clip(0.30 + 1.6 * (y - slope), 0, 1) * f.cover(y - slope, 0.05)
        neck = 0.66 * np.clip(1 - (side / 0.30) ** 2, 0, 1) ** 0.5 * f.cover(-0.5 - y, 0.3)
        trunk = f.join(trunk, neck, 0.15) * f.cover(np.maximum(trunk, neck) - 0.02, 0.04)
        shoulder = np.clip(1 - ((side - 0.72) / 0.40) ** 2, 0, 1) ** 0.5 * np.exp(-(((y + 0.48) / 0.30) ** 2))
        shoulder = 0.55 * shoulder * f.cover(y - slope, 0.05)
        out = 1.02 + 0.35 * c.arms
        arm = f.segment(side, y, 0.86, -0.50, out, 0.55, 0.135)
        arm = 0.45 * np.clip(arm / 0.135, 0, 1) ** 0.5
        tissue = np.maximum(f.join(trunk, shoulder, 0.15) - 0.0375 * (trunk < 0.02), arm)
        belly = 0.22 * f.cover(y - 0.50, 0.5) * np.clip(1 - (side / 0.8) ** 2, 0, 1)
        breast = f.ellipse(side, y, 0.40, 0.28, 0.26, 0.24)
        fat = self.rng.uniform(0.0, 0.09) * f.cover(breast - 0.05, 0.16)
        tissue = tissue + belly + fat + 0.012 * self._noise(5) * f.cover(tissue - 0.1, 0.1)
        muscle = 0.05 * np.exp(-(((side - 0.62) / 0.16) ** 2) - ((y + 0.30) / 0.30) ** 2)
        gas = f.ellipse(
            self.x, y, self.rng.uniform(0.28, 0.42), c.base + self.rng.uniform(0.16, 0.26), 0.12, 0.085, 0.3
        )
        gas = self.rng.uniform(0.0, 0.45) * np.clip((gas + 0.008 * self._noise(12)) / 0.085, 0, 1) ** 0.6
        return np.maximum(tissue + muscle - gas, 0.0)

    def _lungs(self) -> Array:
        c, x, y, side, soft = self.chest, self.x, self.y, self.side, self.soft
        cage = np.maximum(c.cage(y), 1e-3)
        deep = np.clip(1 - (side / cage) ** 3.2, 0, 1) ** 0.55 * f.cover(y - c.apex - 0.01, 0.04)
        # The lung reaches down behind the dome, where it is thin.
        above = c.floor(x) - y
        deep = deep * (0.93 * f.cover(above, max(soft, 0.022)) + 0.07 * f.cover(above + 0.09, 0.10))
        heart = c.middle(x, y)
        hidden = f.cover(heart, max(soft, 0.030)) * (0.50 + 0.40 * np.clip(heart / 0.10, 0, 1))
        air = deep * (1 - hidden) * np.clip(0.88 + 0.20 * (y - c.apex) / 1.3, 0, 1.1)
        windpipe = f.segment(x, y, 0.008, -1.1, 0.0, -0.22, 0.036)
        bronchi = np.maximum(
            f.segment(x, y, 0.0, -0.22, -0.13, -0.08, 0.026), f.segment(x, y, 0.0, -0.22, 0.16, -0.09, 0.022)
        )
        tubes = 0.26 * f.cover(windpipe, 0.024) + 0.16 * f.cover(bronchi, 0.03) * f.cover(heart, 0.05)
        return np.maximum(air, 0) + tubes * (1 - deep * (1 - hidden))

    def _vessels(self) -> Array:
        c, rng = self.chest, self.rng
        trees = []
        for sign in (-1, 1):
            hilum = (sign * rng.uniform(0.125, 0.155), rng.uniform(-0.06, -0.01) - (0.03 if sign > 0 else 0.0))
            for turn in (-1.05, -0.45, 0.10, 0.60, 1.10):
                heading = turn + rng.normal(0, 0.12)
                trees.append(
                    _vessels.grow(
                        rng,
                        hilum,
                        heading if sign > 0 else np.pi - heading,
                        rng.uniform(0.12, 0.17) * (1.15 if abs(turn) > 0.8 else 1.0),
                        rng.uniform(0.013, 0.018),
                        4,
                    )
                )
        tubes = _vessels.draw(c.image(np.concatenate(trees)), self.size, depth=True)
        hila = np.zeros_like(self.x)
        for sign in (-1, 1):
            blob = f.ellipse(self.x, self.y, sign * 0.135, -0.01 - 0.02 * (sign > 0), 0.055, 0.11, 0.25 * sign)
            hila = hila + f.cover(blob + 0.02 * self._noise(14), 0.09)
        haze = 0.018 * self._noise(22) + 0.012 * self._noise(44)
        return (7.0 * tubes + 0.11 * hila + haze) * f.cover(self.lung + 0.02, 0.05)

    def _bones(self) -> Array:
        c, x, y, side = self.chest, self.x, self.y, self.side
        rng = self.rng
        cage = np.maximum(c.cage(y), 0.05)
        near = side / (0.88 * c.width)
        step, wide = c.ribs, rng.uniform(0.024, 0.030)
        strong = rng.uniform(0.075, 0.125)
        start = c.apex + 0.03
        # Behind: from the spine outwards, first level and then down. In front: down and inwards, fainter, wider apart.
        behind = y - start - 0.30 * near**2.3 + 0.05 * np.sin(np.pi * np.clip(near, 0, 1))
        front = y - start - 0.36 - 0.62 * np.clip(0.62 - near, -1, 1) * c.width / 0.78
        rim = f.cover(cage + 0.012 - side, 0.02)
        ribs = _bars(behind, step, wide, 10) * f.cover(side - 0.06, 0.03) * rim
        ribs = strong * ribs * (1 - 0.35 * f.cover(y - c.floor(x), 0.05))
        ahead = _bars(front, 1.12 * step, 1.15 * wide, 6) * f.cover(near - 0.42, 0.20) * rim
        bones = ribs + 0.62 * strong * ahead
        # Where the ribs turn round the side they are seen along their length.
        edge = np.exp(-((((side - cage) - 0.004) / 0.013) ** 2)) * f.cover(y - c.apex - 0.05, 0.1)
        bones = bones + 0.5 * strong * edge * (0.5 + 0.5 * np.cos(2 * np.pi * behind / step)) * f.cover(0.7 - y, 0.2)
        clavicle = np.maximum(
            f.segment(side, y, 0.065, c.apex + 0.17, 0.30, c.apex + 0.085, 0.026),
            f.segment(side, y, 0.30, c.apex + 0.085, 0.70, c.apex + 0.02, 0.022),
        )
        bones = bones + rng.uniform(0.15, 0.21) * _shell(clavicle, 0.026)
        blade = f.segment(side, y, 0.66, c.apex + 0.12, 0.74, 0.02, 0.055)
        bones = bones + 0.045 * f.cover(blade, 0.03) + 0.05 * np.exp(-(((blade - 0.004) / 0.012) ** 2))
        head = f.ellipse(side, y, 0.93, c.apex + 0.17, 0.105, 0.105)
        shaft = f.segment(side, y, 0.95, c.apex + 0.17, 1.03 + 0.35 * c.arms, 0.6, 0.058)
        bones = bones + 0.16 * _shell(np.maximum(head, shaft), 0.06)
        # The spine through the mediastinum: bodies, discs, and the processes next to them.
        discs = np.cos(2 * np.pi * (y + 0.25 * self._noise(3) * 0.05) / 0.118)
        body = f.cover(0.066 - side, 0.02)
        bones = bones + body * (0.085 + 0.028 * discs) + 0.03 * f.cover(0.014 - side, 0.015) * f.cover(discs - 0.3, 0.5)
        return bones * f.cover(self.tissue - 0.05, 0.06)


def _bars(along: Array, step: float, half: float, count: int) -> Array:
    """Profile of `count` parallel bars: a flat tube with brighter rims."""
    index = np.clip(np.rint(along / step), 0, count - 1)
    return _shell(half - np.abs(along - index * step), half)


def _shell(depth: Array, half: float) -> Array:
    """Thickness of a bone tube of half width `half` at a depth below its edge: cortex over marrow."""
    inside = np.clip(depth / half, 0, 1)
    return np.sqrt(1 - (1 - inside) ** 2) * 0.62 + 0.42 * np.exp(-(((inside - 0.16) / 0.16) ** 2)) * (depth > 0)


def _opacity(chest: Chest, film: _Film, rng: np.random.Generator, dense: Array, number: int) -> list[Array]:
    """A dense lobe or part of it, in the lung on one side; the next one is on the other."""
    side = (1 if rng.random() < 0.5 else -1) * (-1) ** number
    zone = rng.uniform(0.10, 0.88)
    y0 = chest.apex + 0.16 + zone * (chest.base - chest.apex - 0.20)
    x0 = side * (0.16 + (float(chest.cage(np.array(y0))) - 0.20) * rng.uniform(0.25, 0.75))
    radius = rng.uniform(0.15, 0.27)
    waves = tuple((rng.normal(0, 0.09), rng.uniform(0, 2 * np.pi)) for _ in range(4))
    dx, dy = film.x - x0, film.y - y0
    reach = np.hypot(dx, dy) + 1e-9
    blob = radius * (1 + f.harmonics(dx / reach, dy / reach, waves)) - reach
    blob = blob + 0.035 * f.noise(rng, 8, film.size) + 0.015 * f.noise(rng, 18, film.size)
    # A fissure cuts it off below or above.
    tilt, cut = rng.normal(0, 0.12), rng.uniform(0.30, 0.75) * radius
    way = 1 if rng.random() < 0.5 else -1
    blob = np.minimum(blob, way * (dy - tilt * dx) + cut) if rng.random() < 0.7 else blob
    edge = np.minimum(blob, np.minimum(film.lung, side * film.x))
    inner = np.clip(blob / (0.35 * radius), 0, 1)
    tree = _vessels.grow(rng, (side * 0.10, -0.05), np.arctan2(y0 + 0.05, x0 - side * 0.10), 0.16, 0.013, 3)
    bronchi = _vessels.draw(chest.image(tree), film.size, depth=False)
    share = rng.uniform(0.62, 0.85) * (0.45 + 0.55 * inner) * (1 + 0.07 * f.noise(rng, 12, film.size))
    return _lay(dense, edge, share * (1 - 0.16 * bronchi), max(film.soft, 0.05))


def _ground_glass(chest: Chest, film: _Film, rng: np.random.Generator, dense: Array, number: int) -> list[Array]:
    """One patch of haze along the outer border of each lung."""
    masks = []
    for side in (-1, 1):
        low, high = chest.apex + 0.50, chest.base - 0.02
        y0 = low + (high - low) * rng.uniform(0.0, 1.0)
        tall, deep = rng.uniform(0.20, 0.32), rng.uniform(0.16, 0.24)
        rough = 0.040 * f.noise(rng, 7, film.size) + 0.022 * f.noise(rng, 15, film.size)
        border = chest.cage(film.y) - np.abs(film.x)
        across = 1 - ((film.y - y0) / tall) ** 2
        patch = deep * np.sqrt(np.clip(across, 0, 1)) - border + rough - np.clip(-across, 0, 1)
        edge = np.minimum(np.minimum(patch, film.lung), side * film.x)
        mottle = np.clip(1 + 0.28 * f.noise(rng, 11, film.size) + 0.20 * f.noise(rng, 24, film.size), 0.25, 1.8)
        share = rng.uniform(0.34, 0.50) * mottle * np.clip(0.35 + patch / (0.6 * deep), 0, 1)
        masks += _lay(dense, edge, share, max(film.soft, 0.05))
    return masks


def _nodule(chest: Chest, film: _Film, rng: np.random.Generator, dense: Array, number: int) -> list[Array]:
    """A small round mass in one lung, away from its border."""
    side = 1 if rng.random() < 0.5 else -1
    y0 = chest.apex + 0.20 + rng.uniform(0.15, 0.80) * (chest.base - chest.apex - 0.25)
    x0 = side * (0.22 + (float(chest.cage(np.array(y0))) - 0.30) * rng.uniform(0.3, 0.7))
    radius = rng.uniform(0.055, 0.085)
    waves = tuple((rng.normal(0, 0.06), rng.uniform(0, 2 * np.pi)) for _ in range(4))
    dx, dy = film.x - x0, film.y - y0
    reach = np.hypot(dx, dy) + 1e-9
    blob = radius * (1 + f.harmonics(dx / reach, dy / reach, waves)) - reach
    edge = np.minimum(blob, np.minimum(film.lung, side * film.x))
    share = rng.uniform(0.70, 0.90) * np.clip(0.6 + blob / (0.8 * radius), 0, 1)
    return _lay(dense, edge, share, max(film.soft, 0.02))


def _lay(dense: Array, edge: Array, share: Array, soft: float) -> list[Array]:
    """Add a lesion to what is filled already; its mask is where it begins, and never empty."""
    mask = edge > 0
    if not mask.any():  # smaller than a pixel of a tiny image
        mask.flat[edge.argmax()] = True
        edge = np.where(mask, soft, edge)
    added = np.clip(share, 0, 0.95) * np.clip(edge / soft, 0, 1)
    np.maximum(dense, added, out=dense)
    return [mask]


def _expose(thickness: Array, rng: np.random.Generator) -> Array:
    """The film: scatter, an S-shaped curve, quantum noise that grows with what attenuates, and the digital window."""
    size = len(thickness)
    middle, steep = rng.uniform(0.44, 0.60), rng.uniform(3.9, 5.2)
    shade = rng.normal(0, 0.03, 2)
    x, y = f.grid(size)
    level = thickness + shade[0] * x + shade[1] * y
    noise = rng.standard_normal((size, size)) * rng.uniform(0.010, 0.022) * (0.55 + 0.6 * np.clip(level, 0, 1.4))
    value = 1 / (1 + np.exp(-steep * (level + noise - middle)))
    black = 1 / (1 + np.exp(steep * middle))
    value = (value - 0.8 * black) / (1 - 0.8 * black)
    return np.rint(255 * np.clip(rng.uniform(0.88, 1.0) * value, 0, 1)).astype(np.uint8)
