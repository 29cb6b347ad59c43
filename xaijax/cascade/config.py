"""The configuration of `xaijax cascade`, from which the command line is made."""

import shlex
from dataclasses import dataclass
from typing import Literal

from xaijax.data import MaskRole
from xaijax.training.arguments import arguments
from xaijax.training.config import TrainConfig

CAMS = (
    *("cam", "grad_cam", "hires_cam", "grad_cam_pp", "score_cam"),
    *("ablation_cam", "xgrad_cam", "fullgrad", "eigen_grad_cam", "layer_cam"),
)


@dataclass(frozen=True)
class CascadeConfig(TrainConfig):
    """CasCAM: train or mask round by round, explain, compare with single methods. It takes the options of a training.

    Args:
        mask_role: what the masks of a folder outline, where its tables do not say: lesion, organ or artefact.
        form: retrain (a classifier for every round, on what the rounds before left) or frozen (one trained classifier,
            whose input alone is masked).
        rounds: K. A finished cascade can go on to more rounds, or be read with fewer.
        base: the method whose maps are taken: one for all rounds, or one for each.
        threshold: what of a map is hidden and counts: none, top_k:10 (percent), ebayes_laplace, ebayes_cauchy (:SD to
            give the noise), soft_percentile:90.
        theta: how strongly marked pixels are darkened, by exp(-theta map).
        decay: by how much later rounds count less, exp(-decay k).
        scale: mm scales every map to [0, 1] before the threshold, raw takes it as it is.
        store: keep the suppressed images of all rounds, or of the last one.
        prefixes: numbers of rounds to evaluate; those above the rounds are left out, the rounds themselves are added.
        compare: single methods to compare with, on the classifier of round 0.
        explained: most held-out images to explain and score; default: all.
        shown: images in the figure.
        sweep_theta: further values of theta; the retrained form trains a cascade for each, in a folder of its own.
        sweep_decay: values of decay to evaluate; nothing is trained for them.
        sweep_threshold: thresholds to evaluate; nothing is trained for them.
    """

    mask_role: MaskRole | None = None
    form: Literal["retrain", "frozen"] = "retrain"
    rounds: int = 3
    base: tuple[str, ...] = ("grad_cam",)
    threshold: str = "top_k:10"
    theta: float = 2.0
    decay: float = 0.1
    scale: Literal["mm", "raw"] = "mm"
    store: Literal["all", "last"] = "all"
    prefixes: tuple[int, ...] = (1, 3, 5, 10)
    compare: tuple[str, ...] = CAMS
    explained: int | None = None
    shown: int = 4
    sweep_theta: tuple[float, ...] = ()
    sweep_decay: tuple[float, ...] = ()
    sweep_threshold: tuple[str, ...] = ()

    def command(self) -> str:
        """The command that repeats this cascade, without `--resume`."""
        given = ["--data", self.data, *(["--model", self.model] if self.model else []), "--out", str(self.out)]
        return shlex.join(["xaijax", "cascade", *given, *arguments(self, skip=("data", "model", "out", "resume"))])

    def counts(self) -> tuple[int, ...]:
        """The numbers of rounds to evaluate, ascending."""
        return tuple(sorted({count for count in self.prefixes if 1 <= count < self.rounds} | {self.rounds}))

    def sweeps(self) -> bool:
        """Whether anything is to be swept over."""
        return bool(self.sweep_theta or self.sweep_decay or self.sweep_threshold)
