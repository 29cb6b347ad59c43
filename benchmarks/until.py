"""Images that `xaijax bench --until decided` saves on a data set, against a number that is fixed before.

    python benchmarks/until.py --data DATA --model MODEL --out runs/until --repeats 1000

All images are scored once (`xaijax bench`, which resumes where it was interrupted). Then the run is repeated in memory
with other random orders of the same images, one of each patient. The comparisons of `--until decided` are made after
every image: all pairs of methods, or those of --against, on all metrics with bounds, alpha shared over them. Shown are

    images until the last comparison is decided, and until each one is
    fixed n: the smallest number of images for which a paired t-test with the same share of alpha has a power of 80 %,
        on the same orders. Nobody knows it before; it is what the best plan could have been
    wrong: decisions against the sign of the mean over all images
    false alarms: the same with every difference twice, once with its sign changed, so that the mean is zero

A comparison is always decided on the last images, because nothing is left that could change the sign.
"""

import argparse
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import xaijax
from xaijax.bench import BenchConfig, deciding, run
from xaijax.bench.plan import prepare
from xaijax.bench.store import Store
from xaijax.metrics.statistics import Bets

POWER = 0.8
BLOCK = 100  # orders at a time


def first(reached: np.ndarray, otherwise: int) -> np.ndarray:
    """`[R]` after how many images something is reached, of `[R, N]`; `otherwise` where it is not."""
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, otherwise)


def until_decided(d: np.ndarray, bound: float, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """`[R]` images until "no difference" is refuted, 0 for never, and `[R]` the sign of the decision.

    Args:
        d: `[R, N]` differences of all N images of a data set, in R orders.
        bound: of their size.
        alpha: of this comparison.
    """
    found, signs = [], []
    for some in np.array_split(d, -(-len(d) // BLOCK)):
        capital = Bets(0.5, population=d.shape[1]).add((some + bound) / (2 * bound))[..., 0]
        after = first(capital >= -np.log(alpha), 0)
        total = np.cumsum(np.nan_to_num(some), axis=1)
        found.append(after)
        signs.append(np.where(after, np.sign(total[np.arange(len(some)), after - 1]), 0))
    return np.concatenate(found), np.concatenate(signs)


def fixed(d: np.ndarray, alpha: float) -> int | None:
    """The smallest number of images for which a two-sided paired t-test has the power; None where no number has."""
    n = np.cumsum(~np.isnan(d), axis=1)
    x = np.nan_to_num(d)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.cumsum(x, axis=1) / n
        variance = (np.cumsum(x**2, axis=1) - n * mean**2) / (n - 1)
        t = mean / np.sqrt(np.maximum(variance, 0) / n)
        sign = np.sign(np.nanmean(d[0]))
        power = ((t * sign > stats.t.ppf(1 - alpha / 2, n - 1)) & (n > 1)).mean(axis=0)
    enough = np.flatnonzero(power >= POWER)
    return int(enough[0]) + 1 if len(enough) else None


def quantiles(values: np.ndarray) -> list[int]:
    """The 10 %, 50 % and 90 % quantiles."""
    return [int(value) for value in np.quantile(values, [0.1, 0.5, 0.9], method="higher")]


def orders(groups: Sequence[str | None], repeats: int) -> np.ndarray:
    """`[R, N]` positions of one image of each group, in random order."""
    return np.array([deciding.one_of_each(groups, seed) for seed in range(repeats)])


def measure(store: Store, groups: Sequence[str | None], options: argparse.Namespace) -> dict[str, Any]:
    """What the repeated runs show."""
    described = store.read_run()
    images = described["data"]["images"]
    values = deciding.values_of([store.scores()])
    drawn = orders(groups, options.repeats)
    size = drawn.shape[1]
    comparisons = pairs(described, options.against)
    alpha = options.alpha / len(comparisons)
    rng = np.random.default_rng(0)
    mirrored = np.array([rng.permutation(2 * size) for _ in range(options.repeats)])
    rows, last, fixed_last, alarm = [], np.zeros(options.repeats, int), 0, np.zeros(options.repeats, bool)
    for comparison in comparisons:
        d = deciding.differences(values, comparison, images)
        bound = deciding.width(comparison[1])
        after, sign = until_decided(d[drawn], bound, alpha)
        wanted = fixed(d[drawn], alpha)
        own = d[drawn[0]]
        alarms, _ = until_decided(np.concatenate([own, -own])[mirrored], bound, alpha)
        alarm |= alarms > 0
        last = np.maximum(last, np.where(after, after, size))
        fixed_last = max(fixed_last, wanted or size)
        decided = after > 0
        rows.append(
            {
                "model": comparison[0],
                "metric": comparison[1],
                "first": comparison[2],
                "second": comparison[3],
                "difference": float(np.nanmean(d)) if (~np.isnan(d)).any() else None,
                "spread": float(np.nanstd(d)) if (~np.isnan(d)).any() else None,
                "missing": int(np.isnan(d).sum()),
                "until": quantiles(np.where(decided, after, size)),
                "before_the_last": float((decided & (after < size)).mean()),
                "fixed_n": wanted,
                # Where patients have several images each order has others of them, and its own mean.
                "wrong": float(((sign != 0) & (sign != np.sign(np.nanmean(d[drawn], axis=1)))).mean()),
                "false_alarms": float((alarms > 0).mean()),
            }
        )
    saved = 1 - last / size
    return {
        "data": described["data"]["name"],
        "models": [model["name"] for model in described["models"]],
        "images": len(images),
        "units": size,
        "alpha": options.alpha,
        "comparisons": len(comparisons),
        "repeats": options.repeats,
        "until": quantiles(last),
        "saved": [round(float(value), 3) for value in np.quantile(saved, [0.1, 0.5, 0.9])],
        "fixed_n": fixed_last,
        "any_wrong": float(max(row["wrong"] for row in rows)),
        "any_false_alarm": float(alarm.mean()),
        "rows": rows,
    }


def pairs(described: dict[str, Any], against: str | None) -> list[list[str]]:
    """The comparisons that `--until decided` makes of a run's methods."""
    config = BenchConfig(until="decided", against=against)
    models = [argparse.Namespace(name=model["name"]) for model in described["models"]]
    methods = [method for method in described["methods"] if method != "oracle"]
    found = deciding.agree(
        config,
        models,
        methods,
        (),
        described["metrics"],
        population=1,
        budget=1,
        notes=[],  # type: ignore[arg-type]
    )
    return list(found["comparisons"])


def show(result: dict[str, Any]) -> None:
    """The result as Markdown."""
    low, middle, high = result["until"]
    print(
        f"{result['data']}, {', '.join(result['models'])}: {result['units']} images, {result['comparisons']} "
        f"comparisons, alpha {result['alpha']:g}, {result['repeats']} orders.\n"
        f"All decided after {middle} images (10 % to 90 %: {low} to {high}); {100 * result['saved'][1]:.0f} % saved "
        f"against all; fixed n {result['fixed_n']}; any false alarm {result['any_false_alarm']:.3f}.\n"
    )
    print("| metric | methods | difference (sd) | decided after | fixed n | decided early | wrong | false alarms |")
    print("|---|---|---|---|---|---|---|---|")
    for row in result["rows"]:
        if row["difference"] is None:
            continue
        low, middle, high = row["until"]
        shares = [f"{row['before_the_last']:.2f}", *(f"{row[name]:.3f}" for name in ("wrong", "false_alarms"))]
        print(
            f"| {row['metric']} | {row['first']} – {row['second']} | {row['difference']:.3f} ({row['spread']:.3f}) "
            f"| {middle} ({low} to {high}) | {row['fixed_n'] or '–'} | {' | '.join(shares)} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="as xaijax bench takes it")
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--methods", nargs="+", default=list(BenchConfig().methods))
    parser.add_argument("--metrics", nargs="+", default=["sic_shannon", "deletion_blur", "insertion_blur", "energy"])
    parser.add_argument("--mask-role", choices=["lesion", "organ", "artefact"], help="as xaijax bench takes it")
    parser.add_argument("--split", default="auto", help="as xaijax bench takes it")
    parser.add_argument("--count", type=int, default=0, help="images to take from; 0: all")
    parser.add_argument("--against", help="compare each method with this one; default: all pairs")
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--repeats", type=int, default=1000, help="random orders")
    parser.add_argument("--out", type=Path, required=True, help="run folder; until.json is written next to it")
    options = parser.parse_args()
    config = BenchConfig(
        data=options.data,
        model=(options.model,),
        methods=tuple(options.methods),
        metrics=tuple(options.metrics),
        mask_role=options.mask_role,
        split=options.split,
        count=options.count,
        oracle=False,
        calibration=("none",),
        gallery=0,
        out=options.out,
        resume=(options.out / "run.json").is_file(),
    )
    plan = prepare(config)
    groups = [plan.dataset.cases[case].group for case in plan.cases]
    result = measure(Store(run(config)), groups, options)
    result |= {"xaijax": xaijax.__version__, "machine": platform.processor() or platform.machine()}
    path = options.out.with_name(f"{options.out.name}-until.json")
    path.write_text(json.dumps(result, indent=2) + "\n")
    show(result)


if __name__ == "__main__":
    main()
