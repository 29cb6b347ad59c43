"""`xaijax explain --uncertainty`: how sure is each pixel of a drawn map, and how complete is a map along a path."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax.explain_images.config import ExplainConfig

LEVEL = 0.95


@dataclasses.dataclass(frozen=True, eq=False)
class Sure:
    """What is known of the error of one map.

    Attributes:
        draws: independent draws that the map is a mean of, or points on its path; 0 where it has none.
        error: `[H, W]` the standard error of each pixel, in the unit of the map; None for a path.
        certain: `[H, W]` bool, whether the side of `middle` on which a pixel lies is certain (95 %); None for a path.
        middle: 0 for maps with a sign; the mean of the map for those without, of which no pixel is below 0 anyway.
        gap: how far the attributions along a path miss the change of the score, in its unit; None for draws.
        change: of the score, from the baseline to the image; None for draws.
    """

    draws: int
    error: np.ndarray | None = None
    certain: np.ndarray | None = None
    middle: float = 0.0
    gap: float | None = None
    change: float | None = None

    @property
    def share(self) -> float | None:
        """The share of pixels whose sign is certain, or in maps without signs their side of the mean."""
        return None if self.certain is None else float(self.certain.mean())

    def describe(self) -> dict[str, Any]:
        """As JSON values."""
        if self.error is None:
            return {"steps": self.draws, "completeness_gap": self.gap, "change_of_score": self.change}
        what = "side_of_mean_certain" if self.middle else "sign_certain"
        return {"draws": self.draws, "mean_standard_error": float(self.error.mean()), what: self.share}

    def words(self) -> str:
        """One line for a table."""
        if self.gap is not None and self.change is not None:
            share = f" ({abs(self.gap / self.change):.2%})" if self.change else ""
            steps = f"{self.draws} steps, " if self.draws else ""
            return f"{steps}completeness gap {self.gap:.3g} of {self.change:.3g}{share}"
        assert self.error is not None
        assert self.share is not None
        what = "above or below the mean" if self.middle else "sign"
        return f"{self.draws} draws, mean standard error {self.error.mean():.3g}, {what} certain {self.share:.1%}"


def allowed() -> tuple[str, ...]:
    """The methods whose maps have an error: those that draw, and those of paths."""
    from xaijax.explain import METHODS
    from xaijax.explain._completeness import complete_methods
    from xaijax.explain._uncertainty import sampling

    named = {*sampling(), *complete_methods()}
    return tuple(name for name in METHODS if name in named)


def check(config: ExplainConfig, methods: Sequence[str]) -> None:
    """Refuses methods whose maps have no error, and a tolerance for those that take none."""
    known = allowed()
    other = next((name for name in methods if name not in known), None)
    if other is not None:
        raise InputError(
            f"--uncertainty is for methods that draw and for paths, and {other} is neither, so that its map has no "
            f"error: leave it out, or choose from {', '.join(known)}"
        )
    takes = ("rise", "smoothgrad", "integrated_gradients", "guided_ig")
    fixed = None if config.tolerance is None else next((name for name in methods if name not in takes), None)
    if fixed is not None:
        raise InputError(
            f"--tolerance is for {', '.join(takes)}, and {fixed} takes a fixed number: leave one of the two out"
        )


def with_error(
    method: str,
    classifier: Any,
    batch: np.ndarray,
    labels: np.ndarray,
    config: ExplainConfig,
    options: Mapping[str, Any],
) -> tuple[np.ndarray, Sure]:
    """The raw map `[H, W]` of one image, and its error."""
    from scipy import stats

    from xaijax import explain
    from xaijax.explain._uncertainty import sampling

    kinds = explain.METHODS[method].options
    given: dict[str, Any] = {"batch_size": config.batch_size} if "batch_size" in kinds else {}
    given |= {"key": config.seed} if "key" in kinds else {}
    given |= dict(options)
    if method in sampling():
        drawn = explain.uncertainty(method, classifier, batch, labels, tolerance=config.tolerance, **given)
        count = int(drawn.draws[0])
        # Student's t: of few replicates the standard error is itself uncertain.
        factor = stats.t.ppf((1 + LEVEL) / 2, max(count - 1, 1))
        heat, error = drawn.maps[0], drawn.standard_errors[0]
        signed = explain.METHODS[method].signed or heat.min() < 0
        middle = 0.0 if signed else float(heat.mean())
        return heat, Sure(count, error=error, certain=np.abs(heat - middle) > factor * error, middle=middle)
    found = explain.completeness(method, classifier, batch, labels, tolerance=config.tolerance, **given)
    return found.maps[0], Sure(int(found.steps[0]), gap=float(found.gaps[0]), change=float(found.changes[0]))
