"""The configuration of `xaijax doctor`."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class DoctorConfig:
    """Check what is installed, what works and what is missing, and how to fix it."""

    json: bool = False
    """Print JSON instead of text."""
