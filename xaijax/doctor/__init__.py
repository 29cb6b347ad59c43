"""`xaijax doctor`."""

from xaijax.doctor.config import DoctorConfig
from xaijax.doctor.run import run

__all__ = ["DoctorConfig", "run"]
