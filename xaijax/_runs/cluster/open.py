"""The pool of workers that the options of a run ask for."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from xaijax._runs.cluster.address import Address, connected
from xaijax._runs.cluster.pool import Pool

if TYPE_CHECKING:
    from xaijax._runs.options import ClusterOptions, DeviceOptions


@contextlib.contextmanager
def opened(options: "ClusterOptions", device: "DeviceOptions", say: Callable[[str], None]) -> Iterator[Pool | None]:
    """The workers of `--cluster`, or None where parts are computed here.

    Args:
        options: where, and which workers are taken.
        device: where they compute.
        say: shows a line.

    Raises:
        InputError: where they cannot be started or reached.
    """
    if options.cluster is None:
        yield None
        return
    from xaijax._runs import identity

    address = Address.read(options.cluster)
    with connected(address, say) as client:
        yield Pool(
            client,
            kind=address.kind,
            device=device.device,
            made_by=identity.made_by(),
            mixed=options.allow_mixed,
            minutes=options.part_minutes,
            say=say,
        )


def share_devices(options: "ClusterOptions") -> None:
    """To be called before JAX starts its backend: with workers on this machine, this process leaves them the GPU."""
    if options.cluster is not None:
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
