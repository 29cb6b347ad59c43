"""Parts of a run on many machines: a pool of Dask workers that open data and models once and compute part after part.

`address` reads what `--cluster` says and starts or finds the workers, `pool` gives them parts, `worker` is what runs
there. A part is a pure function of the description of the run and its number, so any worker can compute it, again if
need be. Workers send the bytes of a part's files; this process writes them, so the run folder needs no shared disk and
nobody else ever writes to it.

Dask is imported where a cluster is wanted, never else.
"""

from xaijax._runs.cluster.address import Address, connected
from xaijax._runs.cluster.open import opened, share_devices
from xaijax._runs.cluster.places import absolute
from xaijax._runs.cluster.pool import Done, Job, Pool

__all__ = ["Address", "Done", "Job", "Pool", "absolute", "connected", "opened", "share_devices"]
