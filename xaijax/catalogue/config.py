"""The configurations of the commands that list."""

import dataclasses

import tyro


@dataclasses.dataclass(frozen=True)
class MethodsConfig:
    """List the explanation methods, or describe one: what it computes, costs and needs, and its options."""

    name: tyro.conf.Positional[str | None] = None
    """A method; without one all are listed."""

    json: bool = False
    """Print JSON instead of text."""


@dataclasses.dataclass(frozen=True)
class MetricsConfig:
    """List the metrics, or describe one: what its values mean and need, and the options of its family."""

    name: tyro.conf.Positional[str | None] = None
    """A metric; without one all are listed."""

    json: bool = False
    """Print JSON instead of text."""
