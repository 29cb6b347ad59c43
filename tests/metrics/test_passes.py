"""What a metric is said to cost is what the model and the explainers are asked for."""

import numpy as np
import pytest

from xaijax.metrics import FAMILIES, METRICS, Explained, evaluate
from xaijax.metrics.metric import Passes

H, W = 16, 20
SETTINGS = {
    "perturbation": {"steps": 5, "flip_steps": 7, "regions": 4},
    "faithfulness": {"cells": 3, "cell_draws": 4, "size_draws": 3, "grid_draws": 6, "noise_draws": 4},
    "axioms": {"cells": 2, "draws": 3},
    "f_fidelity": {"draws": 4, "shares": (0.5,)},
    "mosaic": {"confident": 0.0},
    "robustness": {"draws": 4, "sensitivity_draws": 3, "lipschitz_draws": 2, "stability_draws": 3},
}
OF_CLASSIFIERS = ("rrs", "input_invariance")
OF_PREDICTIONS = [
    n for n, m in METRICS.items() if "model" in m.needs and m.family != "sanity" and n not in OF_CLASSIFIERS
]


class Counted:
    """p of class 0 is the mean, nearly; counts the images."""

    classes = ("a", "b")

    def __init__(self):
        self.seen = 0

    def predict(self, images):
        self.seen += len(images)
        p = (np.abs(np.asarray(images, np.float64)) ** 1.5).mean((1, 2, 3))
        return np.stack([p, 1 - p], axis=1)


@pytest.mark.parametrize("name", OF_PREDICTIONS)
def test_passes_are_counted_as_they_are_announced(name):
    rng = np.random.default_rng(0)
    images = rng.random((2, H, W, 3)).astype(np.float32)
    raw = {method: rng.standard_normal((2, H, W)) for method in ("a", "b", "c")}
    explained = []

    def explainer(classifier, some, labels):
        explained.append(len(some))
        return some.mean(-1)

    maps = {method: Explained(np.abs(values), raw=values, explainer=explainer) for method, values in raw.items()}
    model, family = Counted(), FAMILIES[METRICS[name].family]
    # Mosaics are made of images that are predicted right, of the same and of another class.
    labels = [1, 1] if family.name == "mosaic" else [0, 0]
    pool = (np.stack([np.full((H, W, 3), 0.9, np.float32), rng.random((H, W, 3)).astype(np.float32)]), np.array([0, 1]))
    scores = evaluate(model, images, labels, maps, metrics=[name], settings=SETTINGS, batch_size=1, pool=pool)
    cost = family.passes(family.settings(**SETTINGS.get(family.name, {})), (H, W), [METRICS[name]])
    most = 2 * (cost.image + 3 * cost.map)
    if family.name == "pic":
        assert 0 < model.seen <= most  # what cannot be scored costs less
    elif "irof" in name:
        assert model.seen > 2 * cost.image  # SLIC decides on the number of segments
    else:
        assert model.seen == most
        assert set(scores.reason) == {"no_insensitive" if name == "non_sensitivity" else ""}
    assert sum(explained) == 2 * 3 * cost.explanations


def test_families_of_maps_alone_cost_nothing():
    for family in FAMILIES.values():
        for metric in family.metrics:
            cost = family.passes(family.settings(), (H, W), [metric])
            assert (cost == Passes()) == (not metric.needs & {"model", "explainer"}), metric.name


def test_metrics_of_one_family_cost_less_together():
    family = FAMILIES["perturbation"]
    names = ["deletion_black", "deletion_black_lerf", "deletion_black_abpc", "road", "road_accuracy"]
    together = family.passes(family.settings(), (224, 224), [METRICS[name] for name in names])
    assert (together.image, together.map) == (2, 31 * 3 + 9)
    assert str(Passes(1, 0, 50, 50)) == "1 + 50 e + 50 e a layer"
