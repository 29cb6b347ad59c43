"""The configuration of `xaijax study`, from which the command line is made."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from xaijax._errors import InputError
from xaijax._runs import options
from xaijax._runs.options import ClusterOptions, Device


@dataclass(frozen=True, kw_only=True)
class StudyConfig(ClusterOptions):
    """Run a whole study from one file: train, evaluate, choose models, explain, score, and write one report."""

    study: tyro.conf.Positional[str | None] = None
    """A study file (YAML), or the name of one that comes with xaijax; --list names them."""

    list: bool = False
    """Print the studies that come with xaijax, and stop."""

    paths: tuple[str, ...] = ()
    """Where the data sets of the study lie, as NAME=PATH: brain=/data/figshare chest=/data/radiography."""

    tiny: bool = False
    """The tiny form of the study, on generated images and small networks: to see in minutes whether all of it runs."""

    plan: bool = False
    """Print what would be done, the model passes and an estimate of the time, and stop."""

    out: Path | None = None
    """Folder for the results; it must be new or empty."""

    resume: bool = False
    """Resume what is in --out: its options hold, and what is finished is kept."""

    trainings: Path | None = None
    """Folder of the trainings, which studies share; default: trainings, next to --out. One that is there with the same
    options and data is taken."""

    device: Device = "auto"
    """Where to compute; auto takes what JAX takes by itself."""


def checked(config: StudyConfig) -> StudyConfig:
    """Refuses what no study could make right; raises `InputError`."""
    config = options.check(config)
    if config.study is None and not config.list:
        raise InputError(
            "xaijax study needs STUDY, a YAML file or the name of a study (xaijax study --list names them)"
        )
    if config.resume and config.out is None:
        raise InputError("--resume needs --out with the folder of the study to resume")
    return config


def paths_of(config: StudyConfig) -> dict[str, str]:
    """What `--paths` says: name -> path.

    Example:
        >>> paths_of(StudyConfig(paths=("brain=/data/brain",)))
        {'brain': '/data/brain'}
    """
    found: dict[str, str] = {}
    for text in config.paths:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise InputError(f"--paths has {text!r}; write NAME=PATH, such as brain=/data/brain")
        if name in found:
            raise InputError(f"--paths gives {name} twice; give it once")
        found[name] = path
    return found
