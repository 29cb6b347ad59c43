"""A small vision transformer, trained on phantoms, under the attention methods, class activation maps and black boxes.

    python benchmarks/attention_gallery.py --image docs/images/explainers_vit.png --write docs/studies/explainers.md

Four blocks of four heads, 64 channels, patches of 8 x 8 pixels of 64 x 64, a class token; 1600 phantoms of brain MRI.
Drawn and scored are other phantoms that have a lesion and are classified right. Ten minutes on two cores.
"""

import argparse
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from PIL import Image

from xaijax import data, explain, metrics, plot
from xaijax.classifier import Classifier
from xaijax.models.zoo.layers import Chain, conv
from xaijax.models.zoo.vit import EncoderBlock, layer_norm
from xaijax.plot._overlay import to_rgb

MARKS = ("<!-- transformer: written by benchmarks/attention_gallery.py -->", "<!-- transformer: end -->")
SIDE, PATCH, WIDTH, DEPTH, HEADS, BATCH = 64, 8, 64, 4, 4, 32
NAMES = (
    *("attention_rollout", "gradient_rollout", "generic_attention", "legrad", "grad_cam", "hires_cam", "layer_cam"),
    *("eigen_cam", "integrated_gradients", "occlusion", "random"),
)
SCORES = ("average_precision", "pointing_game", "top15_energy")


class Transformer(nnx.Module):
    """The zoo's blocks, fewer and narrower."""

    def __init__(self, classes: int, rngs: nnx.Rngs) -> None:
        small = nnx.initializers.normal(0.02)
        self.patches = conv(1, WIDTH, PATCH, PATCH, padding="VALID", bias=True, rngs=rngs)
        self.class_token = nnx.Param(small(rngs.params(), (1, 1, WIDTH)))
        self.positions = nnx.Param(small(rngs.params(), (1, (SIDE // PATCH) ** 2 + 1, WIDTH)))
        blocks = {f"block{i}": EncoderBlock(WIDTH, HEADS, 4 * WIDTH, rngs=rngs) for i in range(1, DEPTH + 1)}
        self.blocks = Chain(**blocks)
        self.norm = layer_norm(WIDTH, rngs=rngs)
        self.dense = nnx.Linear(WIDTH, classes, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = self.patches(x).reshape(x.shape[0], -1, WIDTH)
        first = jnp.broadcast_to(self.class_token[...], (x.shape[0], 1, WIDTH))
        x = jnp.concatenate([first, x], axis=1) + self.positions[...]
        return self.dense(self.norm(self.blocks(x))[:, 0])


def train(images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], epochs: int) -> Classifier:
    """AdamW with a cosine schedule; images are mirrored and moved by up to four pixels."""
    model = Classifier.from_nnx(Transformer(len(classes), nnx.Rngs(0)), input_shape=(SIDE, SIDE, 1), classes=classes)
    steps = len(images) // BATCH
    rate = optax.warmup_cosine_decay_schedule(0.0, 1e-3, 100, steps * epochs)
    optimizer = optax.adamw(rate, weight_decay=0.05)
    params, rng = model.params, np.random.default_rng(0)
    state = optimizer.init(params)

    @jax.jit
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        def loss(p: Any) -> Any:
            return optax.softmax_cross_entropy_with_integer_labels(model.logits(p, x), y).mean()

        value, slope = jax.value_and_grad(loss)(params)
        update, state = optimizer.update(slope, state, params)
        return optax.apply_updates(params, update), state, value

    for epoch in range(epochs):
        order, total = rng.permutation(len(images)), 0.0
        for number in range(steps):
            rows = order[number * BATCH : (number + 1) * BATCH]
            mirrored = (rng.random(BATCH) < 0.5)[:, None, None, None]
            x = np.where(mirrored, images[rows][:, :, ::-1], images[rows])
            x = np.roll(x, rng.integers(-4, 5, 2), (1, 2))
            params, state, value = step(params, state, x, labels[rows])
            total += float(value)
        print(f"epoch {epoch + 1}: loss {total / steps:.3f}", flush=True)
    return model.with_params(params)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--count", type=int, default=1600, help="phantoms to train on")
    parser.add_argument("--image", type=Path, help="PNG to draw")
    parser.add_argument("--write", type=Path, help="page with the two marks")
    given = parser.parse_args()
    known = data.open_dataset("phantoms", count=given.count, size=SIDE, seed=1).read(shape=(SIDE, SIDE, 1))
    other = data.open_dataset("phantoms", count=200, size=SIDE, seed=2)
    test = other.read(shape=(SIDE, SIDE, 1))
    model = train(
        np.asarray(known.images, np.float32) / 255, np.asarray(known.labels), tuple(other.classes), given.epochs
    )
    labels, masks = np.asarray(test.labels), np.asarray(test.masks).reshape(-1, SIDE, SIDE) > 0
    right = np.asarray(model.predict(test.images)).argmax(1) == labels
    rows = np.flatnonzero(right & masks.any((1, 2)))[:48]
    images, labels, masks = np.asarray(test.images)[rows], labels[rows], masks[rows]
    maps = {}
    for name in NAMES:
        more = {"window": PATCH, "stride": PATCH // 2} if name == "occlusion" else {}
        method = explain.METHODS[name]
        maps[name] = method.evidence(method.maps(model, images, labels, **more))
    found = metrics.evaluate(model, images, labels, maps, masks, SCORES)
    head = " | ".join(plot_title(score) for score in SCORES)
    lines = [f"| method | {head} | maps with one value everywhere |", "|" + "---|" * (len(SCORES) + 2)]
    for name in NAMES:
        cells = [f"{np.nanmean(found.select(method=name, metric=score).value):.3f}" for score in SCORES]
        flat = int((np.ptp(np.maximum(maps[name], 0), axis=(1, 2)) == 0).sum())
        lines.append(f"| `{name}` | {' | '.join(cells)} | {flat} of {len(rows)} |")
    lines += ["", f"Accuracy {right.mean():.3f} on 200 other phantoms."]
    text = "\n".join(lines)
    print(text)
    if given.image:
        some = range(min(6, len(rows)))
        table = [("image", [plot.outline(to_rgb(images[i]), masks[i]) for i in some])]
        for name, heat in maps.items():
            table.append((name, [plot.outline(plot.overlay(images[i], heat[i]), masks[i]) for i in some]))
        sheet = Image.fromarray(plot.image_table(table, tile=80))
        sheet.quantize(256, dither=Image.Dither.NONE).save(given.image, optimize=True)
    if given.write:
        before, rest = given.write.read_text("utf-8").split(MARKS[0])
        given.write.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{rest.split(MARKS[1])[1]}", "utf-8")


def plot_title(score: str) -> str:
    return metrics.METRICS[score].title + (" ↑" if metrics.METRICS[score].higher_is_better else " ↓")


if __name__ == "__main__":
    main()
