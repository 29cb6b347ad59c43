"""Types of the compiled extension. Private: use `xaijax.kernels`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def build_info() -> dict[str, Any]: ...
def ffi_targets() -> dict[str, Any]: ...
def histogram_entropy(
    images: NDArray[Any], bins: int, from_image: bool, low: float, high: float, num_threads: int
) -> NDArray[np.float64]: ...
def localization_scores(
    maps: NDArray[Any],
    masks: NDArray[np.uint8],
    mask_of: NDArray[np.int64],
    wanted: int,
    relu: bool,
    threshold: float,
    percent: float,
    tolerance: float,
    num_threads: int,
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]: ...
def mutual_information(
    images: NDArray[Any], references: NDArray[Any], bins: int, batch: tuple[int, ...], num_threads: int
) -> NDArray[np.float64]: ...
def random_mask(height: int, width: int, count: int, seed: int) -> NDArray[np.bool_]: ...
def reveal_levels(
    maps: NDArray[Any], fractions: list[float], always: NDArray[np.bool_] | None, num_threads: int
) -> tuple[NDArray[np.uint16], int]: ...
def reveal(
    images: NDArray[Any],
    levels: NDArray[np.uint16],
    backgrounds: NDArray[Any],
    image_of: NDArray[np.int64],
    level_of: NDArray[np.int64],
    background_of: NDArray[np.int64],
    n_levels: int,
    deletion: bool,
    fill: int,
    sigma: float,
    noise: float,
    seed: int,
    num_threads: int,
) -> NDArray[Any]: ...
def top_k_threshold(maps: NDArray[Any], percent: float, num_threads: int) -> tuple[NDArray[Any], NDArray[np.uint8]]: ...
def ebayes_threshold(
    maps: NDArray[Any],
    prior: int,
    a: float,
    fit_scale: bool,
    sd: float,
    rule: int,
    universal_floor: bool,
    num_threads: int,
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.uint8]]: ...
def ebayes_function(name: str, x: NDArray[np.float64], prior: int, a: float, w: float) -> NDArray[np.float64]: ...
def rank_regions(
    attribution: NDArray[Any],
    masks: NDArray[np.uint8],
    dilate: int,
    fast: bool,
    min_pixels: int,
    area: float,
    num_threads: int,
) -> tuple[NDArray[np.float64], NDArray[np.int32]]: ...
def similarity(
    a: NDArray[Any],
    b: NDArray[Any],
    a_of: NDArray[np.int64],
    b_of: NDArray[np.int64],
    wanted: int,
    percent: float,
    num_threads: int,
) -> NDArray[np.float64]: ...
