"""How a body lies in the image: turned, scaled and shifted."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Pose:
    """A turn, a scale and a shift between the body's coordinates and the image's."""

    angle: float  # in radians
    scale: float
    shift: tuple[float, float]

    def place(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Image coordinates to the body's."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        x, y = (x - self.shift[0]) / self.scale, (y - self.shift[1]) / self.scale
        return x * cos + y * sin, y * cos - x * sin

    def image(self, pieces: Array) -> Array:
        """Tubes in the body's coordinates, `[N, 6]` of two ends and two radii, to those of the image."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        moved = self.scale * pieces
        for at in (0, 2):
            x, y = pieces[:, at], pieces[:, at + 1]
            moved[:, at] = self.scale * (x * cos - y * sin) + self.shift[0]
            moved[:, at + 1] = self.scale * (y * cos + x * sin) + self.shift[1]
        return moved
