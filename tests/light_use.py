"""The kernels of an installed xaijax; `alone`: where NumPy is the only other package. pytest does not run this file.

    pip install numpy && pip install --no-deps xaijax && python light_use.py alone

Expected values are closed forms.
"""

import importlib.util
import sys

import numpy as np

from xaijax import kernels

for absent in ("jax", "scipy", "numba", "PIL", "matplotlib") if sys.argv[1:] == ["alone"] else ():
    assert importlib.util.find_spec(absent) is None, f"{absent} is installed: this is to run without it"
assert kernels.build_info()["backend"] == "native"
assert "jax" not in sys.modules

image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)  # every grey level once
saliency = np.arange(256, dtype=np.float32).reshape(16, 16)
mask = saliency >= 128

assert kernels.histogram_entropy(image) == 8
assert kernels.mutual_information(image, image, 64) == 6  # 64 bins of four levels each
levels = kernels.reveal_levels(saliency, (0.25, 0.5))
assert np.bincount(levels.ravel()).tolist() == [0, 64, 64, 128]
assert (kernels.reveal(image, levels, 3, fill=0)[1, ..., 0] == np.where(saliency >= 192, image[..., 0], 0)).all()
plane = kernels.reveal(image, kernels.reveal_levels(saliency, (0.5,), kernels.random_mask((16, 16), 0.1, 0)), 2)
assert plane.shape == (2, 16, 16, 1)
assert (abs(plane[1].astype(int) - image) <= 1).all()  # linear interpolation keeps a plane
assert kernels.random_mask((16, 16), 0.25, 0).sum() == 64
assert np.count_nonzero(kernels.top_k_threshold(saliency, 25)) == 64
found = kernels.localization_scores(saliency, mask, scores=("roc_auc", "pointing_game"))
assert {name: float(value) for name, value in found.values.items()} == {"roc_auc": 1, "pointing_game": 1}
assert kernels.similarity(saliency, -saliency)["spearman"] == -1
assert kernels.rank_regions(saliency, np.stack([mask, ~mask])).maps.max() == np.arange(128, 256).mean()
print(f"the kernels work with NumPy alone: {kernels.build_info()['compiler']}, {kernels.build_info()['simd']}")
