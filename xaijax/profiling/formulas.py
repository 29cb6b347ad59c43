"""Least work of our kernels: operations (a comparison or an increment is one) and bytes that must move.

XLA counts a custom call as nothing. These are lower bounds from what each kernel must do with every value, not counts
of instructions: for the linear fill, for example, the interpolation of each value and nothing for the triangulation.
"""

import math
from collections.abc import Callable, Mapping, Sequence

Shapes = Sequence[tuple[int, ...]]


def _size(shape: tuple[int, ...]) -> int:
    return math.prod(shape)


# kernel -> operations from (shapes of the operands, shapes of the results)
_OPERATIONS: Mapping[str, Callable[[Shapes, Shapes], float]] = {
    # two comparisons (the range), a difference, a product, a conversion, an increment
    "histogram_entropy": lambda into, out: 6 * _size(into[0]),
    # a bin of the image, an increment of the joint table; the reference's bins are shared
    "mutual_information": lambda into, out: 3 * _size(into[0]),
    # a quantile by selection (three comparisons a pixel), then a search among the fractions (four)
    "reveal_levels": lambda into, out: 7 * _size(into[0]),
    # two products, two sums and a division for each value that is written
    "reveal": lambda into, out: 5 * _size(out[0]),
    "random_mask": lambda into, out: 10 * _size(out[0]),  # two rounds of a hash
    "top_k_threshold": lambda into, out: 3 * _size(into[0]),
    # the density of either component and the median's interpolation
    "ebayes_threshold": lambda into, out: 40 * _size(into[0]),
    # every mask's sum and area, and what a choice takes from the others
    "rank_regions": lambda into, out: 4 * _size(into[1]),
    "localization_scores": lambda into, out: _size(into[0]) * (4 + math.log2(max(2, _size(into[0][-2:])))),
    "similarity": lambda into, out: _size(into[0]) * (10 + math.log2(max(2, _size(into[0][-2:])))),
}


def operations(kernel: str, into: Shapes, out: Shapes) -> float | None:
    """Least operations of a kernel's call, or None for a kernel without a formula.

    Example:
        >>> operations("top_k_threshold", [(2, 10, 10)], [(2, 10, 10)])
        600
    """
    formula = _OPERATIONS.get(kernel)
    return None if formula is None else formula(into, out)
