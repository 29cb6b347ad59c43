"""Hairs across the image: dark on a light image, as in dermatoscopy, and light on a dark one."""

import numpy as np

from xaijax.data.cues import _drawing as d


def draw(
    image: np.ndarray, word: str, shade: float, avoid: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw 7 to 16 hairs; they cross whatever lies there. `word`, `shade` and `avoid` are not used.

    Returns:
        The image with the hairs, and the pixels that a hair touches.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    steps = np.linspace(0, 1, 3 * max(height, width))[:, None]
    main = rng.uniform(0, np.pi)
    alpha = np.zeros((height, width))
    for _ in range(int(rng.integers(7, 17))):
        angle = main + rng.normal(0, 0.5)
        middle = rng.uniform(0.05, 0.95, 2) * (width, height)
        half = 0.5 * side * rng.uniform(0.5, 1.2)
        way = np.array([np.cos(angle), np.sin(angle)])
        bend = rng.normal(0, 0.35) * half * np.array([-way[1], way[0]])
        start, control, end = middle - half * way, middle + bend, middle + half * way
        path = (1 - steps) ** 2 * start + 2 * steps * (1 - steps) * control + steps**2 * end
        # Thick at the root, fine at the tip; never thinner than what a pixel shows.
        thick = max(0.55, side * rng.uniform(0.003, 0.0055)) * (1 - 0.55 * steps[:, 0])
        _stroke(alpha, path, thick)
    light = image.mean() < 70
    value = rng.uniform(175, 215) if light else rng.uniform(15, 50)
    # Dark hairs are brown, but a grey image that is stored in three channels stays grey.
    grey = light or bool((image == image[..., :1]).all())
    drawn = image.copy()
    d.paint(drawn, 0.88 * alpha, value * (np.ones(image.shape[2]) if grey else np.array([1.15, 0.9, 0.75])))
    return drawn, alpha > 0


def _stroke(alpha: np.ndarray, path: np.ndarray, half: np.ndarray) -> None:
    """Raise the opacity within `half` of each point (x, y) of a path, with an edge one pixel wide."""
    reach = int(np.ceil(half.max() + 0.5))
    steps = np.arange(-reach, reach + 1)
    column, row = (np.floor(path[:, axis]).astype(np.int64)[:, None, None] for axis in (0, 1))
    rows, columns = row + steps[:, None], column + steps[None, :]
    gap = np.hypot(columns + 0.5 - path[:, 0, None, None], rows + 0.5 - path[:, 1, None, None])
    cover = np.clip(half[:, None, None] + 0.5 - gap, 0, 1)
    rows, columns = np.broadcast_to(rows, cover.shape), np.broadcast_to(columns, cover.shape)
    inside = (cover > 0) & (rows >= 0) & (rows < alpha.shape[0]) & (columns >= 0) & (columns < alpha.shape[1])
    np.maximum.at(alpha, (rows[inside], columns[inside]), cover[inside])
