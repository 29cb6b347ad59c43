"""Metrics of Quantus, Captum and pytorch-grad-cam as `OtherMetric`, so that calibration judges them like our own.

Each package gets a `torch.nn.Module` that asks the classifier of the construction, and all maps of an image in one
batch. Its random draws follow from the image, the same ones for every call; its noise may leave [0, 1]. The packages
are imported when a metric is made; `pip install quantus captum grad-cam` installs them.
"""

import contextlib
import importlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xaijax._errors import InputError
from xaijax._ranges import beyond
from xaijax.metrics.calibration.others import OtherMetric

Floats = NDArray[np.float64]
Predict = Callable[[NDArray[Any]], NDArray[np.float64]]
Needs = Literal["map", "model", "logits"]


class _Known(NamedTuple):
    """How a metric of another package is read.

    `needs` follows the package's own default of logits or probabilities. `one` is set where the package averages over
    images, so that each map is a call of its own. `settings` are fixed.
    """

    needs: Needs
    higher_is_better: bool
    one: bool = False
    settings: dict[str, Any] = {}  # noqa: RUF012


QUANTUS: dict[str, _Known] = {
    "FaithfulnessCorrelation": _Known("logits", True),
    "FaithfulnessEstimate": _Known("logits", True),
    "Infidelity": _Known("logits", False),
    "IROF": _Known("model", True),
    "Monotonicity": _Known("model", True),
    "MonotonicityCorrelation": _Known("model", True),
    "PixelFlipping": _Known("model", False, settings={"return_auc_per_sample": True}),
    "RegionPerturbation": _Known("model", True),  # it gives falls of the probability
    "ROAD": _Known("model", False, one=True),
    "Selectivity": _Known("model", False),
    "Sparseness": _Known("map", True),
    "Complexity": _Known("map", False),
    "EffectiveComplexity": _Known("map", False),
}
"""Metrics of Quantus that judge a given map of one image. RegionPerturbation is declared lower-is-better there,
although it gives the fall of the probability, most relevant regions first: here higher is better. SensitivityN and
Sufficiency compare images with one another and have no value for one."""

GRAD_CAM: dict[str, tuple[str, bool]] = {
    "ROADCombined": ("road", True),
    "ROADMostRelevantFirst": ("road", False),
    "ROADLeastRelevantFirst": ("road", True),
    "ROADMostRelevantFirstAverage": ("road", False),
    "ROADLeastRelevantFirstAverage": ("road", True),
    "CamMultImageConfidenceChange": ("cam_mult_image", True),
    "DropInConfidence": ("cam_mult_image", False),
    "IncreaseInConfidence": ("cam_mult_image", True),
}
"""Metrics of pytorch-grad-cam, the module that holds them, and whether higher is better."""


def from_quantus(metric: str, *, higher_is_better: bool | None = None, **settings: Any) -> OtherMetric:
    """A metric of Quantus.

    Args:
        metric: name of its class, one of `QUANTUS`.
        higher_is_better: default: as in `QUANTUS`.
        settings: of the class. A curve counts by its mean.

    Returns:
        `OtherMetric`.

    Raises:
        InputError: for other metrics, and where Quantus is not installed.

    Example:
        >>> from_quantus("PixelFlipping", features_in_step=1024)  # doctest: +SKIP
    """
    if metric not in QUANTUS:
        raise InputError(
            f"{metric!r} of Quantus cannot be judged on maps of one image; choose from {', '.join(QUANTUS)}"
        )
    kind = getattr(_imported("quantus", "quantus"), metric)
    known = QUANTUS[metric]
    quiet = {"disable_warnings": True, "display_progressbar": False, "return_aggregate": False}
    made = kind(**{**quiet, **known.settings, **settings})

    def score(predict: Predict, image: NDArray[Any], label: int, maps: Floats) -> Floats:
        def call(some: Floats) -> Any:
            made.a_axes = None  # of the maps before
            if known.one:
                made.a_size = None
            found = made(
                model=model,
                x_batch=_channels_first(image, len(some)),
                y_batch=np.full(len(some), label),
                a_batch=some[:, None].copy(),  # some metrics write into them
                channel_first=True,
                softmax=False,  # the model gives what the metric asks for
                batch_size=len(some),
            )
            made.all_evaluation_scores.clear()
            return list(found.values()) if isinstance(found, dict) else found

        with _module(predict) as model, _drawing(image), beyond(), _trapz():
            if known.one:
                return np.array([np.mean(call(one[None])) for one in maps])
            found = np.asarray(call(maps), np.float64)
        return found if found.ndim == 1 else found.mean(axis=1)

    score.__name__ = f"quantus.{metric}"
    higher = known.higher_is_better if higher_is_better is None else higher_is_better
    return OtherMetric(score, higher, known.needs, batched=True)


def from_captum(*, draws: int = 10, noise: float = 0.2, normalize: bool = True) -> OtherMetric:
    """Captum's infidelity, on logits. Its other metric, sensitivity, explains changed images: maps alone do not do.

    Args:
        draws: of changed images.
        noise: standard deviation of the Gaussian noise that changes them, in the range of the image.
        normalize: scales the map by its best factor.

    Returns:
        `OtherMetric`; lower is better.

    Raises:
        InputError: where Captum is not installed.

    Example:
        >>> from_captum(draws=50)  # doctest: +SKIP
    """
    infidelity = _imported("captum.metrics", "captum").infidelity

    def score(predict: Predict, image: NDArray[Any], label: int, maps: Floats) -> Floats:
        import torch

        x = torch.from_numpy(_channels_first(image, len(maps)))
        scale = noise * float(np.ptp(image))

        def change(given: Any, *_: Any) -> tuple[Any, Any]:
            # The same change for every map of the image: [draws, maps] of them come at once.
            one = scale * torch.randn(len(given) // len(maps), *given.shape[1:])
            drawn = one.repeat(len(maps), 1, 1, 1)
            return drawn, given - drawn

        attributions = torch.from_numpy(np.broadcast_to(maps[:, None], tuple(x.shape)).astype(np.float32))
        with _module(predict) as model, _drawing(image), beyond():
            found = infidelity(
                model, change, x, attributions, target=label, n_perturb_samples=draws, normalize=normalize,
                max_examples_per_batch=len(maps),
            )  # fmt: skip
        return np.asarray(found, np.float64)

    score.__name__ = "captum.infidelity"
    return OtherMetric(score, False, "logits", batched=True)


def from_pytorch_grad_cam(metric: str, **settings: Any) -> OtherMetric:
    """A metric of pytorch-grad-cam, on probabilities.

    Args:
        metric: name of its class, one of `GRAD_CAM`.
        settings: of the class, such as `percentiles=[20, 50, 80]`.

    Returns:
        `OtherMetric`.

    Raises:
        InputError: for other metrics, and where pytorch-grad-cam is not installed.

    Example:
        >>> from_pytorch_grad_cam("ROADCombined")  # doctest: +SKIP
    """
    if metric not in GRAD_CAM:
        raise InputError(f"unknown metric {metric!r} of pytorch-grad-cam; choose from {', '.join(GRAD_CAM)}")
    module, higher_is_better = GRAD_CAM[metric]
    made = getattr(_imported(f"pytorch_grad_cam.metrics.{module}", "grad-cam"), metric)(**settings)

    def score(predict: Predict, image: NDArray[Any], label: int, maps: Floats) -> Floats:
        import torch

        x = torch.from_numpy(_channels_first(image, len(maps)))
        targets = [lambda output: output[label]] * len(maps)
        with _module(predict) as model, _drawing(image), beyond():
            return np.asarray(made(x, maps.astype(np.float32), targets, model), np.float64)

    score.__name__ = f"pytorch_grad_cam.{metric}"
    return OtherMetric(score, higher_is_better, batched=True)


def _imported(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"{module} cannot be imported ({error}): pip install {package}, or leave its metrics out"
        ) from error


def _channels_first(image: NDArray[Any], count: int) -> NDArray[np.float32]:
    """`[H, W, C]` -> `[count, C, H, W]`, writable copies."""
    return np.repeat(np.moveaxis(image, -1, 0)[None].astype(np.float32), count, axis=0)


@contextlib.contextmanager
def _module(predict: Predict) -> Iterator[Any]:
    """A `torch.nn.Module` from `[n, C, H, W]` to what `predict` gives."""
    import torch

    class Asked(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.predict: Predict | None = predict

        def forward(self, x: Any) -> Any:
            assert self.predict is not None
            images = np.moveaxis(x.detach().cpu().numpy(), 1, -1).astype(np.float32)
            return torch.from_numpy(np.asarray(self.predict(np.ascontiguousarray(images)), np.float32))

    made = Asked().eval()
    try:
        yield made
    finally:
        made.predict = None  # Quantus keeps every model that it has seen


@contextlib.contextmanager
def _drawing(image: NDArray[Any]) -> Iterator[None]:
    """Random draws that follow from the image; those of the program go on as if nothing had been drawn."""
    import torch

    seed = zlib.crc32(np.ascontiguousarray(image).tobytes())
    before = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002


@contextlib.contextmanager
def _trapz() -> Iterator[None]:
    """Quantus 0.6 integrates by `numpy.trapz`, which NumPy 2.4 no longer has under this name."""
    if hasattr(np, "trapz"):
        yield
        return
    np.trapz = np.trapezoid  # type: ignore[attr-defined]  # noqa: NPY201
    try:
        yield
    finally:
        del np.trapz  # type: ignore[attr-defined]  # noqa: NPY201
