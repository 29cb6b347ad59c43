"""Training of classifiers as a library: arrays and classifiers in, nothing printed, no folder needed.

    from xaijax import models, training
    start = models.create("small_cnn", 3, (128, 128, 1), classes=["a", "b", "c"])
    done = training.train(start, images, labels, validation=(others, their_labels))
    done.classifier, done.metrics["macro_f1"]

Images are `[N, H, W, C]`, uint8 or float in [0, 1]: an array, or anything with `len` that an index array indexes.
Labels are `[N]` int, positions in `Classifier.classes`; of a classifier of findings `[N, K]`: 1, 0, NaN. What is
measured comes as JSON values.

* `train`: from arrays to a classifier; `Trainer` and `run_epochs` are its parts, for another loop, `Checkpoints` keeps
  the state after every epoch, and `start_from` puts new classes on trained weights.
* `classification_scores`: loss, accuracy, F1, confusion matrix, reliability of the probabilities.
* `finding_scores`, `auroc`, `average_precision`: of several findings to an image, with intervals.
* `Interventions`: training images that are changed on purpose; `without_evidence`, `lesion_alone`, `pasted` make them.
* `drawn_scores`, `interval`: scores with intervals; `mcnemar`, `swapped`, `bootstrap_difference`, `differences`, of
  findings `compare_findings`: two classifiers on the same images; `repeated_difference`: over folds or seeds.
* `plant_cue`: a copy of a classifier that follows a planted cue, for `xaijax.metrics.calibration`; its parts are
  `check_trainable`, `tune_to_cue`, `planted_cue` and `planted_images`; `cue_passes` says what it costs.
* `penultimate`, `principal_components`: what the last layer reads of every image.

`xaijax train`, `xaijax evaluate` and `xaijax cascade` are made from these.
"""

from xaijax.training._augment import Augmentation
from xaijax.training._checkpoints import Checkpoints
from xaijax.training._comparison import (
    bootstrap_difference,
    differences,
    drawn_scores,
    interval,
    mcnemar,
    repeated_difference,
    swapped,
)
from xaijax.training._cue import (
    CueImages,
    Tuned,
    check_trainable,
    cue_passes,
    plant_cue,
    planted_cue,
    planted_images,
    tune_to_cue,
)
from xaijax.training._embedding import penultimate, principal_components
from xaijax.training._evidence import Kind, lesion_alone, pasted, without_evidence
from xaijax.training._findings import auroc, average_precision, compare_findings, finding_scores
from xaijax.training._interventions import Exchange, Interventions
from xaijax.training._options import Optimizer, Options, Precision, Schedule
from xaijax.training._scores import (
    classification_scores,
    confusion_matrix,
    log_softmax,
    logits,
    reliability,
    scores_of_confusion,
    scores_of_logits,
    two_columns,
)
from xaijax.training._start import Start, head_names, start_from
from xaijax.training._train import DivergedError, Record, Trained, run_epochs, train
from xaijax.training._trainer import Trainer

__all__ = [
    "Augmentation",
    "Checkpoints",
    "CueImages",
    "DivergedError",
    "Exchange",
    "Interventions",
    "Kind",
    "Optimizer",
    "Options",
    "Precision",
    "Record",
    "Schedule",
    "Start",
    "Trained",
    "Trainer",
    "Tuned",
    "auroc",
    "average_precision",
    "bootstrap_difference",
    "check_trainable",
    "classification_scores",
    "compare_findings",
    "confusion_matrix",
    "cue_passes",
    "differences",
    "drawn_scores",
    "finding_scores",
    "head_names",
    "interval",
    "lesion_alone",
    "log_softmax",
    "logits",
    "mcnemar",
    "pasted",
    "penultimate",
    "plant_cue",
    "planted_cue",
    "planted_images",
    "principal_components",
    "reliability",
    "repeated_difference",
    "run_epochs",
    "scores_of_confusion",
    "scores_of_logits",
    "start_from",
    "swapped",
    "train",
    "tune_to_cue",
    "two_columns",
    "without_evidence",
]
