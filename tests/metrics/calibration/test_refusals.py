"""Wrong uses of `calibrate` from Python: one sentence each, before the model has run for minutes."""

import numpy as np
import pytest

from xaijax import _outputs
from xaijax._errors import InputError
from xaijax.metrics import evaluate
from xaijax.metrics.calibration import Calibration, OtherMetric, Thresholds, calibrate, plan


class Bright:
    classes = ("dark", "bright")

    def predict(self, images):
        p = 1 / (1 + np.exp(20 - 40 * images.max(axis=(1, 2, 3))))
        return np.stack([1 - p, p], axis=1)


class Broken(Bright):
    """Answers NaN, as after a training that diverged."""

    def predict(self, images):
        return np.full((len(images), 2), np.nan)


def data(count=4):
    images = np.zeros((count, 16, 16, 1), np.uint8)
    images[:, 4:8, 4:8] = 200
    return images, [1] * count


def constant(*_):
    return 1.0


def nothing(*_):
    return None


def several(*_):
    return np.ones(3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"minutes": -1}, "minutes is -1; it must be a number of at least 0"),
        ({"minutes": float("nan")}, "minutes is nan; it must be a number of at least 0"),
        ({"minutes": "1"}, "minutes is '1'; it must be a number of at least 0"),
        ({"num_threads": 0}, "num_threads is 0; it must be a whole number from 1"),
        ({"levels": ["a", 1, 2]}, "levels is 'a'; it must be a number from 0 to 1"),
        ({"levels": [0, float("nan"), 1]}, "levels is nan; it must be a number from 0 to 1"),
        ({"levels": 0.5}, r"levels must be a list; got 0.5: pass \[0.5\]"),
        ({"constructions": "view"}, r"constructions must be a list; got 'view': pass \['view'\]"),
        ({"textures": "white"}, r"textures must be a list; got 'white': pass \['white'\]"),
        ({"settings": 3}, "settings must be a dictionary from families of metrics to options; got int"),
        ({"others": [constant]}, "others must be a dictionary from names to OtherMetric; got list"),
        ({"others": {"x": OtherMetric(3, True)}}, "the function of 'x' in others cannot be called; got 3"),
        ({"others": {"x": OtherMetric(constant, True, needs="maps")}}, "it must be map, model or logits"),
        ({"others": {"x": OtherMetric(nothing, True)}}, "must return one number, or NaN; got None"),
        ({"others": {"x": OtherMetric(several, True)}}, r"got an array of shape \(3,\)"),
        ({"thresholds": {"tau": 1}}, r"thresholds must be Thresholds\(...\); got dict"),
        ({"thresholds": Thresholds(concordance=3)}, "thresholds.concordance is 3; it must be a number from 0 to 1"),
        ({"metrics": []}, "no metric was given"),
        ({"metrics": ()}, "no metric was given"),
    ],
)
def test_values_that_are_not_allowed(options, said):
    with pytest.raises(InputError, match=said):
        calibrate(Bright(), *data(), **{"metrics": ["sparseness"]} | options)


def test_no_model():
    with pytest.raises(InputError, match=r"needs a model with predict\(images\); NoneType has none"):
        calibrate(None, *data(), metrics=["sparseness"])


def test_no_calibration():
    with pytest.raises(InputError, match="a calibration is a dictionary, as to_json gives it; got list"):
        Calibration.from_json([])


@pytest.mark.parametrize("none", [(), []])
def test_metrics_of_others_alone(none):
    found = calibrate(Bright(), *data(), metrics=none, others={"one": OtherMetric(constant, True, needs="map")})
    assert list(found.metrics) == ["one"]


@pytest.mark.parametrize("label", [0, 1])
def test_a_model_that_answers_nan_has_no_cases(label):
    images, labels = data()
    made = plan(Broken(), images, [label] * len(labels))
    assert not made.cases
    assert made.left_out["view"] == {"not_finite": 4}


@pytest.mark.parametrize(("output", "columns", "labels"), [("softmax", 2, 2), ("binary", 2, 2), ("sigmoid", 2, 4)])
def test_nan_agrees_with_no_label(output, columns, labels):
    nothing_said = np.full((1, columns), np.nan)
    assert not any(_outputs.agrees(output, nothing_said, label)[0] for label in range(labels))


def test_evaluate_refuses_no_threads():
    images, labels = data(1)
    with pytest.raises(InputError, match="num_threads is 0; it must be a whole number from 1"):
        evaluate(None, images, labels, {"m": images[..., 0] * 1.0}, metrics=["sparseness"], num_threads=0)
