"""Training of classifiers as a library: arrays and classifiers in, nothing printed, no folder needed.

    from xaijax import models, training
    start = models.create("small_cnn", 3, (128, 128, 1), classes=["a", "b", "c"])
    done = training.train(start, images, labels, validation=(others, their_labels))
    done.classifier, done.metrics["macro_f1"]

Images are `[N, H, W, C]`, uint8 or float in [0, 1]: an array, or anything with `len` that an index array indexes.
Labels are `[N]` int, positions in `Classifier.classes`; of a classifier of findings `[N, K]`: 1, 0, NaN. What is
measured comes as JSON values.

* `train`: from arrays to a classifier, with `Options`, `Augmentation` and `Interventions` (training images that are
  changed on purpose); `start_from` puts new classes on trained weights.
* `classification_scores`: loss, accuracy, F1, confusion matrix, reliability of the probabilities;
  `confusion_matrix` and `reliability` alone.
* `plant_cue`: a copy of a classifier that follows a planted cue, for `xaijax.metrics.calibration`.
* `finding_scores`, `auroc`, `average_precision`: of several findings to an image, with intervals.
* `mcnemar`, `permutation_test`, `bootstrap_difference`, of findings `compare_findings`: two classifiers on the same
  images; `corrected_t_test`: over folds or seeds.

What was predicted comes after the labels in every call, as in scikit-learn. `xaijax train`, `xaijax evaluate` and
`xaijax cascade` are made from these.
"""

from xaijax.training._augment import Augmentation
from xaijax.training._comparison import bootstrap_difference, corrected_t_test, mcnemar, permutation_test
from xaijax.training._cue import plant_cue
from xaijax.training._findings import auroc, average_precision, compare_findings, finding_scores
from xaijax.training._interventions import Interventions
from xaijax.training._options import Options
from xaijax.training._scores import classification_scores, confusion_matrix, reliability
from xaijax.training._start import Start, start_from
from xaijax.training._train import DivergedError, Trained, train

__all__ = [
    "Augmentation",
    "DivergedError",
    "Interventions",
    "Options",
    "Start",
    "Trained",
    "auroc",
    "average_precision",
    "bootstrap_difference",
    "classification_scores",
    "compare_findings",
    "confusion_matrix",
    "corrected_t_test",
    "finding_scores",
    "mcnemar",
    "permutation_test",
    "plant_cue",
    "reliability",
    "start_from",
    "train",
]
