"""Dark corners: the round field of a lens, as in dermatoscopy. On corners that are black already it cannot be seen."""

import numpy as np

from xaijax.data.cues import _drawing as d


def draw(
    image: np.ndarray, word: str, shade: float, avoid: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Darken what lies outside a circle; `word`, `shade` and `avoid` are not used.

    Returns:
        The image, and the pixels outside the circle.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    radius = 0.5 * side * rng.uniform(1.02, 1.14)
    column, row = 0.5 * np.array([width, height]) + rng.normal(0, 0.015, 2) * side
    y, x = np.ogrid[0.5 : height + 0.5, 0.5 : width + 0.5]
    beyond = np.hypot(x - column, y - row) - radius
    alpha = np.clip(beyond / max(1.5, 0.04 * side), 0, 1)
    drawn = image.copy()
    d.paint(drawn, 0.97 * alpha, 6.0)
    return drawn, alpha > 0
