"""The configuration of `xaijax cascade`, from which the command line is made."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from xaijax import _names
from xaijax._errors import InputError
from xaijax._options import Count, NonNegative, Range
from xaijax._runs import options, training
from xaijax._runs.options import LayerOptions, RunOptions, SplitOptions
from xaijax._runs.training import TrainingOptions

# The ten methods that the paper compares its cascades with.
CAMS = (
    *("cam", "grad_cam", "hires_cam", "grad_cam_pp", "score_cam"),
    *("ablation_cam", "xgrad_cam", "fullgrad", "eigen_grad_cam", "layer_cam"),
)

FREE = (
    options.FREE
    | training.FREE
    | {"store", "rounds", "decay", "prefixes", "compare", "explained", "shown"}
    | {"sweep_theta", "sweep_decay", "sweep_threshold"}
)
"""Options that may differ when a cascade is resumed: they change no finished round."""

Rounds = Annotated[int, Range(1, 1000)]


@dataclass(frozen=True, kw_only=True)
class CascadeConfig(RunOptions, LayerOptions, TrainingOptions, SplitOptions):
    """CasCAM: train or mask round by round, explain, compare with single methods."""

    out: Path = field()

    config: Path | None = None
    """A YAML or TOML file with any of these options, or cascam (the settings of the publication); the command line has
    the last word."""

    form: Literal["retrain", "frozen"] = "retrain"
    """retrain: a classifier for every round, trained on what the rounds before left; frozen: one trained classifier
    (--model), of which only the input is masked."""

    rounds: Rounds = 3
    """K. A finished cascade can be resumed with more rounds, or read with fewer."""

    base: tuple[str, ...] = ("grad_cam",)
    """The method whose maps are taken: one for all rounds, or one for each."""

    threshold: str = "top_k:10"
    """What of a map is hidden and counts: none, top_k:10 (percent), ebayes_laplace, ebayes_cauchy (:SD to give the
    noise), soft_percentile:90."""

    theta: NonNegative = 2.0
    """How strongly marked pixels are darkened, by exp(-theta map)."""

    decay: NonNegative = 0.1
    """By how much later rounds count less, exp(-decay k)."""

    scale: Literal["mm", "raw"] = "mm"
    """mm scales every map to [0, 1] before the threshold, raw takes it unchanged."""

    store: Literal["all", "last"] = "all"
    """Keep the suppressed images of all rounds, or of the last one."""

    prefixes: tuple[Rounds, ...] = (1, 3, 5, 10)
    """Numbers of rounds to score; those above --rounds are left out, --rounds itself is added."""

    compare: tuple[str, ...] = CAMS
    """Single methods to compare with, on the classifier of round 0."""

    explained: Count | None = None
    """Maximum number of held-out images to explain and score; default: all."""

    shown: Annotated[int, Range(1, 100)] = 4
    """Images in the figure."""

    sweep_theta: tuple[NonNegative, ...] = ()
    """Further values of theta; the retrained form trains a cascade for each, in a folder of its own."""

    sweep_decay: tuple[NonNegative, ...] = ()
    """Further values of decay; nothing is trained for them."""

    sweep_threshold: tuple[str, ...] = ()
    """Further thresholds; nothing is trained for them."""

    def counts(self) -> tuple[int, ...]:
        """The numbers of rounds to score, ascending."""
        return tuple(sorted({count for count in self.prefixes if count < self.rounds} | {self.rounds}))

    def sweeps(self) -> bool:
        """Whether anything is to be swept over."""
        return bool(self.sweep_theta or self.sweep_decay or self.sweep_threshold)


def checked(config: CascadeConfig) -> CascadeConfig:
    """The configuration with every value allowed and every method by its own name, before any work.

    Raises:
        InputError, ValueError: for the first that is not, in one sentence.
    """
    from xaijax.cascade import sweep
    from xaijax.explain import methods
    from xaijax.explain.cascade._steps import base_names, check_settings

    config = options.check(config)
    for theta, threshold, decay in sweep.points(config):
        check_settings(config.rounds, threshold, theta, decay, config.scale)
    base = base_names(config.base, config.rounds)[: len(config.base)]
    compare = _names.match_all("method", config.compare, methods(without="masks"))
    if config.form == "frozen" and config.model is None:
        raise InputError("--form frozen explains a trained classifier: give its folder or file as --model")
    if config.form == "retrain":
        config.options()
        if config.layer is not None:
            raise InputError(
                "--layer is for --form frozen: the retrained form looks at the default layer of each round"
            )
        if config.split != "auto":
            raise InputError(
                "--split is for --form frozen: the retrained form scores its own test images, --test of all"
            )
    return dataclasses.replace(config, base=base, compare=compare)
