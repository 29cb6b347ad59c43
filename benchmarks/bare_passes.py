"""Times the newer explainers against the bare model passes that they need, answers checked first.

    python benchmarks/bare_passes.py --out benchmarks/results/bare_passes.json      # ResNet-50 and ViT-B/16, 224 pixels
    python benchmarks/bare_passes.py --check                                        # answers alone, on small networks
    python benchmarks/limits.py                                                     # writes the table into README.md

Before a method is timed its maps are compared with another way to the same answer: the definition in NumPy or
scikit-learn over scores from the bare forward pass, the activations and gradients of `Classifier.tapped`, or a method
that it must agree with. Then calls of the method and of its bare passes are interleaved: compiled forward passes, and
gradients with respect to the image (a forward and a backward pass), in the batches that the method uses. Nothing else
may run meanwhile. The goals: 1.3 for attention methods, 1.05 for LIME, KernelSHAP and Sobol.
"""

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax import _cpu, explain, models
from xaijax._runs import provenance
from xaijax.classifier import Classifier
from xaijax.explain.perturbation._hsic import hypercube_masks
from xaijax.explain.perturbation._sobol import sobol_points

CHUNK = 32
"""Perturbed images in one call, of the methods and of the bare passes."""
KEY = 3
TOLERANCE = 2e-3  # of float32 sums in another order, as a share of the largest value
GOALS = {
    "generic_attention": 1.3,
    "gradient_rollout": 1.3,
    "legrad": 1.3,
    "lime": 1.05,
    "kernel_shap": 1.05,
    "sobol": 1.05,
}


@dataclass(frozen=True)
class Model:
    """A classifier, one image `[1, H, W, C]` and its label `[1]`, and the bare passes, compiled once per batch."""

    classifier: Classifier
    image: np.ndarray
    label: np.ndarray
    compiled: dict[tuple[str, int], Callable[[], Any]] = field(default_factory=dict)

    @property
    def layer(self) -> str:
        return self.classifier.default_layer

    def scores(self, images: np.ndarray) -> np.ndarray:
        """`[n]` logits of the label, chunk by chunk."""
        found = [self._logits(images[start : start + CHUNK]) for start in range(0, len(images), CHUNK)]
        return np.concatenate(found)[:, int(self.label[0])]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """`[n]` probabilities of the label."""
        found = np.concatenate([self._logits(images[s : s + CHUNK]) for s in range(0, len(images), CHUNK)])
        shifted = np.exp(found - found.max(1, keepdims=True))
        return (shifted / shifted.sum(1, keepdims=True))[:, int(self.label[0])]

    def _logits(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(_forward(self.classifier, jnp.asarray(images, jnp.float32)), np.float64)

    def bare(self, kind: str, batch: int) -> Callable[[], Any]:
        """A call of one pass over a batch that waits for its result; its input is already there."""
        if (kind, batch) not in self.compiled:
            images = jnp.asarray(np.repeat(self.image, batch, axis=0))
            labels = jnp.asarray(np.repeat(self.label, batch))
            if kind == "forward":
                self.compiled[kind, batch] = lambda: jax.block_until_ready(_forward(self.classifier, images))
            else:
                self.compiled[kind, batch] = lambda: jax.block_until_ready(_gradient(self.classifier, images, labels))
        return self.compiled[kind, batch]

    def taps(self, layers: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Activations of layers and the gradients of the label's logit with respect to them."""
        images, labels = jnp.asarray(self.image), jnp.asarray(self.label)
        zeros = self.classifier.zero_offsets(images, layers)

        @jax.jit
        def run(classifier: Classifier, offsets: Any) -> Any:
            def total(given: Any) -> Any:
                logits, found = classifier.tapped(classifier.params, images, given)
                return jnp.take_along_axis(logits, labels[:, None], 1).sum(), found

            return jax.grad(total, has_aux=True)(offsets)

        grads, found = run(self.classifier, zeros)
        return {n: np.asarray(found[n], np.float64) for n in layers}, {
            n: np.asarray(grads[n], np.float64) for n in layers
        }


@_cpu.jit  # compiled as the methods are: jax.jit alone is 1.1 to 1.3 times as slow for ResNet-50 on a CPU
def _forward(classifier: Classifier, images: jax.Array) -> jax.Array:
    return classifier.logits(classifier.params, images)


@_cpu.jit
def _gradient(classifier: Classifier, images: jax.Array, labels: jax.Array) -> jax.Array:
    def total(x: jax.Array) -> jax.Array:
        return jnp.take_along_axis(classifier.logits(classifier.params, x), labels[:, None], 1).sum()

    return jax.grad(total)(images)


@dataclass(frozen=True)
class Case:
    """A method with its options, the passes that it needs as (kind, batch, times), and the other way to its answer."""

    name: str
    model: str
    options: Mapping[str, Any]
    needs: tuple[tuple[str, int, int], ...]
    check: Callable[[Model, Mapping[str, Any], np.ndarray], None]

    def passes(self) -> int:
        """Forward passes that it needs; a gradient counts three."""
        return sum({"forward": 1, "gradient": 3}[kind] * batch * times for kind, batch, times in self.needs)


def agree(name: str, got: Any, expected: Any) -> None:
    """Refuses maps that differ by more than rounding."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    if got.shape != expected.shape or not np.isfinite(got).all():
        raise AssertionError(f"{name}: maps {got.shape} that are not finite or not {expected.shape}")
    error = np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-30)
    if not error <= TOLERANCE:
        raise AssertionError(f"{name}: differs by {error:.1e} of the largest value")


def places(model: Model, side: int) -> np.ndarray:
    """`[H, W]`: the cells of a grid, numbered in rows."""
    rows, columns = (np.arange(n) * side // n for n in model.image.shape[1:3])
    return rows[:, None] * side + columns[None, :]


def mixed(model: Model, z: np.ndarray, cells: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """`[n, H, W, C]`: the image where a region is kept, the fill where it is hidden, and a mixture in between."""
    share = np.asarray(z, np.float64)[:, cells][..., None]
    return share * model.image + (1 - share) * fill


def painted(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    return np.asarray(values)[cells][None]


def check_lime(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
    """scikit-learn's ridge regression over the same draws."""
    from sklearn.linear_model import Ridge

    cells = places(model, options["regions"])
    count = options["regions"] ** 2
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(KEY), jnp.arange(options["count"]))
    z = np.array(jax.vmap(lambda k: jax.random.bernoulli(k, 0.5, (count,)))(keys), np.float64)
    z[0] = 1
    fill = np.zeros_like(model.image)
    for cell in range(count):
        fill[:, cells == cell] = model.image[:, cells == cell].mean(1, keepdims=True)
    scores = model.probabilities(mixed(model, z, cells, fill))
    weights = np.exp(-((1 - np.sqrt(z.mean(1))) ** 2) / (2 * 0.25**2))
    agree("lime", maps, painted(Ridge(alpha=1.0).fit(z, scores, weights).coef_, cells))


def check_kernel_shap(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
    """Shapley values by enumeration."""
    masks = np.asarray(options["regions"])
    players, cells = len(masks), masks.argmax(0)
    z = np.array(list(itertools.product([0, 1], repeat=players)), float)
    value = dict(zip(map(tuple, z.astype(int)), model.scores(mixed(model, z, cells, np.zeros(1))), strict=True))
    found = np.zeros(players)
    for coalition, score in value.items():
        for player in range(players):
            if not coalition[player]:
                with_player = (*coalition[:player], 1, *coalition[player + 1 :])
                weight = 1 / (players * math.comb(players - 1, sum(coalition)))
                found[player] += weight * (value[with_player] - score)
    agree("kernel_shap", maps, painted(found, cells))


def check_sobol(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
    """Jansen's estimator over the same points."""
    cells, players = places(model, options["regions"]), options["regions"] ** 2
    points = np.asarray(sobol_points(options["design"], players, jax.random.key(KEY)), np.float64)
    a, b = points[:, :players], points[:, players:]
    black = np.zeros(1)
    at_a = model.scores(mixed(model, a, cells, black))
    found = []
    for player in range(players):
        c = a.copy()
        c[:, player] = b[:, player]
        found.append(((at_a - model.scores(mixed(model, c, cells, black))) ** 2).mean() / (2 * at_a.var(ddof=1)))
    agree("sobol", maps, painted(np.array(found), cells))


def check_hsic(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
    """The trace of the centred kernels, over the same masks."""
    cells, count = places(model, options["regions"]), options["count"]
    z = np.asarray(hypercube_masks(jax.random.key(KEY), count, options["regions"] ** 2), np.float64)
    scores = model.scores(mixed(model, z, cells, np.zeros(1)))
    distance = np.abs(scores[:, None] - scores)
    width = np.median(distance[np.triu_indices(count, 1)])
    outer, centre = np.exp(-(distance**2) / (2 * width**2)), np.eye(count) - 1 / count
    found = [np.trace(centre @ (1 - (one[:, None] - one) ** 2) @ centre @ outer) / count for one in z.T]
    agree("hsic", maps, painted(np.array(found), cells))


def low_map(model: Model, values: np.ndarray) -> np.ndarray:
    """A map of the layer on the pixels of the image."""
    return np.asarray(explain.resize(jnp.asarray(values, jnp.float32), model.image.shape[1:3]))


def check_finer_cam(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
    """Grad-CAM of the weighted difference of logits, by the activations and gradients of each class."""
    images = jnp.asarray(model.image)
    logits = np.asarray(_forward(model.classifier, images), np.float64)[0]
    own = int(model.label[0])
    order = np.argsort(np.abs(logits - logits[own]), kind="stable")
    near = [int(k) for k in order if k != own][:3]
    zeros = model.classifier.zero_offsets(images, [model.layer])

    @jax.jit
    def run(classifier: Classifier, offsets: Any) -> Any:
        def difference(given: Any) -> Any:
            found, taps = classifier.tapped(classifier.params, images, given)
            p = jax.nn.softmax(found[0])[jnp.array(near)]
            return (p * (found[0, own] - found[0, jnp.array(near)])).sum() / (p.sum() + 1e-9), taps

        return jax.grad(difference, has_aux=True)(offsets)

    grads, taps = run(model.classifier, zeros)
    A, g = (np.asarray(each[model.layer], np.float64) for each in (taps, grads))
    agree("finer_cam", maps, low_map(model, (A * g.mean((1, 2), keepdims=True)).sum(-1)))


def check_smooth_grad_cam_pp(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
    """Grad-CAM++: behind the last block are pooling and one dense layer, whose gradient no noise changes."""
    agree("smooth_grad_cam_pp", maps, explain.grad_cam_pp(model.classifier, model.image, model.label))


def check_recipro_cam(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
    """Every position's own activations put into the layer, one image each."""
    (A, _) = (each[model.layer] for each in model.taps([model.layer]))
    height, width = A.shape[1:3]
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    spread = np.zeros((height, width, height + 2, width + 2))
    for i, j in np.ndindex(height, width):
        spread[i, j, i : i + 3, j : j + 3] = kernel
    spread = spread[:, :, 1:-1, 1:-1].reshape(-1, height, width)
    wanted = spread[..., None] * A[0].reshape(-1, 1, 1, A.shape[-1])
    offsets = {model.layer: jnp.asarray(wanted - A, jnp.float32)}
    images = jnp.asarray(np.repeat(model.image, len(wanted), axis=0))
    logits, _ = jax.jit(lambda c, x, o: c.tapped(c.params, x, o))(model.classifier, images, offsets)
    found = np.asarray(jax.nn.softmax(logits))[:, int(model.label[0])].reshape(1, height, width)
    agree("recipro_cam", maps, low_map(model, found))


def check_guided_grad_cam(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
    """The product of Grad-CAM's map, resized, and guided backpropagation."""
    taps, grads = model.taps([model.layer])
    A, g = taps[model.layer], grads[model.layer]
    coarse = low_map(model, np.maximum((A * g.mean((1, 2), keepdims=True)).sum(-1), 0))
    guided = np.asarray(explain.guided_backprop(model.classifier, model.image, model.label, reduce="abs_max"))
    agree("guided_grad_cam", maps, coarse * guided)


def check_tta(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
    """The mean of Grad-CAM over the four flips, each flipped back."""
    found = []
    for axes in ((), (2,), (1,), (1, 2)):
        moved = explain.grad_cam(model.classifier, np.flip(model.image, axes), model.label)
        found.append(np.flip(np.asarray(moved), axes))
    agree("tta", maps, np.mean(found, 0))


def check_deeplift(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
    """The attributions sum to what the image adds to the logit of a black one."""
    whole, black = model.scores(np.concatenate([model.image, np.zeros_like(model.image)]))
    agree("deeplift", maps.sum((1, 2)), np.array([whole - black]))


def check_smooth_path(base: str) -> Callable[[Model, Mapping[str, Any], np.ndarray], None]:
    """The mean of the base method over the same noisy copies."""

    def check(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
        # A power of two: with and without a fused multiply-add the copies are the same to the last bit. One bit more
        # changes single pixels of Blur IG by 9e-3 of the largest value (kinks of ReLUs), and the path of Guided IG.
        scale = np.float32(options["std"]) * (model.image.max() - model.image.min())
        if math.frexp(scale)[0] != 0.5:
            raise AssertionError(f"the noise has a standard deviation of {scale}, no power of two")
        copies = model.image + scale * np.asarray(options["noise"])
        rest = {name: value for name, value in options.items() if name not in ("noise", "draws", "std")}
        found = [
            np.asarray(explain.METHODS[base].function(model.classifier, copy[None], model.label, **rest))
            for copy in copies.astype(np.float32)
        ]
        agree(f"smooth_{base}", maps, np.mean(found, 0))

    return check


def attention_of(model: Model) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """`A` and `G` `[1, heads, T, T]` of every block."""
    names = [
        name
        for name, shape in model.classifier.layers().items()
        if len(shape) == 3 and shape[1] == shape[2] and "att" in name.lower()
    ]
    taps, grads = model.taps(names)
    return [taps[name] for name in names], [grads[name] for name in names]


def token_map(model: Model, row: np.ndarray) -> np.ndarray:
    """`[1, T]` -> a map; the class token comes first."""
    side = math.isqrt(row.shape[1] - 1)
    return low_map(model, row[:, 1:].reshape(1, side, side))


def check_generic_attention(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
    """The recursion in NumPy."""
    weights, grads = attention_of(model)
    relevance = np.eye(weights[0].shape[-1])
    for A, G in zip(weights, grads, strict=True):
        relevance = relevance + np.maximum(G * A, 0).mean(1)[0] @ relevance
    agree("generic_attention", maps, token_map(model, relevance[None, 0]))


def check_gradient_rollout(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
    """The product in NumPy."""
    weights, grads = attention_of(model)
    product = np.eye(weights[0].shape[-1])
    for A, G in zip(weights, grads, strict=True):
        step = (np.maximum((G * A).mean(1)[0], 0) + np.eye(len(product))) / 2
        product = step / step.sum(1, keepdims=True) @ product
    agree("gradient_rollout", maps, token_map(model, product[None, 0]))


def check_legrad(model: Model, options: Mapping[str, Any], maps: np.ndarray) -> None:
    """The part of the last block, whose score is that of the whole model; and no part is negative."""
    _, grads = attention_of(model)
    last = np.asarray(explain.legrad(model.classifier, model.image, model.label, **{**options, "last": 1}))
    agree("legrad", last, token_map(model, np.maximum(grads[-1], 0).mean((1, 2))))
    if (maps < last - TOLERANCE * np.abs(maps).max()).any():
        raise AssertionError("legrad: the sum over blocks is below the part of the last one")


def cases(side: int, channels: int) -> list[Case]:
    """All methods, with the batches that their passes come in."""
    stripes = np.arange(side) * 7 // side
    masks = jnp.asarray(np.stack([np.repeat((stripes == k)[None], side, axis=0) for k in range(7)]))
    noise = jnp.asarray(np.random.default_rng(1).normal(size=(2, side, side, channels)), jnp.float32)
    chunked = {"batch_size": CHUNK}
    drawn = {**chunked, "key": KEY}
    one, image = ("forward", 1, 1), ("gradient", 1, 1)
    return [
        Case("generic_attention", "vit", chunked, (image,), check_generic_attention),
        Case("gradient_rollout", "vit", chunked, (image,), check_gradient_rollout),
        Case("legrad", "vit", chunked, (image,), check_legrad),
        Case("finer_cam", "cnn", chunked, (one,), check_finer_cam),
        Case(
            "smooth_grad_cam_pp",
            "cnn",
            {**drawn, "draws": CHUNK},
            (("forward", CHUNK, 1), one),
            check_smooth_grad_cam_pp,
        ),
        Case("recipro_cam", "cnn", chunked, (one,), check_recipro_cam),
        Case("guided_grad_cam", "cnn", chunked, (one, image), check_guided_grad_cam),
        Case("tta", "cnn", chunked, (("forward", 4, 1),), check_tta),
        Case(
            *(
                "smooth_blur_ig",
                "cnn",
                {**chunked, "noise": noise, "draws": 2, "std": 1 / 16, "steps": 16, "max_sigma": 8.0},
            ),
            *((("gradient", 16, 2),), check_smooth_path("blur_ig")),
        ),
        Case(
            *("smooth_guided_ig", "cnn", {**chunked, "noise": noise, "draws": 2, "std": 1 / 16, "steps": 8}),
            *((("gradient", 2, 8),), check_smooth_path("guided_ig")),
        ),
        Case("deeplift", "cnn", chunked, (("gradient", 2, 1),), check_deeplift),
        Case("lime", "cnn", {**drawn, "count": 128, "regions": 7}, (one, ("forward", CHUNK, 4)), check_lime),
        Case(
            "kernel_shap",
            "cnn",
            {**drawn, "regions": masks},
            (("forward", 2, 1), ("forward", CHUNK, 4)),
            check_kernel_shap,
        ),
        Case(
            *("sobol", "cnn", {**drawn, "design": 32, "regions": 2, "enlargement": "nearest"}),
            *((("forward", CHUNK, 5),), check_sobol),
        ),
        Case(
            *("hsic", "cnn", {**drawn, "count": 128, "regions": 7, "enlargement": "nearest"}),
            *((("forward", CHUNK, 4),), check_hsic),
        ),
    ]


def make(kind: str, small: bool) -> Model:
    """ResNet-50 and ViT-B/16 with random weights, batch normalisation folded; or small networks."""
    side, channels = (32, 3) if small else (224, 3)
    name = {"cnn": "small_cnn" if small else "resnet50", "vit": "vit_b16"}[kind]
    classifier = models.create(name, 5 if small else 1000, input_shape=(side, side, channels), key=0)
    rng = np.random.default_rng(0)
    coarse = rng.random((1, side // 8, side // 8, channels))
    image = np.clip(np.kron(coarse, np.ones((1, 8, 8, 1))) + 0.05 * rng.normal(size=(1, side, side, channels)), 0, 1)
    image = 0.25 + 0.5 * image  # so that noisy copies, which the checks give to the base methods, stay in [0, 1]
    return Model(classifier.optimized(), image.astype(np.float32), np.array([1], np.int32))


def measure(case: Case, model: Model, seconds: float, least: int) -> dict[str, Any]:
    """Calls of the method and of its bare passes, interleaved; medians and the ratio with its quartiles."""
    images, labels = jnp.asarray(model.image), jnp.asarray(model.label)
    method = explain.METHODS[case.name].function

    def explained() -> None:
        jax.block_until_ready(method(model.classifier, images, labels, **case.options))

    def bare() -> None:
        for kind, batch, times in case.needs:
            for _ in range(times):
                model.bare(kind, batch)()

    explained(), bare()  # compiled
    taken: list[tuple[float, float]] = []
    begun = time.perf_counter()
    while len(taken) < least or time.perf_counter() - begun < seconds:
        marks = [time.perf_counter()]
        for call in (explained, bare) if len(taken) % 2 else (bare, explained):
            call()
            marks.append(time.perf_counter())
        first, second = np.diff(marks)
        taken.append((first, second) if len(taken) % 2 else (second, first))
    times_ = np.array(taken)
    ratios = times_[:, 0] / times_[:, 1]
    return {
        "method": case.name,
        "model": {"cnn": "resnet50", "vit": "vit_b16"}[case.model],
        "passes": case.passes(),
        "needs": [list(one) for one in case.needs],
        "seconds": float(np.median(times_[:, 0])),
        "bare_seconds": float(np.median(times_[:, 1])),
        "ratio": float(np.median(ratios)),
        "quartiles": [float(value) for value in np.quantile(ratios, (0.25, 0.75))],
        "rounds": len(taken),
        "goal": GOALS.get(case.name),
    }


def main(arguments: Sequence[str]) -> int:
    """Checks and times the methods one after the other; a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--check", action="store_true", help="check the answers on small networks and time nothing")
    parser.add_argument("--methods", nargs="*", default=None, help="some of them; default: all")
    parser.add_argument("--seconds", type=float, default=15.0, help="for the rounds of a method")
    parser.add_argument("--rounds", type=int, default=5, help="of a method, at least")
    options = parser.parse_args(arguments)
    if not options.check and options.out is None:
        parser.error("--out is needed, or --check")
    found: dict[str, Model] = {}
    rows = []
    for case in cases(*((32, 3) if options.check else (224, 3))):
        if options.methods and case.name not in options.methods:
            continue
        if case.model not in found:
            found = {case.model: make(case.model, options.check)}  # one at a time, for the memory
        model = found[case.model]
        maps = np.asarray(
            explain.METHODS[case.name].function(model.classifier, model.image, model.label, **case.options)
        )
        case.check(model, case.options, maps)
        if options.check:
            print(f"{case.name}: the answer is right")
            continue
        rows.append(measure(case, model, options.seconds, options.rounds))
        print(json.dumps(rows[-1]), flush=True)
        values = {"machine": provenance.machine(), "versions": provenance.versions(), "methods": rows}
        options.out.write_text(json.dumps(values | {"command": "python benchmarks/bare_passes.py"}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
