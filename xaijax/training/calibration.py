"""Whether probabilities mean what they say: reliability by bins and the expected calibration error.

References:
    Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015;
    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
"""

from typing import Any

import numpy as np

BINS = 15


def calibration(probabilities: Any, labels: Any, *, bins: int = BINS) -> dict[str, Any]:
    """Expected calibration error of the predicted classes.

    Images are put into bins of equal width by the probability p of their predicted class, (0, 1/bins], ...:
    `ECE = Σ_b n_b/N |accuracy_b - mean p_b|`.

    Args:
        probabilities: `[N, K]`, rows of sum 1.
        labels: `[N]` int.
        bins: number of bins.

    Returns:
        JSON values: `ece` in [0, 1], and `bins`, a list with `low`, `high`, `images`, `accuracy`, `confidence` of each;
        the last two are None in an empty bin.

    Raises:
        ValueError: for no images, or fewer than one bin.

    Example:
        >>> from xaijax.training.calibration import calibration
        >>> round(calibration([[0.9, 0.1], [0.9, 0.1]], [0, 1])["ece"], 3)
        0.4
    """
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels)
    if len(labels) == 0 or len(probabilities) != len(labels) or bins < 1:
        raise ValueError(
            f"probabilities and labels must be as many and not none, bins 1 or more; got {len(probabilities)}, "
            f"{len(labels)} and {bins}"
        )
    confidence = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == labels
    member = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    rows, error = [], 0.0
    for index in range(bins):
        inside = member == index
        row: dict[str, Any] = {"low": index / bins, "high": (index + 1) / bins, "images": int(inside.sum())}
        row |= {"accuracy": None, "confidence": None}
        if inside.any():
            row |= {"accuracy": float(hits[inside].mean()), "confidence": float(confidence[inside].mean())}
            error += row["images"] / len(labels) * abs(row["accuracy"] - row["confidence"])
        rows.append(row)
    return {"ece": float(error), "bins": rows}
