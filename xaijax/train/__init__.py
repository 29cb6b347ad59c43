"""`xaijax train`; training without a folder is `xaijax.training`."""

from xaijax.train._run import TrainResult, run
from xaijax.train.config import TrainConfig

__all__ = ["TrainConfig", "TrainResult", "run"]
