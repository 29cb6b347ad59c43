"""How figures look: colours that colour-blind readers can tell apart, one fixed style per method.

Figures are made outside pyplot, so they need no display and leave no global state. Matplotlib is imported on first use.
"""

import dataclasses
import functools
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito, 2008; without its yellow, which is too pale on white, and black, which is the oracle's.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P")
# Reports swap these two for the reader's light or dark theme, so nothing else may use them.
INK = "#1b1f26"
GREY = "#7a828e"
LETTERS = "#101010"  # on coloured cells, which do not follow the reader's theme

LONGEST = 32
"""Letters of a name in a figure: with longer ones the labels leave no room for the axes."""
SETTINGS: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlecolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "svg.hashsalt": "xaijax",  # the same figure gives the same file
    "figure.dpi": 100,
    "text.parse_math": False,  # a dollar sign in a name is one
}


@dataclasses.dataclass(frozen=True)
class Style:
    """Line and marker of one method; `front` draws it over the others."""

    color: str
    dash: str | tuple[int, tuple[float, ...]] = "-"
    width: float = 1.7
    marker: str = "o"
    front: bool = False


@functools.cache
def controls() -> tuple[str, ...]:
    """The methods that know nothing of the model and serve for comparison: the controls that need no mask."""
    from xaijax.explain import METHODS

    return tuple(m.name for m in METHODS.values() if m.family == "control" and "masks" not in m.needs)


def styles(methods: Sequence[str]) -> dict[str, Style]:
    """One style per method: the oracle a strong line in ink, controls grey, the others by colour, then by dashes.

    Example:
        >>> styles(["grad_cam", "random"])["random"].color
        '#7a828e'
    """
    from xaijax.metrics import ORACLE

    found: dict[str, Style] = {}
    others = 0
    for method in methods:
        if method == ORACLE:
            found[method] = Style(INK, width=2.4, marker="*", front=True)
        elif method == "random":
            found[method] = Style(GREY, (0, (4, 2)), width=2.2, marker="X")
        elif method in controls():
            found[method] = Style(GREY, (0, (1, 1.5)), marker="P")
        else:
            dash = DASHES[others // len(PALETTE) % len(DASHES)]
            found[method] = Style(PALETTE[others % len(PALETTE)], dash, marker=MARKERS[others % len(MARKERS)])
            others += 1
    return found


def in_order(methods: Sequence[str]) -> list[str]:
    """Methods as they are listed everywhere: explanations in their order, then controls, then the oracle.

    Example:
        >>> in_order(["oracle", "random", "cam", "sobel"])
        ['cam', 'sobel', 'random', 'oracle']
    """
    from xaijax.metrics import ORACLE

    unique = list(dict.fromkeys(methods))
    rank = dict.fromkeys(controls(), 1) | {"random": 2, ORACLE: 3}
    return sorted(unique, key=lambda method: (rank.get(method, 0), unique.index(method)))


def words(name: str) -> str:
    """A name of the code in words; of one that no figure has room for the beginning and the end.

    Example:
        >>> words("grad_cam"), len(words("x" * 300))
        ('grad cam', 32)
    """
    return shortened(name.replace("_", " "))


def shortened(text: str) -> str:
    """A text of at most `LONGEST` letters, its middle left out where it is longer.

    Example:
        >>> shortened("a method with a name that nobody can read in a legend")
        'a method with a na…d in a legend'
    """
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 14]}…{text[-13:]}"


def metric_title(name: str) -> str:
    """The title of a metric with the direction that is better; a metric of the user's own by its name.

    Example:
        >>> metric_title("average_precision"), metric_title("my_score")
        ('average precision ↑', 'my score')
    """
    from xaijax.metrics import METRICS

    if name not in METRICS:
        return words(name)
    return f"{METRICS[name].title} {'↑' if METRICS[name].higher_is_better else '↓'}"


def letters_on(color: Sequence[float]) -> str:
    """The colour of letters on a cell, that of the larger contrast.

    Args:
        color: red, green, blue in [0, 1]; more is ignored.

    References:
        Web Content Accessibility Guidelines 2.1, relative luminance and contrast ratio.

    Example:
        >>> letters_on((0.9, 0.95, 1.0)), letters_on((0.1, 0.1, 0.5))
        ('#101010', 'white')
    """
    parts = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in color[:3])
    luminance = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))
    # Dark letters (luminance 0.0052) have the contrast (l + 0.05) / 0.0552, white ones 1.05 / (l + 0.05).
    return LETTERS if luminance + 0.05 > (1.05 * 0.0552) ** 0.5 else "white"


def legend_text(name: str) -> str:
    """A name as a legend shows it: Matplotlib leaves out labels that start with an underscore.

    Example:
        >>> legend_text("_old"), legend_text("new")
        (' _old', 'new')
    """
    return shortened(f" {name}" if name.startswith("_") else name)


def new_figure(width: float, height: float, *, layout: Any = "constrained") -> "Figure":
    """An empty figure of this size in inches, outside pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def encode(figure: "Figure", kind: Literal["svg", "png"]) -> bytes:
    """A figure as the bytes of a file; the same figure gives the same bytes.

    Args:
        figure: from a function of this package.
        kind: "svg" for charts, with a transparent background; "png" for images, at 160 dots per inch.

    Returns:
        The bytes, without date and version.

    Example:
        >>> encode(new_figure(1, 1), "png")[1:4]
        b'PNG'
    """
    import matplotlib

    # Matplotlib writes its version into a PNG and the date into an SVG: neither belongs in a result.
    dated: dict[str, Any] = {"Date": None} if kind == "svg" else {"Software": None}
    out = io.BytesIO()
    with matplotlib.rc_context(SETTINGS):
        # Charts are transparent: a page shows them on its own background, light or dark.
        figure.savefig(out, transparent=kind == "svg", format=kind, metadata=dated, dpi=160)
    return out.getvalue()
