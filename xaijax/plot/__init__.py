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
from xaijax.plot._certain import uncertainty
from xaijax.plot._classifier import confusion_matrix, embedding, reliability_diagram, training_curves
from xaijax.plot._curves import MeanCurve, curves, mean_curve
from xaijax.plot._detection import froc
from xaijax.plot._gallery import gallery, image_table
from xaijax.plot._overlay import outline, overlay
from xaijax.plot._samples import samples
from xaijax.plot._statistics import critical_difference, summary

__all__ = [
    "MeanCurve",
    "confusion_matrix",
    "critical_difference",
    "curves",
    "embedding",
    "froc",
    "gallery",
    "image_table",
    "mean_curve",
    "outline",
    "overlay",
    "reliability_diagram",
    "samples",
    "score_bars",
    "summary",
    "training_curves",
    "uncertainty",
]
