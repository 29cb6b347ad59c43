"""Is the truth of a network on the brain MRI phantoms known: does it follow the lesion, and answer nothing without one?

    python benchmarks/known_truth.py --model builtin            (a folder of `xaijax train` just as well)
    python benchmarks/known_truth.py --model checkpoints/phantoms \\
        --first checkpoints/first --save xaijax/models/weights/small_cnn_phantoms.safetensors

Measured on images that no training saw (`--seed`), every share with its one-sided 95 % Clopper-Pearson bound:

* **exchange**, by the generator (`xaijax.data.phantoms.exchange`): the share of predictions that another class's lesion
  in the same head changes, and the share that another head around the same lesion changes;
* **pasted**: the same on the plain phantoms, where the pixels of a lesion go into another image
  (as `--interventions.counterfactual` does);
* **without evidence**: the share of images of each kind that get a class above 0.5;
* **kept**: the share of plain phantoms that are predicted right, and that are still so when the lesion alone is kept;
* **AIC and SIC**: how many images of each class they score, and the mean difference between the ground truth and a
  random map with its 95 % bootstrap interval;
* **macro-F1** on plain phantoms and on those with fixed anatomy.

Results go to benchmarks/results/known_truth.json (`--out`). `--save` writes the weights again with a card of the
results, which `xaijax models` prints, and the table of docs/models.md.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta

from xaijax import metrics, models, training
from xaijax._runs import folder, provenance
from xaijax.classifier import Classifier
from xaijax.data import Batch, open_dataset, phantoms
from xaijax.metrics import statistics
from xaijax.training import _evidence as evidence

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "models.md"
BEGIN, END = "<!-- card: written by benchmarks/known_truth.py -->", "<!-- end of the card -->"
OWN = ("architecture", "classes", "input_shape")  # what `read_info` adds to the info of a file
TRAINED_ON = (
    "phantoms, exchanged lesions, and the kinds of images that perturbation metrics produce (without evidence, with "
    "the uniform distribution as target; lesions alone): other networks answer worse to such images"
)
LEVEL = 0.95
BATCH = 250
BLUR = 10 / 128  # of the side: the baseline of the perturbation metrics
WITHOUT: tuple[tuple[str, evidence.Kind, float | None], ...] = (
    ("black", "black", None),
    ("mean", "mean", None),
    ("blurred, sigma 10 px", "blurred", BLUR),
    ("blurred, sigma 16 px", "blurred", 16 / 128),
    ("linear, 1 % of the pixels known", "linear", 0.01),
    ("scattered, 1 % of the pixels known", "scattered", 0.01),
    ("scattered, 5 % of the pixels known", "scattered", 0.05),
    ("lesion removed", "removed", None),
    ("lesion covered", "covered", None),
)
METRICS = ("aic_webp", "sic_webp", "aic_mutual", "sic_mutual")


def bounds(count: int, of: int) -> dict[str, Any]:
    """A share with its one-sided bounds, each at 95 %.

    Example:
        >>> found = bounds(0, 300)
        >>> found["share"], round(found["upper"], 4), round(bounds(300, 300)["lower"], 4)
        (0.0, 0.0099, 0.9901)
    """
    lower = float(beta.ppf(1 - LEVEL, count, of - count + 1)) if count else 0.0
    upper = float(beta.ppf(LEVEL, count + 1, of - count)) if count < of else 1.0
    return {"count": count, "of": of, "share": count / of, "lower": lower, "upper": upper}


def share(found: Any) -> dict[str, Any]:
    """`bounds` of a bool array."""
    return bounds(int(np.sum(found)), len(found))


def chances(classifier: Classifier, images: Any) -> np.ndarray:
    """`[N, K]` the probabilities, in batches."""
    parts = [classifier.predict(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    return np.concatenate([np.asarray(part) for part in parts])


def said(classifier: Classifier, images: Any) -> np.ndarray:
    """`[N]` the predicted classes."""
    return chances(classifier, images).argmax(axis=1)


def partners(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """For every image one of another class, and any other one."""
    every = np.arange(len(labels))
    others = np.array([rng.choice(np.flatnonzero(labels != label)) for label in labels])
    return others, (every + 1 + rng.integers(len(labels) - 1, size=len(labels))) % len(labels)


def exchanged(classifier: Classifier, count: int, seed: int) -> dict[str, Any]:
    """Lesions and heads exchanged by the generator."""
    dataset = open_dataset("phantoms", count=count, size=classifier.input_shape[0], seed=seed, fixed_anatomy=True)
    every = np.arange(count)
    others, heads = partners(dataset.labels, np.random.default_rng(seed))
    images = [
        phantoms.exchange(dataset, head, lesion).read(shape=classifier.input_shape, masks=False).images
        for head, lesion in ((every, every), (every, others), (heads, every))
    ]
    plain, swapped, moved = (said(classifier, one) for one in images)
    return {"lesion swapped": share(plain != swapped), "all else swapped": share(plain != moved)} | {
        "right": share(plain == dataset.labels)
    }


def pasted(classifier: Classifier, batch: Batch, seed: int) -> dict[str, Any]:
    """The pixels of lesions in other images. Both sides of a comparison are pasted, so that both have a seam."""
    every = np.arange(len(batch.labels))
    others, heads = partners(batch.labels, np.random.default_rng(seed))

    def image(head: int, lesion: int) -> Any:
        return evidence.pasted(batch.images[lesion], batch.masks[lesion], batch.images[head], batch.masks[head])

    first, swapped, moved = (
        said(classifier, np.stack([image(*pair) for pair in zip(*pairs, strict=True)]))
        for pairs in ((every, every), (every, others), (heads, every))
    )
    return {"lesion swapped": share(first != swapped), "all else swapped": share(first != moved)}


def without_evidence(classifier: Classifier, batch: Batch, seed: int) -> dict[str, Any]:
    """How many images of each kind get a class above 0.5, and which."""
    found = {}
    for name, kind, amount in WITHOUT:
        rng = np.random.default_rng([seed, len(found)])
        images = [
            evidence.without_evidence(image, mask, kind, rng, amount=amount)
            for image, mask in zip(batch.images, batch.masks, strict=True)
        ]
        answers = chances(classifier, np.stack(images))
        sure = answers.max(axis=1) > 0.5
        classes = np.bincount(answers.argmax(axis=1)[sure], minlength=len(classifier.classes))
        found[name] = share(sure) | {
            "largest": float(answers.max()),
            "classes": dict(zip(classifier.classes, classes.tolist(), strict=True)),
        }
    return found


def curves(classifier: Classifier, batch: Batch, seed: int) -> dict[str, Any]:
    """What AIC and SIC score, class by class, and the ground truth against a random map."""
    rng = np.random.default_rng(seed)
    maps = {"random": rng.random(batch.images.shape[:3], np.float32)}
    scores = metrics.evaluate(
        classifier, batch.images, batch.labels, maps, batch.masks, METRICS, ids=batch.ids, oracle=True, seed=seed
    )
    found: dict[str, Any] = {}
    for name in METRICS:
        values = {method: scores.select(metric=name, method=method).value for method in ("random", "oracle")}
        both = np.isfinite(values["random"]) & np.isfinite(values["oracle"])
        entry: dict[str, Any] = {
            "scored": {
                one: bounds(int(both[batch.labels == label].sum()), int((batch.labels == label).sum()))
                for label, one in enumerate(classifier.classes)
            }
        }
        if both.sum() > 1:
            difference = values["oracle"][both] - values["random"][both]
            low, high = statistics.mean_interval(difference, seed=seed)
            entry["oracle minus random"] = {"mean": float(difference.mean()), "low": low, "high": high}
            entry["oracle"], entry["random"] = (float(values[one][both].mean()) for one in ("oracle", "random"))
        found[name] = entry
    return found


def measure(classifier: Classifier, *, count: int, scored: int, seed: int) -> dict[str, Any]:
    """All of it."""
    shape = classifier.input_shape
    batch = open_dataset("phantoms", count=count, size=shape[0], seed=seed).read(shape=shape)
    fixed = open_dataset("phantoms", count=count, size=shape[0], seed=seed, fixed_anatomy=True).read(shape=shape)
    some = open_dataset("phantoms", count=scored, size=shape[0], seed=seed).read(shape=shape)
    rng = np.random.default_rng(seed)
    alone = np.stack([evidence.lesion_alone(*pair, rng) for pair in zip(batch.images, batch.masks, strict=True)])
    return {
        "exchange": exchanged(classifier, count, seed),
        "pasted": pasted(classifier, batch, seed),
        "without evidence": without_evidence(classifier, batch, seed),
        "kept": {
            "plain": share(said(classifier, batch.images) == batch.labels),
            "lesion alone": share(said(classifier, alone) == batch.labels),
        },
        "curves": curves(classifier, some, seed),
        "macro_f1": {
            name: training.classification_scores(classifier, one.images, one.labels)["macro_f1"]
            for name, one in (("plain", batch), ("fixed anatomy", fixed))
        },
    }


def card(found: dict[str, Any]) -> list[dict[str, str]]:
    """The results in rows: what, the share with its images, and the bound that counts."""

    def row(what: str, one: dict[str, Any], bound: str) -> dict[str, str]:
        word = "at least" if bound == "lower" else "at most"
        return {
            "on unseen images": what,
            "found": f"{one['count']} of {one['of']}",
            "95 % bound": f"{word} {100 * one[bound]:.1f} %",
        }

    rows = []
    for name, title in (("exchange", "exchanged by the generator"), ("pasted", "pasted")):
        rows.append(row(f"prediction changes with the lesion, {title}", found[name]["lesion swapped"], "lower"))
        rows.append(row(f"prediction changes with all else, {title}", found[name]["all else swapped"], "upper"))
    for name, one in found["without evidence"].items():
        rows.append(row(f"a class above 0.5: {name}", one, "upper"))
    scores = ", ".join(f"{name} {value:.3f}" for name, value in found["macro_f1"].items())
    rows.append({"on unseen images": "macro-F1", "found": scores, "95 % bound": ""})
    rows.append(row("predicted right", found["kept"]["plain"], "lower"))
    rows.append(row("predicted right with the lesion alone", found["kept"]["lesion alone"], "lower"))
    for name, one in found["curves"].items():
        scored = ", ".join(f"{label} {value['count']} of {value['of']}" for label, value in one["scored"].items())
        rows.append({"on unseen images": f"scored by {name}", "found": scored, "95 % bound": ""})
        if "oracle minus random" in one:
            gap = one["oracle minus random"]
            rows.append(
                {
                    "on unseen images": f"{name} of the ground truth minus that of a random map",
                    "found": f"{gap['mean']:+.3f}",
                    "95 % bound": f"{gap['low']:+.3f} to {gap['high']:+.3f}",
                }
            )
    return rows


def table(rows: list[dict[str, str]]) -> str:
    """The card in Markdown.

    Example:
        >>> print(table([{"what": "a", "found": "1 of 2"}]))
        | what | found |
        |---|---|
        | a | 1 of 2 |
    """
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    return "\n".join([*lines, *("| " + " | ".join(one.values()) + " |" for one in rows)])


def save(model: str, first: str | None, target: Path, found: dict[str, Any], command: str) -> None:
    """Writes the weights with their card, and the card into the docs."""
    rows = card(found)
    info = {key: value for key, value in models.read_info(model).items() if key not in OWN}
    if first is not None:
        info["command"] = f"{models.read_info(first)['command']} && {info['command']}"
    info |= {"trained_on": TRAINED_ON, "measured_by": command, "card": rows}
    models.save(models.load(model), target, info=info)
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}", "utf-8")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="builtin", help='a folder of xaijax train, or "builtin"')
    parser.add_argument("--count", type=int, default=1500, help="images that are predicted, at least 300")
    parser.add_argument("--scored", type=int, default=300, help="images that AIC and SIC score")
    parser.add_argument("--seed", type=int, default=20, help="of the phantoms; no training has used it")
    parser.add_argument("--first", help="the training whose weights the model started from, named in the card")
    parser.add_argument("--save", type=Path, help="write the weights with the card here, and the table of the docs")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "known_truth.json")
    options = parser.parse_args(argv)
    found = measure(models.load(options.model), count=options.count, scored=options.scored, seed=options.seed)
    command = f"python benchmarks/known_truth.py --model {options.model} --count {options.count}"
    command += f" --scored {options.scored} --seed {options.seed}"
    folder.write_json(options.out, {"command": command} | found | provenance.describe())
    if options.save is not None:
        save(options.model, options.first, options.save, found, command)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
