import numpy as np
import pytest

from xaijax.bench.part import as_evidence


@pytest.mark.parametrize("method", ["grad_cam", "xrai", "occlusion"])
def test_negative_is_evidence_against_the_class(method):
    assert as_evidence(method, np.array([[-2.0, 1.0]])).tolist() == [[-2.0, 1.0]]


def test_gradients_count_by_magnitude():
    assert as_evidence("integrated_gradients", np.array([[-2.0, 1.0]])).tolist() == [[2.0, 1.0]]
