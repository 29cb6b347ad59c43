"""A ruler along one side of the image: a light strip with marks and figures, as in dermatoscopic images."""

import numpy as np

from xaijax.data.cues import _drawing as d


def draw(
    image: np.ndarray, word: str, shade: float, avoid: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the ruler; `word` and `shade` are not used. The rest as in `text.draw`; the mask is the whole strip."""
    side = min(image.shape[:2])
    cell = d.cell_of(image.shape)
    pitch, mark = max(3, round(side / 42)), max(1, round(side / 220))
    longest = 2 * pitch
    depth = longest + (d.ROWS + 2) * cell
    length = round(side * rng.uniform(0.55, 0.85))
    strip = np.full((depth, length), 232.0)
    for number, at in enumerate(range(pitch, length - mark, pitch)):
        reach = longest if number % 10 == 0 else round(0.75 * longest) if number % 5 == 0 else round(0.5 * longest)
        strip[:reach, at : at + mark] = 25
        figure = d.line_of_text(str(number // 10), cell)
        left = at + mark // 2 - figure.shape[1] // 2
        if number % 10 == 0 and number and left + figure.shape[1] < length:
            strip[longest + cell : longest + cell + len(figure), left : left + figure.shape[1]][figure] = 25
    turns = rng.permutation(4)
    along = rng.random(4)
    gap = round(side * 0.02)
    spots = []
    for turn in turns:
        tall, wide = (depth, length) if turn % 2 == 0 else (length, depth)
        start = round(along[turn] * (image.shape[1 if turn % 2 == 0 else 0] - length))
        far = image.shape[0 if turn % 2 == 0 else 1] - depth - gap
        spots.append((turn, (tall, wide), {0: (gap, start), 1: (start, gap), 2: (far, start), 3: (start, far)}[turn]))
    windows = [(turn, d.place(image.shape, size, avoid, [spot])) for turn, size, spot in spots]
    turn, window = min(windows, key=lambda pair: int(avoid[pair[1]].sum()))
    lying = np.rot90(strip, {0: 0, 1: 1, 2: 0, 3: 3}[turn])
    drawn, mask = image.copy(), np.zeros(image.shape[:2], bool)
    mask[window] = True
    drawn[window] = np.rint(lying)[: mask[window].shape[0], : mask[window].shape[1], None]
    return drawn, mask
