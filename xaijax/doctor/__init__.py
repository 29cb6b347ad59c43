"""`xaijax doctor`."""

from xaijax.doctor.run import DoctorConfig, machine, run_doctor, versions

__all__ = ["DoctorConfig", "machine", "run_doctor", "versions"]
