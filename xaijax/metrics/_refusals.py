"""Which metrics cannot score a classifier, asked of the same checks that `evaluate` makes before it computes."""

from typing import TYPE_CHECKING

import numpy as np

from xaijax.metrics.metric import Inputs
from xaijax.metrics.registry import FAMILIES, METRICS

if TYPE_CHECKING:
    from xaijax.classifier import Classifier


def refusals(classifier: "Classifier") -> dict[str, str]:
    """The metrics that cannot score a classifier, with the sentence with which `evaluate` refuses them.

    Nothing is computed. Masks, several maps of an image and the methods themselves are taken as given; settings are the
    defaults.

    Args:
        classifier: any.

    Returns:
        `{metric: sentence}`, in the order of `METRICS`; those that it leaves out work.

    Example:
        >>> from xaijax import models
        >>> refusals(models.builtin())
        {}
        >>> box = models.from_predict(lambda x: x.mean((1, 2, 3)), input_shape=(8, 8, 1), output="binary")
        >>> sorted(refusals(box))
        ['emprt', 'mprt_spearman', 'mprt_ssim', 'rrs', 'smprt_spearman', 'smprt_ssim']
    """
    height, width, channels = classifier.input_shape
    inputs = Inputs(
        classifier=classifier,
        images=np.zeros((1, height, width, channels), np.uint8),
        labels=np.zeros(1, np.int64),
        maps={},
        raw={},
        masks={},
        variants={},
        explainers={},
        oracle=None,
        ids=["0"],
        seed=0,
        batch_size=1,
        num_threads=None,
    )
    found: dict[str, str] = {}
    for name, metric in METRICS.items():
        family = FAMILIES[metric.family]
        if family.check is None:
            continue
        try:
            family.check(inputs, [metric], family.read_settings({}))
        except (ValueError, TypeError) as error:
            found[name] = " ".join(str(error).split())
    return found
