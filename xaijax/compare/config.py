"""The configuration of `xaijax compare`."""

import dataclasses
from pathlib import Path

import tyro

from xaijax._runs.options import OutOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareConfig(OutOptions):
    """Compare runs of xaijax bench: what differs in their configuration, then method by method in their scores.

    Scores are compared image by image where the runs have the same images. Each run is compared with the first.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Two run folders or more (folders of xaijax.report and addresses in object storage too);
    differences are the others minus the first."""

    json: bool = False
    """Print JSON instead of text."""
