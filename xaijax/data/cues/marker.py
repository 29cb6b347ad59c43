"""A lead marker, L or R, on a faint plate near a corner, as on radiographs. Which letter it is says nothing."""

import numpy as np

from xaijax.data.cues import _drawing as d


def draw(
    image: np.ndarray, word: str, shade: float, avoid: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the marker; `word` and `shade` are not used. The rest as in `text.draw`; the mask is the plate."""
    side = min(image.shape[:2])
    letter = d.letter("LR"[int(rng.integers(2))])
    angle = rng.normal(0, 0.12)
    high = side * rng.uniform(0.085, 0.115)  # of the letter
    size = round(1.9 * high)
    spots = []
    for right, low in rng.permutation([(0, 0), (1, 0), (0, 1), (1, 1)]):
        across, down = (int(gap) for gap in rng.uniform(0.02, 0.14, 2) * side)
        spots.append(
            (image.shape[0] - size - down if low else down, image.shape[1] - size - across if right else across)
        )
    window = d.place(image.shape, (size, size), avoid, spots)
    rows, columns = (np.arange(part.stop - part.start) + 0.5 - size / 2 for part in window)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    unit = high / d.ROWS  # a cell
    ink = _smooth(letter, across / unit + d.ROWS / 2 - 0.5, along / unit + d.COLUMNS / 2 - 0.5)
    corner = 0.18 * high
    half = 0.80 * high
    outside = np.hypot(np.maximum(np.abs(along) - half + corner, 0), np.maximum(np.abs(across) - half + corner, 0))
    plate = np.clip(corner - outside + 0.5, 0, 1)
    drawn, mask = image.copy(), np.zeros(image.shape[:2], bool)
    mask[window] = plate > 0
    part = drawn[window]
    d.paint(part, 0.22 * plate, 255.0)
    d.paint(part, 0.97 * ink * plate, 250.0)
    return drawn, mask


def _smooth(cells: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The letter at real-valued cells: bilinear, then steepened to an edge half a cell wide."""
    padded = np.pad(cells.astype(np.float64), 2)
    row, column = np.clip(row + 2, 0, len(padded) - 1.001), np.clip(column + 2, 0, padded.shape[1] - 1.001)
    i, j = row.astype(np.int64), column.astype(np.int64)
    a, b = row - i, column - j
    value = (1 - a) * ((1 - b) * padded[i, j] + b * padded[i, j + 1])
    value += a * ((1 - b) * padded[i + 1, j] + b * padded[i + 1, j + 1])
    return np.clip(2 * value - 0.5, 0, 1)
