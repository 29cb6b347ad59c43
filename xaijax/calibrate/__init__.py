"""`xaijax calibrate`: which metrics can be believed for a model and its images (`config`, `plan`, `run`), what is kept
(`store`, `files`), and what is made of it (`verdicts`, `figures`, `report`).

Importing it is cheap; JAX, Matplotlib and Arrow come in when a calibration starts.
"""

from xaijax.calibrate._run import CalibrateResult, run
from xaijax.calibrate.config import CalibrateConfig
from xaijax.calibrate.files import Found, load, matching, nearby, shipped
from xaijax.calibrate.verdicts import VERDICTS, Verdict

__all__ = [
    "VERDICTS",
    "CalibrateConfig",
    "CalibrateResult",
    "Found",
    "Verdict",
    "load",
    "matching",
    "nearby",
    "run",
    "shipped",
]
