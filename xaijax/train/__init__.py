"""`xaijax train`."""

from xaijax.train.run import Augmentation, Options, TrainConfig, Trained, TrainResult, evaluate, run_train, train

__all__ = ["Augmentation", "Options", "TrainConfig", "TrainResult", "Trained", "evaluate", "run_train", "train"]
