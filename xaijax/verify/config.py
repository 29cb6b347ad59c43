"""The configuration of `xaijax verify`."""

import dataclasses
from pathlib import Path

import tyro


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyConfig:
    """Check that every file of a run, a training, a cascade or a bundle has the bytes that were written."""

    path: tyro.conf.Positional[Path]
    """Its folder, or its address in object storage."""

    json: bool = False
    """Print JSON instead of text."""
