"""Layers that a method can use: evenly over the depth, with the default one, and a reason for each of the others."""

import numpy as np
import pytest

from xaijax import explain, models
from xaijax._errors import InputError
from xaijax.explain import _which_layers, usable_layers


@pytest.mark.parametrize(
    ("count", "most", "default"), [(20, 8, 7), (20, 8, 19), (20, 3, 1), (5, 8, 2), (9, 1, 8), (30, 2, 0)]
)
def test_layers_are_spread_evenly_with_the_default_one_and_the_last(count, most, default):
    names = [f"l{number}" for number in range(count)]
    found = _which_layers._spread(names, most, names[default])
    assert len(found) == min(most, count)
    assert found == sorted(found, key=names.index)
    assert names[default] in found
    assert names[-1] in found
    if most > 2 and count > most:
        gaps = np.diff([names.index(name) for name in found])
        assert gaps.max() <= 2 * np.ceil(count / most)


def test_every_layer_is_used_or_has_a_reason():
    classifier = models.create("small_cnn", 3, (32, 32, 1))
    known = classifier.layers()
    for name in ("grad_cam", "recipro_cam"):
        found = usable_layers(name, classifier, max_layers=4)
        assert {*found.layers, *found.left_out} == set(known)
        assert classifier.default_layer in found.layers
        assert all(found.left_out.values())
        image = np.zeros((1, 32, 32, 1), np.float32)
        for layer, shape in found.layers.items():
            assert known[layer] == shape
            assert np.isfinite(np.asarray(explain.explain(name, classifier, image, 0, layer=layer))).all()


def test_methods_without_a_layer_are_refused(model):
    with pytest.raises(InputError, match="gradient looks at no layer; choose a method with the option layer"):
        usable_layers("gradient", model)
    with pytest.raises(InputError, match="attention_rollout can use none of the layers of this model: no attention"):
        usable_layers("attention_rollout", model)
