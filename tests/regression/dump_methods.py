"""Raw maps of every explanation method on one small model of each kind, and of options that are not the defaults."""

from collections.abc import Callable, Iterator
from typing import Any

import adapters
import numpy as np
from dump import Dump

# Cheap values of the options that set the number of model passes.
CHEAP: dict[str, Any] = {
    "steps": 6, "draws": 5, "count": 12, "window": 5, "stride": 4, "max_sigma": 3.0, "min_pixel_diff": 5
}  # fmt: skip
RANDOM = ("key", "seed")  # how a random method is told what to draw is no result
# Methods that go through all their passes on small images within seconds.
FULL = ("integrated_gradients", "smoothgrad", "blur_ig", "guided_ig", "occlusion", "rise", "xrai", "xrai_fast")


def refused() -> tuple[type[BaseException], ...]:
    """What a method raises where a model lacks what it needs."""
    return (ValueError, TypeError, NotImplementedError)


def options_of(method: Any, images: np.ndarray) -> dict[str, Any]:
    """Options that a method cannot do without, and cheap ones."""
    options = {name: value for name, value in CHEAP.items() if name in method.options}
    options |= adapters.randomness(method, 1)
    if "masks" in method.needs:
        options["masks"] = np.zeros(images.shape[:3], bool) | (np.arange(images.shape[2]) < 4)
    return options


def on(model: str) -> Callable[[Dump], None]:
    """All methods on one model; on the function pair for the predicted class and float images too."""

    def run(dump: Dump) -> None:
        import jax
        import small_models

        from xaijax.explain import METHODS, explain

        classifier = small_models.MODELS[model]()
        images = small_models.scenes(3, classifier.input_shape)
        labels = np.array([0, 3, 1], np.int32)
        dump.text("methods", sorted(METHODS))
        dump.text("layers", {name: list(shape) for name, shape in classifier.layers().items()})
        dump.text("default_layer", classifier.default_layer)
        dump.array("logits", jax.jit(classifier.logits)(classifier.params, images))
        dump.array("predict", classifier.predict(images))
        for name in sorted(METHODS):
            method = METHODS[name]
            options = options_of(method, images)
            with dump.piece(f"{name}/labels", refusal=refused()):
                dump.array(f"{name}/labels", explain(name, classifier, images, labels, **options))
            if model != "functions":  # the cheapest to compile
                continue
            floats = np.asarray(images, np.float32) / np.float32(255)
            with dump.piece(f"{name}/predicted", refusal=refused()):
                dump.array(f"{name}/predicted", explain(name, classifier, floats, **options))

    return run


def metadata(dump: Dump) -> None:
    """What the registry says of every method."""
    from xaijax.explain import METHODS

    for name, method in METHODS.items():
        with dump.piece(name):
            dump.text(f"{name}/family", method.family)
            dump.text(f"{name}/needs", sorted(method.needs - {"key"}))
            dump.text(f"{name}/signed", bool(method.signed))
            dump.array(f"{name}/cost", np.float64(method.cost))
            options = {key: repr(value) for key, value in sorted(method.options.items()) if key not in RANDOM}
            dump.text(f"{name}/options", options)
            dump.text(f"{name}/steps", adapters.attribute(method, "postprocess_steps")())


def variations(options: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Values of options that are not the defaults, one at a time."""
    chosen: dict[str, tuple[Any, ...]] = {
        "target": ("probability",),
        "reduce": ("sum", "abs_max"),
        "baseline": ("white", "blur", 0.3),
        "rule": ("trapezoid", "pair"),
        "statistic": ("variance", "square"),
        "convention": ("pytorch-grad-cam",),
        "base": ("hires_cam",),
        "threshold": ("none", "ebayes_laplace", "soft_percentile:90"),
        "scale": ("raw",),
        "grid": (3,),
        "probability": (0.3,),
        "fraction": (0.5,),
        "max_dist": (0.1,),
        "sigma": (0.1,),
        "std": (0.3,),
        "dilation": (1,),
        "max_channels": (3,),
        "batch_size": (2,),
        "rounds": (2,),
        "theta": (1.0,),
        "decay": (0.5,),
    }
    for option in options:
        for value in chosen.get(option, ()):
            yield f"{option}={value}", {option: value}


def options(dump: Dump) -> None:
    """Options on the function pair, and the defaults of methods whose cost is the number of passes."""
    import small_models

    from xaijax.explain import METHODS, explain

    classifier = small_models.functions()
    images = small_models.scenes(2, classifier.input_shape)
    labels = np.array([2, 1], np.int32)
    for name in sorted(METHODS):
        given = options_of(METHODS[name], images)
        for text, changed in () if dump.quick else variations(METHODS[name].options):
            # The sentence of a refusal names the values that are allowed.
            with dump.piece(f"{name}/{text}", refusal=refused()):
                dump.array(f"{name}/{text}", explain(name, classifier, images, labels, **given | changed))
    for name in () if dump.quick else FULL:
        with dump.piece(f"{name}/defaults"):
            needed = {key: value for key, value in options_of(METHODS[name], images).items() if key not in CHEAP}
            dump.array(f"{name}/defaults", explain(name, classifier, images, labels, **needed))


def postprocessed(dump: Dump) -> None:
    """The steps of `postprocess`, and `resize`."""
    from xaijax.explain import postprocess, resize

    maps = np.random.default_rng(0).normal(size=(2, 9, 7)).astype(np.float32)
    for steps in ("minmax", "relu+minmax", "abs+minmax", "relu", "abs"):
        with dump.piece(steps, refusal=refused()):
            dump.array(steps, postprocess(maps, steps))
    with dump.piece("resize"):
        dump.array("resize", resize(maps, (20, 15)))


TABLES = {
    "methods/metadata": metadata,
    "methods/small_cnn": on("small_cnn"),
    "methods/vit": on("vit"),
    "methods/linen": on("linen"),
    "methods/functions": on("functions"),
    "methods/options": options,
    "methods/postprocess": postprocessed,
}
