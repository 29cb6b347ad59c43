"""`xaijax train`; training without a folder is `xaijax.training`."""

from xaijax.train.config import PRESETS, TrainConfig
from xaijax.train.run import TrainResult, run

__all__ = ["PRESETS", "TrainConfig", "TrainResult", "run"]
