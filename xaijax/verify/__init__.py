"""`xaijax verify`."""

from xaijax.verify._run import run
from xaijax.verify.config import VerifyConfig

__all__ = ["VerifyConfig", "run"]
