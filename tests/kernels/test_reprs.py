"""What a kernel gives prints as one line."""

import numpy as np

from xaijax import kernels


def test_results_with_several_arrays_print_as_one_line(native):
    rng = np.random.default_rng(0)
    maps, masks = rng.random((4, 32, 32)), rng.random((4, 32, 32)) > 0.8
    found = repr(kernels.localization_scores(maps, masks))
    assert found.startswith("Localization(4 maps, 14 scores: average_precision, ")
    assert repr(kernels.rank_regions(maps[0], masks)) == "Regions(maps and ranks of 32x32 pixels)"
    assert "\n" not in found
    assert len(found) < 200
