"""Figures as functions of arrays: heat maps over images, curves, means with intervals, a classifier's scores.

    from xaijax import plot
    plot.gallery(images, {"grad_cam": maps, "random": others}, masks=masks).savefig("gallery.png")
    plot.curves(scores, metric="sic_webp").savefig("curves.svg")

Functions that draw a figure return a `matplotlib.figure.Figure`, made outside pyplot: nothing is shown, and no global
state changes. Functions that draw into an image return `[H, W, 3]` uint8. Images are uint8 or float in [0, 1]
`[H, W, C]` with one or three channels; maps are `[H, W]`. Matplotlib is imported on first use.

Methods look the same in every figure: explanations in colours that colour-blind readers can tell apart, controls grey,
the oracle black.
"""

from xaijax.plot._bars import score_bars
from xaijax.plot._certain import certain
from xaijax.plot._classifier import confusion, course, embedding, reliability
from xaijax.plot._curves import MeanCurve, curves, mean_curve
from xaijax.plot._detection import froc
from xaijax.plot._gallery import gallery, picture_table, rebuilt
from xaijax.plot._overlay import display_scale, outline, overlay, to_rgb
from xaijax.plot._planes import planes
from xaijax.plot._samples import samples, write_samples
from xaijax.plot._statistics import critical_difference, p_matrix, p_text, summary, summary_of_models
from xaijax.plot._style import encode

__all__ = [
    "MeanCurve",
    "certain",
    "confusion",
    "course",
    "critical_difference",
    "curves",
    "display_scale",
    "embedding",
    "encode",
    "froc",
    "gallery",
    "mean_curve",
    "outline",
    "overlay",
    "p_matrix",
    "p_text",
    "picture_table",
    "planes",
    "rebuilt",
    "reliability",
    "samples",
    "score_bars",
    "summary",
    "summary_of_models",
    "to_rgb",
    "write_samples",
]
