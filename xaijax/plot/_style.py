"""How the figures look: colours that colour-blind readers can tell apart, one fixed style per method."""

import dataclasses
from collections.abc import Sequence

from xaijax.metrics import ORACLE

# Okabe and Ito, 2008; without its yellow, which is too pale on white, and black, which is the oracle's.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P")
# The report swaps these two for the reader's light or dark theme, so nothing else may use them.
INK = "#1b1f26"
GREY = "#7a828e"
CONTROLS = ("random", "sobel", "center_gaussian")


@dataclasses.dataclass(frozen=True)
class Style:
    """Line and marker of one method."""

    color: str
    dash: str | tuple[int, tuple[float, ...]] = "-"
    width: float = 1.7
    marker: str = "o"


def styles(methods: Sequence[str]) -> dict[str, Style]:
    """One style per method: the oracle a strong line in ink, controls grey, the others by colour, then by dashes.

    Example:
        >>> styles(["grad_cam", "random"])["random"].color
        '#7a828e'
    """
    found: dict[str, Style] = {}
    others = 0
    for method in methods:
        if method == ORACLE:
            found[method] = Style(INK, width=2.4, marker="*")
        elif method == "random":
            found[method] = Style(GREY, (0, (4, 2)), width=2.2, marker="X")
        elif method in CONTROLS:
            found[method] = Style(GREY, (0, (1, 1.5)), marker="P")
        else:
            dash = DASHES[others // len(PALETTE) % len(DASHES)]
            found[method] = Style(PALETTE[others % len(PALETTE)], dash, marker=MARKERS[others % len(MARKERS)])
            others += 1
    return found


def in_order(methods: Sequence[str]) -> list[str]:
    """Methods as they are listed everywhere: explanations as configured, then controls, then the oracle."""
    unique = list(dict.fromkeys(methods))
    rank = {"random": 2, ORACLE: 3} | {name: 1 for name in CONTROLS if name != "random"}
    return sorted(unique, key=lambda method: (rank.get(method, 0), unique.index(method)))
