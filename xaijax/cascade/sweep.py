"""A sweep over K, θ, λ and the threshold (and so its k), as a table and a figure; what is done is not done again.

Points are lines of `sweep.jsonl`, written as they come. For the retrained form θ changes the training: each further θ
is a cascade in a folder of its own, resumed like any other. λ, the threshold and fewer rounds change how maps are
combined, and train nothing. For the frozen form θ and the threshold mean other rounds of masking.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._runs import command_line, folder, tables
from xaijax.cascade import figures, scoring
from xaijax.cascade.config import CascadeConfig
from xaijax.cascade.report import HEADINGS
from xaijax.cascade.scoring import Heldout

KEYS = ("theta", "threshold", "decay", "rounds")


def points(config: CascadeConfig) -> Iterator[tuple[float, str, float]]:
    """`(theta, threshold, decay)` of every point, the configuration's own values first.

    Example:
        >>> given = {"data": "phantoms", "out": Path("out")}
        >>> config = CascadeConfig(**given, theta=1.0, sweep_theta=(1.0, 3.0), sweep_decay=(0.0,))
        >>> list(points(config))
        [(1.0, 'top_k:10', 0.1), (1.0, 'top_k:10', 0.0), (3.0, 'top_k:10', 0.1), (3.0, 'top_k:10', 0.0)]
    """
    for theta in dict.fromkeys((config.theta, *config.sweep_theta)):
        for threshold in dict.fromkeys((config.threshold, *config.sweep_threshold)):
            for decay in dict.fromkeys((config.decay, *config.sweep_decay)):
                yield theta, threshold, decay


def run(
    config: CascadeConfig,
    out: Path,
    heldout: Heldout,
    maps_at: Callable[[float, str], np.ndarray],
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Score every point that is not scored yet, and write the table and the figure.

    Args:
        config: of the sweep.
        out: folder of the cascade.
        heldout: images to score on.
        maps_at: `(theta, threshold)` -> the rounds' maps `[K, N, H, W]`, made when they are first asked for.
        say: prints a line.

    Returns:
        One row per point and number of rounds, with the means of all metrics.
    """
    file = out / "sweep.jsonl"
    rows: list[dict[str, Any]] = []
    if file.is_file():
        rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    images = len(heldout.labels)
    done = {tuple(row[key] for key in KEYS) for row in rows if row["images"] == images}
    for theta, threshold, decay in points(config):
        missing = [count for count in config.counts() if (theta, threshold, decay, count) not in done]
        if not missing:
            continue
        found = scoring.cascade_maps(maps_at(theta, threshold), missing, threshold, decay)
        means = {row.pop("method"): row for row in scoring.means(scoring.score(found, heldout))}
        for count in missing:
            scored = {key: value for key, value in means.get(scoring.name(count), {}).items() if key in HEADINGS}
            rows.append(dict(zip(KEYS, (theta, threshold, decay, count), strict=True)) | {"images": images} | scored)
        folder.write_lines(file, rows)
        say(f"theta {theta:g}, threshold {threshold}, decay {decay:g}: scored")
    wanted = {(*point, count) for point in points(config) for count in config.counts()}
    chosen = [row for row in rows if tuple(row[key] for key in KEYS) in wanted and row["images"] == images]
    write(chosen, out, config)
    return chosen


def write(rows: Sequence[dict[str, Any]], out: Path, config: CascadeConfig) -> None:
    """`sweep.csv`, `sweep.md`, and `sweep.png` of the first metric that there is."""
    folder.write_text(out / "sweep.csv", tables.to_csv(rows))
    metrics = [key for key in rows[0] if key in HEADINGS]
    columns = {key: key for key in KEYS} | {key: HEADINGS[key] for key in metrics}
    page = [f"    {command_line.repeat('cascade', config)}", tables.to_markdown([_short(row) for row in rows], columns)]
    folder.write_text(out / "sweep.md", "\n\n".join(page) + "\n")
    drawn = [row for row in rows if row[metrics[0]] is not None] if metrics else []
    if drawn:
        heading = f"mean {HEADINGS[metrics[0]]}"
        folder.with_temporary(out / "sweep.png", lambda path: figures.sweep(drawn, metrics[0], heading, path, "Sweep"))


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """A row with θ and λ as short texts."""
    return row | {key: f"{row[key]:g}" for key in ("theta", "decay")}


def at_theta(config: CascadeConfig, theta: float) -> CascadeConfig:
    """The configuration of the cascade that is trained for another θ, in its own folder and without a sweep."""
    return dataclasses.replace(
        config,
        theta=theta,
        out=config.out / "sweep" / f"theta-{theta:g}",
        sweep_theta=(),
        sweep_decay=(),
        sweep_threshold=(),
    )
