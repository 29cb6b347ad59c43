"""Run lengths of COCO masks: alternating runs of pixels outside and inside, down the columns; the first one is outside.

`counts` is a list of lengths, or text that packs them: each number is written in groups of five bits, the lowest
first, a character of code 48 plus the group; 32 is added to all groups but the last, and the highest bit of the last
one is the sign. From the fourth number on, what is written is the difference to the number two before.

References:
    Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; the format is described at cocodataset.org.
"""

from collections.abc import Sequence

import numpy as np

from xaijax.data.masks.stored import checked_size


def decode(counts: str | bytes | Sequence[int], size: Sequence[int]) -> np.ndarray:
    """A mask from its run lengths.

    Args:
        counts: lengths, or packed text.
        size: `(h, w)`.

    Returns:
        `[h, w]` bool.

    Raises:
        ValueError: for damaged text, negative lengths, or lengths that do not add up to h times w.

    Example:
        >>> decode([1, 2, 1], (2, 2)).astype(int).tolist()
        [[0, 1], [1, 0]]
    """
    height, width = (int(side) for side in size)
    checked_size((height, width))
    runs = unpack(counts) if isinstance(counts, (str, bytes)) else [int(run) for run in counts]
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        raise ValueError("the run lengths of a mask do not add up to its size")
    inside = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(inside, runs).reshape(width, height).T)


def unpack(text: str | bytes) -> list[int]:
    """The lengths in packed text.

    Raises:
        ValueError: for characters that do not occur in it, or an end within a number.

    Example:
        >>> unpack("0:0")
        [0, 10, 0]
    """
    codes = text.encode("latin-1", "replace") if isinstance(text, str) else text
    runs: list[int] = []
    number = shift = 0
    for code in codes:
        group = code - 48
        if not 0 <= group < 64 or shift > 60:
            raise ValueError("the run lengths of a mask are damaged")
        number |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            number -= 1 << shift
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number = shift = 0
    if shift:
        raise ValueError("the run lengths of a mask are damaged")
    return runs
