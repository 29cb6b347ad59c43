"""The configuration of `xaijax clusters`, from which the command line is made."""

import dataclasses
import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from xaijax import _names
from xaijax._errors import InputError
from xaijax._options import Range
from xaijax._runs import options
from xaijax._runs.options import (
    DataOptions,
    DeviceOptions,
    Images,
    MapsOptions,
    MethodOptions,
    ModelOptions,
    RunOptions,
    SplitOptions,
    TargetOptions,
)

METHOD = "grad_cam"
"""The method where none is named."""

FREE = options.FREE | {"clusters", "grid", "embedding", "prototypes"}
"""Options that may differ when clusters are resumed: the maps stay the same."""


@dataclass(frozen=True, kw_only=True)
class ClustersConfig(
    RunOptions,
    DeviceOptions,
    TargetOptions,
    MethodOptions,
    MapsOptions,
    ModelOptions,
    SplitOptions,
    DataOptions,
):
    """Find shortcuts: cluster the maps of a data set, and say what the images of each cluster have in common.

    Markers, rulers and borders are found without masks: their maps are alike, and are frequent with one class or site.
    """

    data: str = "phantoms"
    model: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    target: str = "predicted"
    count: Images = 200

    config: Path | None = None
    """A YAML or TOML file with any of these options, or quick (a first look); the command line has the last word."""

    clusters: Annotated[int, Range(2, 100)] | None = None
    """How many clusters; default: as many as the eigenvalues before their largest gap, and more than the explained
    classes. May differ with --resume."""

    grid: Annotated[int, Range(2, 32)] = 16
    """Maps are compared on a grid of this many cells a side."""

    embedding: Literal["tsne", "spectral"] = "tsne"
    """How maps become points of the figure: t-SNE, or the eigenvectors of the clustering."""

    prototypes: Annotated[int, Range(1, 50)] = 8
    """Images of each cluster that the page shows, the most typical ones."""

    def command(self) -> str:
        """The command line that repeats it.

        Example:
            >>> ClustersConfig(count=60, methods=("sobel",)).command()
            'xaijax clusters --count 60 --methods sobel'
        """
        from xaijax._runs import command_line

        return command_line.repeat("clusters", self)


def checked(config: ClustersConfig) -> ClustersConfig:
    """The configuration with its defaults, and without what no data set and no model could make right.

    Raises:
        InputError: for options that are not allowed or contradict each other.
    """
    config = options.check(config)
    if config.resume and config.out is None:
        raise InputError("--resume needs --out with the folder of the clusters to resume")
    if len(config.methods) > 1:
        raise InputError(f"--methods takes one method whose maps are clustered; got {len(config.methods)}")
    if len(config.maps) > 1:
        raise InputError(f"--maps takes one bundle whose maps are clustered; got {len(config.maps)}")
    if config.maps:
        given = [name for name in ("model", "set", "layer") if getattr(config, name)]
        if given:
            raise InputError(f"--maps brings maps that are made already: leave --{' and --'.join(given)} out")
        return config
    if len(config.model) > 1:
        raise InputError(f"--model takes one model whose maps are clustered; got {len(config.model)}")
    model, methods = config.model or (_names.BUILTIN,), config.methods or (METHOD,)
    return dataclasses.replace(config, model=model, methods=methods)


def default_out(config: ClustersConfig, now: datetime.datetime) -> Path:
    """The run folder when none is named: runs/clusters-<data>-<model or bundle>-<date>-<time>.

    Example:
        >>> config = checked(ClustersConfig())
        >>> str(default_out(config, datetime.datetime(2024, 5, 6, 7, 8, 9)))
        'runs/clusters-phantoms-builtin-20240506-070809'
    """
    data = Path(config.data.rstrip("/\\")).name.replace(":", "-") or "data"
    source = _names.short(config.model or [str(config.maps[0])])[0]
    return Path("runs") / f"clusters-{data}-{source}-{now:%Y%m%d-%H%M%S}"
