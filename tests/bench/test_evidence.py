import numpy as np
import pytest

from xaijax.explain import METHODS


@pytest.mark.parametrize("method", ["grad_cam", "xrai", "occlusion"])
def test_negative_is_evidence_against_the_class(method):
    assert METHODS[method].evidence(np.array([[-2.0, 1.0]])).tolist() == [[-2.0, 1.0]]


def test_gradients_count_by_magnitude():
    assert METHODS["integrated_gradients"].evidence(np.array([[-2.0, 1.0]])).tolist() == [[2.0, 1.0]]
