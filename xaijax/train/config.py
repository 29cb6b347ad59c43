"""The configuration of `xaijax train`, from which the command line is made."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from xaijax._options import Form
from xaijax._runs.distributed import WORDS, form
from xaijax._runs.options import RunOptions
from xaijax._runs.training import TrainingOptions
from xaijax.training import Interventions


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunOptions, TrainingOptions):
    """Train a classifier on a folder of images, or on the built-in phantoms."""

    out: Path = field()

    interventions: Interventions = field(default_factory=Interventions)
    """Shares of every batch that are changed on purpose, with the answer that follows from the change: lesions on other
    backgrounds, images without evidence, lesions alone (docs/training.md)."""

    distributed: Annotated[str, Form(form, WORDS)] | None = None
    """Train on several hosts: the same command on each of them. auto where Slurm, Open MPI, a TPU pod or Kubernetes
    starts the processes; else HOST:PORT,COUNT,NUMBER: the address of process 0, the number of processes, and the number
    of this one, from 0. Process 0 alone prints and writes."""

    config: Path | None = None
    """A YAML or TOML file with any of these options, or quick (a first look at data) or fine-tune (with --weights: the
    new head alone, then everything); the command line has the last word."""
