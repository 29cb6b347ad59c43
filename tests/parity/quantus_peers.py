"""Makes tests/metrics/data/quantus.npz: what Quantus computes on small images, maps and masks.

Run in an environment of its own, from the repository's root (Quantus 0.6.0 needs no torchvision operators, but imports
the package):

    python -m venv peers
    peers/bin/pip install torch==2.13.0 numpy scipy scikit-image scikit-learn pandas opencv-python-headless
    peers/bin/pip install --no-deps torchvision==0.28.0 quantus==0.6.0
    peers/bin/python tests/parity/quantus_peers.py

Quantus is called as a black box through its public classes, with its defaults unless said. It calls `numpy.trapz`,
which NumPy 2 renamed; the old name is lent to it here.
"""

import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

# torchvision's compiled operators do not match a CPU torch; nothing here calls them, importing needs their names.
if not hasattr(torch.ops.torchvision, "nms"):  # a test of the same process may have named them
    _library = torch.library.Library("torchvision", "FRAGMENT")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
np.trapz = np.trapezoid  # noqa: NPY201

import quantus  # noqa: E402

OUT = Path(__file__).parents[1] / "metrics" / "data" / "quantus.npz"
COUNT, HEIGHT, WIDTH, CLASSES = 3, 24, 24, 3
STEP, PATCH, REGIONS, TOP = 24, 6, 8, 60


class Linear(torch.nn.Module):
    """Logits linear in the pixels, in the order height, width, channel."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.tensor(weights))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).reshape(len(x), -1) @ self.weights


def main() -> None:
    rng = np.random.default_rng(0)
    images = rng.random((COUNT, HEIGHT, WIDTH, 3)).astype(np.float32)
    # Quantus takes the smallest value of the image for black.
    images[:, 0, 0] = 0.0
    weights = (0.1 * rng.standard_normal((HEIGHT * WIDTH * 3, CLASSES))).astype(np.float32)
    labels = np.array([0, 2, 1])
    noise = rng.random((COUNT, HEIGHT, WIDTH)).astype(np.float32)
    maps = {
        "noise": noise,
        "smooth": gaussian_filter(noise, (0, 2, 2)),
        "signed": rng.standard_normal((COUNT, HEIGHT, WIDTH)).astype(np.float32),
    }
    masks = np.zeros((COUNT, HEIGHT, WIDTH), bool)
    masks[0, 3:9, 4:14] = masks[1, 10:, 10:] = masks[2, 5:8, 2:22] = True

    model = Linear(weights).eval()
    channels_first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    quiet = {"disable_warnings": True}
    # Each channel of a pixel counts as a feature of its own.
    curves = {
        "pixel_flipping": quantus.PixelFlipping(features_in_step=3 * STEP, **quiet),
        "pixel_flipping_auc": quantus.PixelFlipping(features_in_step=3 * STEP, return_auc_per_sample=True, **quiet),
        "region_perturbation": quantus.RegionPerturbation(patch_size=PATCH, regions_evaluation=REGIONS, **quiet),
        "rank_accuracy": quantus.RelevanceRankAccuracy(**quiet),
        "mass_accuracy": quantus.RelevanceMassAccuracy(**quiet),
        "top_k": quantus.TopKIntersection(k=TOP, **quiet),
        "roc_auc": quantus.AUC(**quiet),
        "sparseness": quantus.Sparseness(**quiet),
        "complexity": quantus.Complexity(**quiet),
    }
    found: dict[str, np.ndarray] = {}
    for name, metric in curves.items():
        for method, values in maps.items():
            found[f"{name}/{method}"] = np.asarray(
                metric(
                    model=model,
                    x_batch=channels_first,
                    y_batch=labels,
                    a_batch=values[:, None],
                    s_batch=masks[:, None],
                    softmax=True,
                ),
                np.float64,
            )
            print(name, method, found[f"{name}/{method}"].shape)
    packages = ("quantus", "torch", "numpy", "scipy", "scikit-learn")
    made_by = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        OUT,
        images=images,
        weights=weights,
        labels=labels,
        masks=masks,
        settings=np.array([STEP, PATCH, REGIONS, TOP]),
        made_by=np.array(f"{made_by}; python {' '.join(sys.argv)}"),
        **{f"map/{method}": values for method, values in maps.items()},
        **found,
    )


if __name__ == "__main__":
    main()
