"""How much of a phantom's class its grey levels or colours give away, without looking where they are.

python benchmarks/phantom_histograms.py --images 600 --size 96

A multinomial logistic regression on the histogram of the whole picture (32 bins a channel, square roots of the shares,
standardised, L2) is fitted to the training side of the same split that `xaijax train --validation 0.2 --test 0` makes,
and scored by macro-F1 on the other. The L2 weight is the best of four *on the validation side*, in the regression's
favour. A classifier that learns lesions must do much better; chance is 0.33.
"""

import argparse

import numpy as np
from scipy.optimize import minimize

from xaijax import data
from xaijax.data.phantoms import MODALITIES
from xaijax.training import confusion_matrix
from xaijax.training._scores import scores_of_confusion

BINS = 32
WEIGHTS = (1e-4, 1e-3, 1e-2, 1e-1)


def features(images: np.ndarray) -> np.ndarray:
    """`[B, C * 32]`: square roots of histogram shares, and the mean and spread of every channel."""
    rows = []
    for image in images:
        channels = image.reshape(-1, image.shape[-1]).T
        shares = [np.sqrt(np.histogram(one, BINS, (0, 256))[0] / one.size) for one in channels]
        rows.append(np.concatenate([*shares, channels.mean(axis=1), channels.std(axis=1)]))
    return np.array(rows)


def fit(x: np.ndarray, labels: np.ndarray, classes: int, weight: float) -> np.ndarray:
    """Coefficients `[features + 1, classes]` that minimise cross-entropy + weight * |coefficients|²."""
    x = np.column_stack([x, np.ones(len(x))])
    wanted = np.eye(classes)[labels]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(x.shape[1], classes)
        logits = x @ w
        logits -= logits.max(axis=1, keepdims=True)
        chance = np.exp(logits)
        total = chance.sum(axis=1, keepdims=True)
        value = float((np.log(total[:, 0]) - (logits * wanted).sum(axis=1)).mean() + weight * (w[:-1] ** 2).sum())
        slope = x.T @ (chance / total - wanted) / len(x)
        slope[:-1] += 2 * weight * w[:-1]
        return value, slope.ravel()

    return minimize(loss, np.zeros(x.shape[1] * classes), jac=True, method="L-BFGS-B").x.reshape(-1, classes)


def main() -> None:
    """Print one line per modality."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--size", type=int, default=96)
    options = parser.parse_args()
    for modality in MODALITIES:
        dataset = data.open_dataset(f"phantoms:{modality}", count=options.images, size=options.size)
        training, validation = data.split(dataset, 0.2, seed=0)
        x = features(dataset.read(masks=False).images)
        x = (x - x[training].mean(axis=0)) / (x[training].std(axis=0) + 1e-9)
        labels, classes = dataset.labels, len(dataset.classes)
        found = {}
        for weight in WEIGHTS:
            w = fit(x[training], labels[training], classes, weight)
            predicted = (x[validation] @ w[:-1] + w[-1]).argmax(axis=1)
            confusion = confusion_matrix(labels[validation], predicted, classes)
            found[weight] = scores_of_confusion(confusion, dataset.classes)["macro_f1"]
        weight = max(found, key=lambda key: found[key])
        print(f"{modality:12s} macro-F1 {found[weight]:.3f} on {len(validation)} images (L2 weight {weight:g})")


if __name__ == "__main__":
    main()
