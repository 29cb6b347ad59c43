"""Options of the metrics of faithfulness."""

from dataclasses import dataclass
from typing import Annotated, Literal

from xaijax._options import Count, Positive, Range

Part = Annotated[float, Range(0, 1, without_low=True, without_high=True)]
"""A share of the pixels that leaves some on both sides."""
Side = Annotated[int, Range(2, 1000)]
"""Cells along a side of a grid."""


@dataclass(frozen=True)
class Settings:
    """Options of the family: `evaluate(..., settings={"faithfulness": {"draws": 1000}})`.

    Attributes:
        target: what f is in faithfulness correlation, μFidelity, sensitivity-n, monotonicity correlation, PGI and PGU:
            the probability of the label (of a regression the response), or its logit (of a regression the output).
        baseline: what removed pixels show; the mean colour always in SaCo.
        sigma: standard deviation of the blurred baseline, pixels.
        draws: of faithfulness correlation; all methods of an image share them and their forward passes.
        subset: of faithfulness correlation, the share of the pixels that each draw removes.
        grid: of μFidelity, cells along each side of the image.
        removed: of μFidelity, the probability that a draw removes a cell.
        grid_draws: of μFidelity; shared as well.
        sizes: of sensitivity-n, how many numbers of pixels n, spread evenly on a logarithmic scale from 1 pixel to 0.8
            of them.
        size_draws: of sensitivity-n, subsets of each size; shared as well.
        groups: of SaCo.
        steps: of monotonicity, in which the pixels appear.
        cells: of monotonicity correlation, along each side of the image.
        cell_draws: of monotonicity correlation, random contents of each cell; shared as well.
        top: of PGI, the share of the pixels that counts as important; of PGU the others.
        noise: of PGI and PGU, standard deviation, images being in [0, 1].
        noise_draws: of PGI and PGU; all methods of an image see the same noise.
    """

    target: Literal["probability", "logit"] = "probability"
    baseline: Literal["black", "mean", "blur"] = "black"
    sigma: Annotated[float, Range(0, 1e6, without_low=True, without_high=True)] = 10.0
    draws: Count = 100
    subset: Part = 0.1
    grid: Side = 9
    removed: Part = 0.2
    grid_draws: Count = 200
    sizes: Annotated[int, Range(1, 1000)] = 15
    size_draws: Count = 100
    groups: Annotated[int, Range(2, 1000)] = 10
    steps: Annotated[int, Range(2, 65533)] = 32
    cells: Side = 7
    cell_draws: Count = 100
    top: Part = 0.25
    noise: Positive = 0.1
    noise_draws: Count = 100
