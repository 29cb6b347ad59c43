"""`xaijax clusters`: which maps of a data set are alike, and what their images have in common.

`config`, `plan` and `run` do the work, `store` keeps it, `grouping`, `enrichment` and `describing` cluster and test,
`analysis` puts them together, `conclusion`, `figures` and `report` are for people.

Importing it is cheap; JAX, Matplotlib and scikit-learn come in when a run starts.
"""

from xaijax.clusters._run import ClustersResult, run
from xaijax.clusters.config import ClustersConfig

__all__ = ["ClustersConfig", "ClustersResult", "run"]
