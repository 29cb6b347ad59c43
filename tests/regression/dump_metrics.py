"""Every metric on small inputs: values and reasons of every image, the curves behind them, and their health."""

import dataclasses
from collections.abc import Callable
from typing import Any

import adapters
import numpy as np
from dump import Dump

SETTINGS: dict[str, dict[str, Any]] = {
    "pic": {"random_masks": 2},
    "perturbation": {"steps": 8, "flip_steps": 16, "patch": 4, "regions": 10, "sigma": 3.0, "segments": 12},
    "robustness": {"draws": 8, "sensitivity_draws": 3, "lipschitz_draws": 3, "stability_draws": 3},
    "faithfulness": {"draws": 20, "grid_draws": 20, "size_draws": 10, "cells": 3, "cell_draws": 5, "noise_draws": 5},
    "sanity": {"smooth_draws": 2},
}
# Settings that are not the defaults: {name: (family, settings)}.
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "pair": ("pic", {"convention": "pair"}),
    "medical": ("pic", {"convention": "medical", "random_masks": 2}),
    "fractions": ("pic", {"fractions": (0.1, 0.3, 0.6), "random_masks": 1}),
    "perturbation": (
        "perturbation",
        {**SETTINGS["perturbation"], "fractions": (0.2, 0.5), "noise": 0.1, "compactness": 3.0},
    ),
    "robustness": ("robustness", {"normalize": False, "relative": False, "patch": 0.25, **SETTINGS["robustness"]}),
    "consistency": ("consistency", {"shift": 0.125, "noise": 0.1, "contrast": 0.5, "percent": 20.0}),
    "sanity": ("sanity", {"stages": 2}),
}


@dataclasses.dataclass(frozen=True)
class Given:
    """What is scored."""

    classifier: Any
    images: np.ndarray
    labels: np.ndarray
    raw: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    ids: list[str]


def given(count: int) -> Given:
    """Images with maps of three methods and of three made-up ones, two roles of masks, one image without a lesion."""
    import jax
    import small_models

    from xaijax.explain import METHODS, explain

    classifier = small_models.small_cnn()
    # Sharper than at random, so that all the reasons of probabilities do not hide the values.
    dense = {name: value for name, value in classifier.params.items() if name == "dense"}
    if dense:
        sharper = jax.tree.map(lambda leaf: 12 * leaf, dense)
        classifier = classifier.with_params({**classifier.params, **sharper})
    images = small_models.scenes(count, classifier.input_shape)
    labels = np.asarray(classifier.predict(images)).argmax(1).astype(np.int32)
    labels[-1] = (labels[-1] + 1) % small_models.CLASSES  # one that the model gets wrong
    rng = np.random.default_rng(5)
    raw = {
        name: np.asarray(explain(name, classifier, images, labels, **options))
        for name, options in (
            ("grad_cam", {}),
            ("input_x_gradient", {}),
            ("random", adapters.randomness(METHODS["random"], 3)),
        )
    }
    raw["ties"] = rng.integers(-2, 3, raw["random"].shape).astype(np.float32)
    raw["flat"] = np.zeros_like(raw["random"])
    masks = {role: np.zeros(raw["random"].shape, bool) for role in ("lesion", "artefact")}
    for number in range(1, count):
        masks["lesion"][number, 4 : 10 + number, 6:15] = True
    masks["artefact"][:, :5, :7] = True
    return Given(classifier, images, labels, raw, masks, [f"case {number}" for number in range(count)])


def explainers() -> dict[str, Callable[..., Any]]:
    """Two of the methods as functions; the others are given as maps alone."""
    from xaijax.explain import explain

    return {
        name: lambda classifier, images, labels, name=name: np.asarray(explain(name, classifier, images, labels))
        for name in ("grad_cam", "input_x_gradient")
    }


def keep(dump: Dump, name: str, scores: Any) -> None:
    """The rows, the curves, and the health of what was scored."""
    dump.text(
        f"{name}/rows", [list(map(str, row)) for row in zip(scores.image, scores.method, scores.metric, strict=True)]
    )
    dump.array(f"{name}/value", np.asarray(scores.value, np.float64))
    dump.text(f"{name}/reason", list(map(str, scores.reason)))
    for kind in ("curves", "responses"):
        table = getattr(scores, kind).to_arrow()
        for column in table.column_names:
            values = table[column].to_pylist()
            if values and isinstance(values[0], str):
                dump.text(f"{name}/{kind}/{column}", values)
            else:
                lengths = [len(value) if isinstance(value, list) else 1 for value in values]
                flat = [number for value in values for number in (value if isinstance(value, list) else [value])]
                dump.array(f"{name}/{kind}/{column}", np.asarray(flat, np.float64))
                dump.array(f"{name}/{kind}/{column}/lengths", np.asarray(lengths, np.int64))
    for metric, report in adapters.place("health")(scores).items():
        found = dataclasses.asdict(report)
        for number, warning in enumerate(found.pop("warnings", ())):
            dump.note(f"{name}/health/{metric}/warnings/{number}", warning)
        dump.tree(f"{name}/health/{metric}", found)


def score(dump: Dump, name: str, family: str, settings: dict[str, Any]) -> None:
    """Scores one family."""
    import small_models

    from xaijax.metrics import METRICS

    some = given(3 if dump.quick else 4)
    magnitudes = {"input_x_gradient", "ties"}
    if family == "pic":
        # The other model sees the same class in a blurred image, which leaves AIC without a value.
        model = small_models.contrast()
        some = dataclasses.replace(some, classifier=model, labels=np.asarray(model.predict(some.images)).argmax(1))
    with dump.piece(name):
        scores = adapters.evaluate(
            classifier=some.classifier,
            images=some.images,
            labels=some.labels,
            maps={method: np.abs(m) if method in magnitudes else m for method, m in some.raw.items()},
            masks=some.masks,
            metrics=[metric for metric in METRICS if METRICS[metric].family == adapters.family(family)],
            raw=some.raw,
            variants={
                m: {"other": some.raw["ties"] + some.raw[m], "third": some.raw[m]} for m in ("grad_cam", "random")
            },
            explainers=explainers(),
            settings={family: settings} if settings else {},
            ids=some.ids,
            oracle=True,
            seed=7,
            batch_size=32,
        )
        keep(dump, name, scores)


def of(family: str) -> Callable[[Dump], None]:
    """One family with cheap settings, on integer images."""
    return lambda dump: score(dump, family, family, SETTINGS.get(family, {}))


def settings(dump: Dump) -> None:
    """Settings that are not the defaults."""
    for name, (family, options) in OTHERS.items():
        score(dump, name, family, options)


def metadata(dump: Dump) -> None:
    """What the registry says of every metric, and the codes of reasons."""
    from xaijax.metrics import METRICS, REASONS

    dump.text("metrics", list(METRICS))
    dump.text("reasons", sorted(REASONS))
    for name, metric in METRICS.items():
        with dump.piece(name):
            dump.text(f"{name}/family", adapters.family_name(metric.family))
            dump.text(f"{name}/higher_is_better", bool(metric.higher_is_better))
            dump.text(f"{name}/range", list(metric.range))
            dump.text(f"{name}/needs", sorted(metric.needs))
            dump.text(f"{name}/roles", list(metric.roles))
            dump.note(f"{name}/unit", metric.unit)
            dump.note(f"{name}/summary", metric.summary)


FAMILIES = (
    *("pic", "perturbation", "faithfulness", "confidence", "localization", "artefact"),
    *("complexity", "robustness", "consistency", "sanity"),
)
TABLES = {
    "metrics/metadata": metadata,
    **{f"metrics/{name}": of(name) for name in FAMILIES},
    "metrics/settings": settings,
}
