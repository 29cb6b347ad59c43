"""`xaijax data`: what is understood of a data set, before anything is computed."""

from xaijax.describe_data._run import run
from xaijax.describe_data.config import DescribeDataConfig

__all__ = ["DescribeDataConfig", "run"]
