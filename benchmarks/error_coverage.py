"""How often the standard errors of maps hold: with a fixed number of draws, and after stopping at a tolerance.

    python benchmarks/error_coverage.py --write docs/studies/explainers.md

A small model whose scores are no linear function of the image is explained again and again with other keys. Counted is
how often `map ± 1.96 standard errors` contains the map of very many draws, over all pixels. The tolerance is the mean
standard error that the fixed number of draws has, so that both take about as many draws.
"""

import argparse
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from xaijax import explain
from xaijax.classifier import Classifier

MARKS = ("<!-- coverage: written by benchmarks/error_coverage.py -->", "<!-- coverage: end -->")
SHAPE = (6, 6, 2)
CASES: dict[str, tuple[dict[str, Any], dict[str, int], str]] = {
    "rise": ({"grid": 3, "target": "logit"}, {"count": 40_000}, "count"),
    "smoothgrad": ({"std": 0.3, "reduce": "sum"}, {"draws": 40_000}, "draws"),
}


def curved() -> Classifier:
    """Squares and sines of sums of pixels."""
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(72, 60)) / 4, rng.normal(size=(60, 3))

    def logits(params: Any, x: Any) -> Any:
        hidden = x.reshape(x.shape[0], -1) @ params[0]
        return (hidden**2 + jnp.sin(2 * hidden)) @ params[1]

    weights = jnp.asarray(first, jnp.float32), jnp.asarray(second, jnp.float32)
    return Classifier.from_function(logits, weights, input_shape=SHAPE)


def coverage(name: str, draws: int, repetitions: int) -> dict[str, float]:
    """Shares of pixels whose interval holds, and the draws, of one method."""
    model = curved()
    image = np.random.default_rng(0).random((1, *SHAPE)).astype(np.float32)
    own, many, option = CASES[name]
    sure = np.asarray(explain.explain(name, model, image, 1, key=10**6, batch_size=2000, **own, **many))[0]
    fixed, stopped, used, aims = [], [], [], []
    for key in range(repetitions):
        found = explain.uncertainty(name, model, image, 1, key=key, batch_size=32, **own, **{option: draws})
        fixed.append(np.abs(found.maps[0] - sure) <= 1.96 * found.standard_errors[0])
        aims.append(found.standard_errors.mean())
    for key in range(repetitions):
        aim = float(np.median(aims))
        found = explain.uncertainty(name, model, image, 1, key=key, batch_size=32, tolerance=aim, **own)
        stopped.append(np.abs(found.maps[0] - sure) <= 1.96 * found.standard_errors[0])
        used.append(int(found.draws[0]))
    low, high = np.quantile(used, [0.05, 0.95])
    return {"fixed": np.mean(fixed), "stopped": np.mean(stopped), "low": low, "high": high}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--write", type=Path, help="page with the two marks")
    given = parser.parse_args()
    lines = [
        "| method | draws | fixed number: contained | stopped at a tolerance: contained | draws then (5 to 95 %) |"
    ]
    lines.append("|" + "---|" * 5)
    for name in CASES:
        for draws in (64, 256):
            found = coverage(name, draws, given.repetitions)
            lines.append(
                f"| `{name}` | {draws} | {found['fixed']:.1%} | {found['stopped']:.1%} "
                f"| {found['low']:.0f} to {found['high']:.0f} |"
            )
    text = "\n".join(lines)
    print(text)
    if given.write:
        page = given.write.read_text("utf-8")
        before, rest = page.split(MARKS[0])
        given.write.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{rest.split(MARKS[1])[1]}", "utf-8")


if __name__ == "__main__":
    main()
