"""`xaijax doctor`."""

from xaijax.doctor._run import run
from xaijax.doctor.config import DoctorConfig

__all__ = ["DoctorConfig", "run"]
