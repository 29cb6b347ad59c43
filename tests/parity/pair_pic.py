"""Makes tests/metrics/data/pair_*.npz with PAIR's own metric code. Needs the peer in an environment of its own:

    python -m venv peer && peer/bin/pip install saliency==0.2.1 scikit-image
    OPENBLAS_NUM_THREADS=1 peer/bin/python tests/parity/pair_pic.py tests/metrics/data

`pair_curves.npz` keeps predictions, WebP sizes and curves of many small problems, skipped ones included;
`pair_case.npz` one problem with all of its images. The model is a function of the image, so no weights are needed.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import features
from scipy.ndimage import gaussian_filter

np.trapz = np.trapezoid  # noqa: NPY201  saliency 0.2.1 calls the name that NumPy 2 dropped
from saliency.metrics import pic  # noqa: E402

FRACTIONS = [0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75]
MESSAGES = {
    "min_pred_value": "low_probability",
    "entropy in the completely blurred": "information_not_larger",
    "prediction score on the completely blurred": "blurred_as_probable",
}


def make_image(rng: np.random.Generator, side: int, sigma: float) -> np.ndarray:
    """Coloured blobs over a gradient, with texture in the middle."""
    blobs = gaussian_filter(rng.standard_normal((side, side, 3)), (sigma, sigma, 0))
    ramp = np.linspace(-1, 1, side)[:, None, None] * 0.3
    middle = np.exp(-((np.indices((side, side)) - side / 2) ** 2).sum(0) / (2 * (side / 6) ** 2))[..., None]
    image = blobs / blobs.std() * 0.5 + ramp + 0.6 * middle * rng.standard_normal((side, side, 1))
    image -= image.min()
    return np.rint(image / image.max() * 255).astype(np.uint8)


def make_map(rng: np.random.Generator, side: int, kind: str) -> np.ndarray:
    noise = rng.random((side, side))
    if kind == "noise":
        return noise
    if kind == "ties":  # eight levels only
        return np.floor(gaussian_filter(noise, 3) * 8 / noise.max()) / 8
    centre = np.exp(-((np.indices((side, side)) - side / 2) ** 2).sum(0) / (2 * (side / 5) ** 2))
    return gaussian_filter(noise, 4) + (0.5 * centre if kind == "centre" else 0)


def edges(image: np.ndarray) -> float:
    """Mean step between neighbours in the middle half of the image."""
    side = image.shape[0] // 4
    part = image[side:-side, side:-side].astype(float)
    return float(np.abs(np.diff(part, axis=0)).mean() + np.abs(np.diff(part, axis=1)).mean())


def make_model(image: np.ndarray, steepness: float, middle: float, *, accuracy: bool):
    """Probability that grows with the edges that are there; `accuracy` asks only whether it exceeds one half."""
    full = edges(image)

    def probability(x: np.ndarray) -> float:
        return 1.0 / (1.0 + np.exp(-steepness * (edges(x) / full - middle)))

    return lambda batch: [float(probability(x) > 0.5) if accuracy else probability(x) for x in batch]


def run(image, saliency_map, mask, model):
    """PAIR's result, or the reason why it refuses; with the sizes of its own images."""
    blurred = pic.create_blurred_image(image, mask)
    steps = len(FRACTIONS)
    predictions, entropies = np.full(steps + 2, np.nan), np.full(steps + 2, np.nan)
    predictions[[0, -1]] = [model(blurred[None])[0], model(image[None])[0]]
    entropies[[0, -1]] = [pic.estimate_image_entropy(blurred), pic.estimate_image_entropy(image)]
    try:
        result = pic.compute_pic_metric(image, saliency_map, mask, model, FRACTIONS)
    except pic.ComputePicMetricError as error:
        reason = next(code for part, code in MESSAGES.items() if part in str(error))
        return reason, predictions, entropies, None
    predictions[:] = result.predictions
    entropies[:] = [pic.estimate_image_entropy(x) for x in result.blurred_images]
    return "", predictions, entropies, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    rng = np.random.default_rng(20240521)
    rows, results = [], []
    for i in range(31):
        side = int(rng.integers(24, 49))
        image = make_image(rng, side, [0.8, 2.0, 4.0][i % 3])
        if i == 30:  # two colours compress to nothing, their blur does not
            image = np.repeat(255 * (np.indices((side, side)).sum(0) // 3 % 2)[..., None], 3, axis=2).astype(np.uint8)
        saliency_map = make_map(rng, side, ["smooth", "noise", "ties", "centre"][i % 4])
        np.random.seed(i)  # noqa: NPY002  PAIR draws its mask from the global generator
        mask = pic.generate_random_mask(side, side)
        accuracy = i % 2 == 1
        # The last cases ask for what PAIR refuses: an unsure model, one that likes blur, an image that gains by blur.
        steepness, middle = {26: (3.0, 0.8), 27: (8.0, 1.2), 28: (-8.0, 1.2), 29: (12.0, 0.05)}.get(
            i, (float(rng.uniform(4, 12)), float(rng.uniform(0.4, 0.75)))
        )
        model = make_model(image, steepness, middle, accuracy=accuracy)
        reason, predictions, entropies, result = run(image, saliency_map, mask, model)
        if accuracy:  # the same refusals, in words for right and wrong
            reason = {"low_probability": "original_wrong", "blurred_as_probable": "blurred_already_right"}.get(
                reason, reason
            )
        rows.append((accuracy, reason, predictions, entropies, np.full(1001, np.nan), np.nan))
        if result is not None:
            rows[-1] = (accuracy, reason, predictions, entropies, result.curve_y, result.auc)
            results.append((accuracy, result))
            if i == 4:
                np.savez_compressed(
                    folder / "pair_case.npz",
                    image=image,
                    map=saliency_map,
                    mask=mask,
                    rebuilt=np.stack(result.blurred_images),
                    predictions=predictions,
                    entropies=entropies,
                    curve_y=result.curve_y,
                    auc=result.auc,
                    steepness=steepness,
                    middle=middle,
                    webp_version=np.str_(features.version("webp")),
                )
    names = ("is_accuracy", "reason", "predictions", "entropies", "curve_y", "auc")
    columns = {name: np.asarray(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    for kind in ("sic", "aic"):
        for how in ("median", "mean"):
            total = pic.aggregate_individual_pic_results([r for a, r in results if a == (kind == "aic")], method=how)
            columns |= {f"{kind}_{how}": total.curve_y, f"{kind}_{how}_auc": total.auc, "curve_x": total.curve_x}
    np.savez_compressed(folder / "pair_curves.npz", fractions=FRACTIONS, **columns)
    print(f"{len(rows)} problems, {len(results)} with a curve; refused: {sorted(r[1] for r in rows if r[1])}")


if __name__ == "__main__":
    main()
